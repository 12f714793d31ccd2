"""Accounts that answer as a test says, and an outbox to send by them."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from antiphon.campaigns.settings import Settings
from antiphon.dispatch import accounts, dispatcher
from antiphon.providers import (
    Blame,
    Capabilities,
    LookUp,
    Outcome,
    OutcomeKind,
    Outgoing,
    Provider,
    registry,
)
from bench.outbox import NOW, Outbox, make_outbox

Answer = Callable[[Sequence[Outgoing], datetime], list[Outcome]]


def accepted(batch: Sequence[Outgoing], _now: datetime) -> list[Outcome]:
    """All is well."""
    return [Outcome(one.message_id, OutcomeKind.ACCEPTED, "202", "id") for one in batch]


def answering(kind: OutcomeKind, blame: Blame, evidence: str, seconds: int | None = None) -> Answer:
    """The same for every message; `seconds` until it may be tried again."""

    def answer(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        retry_at = None if seconds is None else now + timedelta(seconds=seconds)
        return [
            Outcome(one.message_id, kind, evidence, retry_at=retry_at, blame=blame) for one in batch
        ]

    return answer


unreachable = answering(OutcomeKind.TRY_LATER, Blame.NETWORK, "connection refused")
silent = answering(OutcomeKind.UNKNOWN, Blame.NETWORK, "no answer")


@dataclass
class Scripted:
    """A provider whose answers a test chooses; it keeps every request."""

    name: str = "first"
    channel: str = "email"
    answer: Answer = accepted
    batch_size: int = 1000
    look_up: LookUp = LookUp.NEVER
    reaches_people: bool = False
    found: Callable[[Outgoing], Outcome | None] = lambda _message: None
    seconds: float = 0.0
    requests: list[list[Outgoing]] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return Capabilities(
            frozenset({"email", "sms"}), self.batch_size, self.look_up, self.reaches_people
        )

    @property
    def sent(self) -> list[str]:
        """The ids of all messages it was given, in order."""
        return [one.message_id for batch in self.requests for one in batch]

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """As the test says."""
        self.requests.append(list(batch))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(self.seconds)
        self._at_once -= 1
        return self.answer(batch, now)

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """As the test says."""
        return self.found(message)

    async def probe(self) -> list[str]:
        """Nothing is wrong."""
        return []


class Settable:
    """A clock that stands until a test moves it."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The moment."""
        return self.now


@dataclass
class Scene:
    """An outbox, its clock and its accounts."""

    outbox: Outbox
    clock: Settable

    def send(self) -> dispatcher.Tally:
        """A pass."""
        return dispatcher.send_due(self.outbox.project)

    def states(self) -> dict[str, int]:
        """State → messages."""
        return self.outbox.states()


@contextmanager
def scene(
    folder: Path,
    *providers: Scripted,
    settings: Mapping[str, Any] | None = None,
    clock: Any = None,
) -> Iterator[Scene]:
    """An outbox of which these accounts take each channel, in this order."""
    by_key = {(one.channel, one.name): one for one in providers}

    def opened(
        chosen: Settings, environment: Mapping[str, str], name: str, channel: str, root: Path
    ) -> Provider:
        scripted = by_key.get((channel, name))
        return scripted or registry.open_account(chosen, environment, name, channel, root)

    def capabilities_of(chosen: Settings, name: str) -> Capabilities:
        scripted = next((one for one in providers if one.name == name), None)
        return scripted.capabilities if scripted else registry.capabilities_of(chosen, name)

    channels: dict[str, list[str]] = {}
    for one in providers:
        channels.setdefault(one.channel, []).append(one.name)
    chosen = {**(settings or {})}
    chosen["providers"] = {**channels, **chosen.get("providers", {})}
    clock = clock or Settable()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "open_account", opened)
        patch.setattr(accounts, "capabilities_of", capabilities_of)
        patch.setattr(dispatcher, "capabilities_of", capabilities_of)
        outbox = make_outbox(folder / "project", clock, chosen)
        try:
            yield Scene(outbox, clock)
        finally:
            outbox.project.ledger.close()
