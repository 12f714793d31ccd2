"""What SendGrid refuses of a mail/send, in its words (docs: Mail Send, Errors and Limitations)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

HELP = "http://sendgrid.com/docs/API_Reference/Web_API_v3/Mail/errors.html#"
MOST_PEOPLE = 1000
MOST_BYTES = 10_000
LARGEST = 30 * 1024 * 1024
FARTHEST_SECONDS = 72 * 3600
RESERVED = frozenset(
    (
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "to",
        "from",
        "subject",
        "content-transfer-encoding",
        "reply-to",
        "cc",
        "bcc",
    )
)
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]")
_EMPTY: dict[str, str] = {}
_FIELDS: Mapping[str, type] = {
    "asm": dict,
    "attachments": list,
    "batch_id": str,
    "categories": list,
    "content": list,
    "custom_args": dict,
    "from": dict,
    "headers": dict,
    "ip_pool_name": str,
    "mail_settings": dict,
    "personalizations": list,
    "reply_to": dict,
    "reply_to_list": list,
    "sections": dict,
    "send_at": int,
    "subject": str,
    "template_id": str,
    "tracking_settings": dict,
}
_PERSON_FIELDS: Mapping[str, type] = {
    "bcc": list,
    "cc": list,
    "custom_args": dict,
    "dynamic_template_data": dict,
    "from": dict,
    "headers": dict,
    "send_at": int,
    "subject": str,
    "substitutions": dict,
    "to": list,
}
_PLAIN_FIELDS = frozenset(("to", "substitutions", "custom_args", "headers"))


@dataclass(frozen=True, slots=True)
class Fault:
    """One entry of `errors`; `field` is None where SendGrid says nothing but Bad Request."""

    message: str
    field: str | None
    help: str | None = None

    def told(self) -> dict[str, str | None]:
        """As it stands in the answer."""
        return {"message": self.message, "field": self.field, "help": self.help}


BAD_REQUEST = Fault("Bad Request", None)


def faults_of(mail: Any, now: datetime) -> list[Fault]:
    """Everything SendGrid would refuse; empty where it accepts. `mail` is the body as parsed."""
    if not isinstance(mail, dict) or not _has_shape(mail, _FIELDS):
        return [BAD_REQUEST]
    found = _sender_faults(mail) + _content_faults(mail) + _envelope_faults(mail, now)
    return _people_faults(mail) + found


def _has_shape(one: Mapping[str, Any], fields: Mapping[str, type]) -> bool:
    """Whether every key is known and its value of its kind; true and false are no numbers."""
    return all(
        key in fields and isinstance(value, fields[key]) and not isinstance(value, bool)
        for key, value in one.items()
    )


def _sender_faults(mail: Mapping[str, Any]) -> list[Fault]:
    sender = mail.get("from")
    if not sender or not sender.get("email"):
        return [
            Fault(
                "The from object must be provided for every email send. It is an object that "
                "requires the email parameter, but may also contain a name parameter.  e.g. "
                '{"email" : "example@example.com"}  or {"email" : "example@example.com", "name" : '
                '"Example Recipient"}.',
                "from.email",
                HELP + "message.from",
            )
        ]
    if not _is_address(sender["email"]):
        return [_invalid("from.email", "message.from")]
    return []


def _content_faults(mail: Mapping[str, Any]) -> list[Fault]:
    found = []
    has_template = bool(mail.get("template_id"))
    people = mail.get("personalizations") or [{}]
    if not (mail.get("subject") or has_template) and not all(
        isinstance(one, dict) and one.get("subject") for one in people
    ):
        found.append(
            Fault(
                "The subject is required. You can get around this requirement if you use a "
                "template with a subject defined or if every personalization has a subject "
                "defined.",
                "subject",
                HELP + "message.subject",
            )
        )
    content = mail.get("content")
    if not content and not has_template:
        found.append(
            Fault(
                "Unless a valid template_id is provided, the content parameter is required. There "
                "must be at least one defined content block. We typically suggest both text/plain "
                "and text/html blocks are included, but only one block is required.",
                "content",
                HELP + "message.content",
            )
        )
    for number, block in enumerate(content or []):
        if not isinstance(block, dict) or not isinstance(block.get("value"), str):
            return [*found, BAD_REQUEST]
        if not block["value"]:
            message = "The content value must be a string at least one character in length."
            found.append(Fault(message, f"content.{number}.value", HELP + "message.content.value"))
    types = [block.get("type") for block in content or []]
    if "text/plain" in types and types[0] != "text/plain":
        message = (
            "If present, text/plain and text/html may only be provided once and must be the first "
            "and second content, in this order."
        )
        found.append(Fault(message, "content", HELP + "message.content"))
    return found


def _envelope_faults(mail: Mapping[str, Any], now: datetime) -> list[Fault]:
    found = []
    categories = mail.get("categories", [])
    if any(not isinstance(one, str) for one in categories):
        return [BAD_REQUEST]
    if len(categories) > 10 or len(set(categories)) < len(categories):
        message = "You may only specify up to 10 unique categories, of at most 255 characters."
        found.append(Fault(message, "categories", HELP + "message.categories"))
    elif any(not one.isascii() or len(one) > 255 for one in categories):
        message = "A category name must be 7-bit ASCII of at most 255 characters."
        found.append(Fault(message, "categories", HELP + "message.categories"))
    send_at = mail.get("send_at", 0)
    if send_at > now.timestamp() + FARTHEST_SECONDS:
        message = "The send_at parameter may not be more than 72 hours in the future."
        found.append(Fault(message, "send_at", HELP + "message.send_at"))
    for name in mail.get("headers", {}):
        if name.lower() in RESERVED:
            found.append(_reserved(name, "headers"))
    texts = [*mail.get("custom_args", {}).values(), *mail.get("headers", {}).values()]
    objects = [*mail.get("mail_settings", {}).values(), *mail.get("tracking_settings", {}).values()]
    if not (
        all(isinstance(one, str) for one in texts)
        and all(isinstance(one, dict) for one in objects)
        and ("asm" not in mail or type(mail["asm"].get("group_id")) is int)
    ):
        found.append(BAD_REQUEST)
    return found


def _people_faults(mail: Mapping[str, Any]) -> list[Fault]:
    people = mail.get("personalizations")
    if not people:
        message = (
            "The personalizations field is required and must have at least one personalization."
        )
        return [Fault(message, "personalizations", HELP + "-Personalizations-Errors")]
    if len(people) > MOST_PEOPLE:
        message = (
            f"The personalization block is limited to {MOST_PEOPLE} personalizations per API "
            f"request. You have provided {len(people)} personalizations. Please consider "
            "splitting this into multiple requests and resending your request."
        )
        return [Fault(message, "personalizations", HELP + "message.personalizations")]
    found: list[Fault] = []
    recipients = 0
    for number, person in enumerate(people):
        if not isinstance(person, dict) or not _has_shape(person, _PERSON_FIELDS):
            return [BAD_REQUEST]
        recipients += sum(
            len(person.get(key, ()))
            for key in (
                "to",
                "cc",
                "bcc",
            )
        )
        if not _is_plain(person):
            found += _person_faults(person, f"personalizations.{number}")
    if recipients > MOST_PEOPLE:
        message = f"There is a limit of {MOST_PEOPLE} total recipients (to + cc + bcc) per request."
        found.append(Fault(message, "personalizations", HELP + "message.recipient-errors"))
    return found


def _is_plain(person: Mapping[str, Any]) -> bool:
    """Whether this is one of a thousand that need no closer look (a tenth of the time)."""
    to = person.get("to")
    if not isinstance(to, list) or len(to) != 1 or not person.keys() <= _PLAIN_FIELDS:
        return False
    one = to[0]
    return (
        isinstance(one, dict)
        and _is_address(one.get("email"))
        and one.keys() <= {"email", "name"}
        and _has_plain_name(one)
        and _is_short(person.get("substitutions", _EMPTY))
        and _is_short(person.get("custom_args", _EMPTY))
        and _has_free_headers(person.get("headers", _EMPTY))
    )


def _person_faults(person: Mapping[str, Any], where: str) -> list[Fault]:
    to = person.get("to")
    if not to:
        return [
            Fault(
                "The to array is required for all personalization objects, and must have at least "
                "one email object with a valid email address.",
                f"{where}.to",
                HELP + "message.personalizations.to",
            )
        ]
    found: list[Fault] = []
    seen: set[str] = set()
    for field in (
        "to",
        "cc",
        "bcc",
    ):
        for number, one in enumerate(person.get(field, [])):
            place = f"{where}.{field}.{number}"
            if not isinstance(one, dict):
                return [BAD_REQUEST]
            found += _recipient_faults(one, place, field)
            if not one.keys() <= {"email", "name"}:
                return [BAD_REQUEST]
            address = str(one.get("email")).lower()
            if address in seen:
                message = (
                    "Each email address in the personalization block should be unique between to, "
                    f"cc, and bcc. We found the first duplicate instance of [{one['email']}] in "
                    f"the {where}.{field} field."
                )
                found.append(Fault(message, where, HELP + "message.recipient-errors"))
            seen.add(address)
    for key in ("substitutions", "custom_args", "headers"):
        found += _texts_faults(person.get(key, _EMPTY), f"{where}.{key}", key)
    return found


def _recipient_faults(one: Mapping[str, Any], place: str, field: str) -> list[Fault]:
    if not _is_address(one.get("email")):
        return [_invalid(f"{place}.email", f"message.personalizations.{field}")]
    if not _has_plain_name(one):
        message = "The name may not contain a semicolon or a comma."
        return [Fault(message, f"{place}.name", HELP + f"message.personalizations.{field}")]
    return []


def _texts_faults(texts: Mapping[str, Any], place: str, key: str) -> list[Fault]:
    if any(not isinstance(one, str) for one in texts.values()):
        return [BAD_REQUEST]
    if key == "headers":
        return [_reserved(name, place) for name in texts if name.lower() in RESERVED]
    if _bytes_of(texts) > MOST_BYTES:
        message = f"The {key} may not exceed {MOST_BYTES} bytes per personalization."
        return [Fault(message, place, HELP + f"message.personalizations.{key}")]
    return []


def _is_address(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= 254 and ADDRESS.fullmatch(text) is not None


def _has_plain_name(one: Mapping[str, Any]) -> bool:
    name = one.get("name", "")
    return isinstance(name, str) and ";" not in name and "," not in name


def _has_free_headers(headers: Any) -> bool:
    return (
        isinstance(headers, dict)
        and all(isinstance(text, str) for text in headers.values())
        and not any(name.lower() in RESERVED for name in headers)
    )


def _is_short(texts: Any) -> bool:
    try:
        characters = len("".join(texts)) + len("".join(texts.values()))
    except (AttributeError, TypeError):
        return False
    return characters * 4 <= MOST_BYTES or _bytes_of(texts) <= MOST_BYTES


def _bytes_of(texts: Mapping[str, str]) -> int:
    return sum(len(key.encode()) + len(value.encode()) for key, value in texts.items())


def _invalid(place: str, topic: str) -> Fault:
    return Fault("Does not contain a valid address.", place, HELP + topic)


def _reserved(name: str, place: str) -> Fault:
    message = f"The header {name} is reserved and may not be set."
    return Fault(message, place, HELP + "message.headers")
