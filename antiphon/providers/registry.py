"""From an account in settings.yaml to the adapter that uses it (docs/providers.md).

A provider is a module of antiphon/providers/ with CAPABILITIES, SECRETS, Options and open_account;
it may name URL_FROM, an environment variable with the address of its API, and say CAN_BE_ASKED.
Reading this module imports no library of any provider.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import Protocol, cast

from antiphon import providers
from antiphon.campaigns.models import Model
from antiphon.campaigns.settings import Account, Settings
from antiphon.errors import UserFilesError
from antiphon.providers import Access, Capabilities, Provider
from antiphon.secrets import read_secret

_ROOM = providers.__name__
_DECLARES = re.compile(r"^CAPABILITIES\b", re.MULTILINE)
_SECRET = re.compile(r"[\x21-\x7e]+")  # what may stand in a header


class Kind(Protocol):
    """What a provider's module says of itself."""

    CAPABILITIES: Capabilities
    SECRETS: Mapping[str, str]  # secret → the environment variable that usually holds it
    Options: type[Model]  # what settings.yaml may say of it below `options:`

    def open_account(self, access: Access) -> Provider:
        """An account, opened lazily; raises ValueError where a secret cannot be right."""
        ...


@lru_cache(maxsize=64)
def kind(name: str) -> Kind | None:
    """The provider of that name; None where there is none."""
    return cast(Kind, import_module(f"{_ROOM}.{name}")) if name in kinds() else None


@lru_cache(maxsize=1)
def kinds() -> tuple[str, ...]:
    """The names of all providers.

    Told from the modules' text, as to import those beside them (transport) takes half a second.
    """
    found = (one.name for one in iter_modules(providers.__path__) if not one.ispkg)
    return tuple(sorted(name for name in found if _DECLARES.search(_text(name))))


def _text(name: str) -> str:
    spec = find_spec(f"{_ROOM}.{name}")
    if spec is None or spec.origin is None:
        return ""
    return Path(spec.origin).read_text(encoding="utf-8")


def account(settings: Settings, name: str) -> Account:
    """How an account is used; as its defaults say where settings.yaml declares none."""
    return settings.accounts.get(name) or Account()


def kind_of(settings: Settings, name: str) -> Kind:
    """The provider an account uses; raises UserFilesError where there is none."""
    used = account(settings, name).uses or name
    found = kind(used)
    if found is None:
        raise UserFilesError(
            f"No provider {used!r} for the account {name!r}.\n"
            f"  Write 'uses:' with one of {', '.join(kinds())} below it in config/settings.yaml."
        )
    return found


def capabilities_of(settings: Settings, name: str) -> Capabilities:
    """What an account can do, known without its credentials; raises as `kind_of` does."""
    return kind_of(settings, name).CAPABILITIES


def open_account(
    settings: Settings, environment: Mapping[str, str], name: str, channel: str, root: Path
) -> Provider:
    """The adapter of an account; nothing is sent and no connection made.

    Raises UserFilesError, which names no secret's value, for a provider that is not there or does
    not serve the channel, and for credentials that are missing or cannot be right.
    """
    used, declared = kind_of(settings, name), account(settings, name)
    if channel not in used.CAPABILITIES.channels:
        raise UserFilesError(
            f"The account {name!r} does not deliver {channel}.\n"
            f"  Write another one after 'providers: {channel}:' in config/settings.yaml."
        )
    url_from = getattr(used, "URL_FROM", "")
    access = Access(
        name=name,
        channel=channel,
        url=(declared.url or environment.get(url_from, "")).rstrip("/"),
        secrets=_secrets(used, declared, environment, name),
        options={option: str(value) for option, value in declared.options.items()},
        batch=declared.batch,
        at_once=declared.at_once,
        time_out=declared.time_out,
        callback_url=settings.links.base_url.rstrip("/"),
        folder=str(root / settings.providers.outbox),
    )
    try:
        return used.open_account(access)
    except ValueError as error:
        raise UserFilesError(f"The account {name!r} cannot be used: {error}") from None


def secret_names(used: Kind, declared: Account) -> dict[str, str]:
    """Secret → the environment variable it is read from."""
    return {name: declared.secrets.get(name) or usual for name, usual in used.SECRETS.items()}


def _secrets(
    used: Kind, declared: Account, environment: Mapping[str, str], account_name: str
) -> dict[str, str]:
    """Every secret; raises UserFilesError that names all that are missing."""
    variables = secret_names(used, declared)
    found = {name: read_secret(environment, variable) for name, variable in variables.items()}
    missing = [variables[name] for name, value in found.items() if value is None]
    if missing:
        raise UserFilesError(
            f"The account {account_name!r} has no credentials: {', '.join(missing)} not set.\n"
            f"  Set {' and '.join(missing)} in the environment (or NAME_FILE, a file with the "
            f"value), or name other variables below 'accounts: {account_name}: secrets:' in "
            "config/settings.yaml. Nothing is sent by it."
        )
    for name, value in found.items():
        if not _SECRET.fullmatch(value or ""):
            raise UserFilesError(
                f"The account {account_name!r} cannot be used: {variables[name]} holds blanks or "
                "characters no credential has.\n  Copy it again from the provider's console."
            )
    return {name: value or "" for name, value in found.items()}
