"""What a provider reports, in our words: the shape that the tables of each provider fill.

Pure: bytes in, events out. What is no event of a message (an account's, a kind nobody knows) is
counted under its name and stays, as it came, in the ledger's inbox.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from antiphon.states import MessageState, ResponseKind

_STRANGE = re.compile(r"[^a-z0-9_]+")
OUR_LENGTH = 32  # hex digits: keys.message_id
LONGEST_NAME = 40
LATEST = 32_503_680_000  # unix seconds of the year 3000: what comes later is no moment


class Unreadable(ValueError):
    """A body that is not what its source sends; says why in a few words, quoting nothing."""


class Event(NamedTuple):
    """One thing that happened to one message, or to the one who got it.

    `kind`: the response it is, None where it is none. `state`: what became of the message, None
    where it says nothing. `message_id`, `provider_id`, `address`: '' where it does not say.
    `is_earlier`: it is about the person and not about this message: the provider tells now what it
    has known for long.
    """

    event_id: str
    kind: ResponseKind | None
    state: MessageState | None
    occurred_at: datetime
    message_id: str
    provider_id: str
    address: str
    is_machine: bool = False
    value: str | None = None
    evidence: dict[str, Any] | None = None
    is_earlier: bool = False


@dataclass(slots=True)
class Reading:
    """What one request held: its events, and how many of each name, with those not in `events`."""

    events: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def plain_name(name: object) -> str:
    """A provider's name, fit to be counted under: short, and nothing but letters and digits."""
    return _STRANGE.sub("_", str(name).lower())[:LONGEST_NAME] or "without_name"


def our_id(text: object) -> str:
    """What may be a message id of ours (the ledger knows), '' for whatever else stands there."""
    return text if isinstance(text, str) and len(text) == OUR_LENGTH else ""


@lru_cache(maxsize=4096)
def moment(seconds: int) -> datetime:
    """The instant of unix seconds; raises ValueError where these are none.

    Kept for some: events of one request share most of theirs.
    """
    if not 0 < seconds < LATEST:
        raise ValueError("no moment")
    return datetime.fromtimestamp(seconds, UTC)
