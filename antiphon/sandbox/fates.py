"""What becomes of each message after it was accepted: by chance, but the same for the same seed.

Pure: a message's key and the shares in, what happens and how long after in seconds out. An address
with a tag rehearses one fate: ann+bounce@example.org always bounces.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Share = Field(default=0.0, ge=0, le=1)


class Events(BaseModel):
    """Shares of messages by fate, and what goes wrong with the reports themselves.

    E-mail: `dropped`, `bounce`, `blocked` and `deferred` of all; `open` and `click` (which opens),
    `spamreport` and `unsubscribe` of those delivered. SMS: `undelivered`, `failed` of all, `stop`
    of those delivered. Of the reports: `duplicates` are posted twice, `out_of_order` come late,
    `lost` never. `seconds` lie between two events of one message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seconds: float = Field(default=1.0, ge=0)
    dropped: float = Field(default=0.01, ge=0, le=1)
    bounce: float = Field(default=0.02, ge=0, le=1)
    blocked: float = Field(default=0.01, ge=0, le=1)
    deferred: float = Field(default=0.03, ge=0, le=1)
    open: float = Field(default=0.3, ge=0, le=1)
    click: float = Field(default=0.05, ge=0, le=1)
    spamreport: float = Field(default=0.001, ge=0, le=1)
    unsubscribe: float = Field(default=0.003, ge=0, le=1)
    undelivered: float = Field(default=0.02, ge=0, le=1)
    failed: float = Field(default=0.01, ge=0, le=1)
    stop: float = Field(default=0.01, ge=0, le=1)
    duplicates: float = Share
    out_of_order: float = Share
    lost: float = Share


@dataclass(frozen=True, slots=True)
class Happening:
    """One event: its name at the provider, seconds after acceptance, and its own fields."""

    name: str
    after: float
    fields: Mapping[str, Any] = field(default_factory=dict)


HARD_BOUNCE = "550 5.1.1 The email account that you tried to reach does not exist"
BLOCK = "554 5.7.1 Message blocked by the receiving server"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"


def chance(seed: int, purpose: str, key: str) -> float:
    """A number from 0 to 1 (excluded) that is always the same for the same arguments."""
    digest = hashlib.md5(f"{seed}:{purpose}:{key}".encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


def of_email(
    events: Events, seed: int, key: str, address: str, suppressed: str = ""
) -> list[Happening]:
    """What happens to an e-mail, in the order in which it does.

    `suppressed`: why the address gets nothing, in SendGrid's words.
    """
    step, tag = events.seconds, _tag(address)
    if suppressed:
        return [Happening("dropped", 0, {"reason": suppressed, "status": "5.0.0"})]
    end = _email_end(events, chance(seed, "end", key), tag)
    if end == "dropped":
        return [Happening("dropped", 0, {"reason": "Invalid", "status": "5.0.0"})]
    happens = [Happening("processed", 0)]
    if end in {"bounce", "blocked"}:
        hard = end == "bounce"
        fields = {
            "reason": HARD_BOUNCE if hard else BLOCK,
            "status": "5.1.1" if hard else "5.7.1",
            "type": end,
            "bounce_classification": "Invalid Address" if hard else "Reputation",
        }
        return [*happens, Happening("bounce", step, fields)]
    if end == "deferred":
        late = {"response": "451 4.7.1 Try again later", "attempt": "1"}
        happens.append(Happening("deferred", step, late))
    at = step * (len(happens) + 0.0)
    happens.append(Happening("delivered", at, {"response": "250 OK", "tls": 1}))
    return [*happens, *_reactions(events, seed, key, tag, at)]


def of_sms(events: Events, seed: int, key: str) -> list[Happening]:
    """What happens to an SMS; `inbound` is an answer of the person with `Body`."""
    step, end = events.seconds, chance(seed, "end", key)
    sent = Happening("sent", step)
    if end < events.failed:
        return [Happening("failed", step, {"ErrorCode": "30007"})]
    if end < events.failed + events.undelivered:
        return [sent, Happening("undelivered", 2 * step, {"ErrorCode": "30003"})]
    happens = [sent, Happening("delivered", 2 * step)]
    if chance(seed, "stop", key) < events.stop:
        happens.append(Happening("inbound", 3 * step, {"Body": "STOP"}))
    return happens


def _email_end(events: Events, number: float, tag: str) -> str:
    ends = ("dropped", "bounce", "blocked", "deferred")
    if tag in ends or tag in {"open", "click", "spamreport", "unsubscribe", "delivered"}:
        return tag
    for name in ends:
        number -= getattr(events, name)
        if number < 0:
            return name
    return "delivered"


def _reactions(events: Events, seed: int, key: str, tag: str, at: float) -> list[Happening]:
    """What the reader does with it."""
    found = []
    clicks = tag == "click" or chance(seed, "click", key) < events.click
    if clicks or tag == "open" or chance(seed, "open", key) < events.open:
        seen = {"useragent": BROWSER, "ip": "127.0.0.1", "sg_machine_open": False}
        found.append(Happening("open", at + events.seconds, seen))
    if clicks:
        seen = {"useragent": BROWSER, "ip": "127.0.0.1", "url": "https://example.com/"}
        found.append(Happening("click", at + 2 * events.seconds, seen))
    for name in ("spamreport", "unsubscribe"):
        if tag == name or chance(seed, name, key) < getattr(events, name):
            found.append(Happening(name, at + 3 * events.seconds))
    return found


def _tag(address: str) -> str:
    return address.partition("@")[0].partition("+")[2]
