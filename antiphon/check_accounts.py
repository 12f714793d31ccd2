"""The accounts that deliver, as far as can be known without their credentials."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.configuration import SETTINGS
from antiphon.campaigns.models import CHANNELS
from antiphon.campaigns.places import Path, Positions
from antiphon.campaigns.settings import Account, Settings
from antiphon.errors import Problem
from antiphon.providers import registry

_OURS = ("127.0.0.1", "localhost", "::1")
_ALLOWED = re.compile(
    r"\*@[^@\s*]+\.[^@\s*]+|[^@\s*]+@[^@\s*]+\.[^@\s*]+|\+?[0-9][0-9 ()/.-]{4,24}"
)


@dataclass(frozen=True)
class AccountsCheck:
    """settings.yaml, and where things stand in it."""

    settings: Settings
    positions: Positions

    def problems(self) -> Iterator[Problem]:
        """Of `accounts`, of `providers`, and of what they ask of the rest of the file."""
        for name, account in self.settings.accounts.items():
            yield from self._account(name, account)
        for channel in CHANNELS:
            yield from self._channel(channel)
        yield from self._allow_list()
        yield from self._polled()

    # ------------------------------------------------------------ one account

    def _account(self, name: str, account: Account) -> Iterator[Problem]:
        place: Path = ("accounts", name)
        used = account.uses or name
        kind = registry.kind(used)
        if kind is None:
            message = f"no provider {used!r}"
            hint = nearest(used, registry.kinds())
            if account.uses:
                yield self._at((*place, "uses"), message, hint)
            else:
                hint = f"{hint} Another name needs 'uses:' with one of them."
                yield self._at(place, message, hint, at_key=True)
            return
        for secret in account.secrets:
            if secret not in kind.SECRETS:
                message = f"{used} has no secret {secret!r}"
                hint = nearest(secret, kind.SECRETS) if kind.SECRETS else "It needs none."
                yield self._at((*place, "secrets", secret), message, hint, at_key=True)
        yield from self._options(place, used, kind, account)
        url = urlsplit(account.url or "")
        if url.scheme == "http" and kind.SECRETS and url.hostname not in _OURS:
            message = "the account's credentials would travel unencrypted"
            yield self._at((*place, "url"), message, "Write the address with https://.")

    def _options(
        self, place: Path, used: str, kind: registry.Kind, account: Account
    ) -> Iterator[Problem]:
        try:
            options = kind.Options.model_validate(dict(account.options))
        except ValidationError as error:
            for detail in error.errors():
                yield self._wrong_option(place, used, kind, detail)
            return
        if getattr(options, "sandbox_mode", False) and self.settings.environment == "live":
            message = "in sandbox mode SendGrid sends nothing, and every message counts as sent"
            hint = "Write 'sandbox_mode: no' before anybody shall be written to."
            yield self._at((*place, "options", "sandbox_mode"), message, hint, is_warning=True)

    def _wrong_option(
        self, place: Path, used: str, kind: registry.Kind, detail: ErrorDetails
    ) -> Problem:
        option = str(detail["loc"][0])
        at: Path = (*place, "options", option)
        if detail["type"] == "extra_forbidden":
            known = kind.Options.model_fields
            hint = nearest(option, known) if known else "It has none."
            return self._at(at, f"{used} has no option {option!r}", hint, at_key=True)
        cause = detail.get("ctx", {}).get("error")
        why = str(cause) if cause else detail["msg"].lower()
        return self._at(at, f"{option!r} is not what {used} takes: {why}", "See docs/providers.md.")

    # ------------------------------------------------------------ who delivers what

    def _channel(self, channel: str) -> Iterator[Problem]:
        names: tuple[str, ...] = getattr(self.settings.providers, channel)
        known = sorted({*registry.kinds(), *self.settings.accounts})
        for index, name in enumerate(names):
            at: Path = ("providers", channel, index)
            if name in names[:index]:
                yield self._at(at, f"{name!r} appears twice in '{channel}'", "Remove one.")
                continue
            kind = registry.kind(registry.account(self.settings, name).uses or name)
            if name not in known:
                yield self._at(at, f"no account {name!r}", nearest(name, known))
            elif kind and channel not in kind.CAPABILITIES.channels:
                able = [one for one in known if self._delivers(one, channel)]
                message = f"the account {name!r} does not deliver {channel}"
                yield self._at(at, message, f"These do: {', '.join(able)}.")
            elif kind and self.settings.environment == "live":
                yield from self._live(at, name, kind, channel)

    def _delivers(self, name: str, channel: str) -> bool:
        kind = registry.kind(registry.account(self.settings, name).uses or name)
        return kind is not None and channel in kind.CAPABILITIES.channels

    def _live(self, at: Path, name: str, kind: registry.Kind, channel: str) -> Iterator[Problem]:
        """What would surprise where real people are to be written to."""
        if not kind.CAPABILITIES.reaches_people:
            message = f"environment is live, but {name!r} delivers {channel} to nobody"
            hint = f"Name an account that sends after 'providers: {channel}:'."
            yield self._at(at, message, hint, is_warning=True)
        company = self.settings.company
        if channel == "email" and not company.email_from.isascii():
            message = "providers take no sender address beyond ASCII"
            hint = "Write the domain in Punycode (xn--…), and only ASCII before the @."
            yield self._at(("company", "email_from"), message, hint)

    def _allow_list(self) -> Iterator[Problem]:
        for index, entry in enumerate(self.settings.providers.allow_list):
            if not _ALLOWED.fullmatch(entry.strip()):
                at: Path = ("providers", "allow_list", index)
                message = f"{entry!r} is no address, *@domain or number"
                hint = "Write such as ada@example.com, *@example.com or +493012345678."
                yield self._at(at, message, hint)

    def _polled(self) -> Iterator[Problem]:
        known = sorted({*registry.kinds(), *self.settings.accounts})
        able = [name for name in known if self._can_be_asked(name)]
        for index, name in enumerate(self.settings.responses.poll):
            at: Path = ("responses", "poll", index)
            if name not in known:
                yield self._at(at, f"no account {name!r}", nearest(name, able))
            elif name not in able:
                message = f"the account {name!r} cannot be asked what came back"
                yield self._at(at, message, f"These can: {', '.join(able)}.")

    def _can_be_asked(self, name: str) -> bool:
        kind = registry.kind(registry.account(self.settings, name).uses or name)
        return bool(getattr(kind, "CAN_BE_ASKED", False))

    def _at(
        self,
        path: Path,
        message: str,
        hint: str,
        *,
        at_key: bool = False,
        is_warning: bool = False,
    ) -> Problem:
        return self.positions.problem(
            SETTINGS, path, message, hint, at_key=at_key, is_warning=is_warning
        )
