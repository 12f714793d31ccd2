"""Dispatchers killed at random moments while providers fail: is anything sent twice, or lost?

    python -m bench.chaos [KILLS]   (of dispatchers at work; 2,000)

The sandbox's journal says what was really accepted; the ledger says what we believe.
"""

import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from antiphon.dispatch.doubts import settle_doubts
from antiphon.ledger import Message
from antiphon.sandbox import journal
from antiphon.sandbox.process import SandboxProcess, started
from antiphon.states import MessageState
from bench.dispatchers import CLOCK, LEDGER_URL, SETTINGS, Herd, SharedClock, herd
from bench.outbox import Outbox, make_outbox

URL = "ANTIPHON_SANDBOX_URL"
FAULTS: tuple[Mapping[str, Any], ...] = (
    {"do": "wait", "seconds": 0.03, "on": "any"},
    {"do": "wait", "seconds": 3, "rate": 0.002},
    {"do": "wait", "seconds": 3, "rate": 0.002, "accepted": True},
    {"do": "busy", "seconds": 1, "rate": 0.01},
    {"do": "fail", "rate": 0.01},
    {"do": "fail", "rate": 0.01, "accepted": True},
    {"do": "fail", "status": 503, "rate": 0.01},
    {"do": "drop", "rate": 0.01},
    {"do": "drop", "rate": 0.01, "accepted": True},
    {"do": "cut", "rate": 0.01, "accepted": True, "api": "twilio"},
    {"do": "cut", "rate": 0.01, "accepted": True, "api": "sendgrid", "status": 202},
    {"do": "html", "rate": 0.005},
    {"do": "empty", "status": 502, "rate": 0.005, "accepted": True},
)
KILLS = 52  # of a storm in CI: of four, more than two hundred
FEW = 150  # planned messages: then some more are planned
JUMP = timedelta(seconds=20)  # of the clock at each kill, on average: what waits comes round
SOON = 0.1  # share of kills that may come before the victim's first claim
LONGEST_WAIT = 0.1  # seconds beyond the moment that is waited for
PATIENCE_SECONDS = 3.0
LOOK_SECONDS = 0.01
PAUSED = timedelta(minutes=1)  # nobody at work: their account may be paused so long
LAST_LOOK = timedelta(days=1)
DONE_SECONDS = 120.0
UNDER_WAY = frozenset({"planned", "sending"})
LEFT = frozenset({MessageState.ACCEPTED, MessageState.IN_DOUBT})


@dataclass
class Storm:
    """An outbox, dispatchers at work on it, a sandbox that fails, and a clock that jumps."""

    outbox: Outbox
    sandbox: SandboxProcess
    clock: SharedClock
    dispatchers: Herd
    name: str
    chance: random.Random
    runs: list[str] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    kills: int = 0
    kills_at_work: int = 0  # whose victims left messages behind that were under way
    _counted: int = 0  # people so far

    def plan(self, emails: int = 600, texts: int = 100) -> None:
        """More messages, due now, by a run of their own."""
        self.outbox = self.outbox.next_run()
        self.runs.append(self.outbox.run_id)
        for channel, number in (("email", emails), ("sms", texts)):
            self.planned += self.outbox.plan(
                number,
                campaign=f"{self.name}-{channel}",
                channel=channel,
                not_before=self.clock(),
                expires_at=self.clock() + timedelta(days=30),
                first=self._counted,  # who gets both would wait a day for the second
            )
            self._counted += number
        self.outbox.release()

    def kill(self, at_work: int, at_once: int, seconds: float = 300.0) -> None:
        """Kill until so many kills left messages behind that were under way.

        Raises AssertionError after so many seconds.
        """
        deadline = time.monotonic() + seconds
        while self.kills_at_work < at_work:
            assert time.monotonic() < deadline, (self.kills_at_work, self.kills, self.states())
            self.kill_some(1, at_once)

    def kill_some(self, times: int, at_once: int = 1) -> None:
        """So many kills, each at a random moment, with `at_once` dispatchers at work."""
        for _ in range(times):
            if self.states().get("planned", 0) < FEW:
                self.plan()
            while len(self.dispatchers.alive) < at_once:
                self.dispatchers.start()
            victim = self.chance.choice(self.dispatchers.alive)
            if self.chance.random() >= SOON:
                if not self.wait_until_at_work(victim):
                    self.clock.jump(PAUSED)
                self.wait_for_requests(self.chance.choice((0, 0, 1, 2, 8)))
            time.sleep(LONGEST_WAIT * self.chance.random() ** 2)
            self.kill_one(victim)
            self.clock.jump(2 * JUMP * self.chance.random())

    def states(self) -> dict[str, int]:
        """State → messages."""
        return self.outbox.states()

    def wait_until_at_work(self, pid: int) -> bool:
        """Whether the dispatcher holds messages, now or soon."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._holds(pid):
                return True
            time.sleep(LOOK_SECONDS)
        return False

    def wait_for_requests(self, number: int) -> None:
        """Returns when the sandbox has accepted so many more, or after a moment."""
        deadline = time.monotonic() + PATIENCE_SECONDS / 10
        with (self.sandbox.folder / journal.JOURNAL).open("rb") as file:
            file.seek(0, os.SEEK_END)
            while number > 0 and time.monotonic() < deadline:
                number -= file.read().count(b"\n")
                time.sleep(LOOK_SECONDS)

    def _holds(self, pid: int) -> bool:
        holders = self.outbox.project.ledger.messages.holders()
        return any(f"/{pid}/" in holder for holder in holders)

    def kill_one(self, pid: int, by: signal.Signals = signal.SIGKILL) -> None:
        """This dispatcher, at this moment."""
        self.dispatchers.kill(pid, by)
        self.kills += 1
        self.kills_at_work += self._holds(pid)

    def fail(self, *faults: Mapping[str, Any]) -> None:
        """What goes wrong from now on; nothing: nothing."""
        httpx.post(
            f"{self.sandbox.url}/sandbox/faults",
            json={"seed": self.chance.randrange(1_000_000), "faults": faults},
        ).raise_for_status()

    def calm(self, at_once: int = 1) -> None:
        """Nothing fails any more: what is planned leaves, and what is in doubt is looked up."""
        self.fail()
        deadline = time.monotonic() + DONE_SECONDS
        while (states := self.states()).keys() & UNDER_WAY or self.dispatchers.alive:
            assert time.monotonic() < deadline, states
            self.clock.jump(timedelta(minutes=6))  # beyond every claim, pause and back-off
            while len(self.dispatchers.alive) < at_once:
                self.dispatchers.start()
            before: dict[str, int] = {}
            while states.keys() & UNDER_WAY and states != before:
                time.sleep(0.5)
                before, states = states, self.states()
            for pid in list(self.dispatchers.alive):  # one that sleeps sees no jump
                self.dispatchers.kill(pid, signal.SIGTERM)
        self.clock.jump(LAST_LOOK)
        settle_doubts(self.outbox.project)

    def messages(self) -> list[Message]:
        """All of them, every attempt."""
        messages = self.outbox.project.ledger.messages
        return [one for run_id in self.runs for one in messages.of_run(run_id)]

    def findings(self) -> list[str]:
        """What went wrong; nothing, if the promise was kept."""
        accepted = journal.accepted(self.sandbox.folder)
        return [*compared(self.messages(), accepted, self.planned), *self.dispatchers.errors()]


def compared(messages: list[Message], accepted: Counter[str], planned: list[str]) -> list[str]:
    """Ledger against journal. All attempts of an occurrence are one message to its person."""
    found = []
    attempts: dict[str, list[Message]] = defaultdict(list)
    for one in messages:
        attempts[one.occurrence_key].append(one)
    first = {one.message_id for one in messages if one.attempt == 1}
    found += [f"{one} is not in the ledger" for one in planned if one not in first]
    for key, several in attempts.items():
        times = sum(accepted[one.message_id] for one in several)
        last = max(several, key=lambda one: one.attempt)
        if times > 1:
            found.append(f"{key} was accepted {times} times")
        if last.state not in LEFT:
            found.append(f"{key} is lost: it is {last.state}")
        for one in several:
            in_journal = accepted[one.message_id] > 0
            if one.state is MessageState.ACCEPTED and not in_journal:
                found.append(f"{key} is believed accepted, and was not")
            if in_journal and one.state not in LEFT:
                found.append(f"{key} was accepted, and is {one.state}")
            if one.state is MessageState.IN_DOUBT and in_journal:
                found.append(f"{key} was accepted, and nothing found it")
            if one.state is MessageState.IN_DOUBT and not one.evidence:
                found.append(f"{key} is in doubt, and nothing says why")
    return found


@contextmanager
def storm(
    folder: Path, ledger_url: str, name: str, sandbox: SandboxProcess, *, claims_late: bool = False
) -> Iterator[Storm]:
    """Everything set up, no dispatcher yet. `ledger_url` empty: an SQLite file in the folder."""
    root = folder / name
    url = ledger_url or f"sqlite:///{root / 'ledger.db'}"
    environment = {URL: sandbox.url, LEDGER_URL: url}
    root.mkdir(parents=True)
    clock = SharedClock(root / CLOCK, time.monotonic())
    before = {one: os.environ.get(one) for one in environment}
    os.environ.update(environment)
    try:
        outbox = make_outbox(root, clock, SETTINGS, environment=os.environ)
        with herd(root, clock, claims_late=claims_late) as dispatchers:
            chance = random.Random(name)
            people = chance.randrange(90) * 1_000_000  # a text is looked up by its number
            yield Storm(outbox, sandbox, clock, dispatchers, name, chance, _counted=people)
        outbox.project.ledger.close()
    finally:
        for one, value in before.items():
            os.environ.pop(one, None)
            if value is not None:
                os.environ[one] = value


def main(kills: int = 2_000) -> int:
    """Half of the kills on each database, half of those with three dispatchers."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "chaos"))
    from chaos_databases import postgres_databases  # noqa: PLC0415

    worst = 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        sandbox = stack.enter_context(started(folder / "sandbox"))
        databases = stack.enter_context(postgres_databases())
        places = [("sqlite", lambda: ""), *([("postgres", databases.new)] if databases else [])]
        for database, url in places:
            for at_once in (1, 3):
                began = time.monotonic()
                name = f"{database}-{at_once}"
                with storm(folder, url(), name, sandbox) as one:
                    one.plan()
                    one.fail(*FAULTS)
                    share = kills // len(places) // 2
                    one.kill(share, at_once, seconds=60 + 10 * share)
                    one.calm()
                    found = one.findings()
                    states = one.outbox.states()
                print(
                    f"{name}: {one.kills:,} kills, {one.kills_at_work:,} with messages under way, "
                    f"{len(one.planned):,} messages, {states}, {len(found)} findings, "
                    f"{time.monotonic() - began:.0f} s",
                    flush=True,
                )
                print(*found[:10], sep="\n")
                worst = worst or bool(found)
    return int(worst)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
