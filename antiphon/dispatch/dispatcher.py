"""One pass of dispatch: every channel that has something due, until nothing is."""

import asyncio
import gc
import logging
import signal
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from antiphon.campaigns.models import CHANNELS
from antiphon.dispatch.accounts import Accounts
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.recorder import Recorder
from antiphon.dispatch.refusals import Refusals
from antiphon.dispatch.sender import ChannelSender
from antiphon.dispatch.settling import Settling, recover
from antiphon.dispatch.tally import Tally
from antiphon.guards.memory import remembered
from antiphon.project import Project
from antiphon.providers.registry import capabilities_of
from antiphon.steps.holder import this_work
from antiphon.steps.reading import Reader

LONGEST = timedelta(minutes=30)  # of a pass; what is then still due leaves with the next one
SELDOM = 70_000  # objects more than before
log = logging.getLogger("antiphon.dispatch")


def send_due(project: Project, longest: timedelta = LONGEST) -> Tally:
    """Send every due message of released runs; what became of them, and what to look at.

    Stopped by Ctrl-C or SIGTERM it claims nothing more, lets the requests under way be answered,
    writes that down and passes the signal on.
    """
    tally = Tally()
    tally.count("expired", project.ledger.messages.expire(project.clock()))
    recover(project, tally)
    busy = [channel for channel in CHANNELS if _has_work(project, channel)]
    if not busy:
        return tally
    dispatcher = _Dispatcher(project, tally, time.monotonic() + longest.total_seconds())
    with remembered(project, reaches_people=_reaches_people(project, busy)), _seldom_collected():
        asyncio.run(dispatcher.work(busy))
    return tally


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Python looks for cycles of garbage a hundred times less often: a batch makes ten thousand
    objects that live a second, and looking at each of them took a fifth of the time."""
    before = gc.get_threshold()
    if before[0] < SELDOM:  # else another pass of this process has seen to it
        gc.set_threshold(SELDOM, *before[1:])
    try:
        yield
    finally:
        if before[0] < SELDOM:
            gc.set_threshold(*before)


def _has_work(project: Project, channel: str) -> bool:
    messages, now = project.ledger.messages, project.clock()
    grace = project.configuration.settings.dispatch.in_doubt.grace
    return (
        bool(messages.due_groups(channel, now))
        or bool(messages.in_doubt(channel, limit=1, ask_by=now))
        or bool(messages.in_doubt(channel, limit=1, left_by=now - grace))
    )


def _reaches_people(project: Project, channels: Sequence[str]) -> bool:
    settings = project.configuration.settings
    names = {name for channel in channels for name in getattr(settings.providers, channel)}
    return any(capabilities_of(settings, name).reaches_people for name in names)


@dataclass(eq=False)
class _Dispatcher:
    """What the channels of a pass share."""

    project: Project
    tally: Tally
    deadline: float
    thread: LedgerThread = field(default_factory=LedgerThread)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def work(self, channels: Sequence[str]) -> None:
        """All channels at once; the first error of any, when all have ended."""
        with _Signals(self.stop) as signals:
            await _to_the_end(self._channels(channels), self.stop)
        signals.pass_on()

    async def _channels(self, channels: Sequence[str]) -> None:
        recorder = Recorder(
            self.project.ledger, self.thread, self.project.clock, this_work(), self.tally
        )
        refusals = Refusals(self.project, self.thread, self.tally)
        accounts = {
            channel: Accounts(self.project, channel, self.thread, self.tally)
            for channel in channels
        }
        try:
            async with AsyncExitStack() as stack:
                for one in accounts.values():  # credentials of all, before anything leaves
                    await one.open(stack)
                ends = await asyncio.gather(
                    *(
                        self._channel(channel, opened, recorder, refusals)
                        for channel, opened in accounts.items()
                    ),
                    return_exceptions=True,
                )
            await recorder.drained()
            await refusals.check(self.project.clock())
        finally:
            self.thread.close()
            if self.thread.waited_seconds >= 1:
                self.tally.warn(
                    f"dispatch waited {self.thread.waited_seconds:,.0f} s for the ledger"
                )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _channel(
        self, channel: str, accounts: Accounts, recorder: Recorder, refusals: Refusals
    ) -> None:
        project, tally = self.project, self.tally
        composer = Composer(project, channel, Reader(project))
        settling = Settling(
            project, channel, self.thread, accounts, composer, tally, self.stop, self.deadline
        )
        sender = ChannelSender(
            project=project,
            channel=channel,
            holder=recorder.holder,
            thread=self.thread,
            accounts=accounts,
            composer=composer,
            recorder=recorder,
            refusals=refusals,
            tally=tally,
            stop=self.stop,
            deadline=self.deadline,
        )
        doubts = asyncio.create_task(_settle(settling))
        try:
            await sender.send(doubts)
        finally:
            await asyncio.wait([doubts])
        doubts.result()


async def _settle(settling: Settling) -> None:
    await settling.ask()
    await settling.by_policy()


async def _to_the_end(work: Coroutine[Any, Any, None], stop: asyncio.Event) -> None:
    """Runs `work`; cancelled (Ctrl-C) it tells it to stop, and waits until it did: a request
    broken off would leave its messages in doubt."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        await task
        raise


class _Signals:
    """SIGTERM ends a pass in order; afterwards it does what it would have done."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop, self._loop = stop, asyncio.get_running_loop()
        self._before: Any = None
        self._came = False

    def __enter__(self) -> "_Signals":
        """Take it over, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.getsignal(signal.SIGTERM)
            signal.signal(signal.SIGTERM, self._ask_to_stop)
        return self

    def _ask_to_stop(self, *_: object) -> None:
        self._came = True
        log.warning("dispatch stops: what is under way is written down first")
        self._loop.call_soon_threadsafe(self._stop.set)

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def pass_on(self) -> None:
        """What was asked for while it was taken over."""
        if self._came:
            signal.raise_signal(signal.SIGTERM)
