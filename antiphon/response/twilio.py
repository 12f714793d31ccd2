"""Twilio's callbacks (what became of an SMS) and inbound SMS, in our words.

A callback has no moment of its own and no id: it happened when it came, and the SID with the
status names it, as Twilio says ("Outbound Message Status in Status Callbacks").
"""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import parse_qsl

from antiphon.response.events import Event, Reading, Unreadable, our_id, plain_name
from antiphon.response.words import Keywords
from antiphon.states import MessageState, ResponseKind

PROVIDER = "twilio"
MESSAGE_PARAMETER = "m"  # of the callback's address: our message id
MOST_FIELDS = 200
UNDER_WAY = frozenset({"accepted", "queued", "sending", "sent"})
FAILED = frozenset({"failed", "undelivered"})
COUNTED = frozenset({"scheduled", "canceled", "receiving", "received"})
STOPPED = "21610"  # the person said STOP to Twilio
DEAD = frozenset({"21211", "21217", "21614", "21635", "30005", "30006"})  # nobody will ever get it
OPT_OUT_TYPES = {"STOP": ResponseKind.OPT_OUT, "START": ResponseKind.OPT_IN, "HELP": None}


def read_status(body: bytes, query: str, received_at: datetime) -> Reading:
    """The event of one status callback. Raises Unreadable."""
    form = _form(body)
    sid, status = form.get("MessageSid") or form.get("SmsSid", ""), _status(form)
    if not sid or not status:
        raise Unreadable("no MessageSid or no MessageStatus")
    named = our_id(dict(parse_qsl(query)).get(MESSAGE_PARAMETER))
    return status_of(sid, status, form.get("ErrorCode", ""), form.get("To", ""), named, received_at)


def status_of(  # noqa: PLR0917 (what Twilio tells, in its order)
    sid: str, status: str, error: str, to: str, message_id: str, at: datetime
) -> Reading:
    """What a status says of a message, told by a callback or asked for."""
    reading = Reading()
    if status in UNDER_WAY:
        kind, state = None, MessageState.ACCEPTED
    elif status in {"delivered", "partially_delivered"}:
        kind, state = None, MessageState.DELIVERED
    elif status == "read":
        kind, state = ResponseKind.OPEN, MessageState.DELIVERED
    elif status in FAILED:
        kind, state = _failure(error), MessageState.BOUNCED
    else:
        known = status in COUNTED
        reading.counts[status if known else f"unknown_{plain_name(status)}"] += 1
        return reading
    code = error if error.isdecimal() and len(error) < 7 else ""
    evidence = {"code": code, "status": status} if kind else None
    if kind is ResponseKind.OPT_OUT:
        evidence = {"by": "list", "code": code}
    reading.counts[status] += 1
    reading.events.append(
        Event(
            f"{sid}:{status}",
            kind,
            state,
            at,
            message_id,
            sid[:100],
            to,
            evidence=evidence,
            is_earlier=kind is ResponseKind.OPT_OUT,
        )
    )
    return reading


def _failure(error: str) -> ResponseKind:
    if error == STOPPED:
        return ResponseKind.OPT_OUT
    return ResponseKind.BOUNCE if error in DEAD else ResponseKind.SOFT_BOUNCE


def read_inbound(body: bytes, received_at: datetime, keywords: Keywords) -> Reading:
    """What somebody wrote to us; the text itself stays in the inbox. Raises Unreadable.

    Where Twilio has recognised a word itself (OptOutType, of a Messaging Service), its word counts.
    """
    form = _form(body)
    sid, sender = form.get("MessageSid") or form.get("SmsSid", ""), form.get("From", "")
    if not sid or not sender:
        raise Unreadable("no MessageSid or no From")
    told = form.get("OptOutType", "").upper()
    if told in OPT_OUT_TYPES:
        return _inbound(sid, sender, OPT_OUT_TYPES[told], received_at)
    return inbound_of(sid, sender, form.get("Body", ""), received_at, keywords)


def inbound_of(sid: str, sender: str, body: str, at: datetime, keywords: Keywords) -> Reading:
    """What a text to us says, told by a webhook or asked for."""
    return _inbound(sid, sender, keywords.meaning(body), at)


def _inbound(sid: str, sender: str, kind: ResponseKind | None, at: datetime) -> Reading:
    reading = Reading()
    reading.counts[str(kind or "help")] += 1
    if kind is not None:
        evidence = None if kind is ResponseKind.REPLY else {"by": "keyword"}
        reading.events.append(Event(f"{sid}:in", kind, None, at, "", "", sender, evidence=evidence))
    return reading


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except (UnicodeDecodeError, ValueError):
        raise Unreadable("no form") from None
    return dict(pairs)


def _status(form: Mapping[str, str]) -> str:
    return (form.get("MessageStatus") or form.get("SmsStatus", "")).lower()
