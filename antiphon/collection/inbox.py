"""The parser of the inbox: every request is read once, whoever reads, however often it is killed.

One reads at a time, by a lease. What it writes may be written again: responses by their ids, moves
of messages forward only; a request is marked as read last of all.
"""

import gc
import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from antiphon.clock import system_clock
from antiphon.collection.telling import Teller
from antiphon.errors import LeaseLost, RunBusy
from antiphon.ledger import Lease, Unparsed
from antiphon.project import Project
from antiphon.response import sendgrid, twilio
from antiphon.response.events import Reading, Unreadable
from antiphon.response.sources import Source
from antiphon.response.words import Keywords
from antiphon.steps.holder import is_dead, this_work

LEASE, TTL = "inbox", timedelta(seconds=60)
REQUESTS, BYTES = 2_000, 8 * 2**20  # read and written at a time
UNKNOWN_SOURCE = "of no provider we know"
log = logging.getLogger("antiphon.collection")


@dataclass(frozen=True)
class Parsed:
    """What was read: requests, those nobody can read, events and responses by name, what followed.

    `is_busy`: somebody else was reading, so this is all there is to say.
    """

    requests: int = 0
    unreadable: int = 0
    counts: Counter[str] | None = None
    is_busy: bool = False


def parse(project: Project) -> Parsed:
    """Reads everything that waits; at once back where somebody else is reading."""
    ledger = project.ledger
    if not ledger.inbox.waiting().requests:
        return Parsed(counts=Counter())
    try:
        lease = _lease(project)
    except RunBusy:
        return Parsed(is_busy=True)
    reader = Reader(project)
    try:
        while batch := ledger.inbox.unparsed(REQUESTS, reader.last, BYTES):
            with _without_cycles():
                reader.read(batch)
            lease = ledger.leases.renew(lease, TTL, system_clock())
    except LeaseLost:
        log.warning("another parser took over the inbox; it goes on")
    finally:
        ledger.leases.release(lease)
    return Parsed(reader.requests, reader.unreadable, reader.counts)


def _lease(project: Project) -> Lease:
    leases, holder = project.ledger.leases, this_work()
    try:
        return leases.acquire(LEASE, holder, TTL, system_clock())
    except RunBusy:
        other = leases.holder(LEASE, system_clock())
        if other is None or not is_dead(other.holder):
            raise
        leases.release(other)
        return leases.acquire(LEASE, holder, TTL, system_clock())


@contextmanager
def _without_cycles() -> Iterator[None]:
    """A batch makes a million objects and no cycle among them: to look for some in between costs a
    quarter of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Reader:
    """Reads requests, batch by batch."""

    def __init__(self, project: Project) -> None:
        self._project = project
        settings = project.configuration.settings
        self._keywords = Keywords(
            settings.business.languages,
            settings.responses.stop_words,
            settings.responses.start_words,
        )
        self.last = 0
        self.requests = self.unreadable = 0
        self.counts = Counter[str]()

    def read(self, batch: Sequence[Unparsed]) -> None:
        """Read these, write down what they say, and mark them as read."""
        now, counts = self._project.clock(), Counter[str]()
        teller, problems = Teller(self._project), dict[int, str]()
        for request in batch:
            try:
                provider, reading = self._reading(request)
            except Unreadable as problem:
                problems[request.inbox_id] = str(problem)
                counts[f"{request.source} unreadable"] += 1
                continue
            counts.update({f"{request.source} {name}": n for name, n in reading.counts.items()})
            teller.add(provider, request.received_at, reading.events)
        counts.update(teller.tell(now))
        ids = [request.inbox_id for request in batch]
        self._project.ledger.inbox.finish(ids, now, problems=problems, counts=counts)
        self.last = ids[-1]
        self.requests += len(batch)
        self.unreadable += len(problems)
        self.counts.update(counts)

    def _reading(self, request: Unparsed) -> tuple[str, Reading]:
        at = request.received_at
        if request.source == Source.SENDGRID_EVENTS:
            return sendgrid.PROVIDER, sendgrid.read_events(request.body, at)
        if request.source == Source.TWILIO_STATUS:
            return twilio.PROVIDER, twilio.read_status(request.body, request.query, at)
        if request.source == Source.TWILIO_INBOUND:
            return twilio.PROVIDER, twilio.read_inbound(request.body, at, self._keywords)
        raise Unreadable(UNKNOWN_SOURCE)


def expire(project: Project, now: datetime) -> int:
    """Removes requests that were read and kept long enough; how many."""
    kept = project.configuration.settings.responses.keep_requests
    return project.ledger.inbox.expire(now - kept)
