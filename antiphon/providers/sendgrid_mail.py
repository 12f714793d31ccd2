"""The body of SendGrid's `POST /v3/mail/send`, as plain bytes; its SDK's helpers say the same.

What SendGrid would refuse for one person is left out here, as it refuses all thousand together.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import orjson
from email_validator import EmailNotValidError, validate_email

from antiphon.message.content import Email, Personal, Skeleton
from antiphon.providers import (
    BATCH_REFUSED,
    MESSAGE_ARGUMENT,
    Blame,
    Outcome,
    OutcomeKind,
    Outgoing,
)

LARGEST = 29_000_000  # bytes of a request; SendGrid takes 30 MB
SUBSTITUTIONS = 10_000  # bytes for one person, names included
UNSUBSCRIBE = "List-Unsubscribe"
_WIDEST = 4  # bytes of a character in UTF-8
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff\ud800-\udfff]"
)
_HEADER = re.compile(r"[!-9;-~]+")  # RFC 5322: printable ASCII but the colon
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(
    rf"(?=.{{1,64}}@){_LOCAL}(?:\.{_LOCAL})*@(?!.*--)(?:{_LABEL}\.)+[A-Za-z]{{2,63}}"
)
_RESERVED = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type"}
    | {"content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc"}
)


@dataclass(frozen=True)
class Rules:
    """What the account's options say. `groups`: category → unsubscribe group."""

    categories: tuple[str, ...] = ()
    groups: Mapping[str, int] = field(default_factory=dict)
    sandbox_mode: bool = False
    ip_pool: str = ""


@dataclass
class Request:
    """One request: its body (empty where nothing is left to send), and who is in it, in order.

    `outcomes` answers for the others, by message id.
    """

    body: bytes = b""
    sent: list[Outgoing] = field(default_factory=list)
    outcomes: dict[str, Outcome] = field(default_factory=dict)


class Unfit(Exception):
    """One message cannot be sent as it is; the text says why, without the person's data."""


def request(batch: Sequence[Outgoing], rules: Rules) -> Request:
    """The request for a batch of one skeleton, or for one message."""
    made = Request()
    if not batch:
        return made
    alone = len(batch) == 1
    first = next((one for one in batch if isinstance(one.content, Personal)), batch[0])
    try:
        shared = _shared(first, rules, alone)
    except Unfit as error:
        made.outcomes = {m.message_id: _refused(m, str(error)) for m in batch}
        return made
    except ValueError as error:
        made.outcomes = {
            m.message_id: Outcome(
                m.message_id, OutcomeKind.TRY_LATER, str(error), blame=Blame.ACCOUNT
            )
            for m in batch
        }
        return made
    parts: list[bytes] = []
    size = len(shared)
    for message in batch:
        try:
            if not (alone or _goes_with(message, first)):
                made.outcomes[message.message_id] = _alone(message, "of another kind")
                continue
            part = _personalization(message, alone)
        except Unfit as error:
            made.outcomes[message.message_id] = _refused(message, str(error))
            continue
        except _TooLong:
            made.outcomes[message.message_id] = _alone(message, "its substitutions are too long")
            continue
        size += len(part) + 1
        if size > LARGEST:
            size -= len(part) + 1
            made.outcomes[message.message_id] = (
                _refused(message, "too large to be sent")
                if alone
                else _alone(message, "the request was full")
            )
            continue
        parts.append(part)
        made.sent.append(message)
    if parts:
        made.body = shared + b",".join(parts) + b"]}"
    return made


def _shared(message: Outgoing, rules: Rules, alone: bool) -> bytes:
    """The part that all of the batch share, up to the list of persons.

    Raises Unfit where the text cannot be sent, ValueError where the account's set-up is at fault.
    """
    content: object = message.content
    if isinstance(content, Personal):
        content = content.whole() if alone else content.skeleton
    if not isinstance(content, Email | Skeleton):
        raise Unfit("not a message for e-mail")
    body = _head(message, content, rules)
    try:
        return orjson.dumps(body)[:-1] + b',"personalizations":['
    except TypeError:
        raise Unfit("its text holds half a character") from None


def _head(message: Outgoing, content: Email | Skeleton, rules: Rules) -> dict[str, Any]:
    sender = mailable(message.sender)
    if sender is None:
        raise ValueError("the sender's address (company: email_from) is not one SendGrid takes")
    subject = _line(content.subject)
    if not subject.strip():
        raise Unfit("its subject is empty")
    bodies = (("text/plain", content.text), ("text/html", content.html))
    parts = [{"type": kind, "value": text} for kind, text in bodies if text.strip()]
    if not parts:
        raise Unfit("its text is empty")
    name = _line(message.sender_name).strip()
    body: dict[str, Any] = {
        "from": {"email": sender, "name": name} if name else {"email": sender},
        "subject": subject,
        "content": parts,
    }
    if rules.categories and not message.is_test:
        named = (str(getattr(message, one)) for one in rules.categories)
        body["categories"] = list(dict.fromkeys(named))
    if message.category in rules.groups:
        body["asm"] = {"group_id": rules.groups[message.category]}
    if rules.sandbox_mode:
        body["mail_settings"] = {"sandbox_mode": {"enable": True}}
    if rules.ip_pool:
        body["ip_pool_name"] = rules.ip_pool
    if UNSUBSCRIBE in message.content.headers:  # type: ignore[union-attr]
        # SendGrid's own tracking would put its header in the place of ours.
        body["tracking_settings"] = {"subscription_tracking": {"enable": False}}
    return body


def _goes_with(message: Outgoing, first: Outgoing) -> bool:
    """Whether it may share a request: what stands outside the personalizations is the same."""
    content, shared = message.content, first.content
    return (
        isinstance(content, Personal)
        and isinstance(shared, Personal)
        and content.skeleton is shared.skeleton
        and message.sender == first.sender
        and message.sender_name == first.sender_name
        and message.campaign == first.campaign
        and message.category == first.category
        and message.arm == first.arm
        and message.is_test == first.is_test
        and (UNSUBSCRIBE in content.headers) == (UNSUBSCRIBE in shared.headers)
    )


def _personalization(message: Outgoing, alone: bool) -> bytes:
    """One person's part; raises Unfit, or _TooLong for what only fits whole."""
    to = mailable(message.to)
    if to is None:
        raise Unfit("not an e-mail address SendGrid takes")
    content = message.content
    if not isinstance(content, Email | Personal):
        raise Unfit("not a message for e-mail")
    person: dict[str, Any] = {
        "to": [{"email": to}],
        "custom_args": {MESSAGE_ARGUMENT: message.message_id},
    }
    if isinstance(content, Personal) and not alone:
        person["substitutions"] = _substitutions(content)
    if content.headers:
        person["headers"] = _headers(content.headers)
    try:
        return orjson.dumps(person)
    except TypeError:
        raise Unfit("its text holds half a character") from None


class _TooLong(Exception):
    """More substitutions than SendGrid takes for one person."""


def _substitutions(content: Personal) -> dict[str, str]:
    markers, values = content.skeleton.markers, content.values
    if len(markers) != len(values):
        raise Unfit("its values do not match its template")
    size = sum(map(len, markers)) + sum(map(len, values))
    if size * _WIDEST > SUBSTITUTIONS:
        exact = sum(len(text.encode("utf-8", "replace")) for text in (*markers, *values))
        if exact > SUBSTITUTIONS:
            raise _TooLong
    _check_subject(content)
    return dict(zip(markers, values, strict=True))


def _check_subject(content: Personal) -> None:
    """A value in the subject may not break its line, nor leave it empty."""
    rest = content.skeleton.subject
    within = _in_subject(content.skeleton)
    if not within:
        return
    for place in within:
        marker, value = content.skeleton.markers[place], content.values[place]
        if _is_unsafe(value):
            raise Unfit("its subject holds a control character")
        rest = rest.replace(marker, value)
    if not rest.strip():
        raise Unfit("its subject is empty")


@lru_cache(maxsize=64)
def _in_subject(skeleton: Skeleton) -> tuple[int, ...]:
    return tuple(i for i, marker in enumerate(skeleton.markers) if marker in skeleton.subject)


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _may_be_header(name):
            raise Unfit("a header SendGrid does not take")
        if _is_unsafe(value):
            raise Unfit("a header with a control character")
    return headers if isinstance(headers, dict) else dict(headers)


@lru_cache(maxsize=64)
def _may_be_header(name: str) -> bool:
    return name.lower() not in _RESERVED and _HEADER.fullmatch(name) is not None


def _is_unsafe(text: str) -> bool:
    if text.isascii() and text.isprintable():  # most are
        return False
    return _UNSAFE.search(text) is not None


def mailable(address: str) -> str | None:
    """The address as SendGrid takes it, its domain in ASCII (IDNA); None where it takes none."""
    if len(address) <= 254 and _PLAIN.fullmatch(address):
        return address
    if _UNSAFE.search(address) or len(address) > 320:
        return None
    try:
        found = validate_email(address, check_deliverability=False, globally_deliverable=False)
    except (EmailNotValidError, UnicodeError):
        return None
    if found.ascii_email is None or "." not in (found.ascii_domain or ""):
        return None  # SendGrid knows no SMTPUTF8
    return found.ascii_email


def _refused(message: Outgoing, evidence: str) -> Outcome:
    return Outcome(message.message_id, OutcomeKind.REFUSED, evidence)


def _alone(message: Outgoing, why: str) -> Outcome:
    return Outcome(message.message_id, OutcomeKind.TRY_LATER, f"{BATCH_REFUSED}: {why}")


def _line(text: str) -> str:
    return _UNSAFE.sub(" ", text)
