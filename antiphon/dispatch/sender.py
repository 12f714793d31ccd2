"""The sender of one channel: claim, look once more, render, hand over, write down (DESIGN §7).

What it must keep true however it ends: a claim is committed before anything leaves; a message
whose request was never begun goes back to `planned`; one whose request was begun and has no
answer is `in_doubt`.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from antiphon import keys
from antiphon.dispatch import composing, last_look, pacing
from antiphon.dispatch.accounts import Accounts, OpenAccount
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.outcomes import doubtful, given_back, recorded, unknown
from antiphon.dispatch.recorder import Recorder
from antiphon.dispatch.refusals import Refusals
from antiphon.dispatch.tally import Tally
from antiphon.ledger import Group, Message, Outcome
from antiphon.project import Project
from antiphon.providers import BATCH_REFUSED, Blame, OutcomeKind, Outgoing
from antiphon.providers import Outcome as Answer

CLAIM = timedelta(minutes=5)  # and a request's time: then it belongs to a dead sender
CLAIMED_AGAIN = timedelta(seconds=5)  # after a claim that ran out: it may do so at once
MARGIN_SECONDS = 10.0  # beyond a request's own time, that the claim must still hold
AHEAD = 2  # claims made ready while requests are under way
STALE_LOOK_SECONDS = 1.0
GROUPS_SECONDS = 2.0  # so often a group that is more urgent may come first
PATIENCE = timedelta(seconds=60)  # for an account that opens again, or a message tried again
log = logging.getLogger("antiphon.dispatch")


@dataclass(eq=False)
class Unit:
    """One claim on its way. `begun`: message → whether a request with it was begun; those that
    have their outcome are no longer in it."""

    account: OpenAccount
    messages: list[Message]
    turn: pacing.Turn
    ends_at: datetime
    ends: float  # the same by the monotonic clock: whatever happens to the machine's time
    is_trial: bool
    begun: dict[str, bool]
    looked: float = 0.0
    looking: asyncio.Lock = field(default_factory=asyncio.Lock)
    tries_again: list[Outgoing] = field(default_factory=list)

    def holds(self, now: datetime) -> bool:
        """Whether the claim outlasts one more request."""
        needed = self.account.rules.time_out + MARGIN_SECONDS
        return (
            time.monotonic() + needed < self.ends and now + timedelta(seconds=needed) < self.ends_at
        )


@dataclass(eq=False)
class ChannelSender:
    """Sends what is due on one channel until nothing is, or until it is stopped."""

    project: Project
    channel: str
    holder: str
    thread: LedgerThread
    accounts: Accounts
    composer: Composer
    recorder: Recorder
    refusals: Refusals
    tally: Tally
    stop: asyncio.Event
    deadline: float
    failure: BaseException | None = None
    _groups: deque[Group] = field(default_factory=deque)
    _grouped_at: float = float("-inf")
    _under_way: set[asyncio.Task[None]] = field(default_factory=set)
    _ahead: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AHEAD))
    _some_try_later: bool = False
    _began: tuple[datetime, float] = field(init=False)
    _preparing: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="render")
    )

    def __post_init__(self) -> None:
        """The moment by both clocks."""
        self._began = (self.project.clock(), time.monotonic())

    # ------------------------------------------------------------ the loop

    async def send(self, settling: "asyncio.Task[None]") -> None:
        """Send claim after claim. `settling` may bring back messages that were in doubt."""
        try:
            while not self._is_over():
                if await self._begin_next():
                    continue
                waiting = {*self._under_way, settling} if not settling.done() else self._under_way
                if waiting:
                    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                    continue
                await self.recorder.drained()
                if not await self._begin_next() and not await self._wait_for_more():
                    break
        finally:
            if self._under_way:
                await asyncio.wait(self._under_way)
            self._preparing.shutdown(wait=False)
        if self.failure is not None:
            raise self.failure

    def _is_over(self) -> bool:
        failed = self.failure is not None or self.recorder.failure is not None
        return failed or self.stop.is_set() or time.monotonic() > self.deadline

    async def _begin_next(self) -> bool:
        """Claim what is to leave next and let it go its way; whether there was anything."""
        await self._ahead.acquire()
        unit = None
        try:
            unit = await self._claim_next()
        finally:
            if unit is None:
                self._ahead.release()
        if unit is None:
            return False
        unit.account.under_way += 1
        task = asyncio.create_task(self._deliver(unit))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return True

    async def _claim_next(self) -> Unit | None:
        looked_again = False
        while not self._is_over():
            now = self.project.clock()
            if time.monotonic() - self._grouped_at > GROUPS_SECONDS or not self._groups:
                if looked_again:
                    return None  # what was listed is others' by now, or on hold
                looked_again = not self._groups
                await self._list_groups(now)
            if not self._groups:
                return None
            await self.accounts.refresh()
            account = await self.accounts.ready(now)
            if account is None:
                return None
            unit = await self._claim(account, self._groups[0])
            if unit is not None and unit.messages:
                return unit
        return None

    async def _list_groups(self, now: datetime) -> None:
        messages = self.project.ledger.messages
        began = time.monotonic()
        self._groups = deque(await self.thread.call(lambda: messages.due_groups(self.channel, now)))
        took = time.monotonic() - began
        self._grouped_at = time.monotonic() + 20 * took  # a listing that is slow is made seldom

    async def _claim(self, account: OpenAccount, group: Group) -> Unit | None:
        """The next messages of the group, by the account's rate; None where nothing was claimed."""
        clock, ledger = self.project.clock, self.project.ledger
        is_trial = account.is_on_trial
        most = pacing.most_at_once(account.rules, self.accounts.limit(account))
        wanted = min(most, max(group.messages, 1)) if pacing.is_paced(account.rules) else most
        turn = await pacing.turn(self.project, self.thread, account, wanted, clock())
        if not turn.granted:
            account.full_until = turn.start_at
            return None
        await self._sleep_until(turn.start_at)
        began, ttl = time.monotonic(), CLAIM + timedelta(seconds=account.rules.time_out)
        claimed = await self.thread.call(
            lambda: ledger.messages.claim(
                group, account.name, turn.granted, clock(), self.holder, ttl
            )
        )
        if len(claimed) < turn.granted:
            self._groups.popleft()
            await pacing.give_back(self.project, self.thread, account, turn, len(claimed))
        if not claimed:
            return None
        self.tally.claimed(one.message_id for one in claimed)
        ends_at = claimed[0].claim_expires_at or clock()
        ends = began + ttl.total_seconds()
        begun = dict.fromkeys((one.message_id for one in claimed), False)
        return Unit(account, claimed, turn, ends_at, ends, is_trial, begun)

    async def _wait_for_more(self) -> bool:
        """Wait for what comes soon: an account that opens, a message that is tried again; false
        where nothing does, or where the clock stands still."""
        now, messages = self.project.clock(), self.project.ledger.messages
        moments: list[datetime] = []
        if self._groups and (opens_at := self.accounts.opens_at()) is not None:
            moments.append(opens_at)
        if self._some_try_later:
            due_at = await self.thread.call(lambda: messages.next_due_at(self.channel, now))
            moments += [due_at] if due_at is not None else []
        soon = [one for one in moments if now < one <= now + PATIENCE]
        stands = now == self._began[0] and time.monotonic() > self._began[1]
        if not soon or stands:
            self._say_what_waits(now)
            return False
        log.info("%s: waiting until %s", self.channel, f"{min(soon):%H:%M:%S} UTC")
        await self._sleep_until(min(soon))
        self._groups.clear()
        return True

    def _say_what_waits(self, now: datetime) -> None:
        waiting = sum(group.messages for group in self._groups)
        for account in self.accounts.opened if waiting else ():
            if account.is_open(now):
                continue
            until = f"{account.opens_at:%Y-%m-%d %H:%M:%S} UTC"
            why = f"until {until}: {account.reason}"
            if account.full_until is not None:
                why = f"whose hour or day is full; it is asked again at {until}"
            self.tally.warn(
                f"{self.channel}: {waiting:,} messages or more wait for account {account.name} "
                f"{why}"
            )

    async def _sleep_until(self, moment: datetime) -> None:
        """As much of the machine's time as the clock says, or until dispatch is stopped."""
        await self._sleep((moment - self.project.clock()).total_seconds())

    async def _sleep(self, seconds: float) -> None:
        if seconds > 0:
            waiting = asyncio.ensure_future(self.stop.wait())
            await asyncio.wait([waiting], timeout=seconds)
            waiting.cancel()

    # ------------------------------------------------------------ one claim

    async def _deliver(self, unit: Unit) -> None:
        """Everything that happens to a claim; whatever happens, each message has its outcome."""
        is_ahead = True
        try:
            mine, local = self.accounts.split(unit.account, unit.messages)
            for account, messages in ((unit.account, mine), (self.accounts.local, local)):
                if not messages or account is None:
                    continue
                if account is not unit.account:
                    await self._reroute(account, messages)
                under_way = await self._send_all(unit, account, messages)
                if messages is local or not local:
                    self._ahead.release()
                    is_ahead = False
                await _all_done(under_way)
                await self._send_singly(unit, account)
        except BaseException as error:
            self.failure = self.failure or error
            if not isinstance(error, Exception):
                raise
        finally:
            if is_ahead:
                self._ahead.release()
            unit.account.under_way -= 1
            self._leave_true(unit)

    def _leave_true(self, unit: Unit) -> None:
        """Outcomes of messages that got none: by whether a request with them was begun."""
        now = self.project.clock()
        left = [
            doubtful(one, unit.account.name, "no answer was recorded")
            if begun
            else given_back(one, "dispatch stopped before its request", now)
            for one, begun in unit.begun.items()
        ]
        unit.begun.clear()
        self.recorder.put(left)

    async def _reroute(self, account: OpenAccount, messages: Sequence[Message]) -> None:
        ids = [one.message_id for one in messages]
        outbox = self.project.ledger.messages
        await self.thread.call(lambda: outbox.reroute(ids, account.name, self.holder))

    async def _send_all(
        self, unit: Unit, account: OpenAccount, messages: Sequence[Message]
    ) -> list["asyncio.Task[None]"]:
        """Begin a request for each part of the messages, as the account's rate and its number of
        requests at a time allow."""
        loop = asyncio.get_running_loop()
        ready, outcomes = await loop.run_in_executor(
            self._preparing, self._prepare, account, messages
        )
        unit.looked = time.monotonic()
        self._settled(unit, outcomes)
        sent = 0
        tasks: list[asyncio.Task[None]] = []
        for batch in composing.requests(ready, account.batch_size):
            await self._sleep_until(unit.turn.start_at + sent * unit.turn.spacing)
            sent += len(batch)
            if account.failures and tasks:  # one after the other until one goes well
                await asyncio.wait(tasks)
            await account.slots.acquire()
            tasks.append(asyncio.create_task(self._request(unit, account, batch)))
        return tasks

    def _prepare(
        self, account: OpenAccount, messages: Sequence[Message]
    ) -> tuple[list[Outgoing], list[Outcome]]:
        """Rendered messages, and outcomes of those that may not or cannot leave after all."""
        stopped = self._look(messages)
        wanted = [one for one in messages if one.message_id not in stopped]
        in_batches = account.batch_size > 1 and len(wanted) > 1
        ready, failed = self.composer.compose(wanted, in_batches=in_batches)
        for one in failed:
            reason = str((one.evidence or {}).get("reason", ""))
            self.tally.unwritable(wanted[0].campaign, reason)
        return ready, [*stopped.values(), *failed]

    def _look(self, messages: Sequence[Message]) -> dict[str, Outcome]:
        """The last look, however long the ledger is away; it is as of the moment it answers."""
        return self.thread.patiently(
            lambda: last_look.stopped(self.project, self.channel, messages, self.project.clock())
        )

    async def _send_singly(self, unit: Unit, account: OpenAccount) -> None:
        """What one bad message of its batch kept from leaving leaves alone."""
        singles, unit.tries_again = unit.tries_again, []
        tasks = []
        for message in singles:
            await account.slots.acquire()
            tasks.append(asyncio.create_task(self._request(unit, account, [message])))
        await _all_done(tasks)

    def _settled(self, unit: Unit, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            unit.begun.pop(outcome.message_id, None)
            if outcome.not_before is not None:
                self._some_try_later = True
        self.recorder.put(outcomes)

    # ------------------------------------------------------------ one request

    async def _request(self, unit: Unit, account: OpenAccount, batch: list[Outgoing]) -> None:
        """One request and what its answers mean. The slot it was given is free afterwards."""
        try:
            batch = await self._still_wanted(unit, account, batch)
            if not batch:
                return
            unit.begun.update(dict.fromkeys((one.message_id for one in batch), True))
            answers = await self._ask(account, batch)
        finally:
            account.slots.release()
        await self._answered(unit, account, batch, answers)

    async def _still_wanted(
        self, unit: Unit, account: OpenAccount, batch: list[Outgoing]
    ) -> list[Outgoing]:
        """What of the batch may leave at this moment; the rest has its outcome."""
        why, again_at = self._hindrance(unit, account)
        if not why:
            async with unit.looking:
                if time.monotonic() - unit.looked > STALE_LOOK_SECONDS:
                    await self._look_again(unit)
            why, again_at = self._hindrance(unit, account)  # the ledger may have been away
        batch = [one for one in batch if one.message_id in unit.begun]
        if why:
            self._settled(unit, [given_back(one.message_id, why, again_at) for one in batch])
            return []
        return batch

    def _hindrance(self, unit: Unit, account: OpenAccount) -> tuple[str, datetime]:
        """Why nothing of the claim may leave now ('': it may), and when it is claimed again."""
        now = self.project.clock()
        if self.stop.is_set():
            return "dispatch was stopped", now
        if not unit.holds(now):
            return "the claim ran out", now + CLAIMED_AGAIN
        if account.is_paused(now) and not unit.is_trial:
            return f"account {account.name} was paused", self.accounts.reopens_at(now)
        return "", now

    async def _look_again(self, unit: Unit) -> None:
        """At all messages of the claim that have not left, at once."""
        waiting = [one for one in unit.messages if unit.begun.get(one.message_id) is False]
        stopped = await asyncio.to_thread(self._look, waiting)
        unit.looked = time.monotonic()
        self._settled(unit, [one for one in stopped.values() if one.message_id in unit.begun])

    async def _ask(self, account: OpenAccount, batch: list[Outgoing]) -> list[Answer]:
        """One answer for each message. A provider that breaks its promise said nothing."""
        try:
            answers = await account.provider.send(batch, self.project.clock())
        except Exception as error:
            log.warning("account %s: %s", account.name, type(error).__name__)
            evidence = f"the adapter failed ({type(error).__name__})"
            return [unknown(one.message_id, evidence) for one in batch]
        by_id = {answer.message_id: answer for answer in answers}
        missing = "the adapter said nothing of it"
        return [by_id.get(one.message_id) or unknown(one.message_id, missing) for one in batch]

    async def _answered(
        self, unit: Unit, account: OpenAccount, batch: list[Outgoing], answers: list[Answer]
    ) -> None:
        """Write down first what is final; then learn what it says of the account, which tells
        when the others are tried again."""
        now = self.project.clock()
        opted_out = [one for one in answers if one.blame is Blame.OPT_OUT]
        singles, waiting, final = [], [], []
        for message, answer in zip(batch, answers, strict=True):
            if answer.kind is not OutcomeKind.TRY_LATER:
                final.append(answer)
            elif len(batch) > 1 and _is_spoiled(answer):
                unit.begun[message.message_id] = False
                singles.append(message)
            else:
                waiting.append(answer)
        if opted_out:
            await self._suppress(account, batch, opted_out, now)
        self._settled(unit, [recorded(one, account.name, now) for one in final])
        try:
            await self.accounts.learn(account, answers, now)
        finally:
            later = [
                recorded(one, account.name, self.accounts.again_at(account, one, now))
                for one in waiting
            ]
            self._settled(unit, later)
        unit.tries_again += singles
        await self.refusals.note(batch[0].campaign, final, now)

    async def _suppress(
        self, account: OpenAccount, batch: list[Outgoing], answers: list[Answer], now: datetime
    ) -> None:
        """Nobody writes again to whom told the provider to stop."""
        refused = {one.message_id for one in answers}
        salt = self.project.configuration.settings.salt
        stopped = {
            (self.channel, keys.address_key(salt, self.channel, one.to))
            for one in batch
            if one.message_id in refused
        }
        people = self.project.ledger.people
        count = await self.thread.call(
            lambda: people.suppress_all(stopped, reason="opt_out", at=now, source=account.name)
        )
        self.tally.count("suppressed", count)


def _is_spoiled(answer: Answer) -> bool:
    return answer.blame is Blame.MESSAGE and answer.evidence.startswith(BATCH_REFUSED)


async def _all_done(tasks: "Sequence[Awaitable[None]]") -> None:
    """Waits for all of them; then raises what one of them raised."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
