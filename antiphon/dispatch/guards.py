"""Who may be written to where: in a rehearsal only addresses of the allow-list are reached."""

from functools import lru_cache

from antiphon.campaigns.settings import Settings

ANYBODY_AT = "*@"


def may_reach(settings: Settings, account_reaches_people: bool, channel: str, address: str) -> bool:
    """Whether an account may be given this address; otherwise it goes to the local outbox.

    Everything may where `environment` is live, and by an account that reaches nobody. Addresses
    are compared as messages use them: e-mail in lower case and Punycode, numbers in E.164.
    """
    if settings.environment == "live" or not account_reaches_people:
        return True
    allowed = _allowed(settings.providers.allow_list, settings.business.country)
    if channel == "sms":
        return "@" not in address and _number(address, settings.business.country) in allowed
    mailbox = _mailbox(address)
    if "@" not in mailbox or mailbox.startswith("*"):
        return False
    return mailbox in allowed or ANYBODY_AT + mailbox.rpartition("@")[2] in allowed


@lru_cache(maxsize=16)
def _allowed(entries: tuple[str, ...], country: str) -> frozenset[str]:
    return frozenset(_mailbox(one) if "@" in one else _number(one, country) for one in entries)


def _mailbox(text: str) -> str:
    """The address as the lake keeps it; `*@domain` and what is no address, in lower case."""
    from antiphon.sources.contacts import parse_email  # noqa: PLC0415 - only rehearsals ask

    text = text.strip()
    if not text.startswith(ANYBODY_AT):
        return parse_email(text).address or text.lower()
    found = parse_email("anybody" + text[1:]).address
    return ANYBODY_AT + found.rpartition("@")[2] if found else text.lower()


def _number(text: str, country: str) -> str:
    from antiphon.sources.contacts import parse_phone  # noqa: PLC0415

    return parse_phone(text, country).address or text.strip()
