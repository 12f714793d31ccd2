"""Who delivers messages: one Protocol, one module a provider (docs/providers.md).

A provider answers for every message of a batch, and says only what is certain: an outcome that
might be either is UNKNOWN, and nothing unknown is ever resent by itself (DESIGN §7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol, Self, runtime_checkable

from antiphon.errors import AntiphonError
from antiphon.message.content import Email, Personal, Sms

MESSAGE_ARGUMENT = "antiphon_message"  # under this name a provider keeps our message id
BATCH_REFUSED = "batch refused"  # evidence of TRY_LATER: certainly not sent; send it alone


class ProviderTrouble(AntiphonError):
    """A provider did not answer what it was asked; says why, without anybody's data."""

    is_temporary = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message, ready to leave. `day` is the business day it was planned for.

    After `expires_at` it is no longer wanted: a provider that can gives up by then. A message with
    `is_test` is a proof for ourselves and counts nowhere.
    """

    message_id: str
    campaign: str
    category: str
    arm: str
    day: date
    to: str
    sender: str
    sender_name: str
    content: Email | Personal | Sms
    expires_at: datetime
    is_test: bool = False


class OutcomeKind(StrEnum):
    """What became of one message, as far as is certain."""

    ACCEPTED = "accepted"  # the provider has it
    REFUSED = "refused"  # for good; nobody got it
    TRY_LATER = "try_later"  # certainly not sent; may be sent again from `retry_at`
    UNKNOWN = "unknown"  # may or may not have been sent


class Blame(StrEnum):
    """What an outcome other than ACCEPTED says beyond its one message."""

    MESSAGE = "message"  # this address or this text: the others are not concerned
    OPT_OUT = "opt_out"  # the person said stop to the provider: to be suppressed
    BUSY = "busy"  # the account is asked to wait (429): nobody sends by it before `retry_at`
    ACCOUNT = "account"  # credentials, sender, credit: nothing will leave by it until mended
    NETWORK = "network"  # not reached, no answer, 5xx: so many in a row open the breaker


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one message. `evidence` is one line without personal data.

    TRY_LATER comes with `retry_at` where the provider named a time, else the dispatcher chooses.
    """

    message_id: str
    kind: OutcomeKind
    evidence: str
    provider_id: str = ""
    retry_at: datetime | None = None
    blame: Blame = Blame.MESSAGE


@dataclass(frozen=True, slots=True)
class Listed:
    """An address on one of the provider's lists, by the provider's own name of the list."""

    list: str
    address: str = field(repr=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """What the provider knows of one SMS, ours or (`is_inbound`) somebody's to us."""

    sid: str
    status: str
    error: str
    number: str = field(repr=False)  # the other side's
    body: str = field(repr=False)
    is_inbound: bool
    at: datetime


class LookUp(StrEnum):
    """What `lookup` is worth."""

    NEVER = "never"  # the provider cannot be asked
    FOUND = "found"  # what it finds was sent; what it does not find may have been sent
    CERTAIN = "certain"  # what it does not find was certainly not sent


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do."""

    channels: frozenset[str]  # email, sms
    batch_size: int  # messages of one skeleton that one request takes
    look_up: LookUp
    reaches_people: bool  # false: nothing of it leaves the machine
    schedules_ahead: bool = False
    cancels: bool = False


@dataclass(frozen=True, slots=True)
class Access:
    """How an account is reached: what its adapter is opened with.

    `secrets`: by the names in the adapter's SECRETS. `options`: texts, by the fields of its
    Options, already checked. `callback_url`: our public address, below which the provider may post
    what becomes of a message (/twilio/status); empty where we have none. `folder`: of the local
    outbox.
    """

    name: str
    channel: str
    url: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    batch: int = 1000
    at_once: int = 32
    time_out: int = 30
    callback_url: str = ""
    folder: str = ""


class Provider(Protocol):
    """One way to deliver one channel; an async context manager that holds its connections."""

    @property
    def name(self) -> str:
        """The account's name in settings and in the ledger."""
        ...

    @property
    def channel(self) -> str:
        """email or sms."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def __aenter__(self) -> Self:
        """Open connections lazily; nothing is sent."""
        ...

    async def __aexit__(self, *_: object) -> None:
        """Close them."""
        ...

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """One request: at most `batch_size` messages, which have one skeleton, or one message.

        One outcome for each message, in their order; never raises for a message. No retry
        within: what is certain not to have left is answered TRY_LATER. Where evidence begins with
        BATCH_REFUSED, the message goes on alone. Cancelled, it may or may not have sent.
        """
        ...

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """ACCEPTED with its evidence if the provider has the message (claimed at `since`); None
        if it cannot tell; TRY_LATER if it certainly has not got it."""
        ...

    async def probe(self) -> list[str]:
        """Ask for something harmless with the account's credentials; what is wrong, in words a
        person on duty can act on (no secret in them), or nothing."""
        ...


@runtime_checkable
class ListsSuppressions(Protocol):
    """A provider that can be asked whom it does not write to any more."""

    async def suppressions(self, since: datetime, until: datetime) -> list[Listed]:
        """Whoever came on its lists from `since` to `until`; raises ProviderTrouble."""
        ...


@runtime_checkable
class ListsStates(Protocol):
    """A provider that can be asked what became of messages, and who wrote to us."""

    async def states(self, since: datetime) -> list[Told]:
        """Messages sent since then, as they stand now; raises ProviderTrouble."""
        ...
