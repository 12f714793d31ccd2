"""Who delivers messages: one Protocol, one module a provider.

A provider answers for every message of a batch, and says only what is certain: an outcome that
might be either is UNKNOWN, and nothing unknown is ever resent by itself (DESIGN §7).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from antiphon.message.content import Email, Sms


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to leave. `day` is the business day it was planned for."""

    message_id: str
    campaign: str
    day: date
    to: str
    sender: str
    sender_name: str
    content: Email | Sms


class OutcomeKind(StrEnum):
    """What became of one message, as far as is certain."""

    ACCEPTED = "accepted"  # the provider has it
    REFUSED = "refused"  # for good; nobody got it
    TRY_LATER = "try_later"  # certainly not sent; may be sent again from `retry_at`
    UNKNOWN = "unknown"  # may or may not have been sent


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one message. `evidence` is one line without personal data."""

    message_id: str
    kind: OutcomeKind
    evidence: str
    provider_id: str = ""
    retry_at: datetime | None = None


class Provider(Protocol):
    """One way to deliver one channel."""

    @property
    def name(self) -> str:
        """The word for it in settings and in the ledger."""
        ...

    @property
    def channel(self) -> str:
        """email or sms."""
        ...

    @property
    def batch_size(self) -> int:
        """How many messages one `send` takes at most."""
        ...

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """One outcome for each message, in the order of the batch; never raises for a message."""
        ...

    async def lookup(self, message_id: str, now: datetime) -> Outcome | None:
        """ACCEPTED with its evidence if the provider has the message, None if it cannot tell.

        A provider that certainly does not have it answers TRY_LATER.
        """
        ...


def open_provider(name: str, channel: str, outbox: str) -> Provider:
    """The provider that settings.yaml names for a channel; raises ValueError for an unknown one."""
    if name == "local":
        from antiphon.providers.local import LocalOutbox  # noqa: PLC0415

        return LocalOutbox(outbox, channel)
    raise ValueError(f"no provider {name!r}")
