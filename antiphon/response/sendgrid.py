"""SendGrid's events (its Event Webhook) in our words.

The names are those of its documentation ("Event Webhook Reference"); custom arguments stand beside
the fields of an event, ours among them.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import orjson

from antiphon.response.events import Event, Reading, Unreadable, moment, our_id, plain_name
from antiphon.response.lenient import read_json
from antiphon.states import MessageState, ResponseKind

PROVIDER = "sendgrid"
MESSAGE_ARGUMENT = "antiphon_message"  # as providers.MESSAGE_ARGUMENT
COUNTED = frozenset({"processed", "deferred"})  # they say nothing that later ones do not
STOPS = frozenset({ResponseKind.BOUNCE, ResponseKind.COMPLAINT, ResponseKind.OPT_OUT})
LONGEST_VALUE = 300
_TOKEN = re.compile(
    r"/[A-Za-z0-9]{1,16}\.[\w-]{22}\.[\w-]{20}.*", re.ASCII
)  # message.links: a person
# What an address is dropped for → what its owner did, or what it is.
DROPPED = {
    "bounced address": ResponseKind.BOUNCE,
    "invalid": ResponseKind.BOUNCE,
    "unsubscribed address": ResponseKind.OPT_OUT,
    "spam reporting address": ResponseKind.COMPLAINT,
}
# The lists that can be asked for → what it says of an address to stand on them.
LISTED = {
    "bounces": ResponseKind.BOUNCE,
    "invalid_emails": ResponseKind.BOUNCE,
    "spam_reports": ResponseKind.COMPLAINT,
    "unsubscribes": ResponseKind.OPT_OUT,
}
Told = tuple[
    ResponseKind | None, MessageState | None, bool, str | None, dict[str, Any] | None, bool
]  # kind, state, is_machine, value, evidence, is_earlier


def read_events(body: bytes, received_at: datetime) -> Reading:
    """The events of one request: a JSON array of objects. Raises Unreadable.

    What in the array is no object is counted and left out, as is an event whose moment cannot be
    read; but what stops later messages (STOPS) then happened when it arrived.
    """
    told = read_json(body)
    if not isinstance(told, list):
        raise Unreadable("no JSON array")
    reading = Reading()
    add, counts = reading.events.append, reading.counts
    for one in told:
        named = one.get("event") if isinstance(one, dict) else ""
        name = named if isinstance(named, str) else ""
        table = TABLE.get(name)
        if table is None:
            counts[name if name in COUNTED else f"unknown_{plain_name(name)}"] += 1
            continue
        event = _event(one, table(one), received_at)
        if event is None:
            counts["without_moment"] += 1
            continue
        counts[name] += 1
        add(event)
    return reading


def _event(one: Mapping[str, Any], told: Told, received_at: datetime) -> Event | None:
    seconds, event_id = one.get("timestamp"), one.get("sg_event_id")
    try:
        at = moment(int(seconds)) if seconds is not None else received_at
    except (ValueError, TypeError, OverflowError):
        if told[0] not in STOPS:
            return None
        at = received_at
    address, sent_as = one.get("email"), one.get("sg_message_id")
    kind, state, is_machine, value, evidence, is_earlier = told
    return Event(
        event_id if isinstance(event_id, str) and event_id else _made_up(one),
        kind,
        state,
        at,
        our_id(one.get(MESSAGE_ARGUMENT)),
        _request_id(sent_as) if isinstance(sent_as, str) else "",
        address if isinstance(address, str) else "",
        is_machine,
        value,
        evidence,
        is_earlier,
    )


def listed(name: str, address: str, at: datetime) -> Event | None:
    """The event that an address came on a list; None for a list we know nothing of."""
    kind = LISTED.get(name)
    if kind is None:
        return None
    digest = hashlib.md5(address.lower().encode(), usedforsecurity=False).hexdigest()
    event_id = f"{name}:{int(at.timestamp())}:{digest}"
    return Event(event_id, kind, None, at, "", "", address, evidence={"by": "list", "list": name})


def _request_id(sent_as: str) -> str:
    """The X-Message-Id of the request: what comes before the first dot, of most."""
    head = sent_as.partition(".")[0]
    return "" if head.startswith("filter") else head[:100]


def _made_up(one: Mapping[str, Any]) -> str:
    """An id for an event without one: the same event has the same."""
    try:
        whole = orjson.dumps(one, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested more deeply than it writes
        whole = repr(one).encode()
    return hashlib.md5(whole, usedforsecurity=False).hexdigest()


def _line(text: object) -> str:
    return str(text or "")[:LONGEST_VALUE]


def _delivered(_: Mapping[str, Any]) -> Told:
    return None, MessageState.DELIVERED, False, None, None, False


def _bounce(one: Mapping[str, Any]) -> Told:
    evidence = {"status": _status(one.get("status"))}
    if classification := one.get("bounce_classification"):
        evidence["class"] = plain_name(classification)
    is_soft = one.get("type") == "blocked"
    kind = ResponseKind.SOFT_BOUNCE if is_soft else ResponseKind.BOUNCE
    return kind, MessageState.BOUNCED, False, None, evidence, False


def _status(text: object) -> str:
    """An enhanced status code (RFC 3463), '' for whatever else stands there."""
    parts = str(text or "").split(".")
    plain = len(parts) == 3 and all(part.isdecimal() and len(part) < 4 for part in parts)
    return ".".join(parts) if plain else ""


def _dropped(one: Mapping[str, Any]) -> Told:
    reason = str(one.get("reason") or "").strip().lower()
    kind = DROPPED.get(reason)
    evidence = {"by": "list", "dropped": plain_name(reason)}
    return kind, MessageState.BOUNCED, False, None, evidence, True


def _open(one: Mapping[str, Any]) -> Told:
    return ResponseKind.OPEN, MessageState.DELIVERED, _is_true(one), None, None, False


def _is_true(one: Mapping[str, Any]) -> bool:
    return one.get("sg_machine_open") in (True, "true", "True", 1)


def _click(one: Mapping[str, Any]) -> Told:
    address = _line(one.get("url")).partition("?")[0].partition("#")[0]
    address = _TOKEN.sub("", address)
    return ResponseKind.CLICK, MessageState.DELIVERED, False, address or None, None, False


def _complaint(_: Mapping[str, Any]) -> Told:
    return ResponseKind.COMPLAINT, None, False, None, None, False


def _unsubscribe(_: Mapping[str, Any]) -> Told:
    return ResponseKind.OPT_OUT, None, False, None, {"by": "list"}, False


def _of_group(kind: ResponseKind) -> Callable[[Mapping[str, Any]], Told]:
    def tell(one: Mapping[str, Any]) -> Told:
        group = one.get("asm_group_id")
        number = group if isinstance(group, int) else None
        return kind, None, False, None, {"by": "group", "group": number}, False

    return tell


TABLE: dict[str, Callable[[Mapping[str, Any]], Told]] = {
    "delivered": _delivered,
    "bounce": _bounce,
    "dropped": _dropped,
    "open": _open,
    "click": _click,
    "spamreport": _complaint,
    "unsubscribe": _unsubscribe,
    "group_unsubscribe": _of_group(ResponseKind.OPT_OUT),
    "group_resubscribe": _of_group(ResponseKind.OPT_IN),
}
