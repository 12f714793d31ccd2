"""With which keys signed requests are checked: from the environment, or those of the sandbox."""

from dataclasses import dataclass

from antiphon.campaigns.settings import Settings
from antiphon.errors import UserFilesError
from antiphon.project import Project
from antiphon.providers import registry, sandbox
from antiphon.providers.signatures import EventVerifier, FormVerifier
from antiphon.secrets import read_secret

SANDBOX_FOLDER = "var/sandbox"


@dataclass(frozen=True)
class WebhookKeys:
    """Who may tell us what: false of one that has no key, and then refuses everything."""

    events: EventVerifier
    forms: FormVerifier


def keys_of(project: Project) -> WebhookKeys:
    """The keys of the project's accounts; those of the sandbox too, where it rehearses with it.

    Raises UserFilesError, which quotes no key, for one that cannot be read.
    """
    settings = project.configuration.settings
    base_url = settings.links.base_url
    events, tokens = _sendgrid_keys(project), _twilio_tokens(project)
    shared = _several(read_secret(project.environment, settings.web.twilio_key_from))
    if _rehearses(settings):
        from antiphon.sandbox.signing import EventSigner  # noqa: PLC0415 - not for production

        folder = project.root / SANDBOX_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        events.append(EventSigner(folder).public_key)
        tokens.append(sandbox.AUTH_TOKEN)
    try:
        return WebhookKeys(EventVerifier(events), FormVerifier(tokens, shared, base_url))
    except ValueError as error:
        raise UserFilesError(
            f"{settings.web.sendgrid_key_from} cannot be used: {error}\n"
            "  Copy the verification key again: SendGrid, Settings, Mail Settings, Event Webhook."
        ) from None


def missing(project: Project, keys: WebhookKeys) -> list[str]:
    """What will be refused for want of a key, of the providers that the project uses."""
    settings = project.configuration.settings
    used = {
        registry.account(settings, name).uses or name
        for name in (*settings.providers.email, *settings.providers.sms)
    }
    said = []
    if not keys.events and used & {"sendgrid", "sandbox"}:
        said.append(
            "events of SendGrid are refused, as their signatures cannot be checked: "
            f"{settings.web.sendgrid_key_from} is not set"
        )
    if not keys.forms and used & {"twilio", "sandbox"}:
        said.append(
            "callbacks of Twilio are refused, as their signatures cannot be checked: neither its "
            f"auth token nor {settings.web.twilio_key_from} is set"
        )
    return said


def _several(keys: str | None) -> list[str]:
    return [key.strip() for key in (keys or "").split(",") if key.strip()]


def _sendgrid_keys(project: Project) -> list[str]:
    settings = project.configuration.settings
    return _several(read_secret(project.environment, settings.web.sendgrid_key_from))


def _twilio_tokens(project: Project) -> list[str]:
    """The auth tokens of all accounts that use Twilio, declared or not."""
    settings = project.configuration.settings
    tokens: list[str] = []
    for name in dict.fromkeys((*settings.providers.sms, *settings.accounts, "twilio")):
        declared = registry.account(settings, name)
        if (declared.uses or name) != "twilio":
            continue
        variables = registry.secret_names(registry.kind_of(settings, name), declared)
        token = read_secret(project.environment, variables["token"])
        if token and token not in tokens:
            tokens.append(token)
    return tokens


def _rehearses(settings: Settings) -> bool:
    if settings.environment == "live":
        return False
    used = (*settings.providers.email, *settings.providers.sms)
    return any((registry.account(settings, name).uses or name) == "sandbox" for name in used)
