"""What SendGrid's answer to `mail/send` says of each message of the request."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from antiphon.providers import BATCH_REFUSED, Blame, Outcome, OutcomeKind, Outgoing
from antiphon.providers.evidence import without_people

if TYPE_CHECKING:
    from antiphon.providers.transport import Answer

_PERSON = re.compile(r"personalizations?[.\[](\d+)")
_ACCOUNTS = re.compile(  # what the account's set-up says, not the message
    r"(?:from|reply_to|asm|categories|ip_pool_name|mail_settings|tracking_settings)\b"
)
_REDIRECTS = frozenset({301, 302, 307, 308})
_OK = frozenset({200, 202})


def outcomes(answer: "Answer", sent: Sequence[Outgoing], now: datetime) -> list[Outcome]:
    """One for each message of the request, in order."""
    status = answer.status
    if status in {400, 413}:
        return _refusals(answer, sent, now)
    kind, blame, retry_at = OutcomeKind.TRY_LATER, Blame.ACCOUNT, None
    provider_id, evidence = "", ""
    if status in _OK:
        kind, blame, evidence = _accepted(answer)
        provider_id = answer.headers.get("X-Message-Id", "")[:100]
    elif status == 429:
        wait = answer.wait(now)
        blame, retry_at = Blame.BUSY, now + wait if wait is not None else None
        evidence = "SendGrid asks to wait (429)"
    elif status == 408:
        blame, evidence = Blame.NETWORK, "SendGrid did not get the whole request (408)"
    elif status >= 500 or status < 200 or status == 303:
        kind, blame = OutcomeKind.UNKNOWN, Blame.NETWORK
        evidence = f"SendGrid answered {status}, {answer.looks}"
    elif status in _REDIRECTS:
        evidence = f"redirected ({status}): the account's url is not SendGrid's API"
    elif status in range(200, 400):
        kind, evidence = OutcomeKind.UNKNOWN, f"an answer SendGrid does not give ({status})"
    else:
        evidence = _account_trouble(answer)
    return [
        Outcome(message.message_id, kind, evidence, provider_id, retry_at, blame)
        for message in sent
    ]


def _accepted(answer: "Answer") -> tuple[OutcomeKind, Blame, str]:
    """202, or 200 of its sandbox mode; a page of something in between is no answer of SendGrid."""
    if answer.status == 200:
        if answer.headers.get("X-Message-Id") or answer.looks in ("empty", "cut off"):
            return OutcomeKind.ACCEPTED, Blame.MESSAGE, "checked in sandbox mode, not sent (200)"
        return (
            OutcomeKind.UNKNOWN,
            Blame.NETWORK,
            f"an answer SendGrid does not give (200, {answer.looks})",
        )
    message_id = answer.headers.get("X-Message-Id", "")
    if not message_id and answer.looks == "HTML":
        return OutcomeKind.UNKNOWN, Blame.NETWORK, "202, but HTML and no message id"
    return OutcomeKind.ACCEPTED, Blame.MESSAGE, f"202 {message_id or 'without a message id'}"[:120]


def _account_trouble(answer: "Answer") -> str:
    what = {
        401: "SendGrid does not accept the key, or credit is used up (401)",
        403: "SendGrid forbids it: sender not verified, key without mail.send, or blocked (403)",
        404: "no such address of SendGrid's API (404): see the account's url",
        405: "no such address of SendGrid's API (405): see the account's url",
        451: "SendGrid may not send for this account (451)",
    }.get(answer.status, f"SendGrid refuses the request ({answer.status})")
    said = "; ".join(message for _, message in _errors(answer))
    return f"{what}: {said}"[:300] if said else what


def _refusals(answer: "Answer", sent: Sequence[Outgoing], now: datetime) -> list[Outcome]:
    """400 or 413: nobody of the request got anything.

    Whom the errors name is refused, and the rest goes again; where they name nobody, each goes
    alone, so that the next answer concerns one.
    """
    errors = _errors(answer)
    said = "; ".join(f"{name}: {text}" if name else text for name, text in errors)
    evidence = f"{answer.status} {said or answer.looks}"[:300]
    named = {int(m[1]) for name, text in errors for m in _places(name, text)}
    account = bool(errors) and all(_ACCOUNTS.match(name) for name, _ in errors)
    result = []
    for place, message in enumerate(sent):
        kind, blame, retry_at, why = OutcomeKind.TRY_LATER, Blame.MESSAGE, None, evidence
        if account:
            blame = Blame.ACCOUNT
        elif len(sent) == 1 or (place in named and answer.status == 400):
            kind = OutcomeKind.REFUSED
        elif named and answer.status == 400:
            retry_at, why = now, "left out: others of its batch were refused"
        else:
            retry_at, why = now, f"{BATCH_REFUSED}: {evidence}"
        result.append(Outcome(message.message_id, kind, why, "", retry_at, blame))
    if named and answer.status == 400 and not account and max(named) >= len(sent):
        return _refusals_of_nobody(sent, evidence, now)
    return result


def _refusals_of_nobody(sent: Sequence[Outgoing], evidence: str, now: datetime) -> list[Outcome]:
    """The answer counts persons we did not send: it cannot be trusted to name anybody."""
    kind = OutcomeKind.REFUSED if len(sent) == 1 else OutcomeKind.TRY_LATER
    why = evidence if len(sent) == 1 else f"{BATCH_REFUSED}: {evidence}"
    return [Outcome(message.message_id, kind, why, retry_at=now) for message in sent]


def _places(name: str, text: str) -> Iterable[re.Match[str]]:
    """Which persons an error names: by its field, else by its text."""
    found = list(_PERSON.finditer(name))
    return found or list(_PERSON.finditer(text))


def _errors(answer: "Answer") -> list[tuple[str, str]]:
    """(field, message) of each error, without personal data; none where the body is no such."""
    data: Any = answer.data
    listed = data.get("errors") if isinstance(data, dict) else None
    if not isinstance(listed, list):
        return []
    return [
        (
            re.sub(r"[^\w.\[\]-]", "", str(one.get("field") or ""))[:80],
            without_people(str(one.get("message") or "")),
        )
        for one in listed[:1000]
        if isinstance(one, dict)
    ]
