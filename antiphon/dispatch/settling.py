"""Messages in doubt, settled by what the provider knows, and by declared policy after grace."""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from antiphon.dispatch.accounts import Accounts, OpenAccount
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.outcomes import recorded
from antiphon.dispatch.tally import Tally
from antiphon.ledger import Message, Outcome
from antiphon.ledger.messages import SENDER_DIED
from antiphon.project import Project
from antiphon.providers import LookUp, OutcomeKind
from antiphon.providers import Outcome as Answer
from antiphon.states import MessageState
from antiphon.steps.holder import is_dead

AT_A_TIME = 200
AT_ONCE = 8  # questions; messages that leave come first
ASKED_AT_A_TIME = 64  # so many answers at most are lost with a dispatcher that is killed
MOST = 2_000  # questions of one pass
# a list may lag behind: what is not found is asked about again at these ages, later every 3 hours
AGES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 180))
log = logging.getLogger("antiphon.dispatch")


def recover(project: Project, tally: Tally) -> None:
    """What senders had under way that died, or whose claims ran out, is in doubt."""
    outbox = project.ledger.messages
    dead = [holder for holder in outbox.holders() if is_dead(holder)]
    tally.count("senders_died", outbox.recover(project.clock(), dead))


@dataclass
class Settling:
    """Settles the doubts of one channel, until `stop` or the deadline (monotonic)."""

    project: Project
    channel: str
    thread: LedgerThread
    accounts: Accounts
    composer: Composer
    tally: Tally
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    deadline: float = float("inf")

    @property
    def _salt(self) -> str:
        return self.project.configuration.settings.salt

    def _is_over(self) -> bool:
        return self.stop.is_set() or time.monotonic() > self.deadline

    async def ask(self, *, everything: bool = False) -> None:
        """What the providers know of messages in doubt; not of those that were asked about a short
        while ago, unless `everything` is wanted."""
        accounts = {one.name: one for one in (*self.accounts.opened, self.accounts.local) if one}
        for account in accounts.values():
            if account.provider.capabilities.look_up is not LookUp.NEVER:
                await self._ask(account, everything=everything)

    async def _ask(self, account: OpenAccount, *, everything: bool) -> None:
        outbox, after, asked = self.project.ledger.messages, "", 0
        while everything or asked < MOST:
            now = self.project.clock()
            if self._is_over() or not account.is_open(now):
                return
            due = None if everything else now
            doubts = await self.thread.call(
                lambda after=after, due=due: outbox.in_doubt(  # type: ignore[misc]
                    self.channel, account.name, ASKED_AT_A_TIME, after, ask_by=due
                )
            )
            if not doubts:
                return
            after, asked = doubts[-1].message_id, asked + len(doubts)
            await self._settle(doubts, await self._answers(account, doubts), account)

    async def _answers(
        self, account: OpenAccount, doubts: Sequence[Message]
    ) -> Mapping[str, Answer | None]:
        """By message; of those that nobody could be asked about before the end, nothing."""
        rate = account.rules.per_second
        spacing = 0.0 if rate is None else 1 / float(rate)
        slots = asyncio.Semaphore(min(AT_ONCE, account.rules.at_once))
        answers: dict[str, Answer | None] = {}

        async def asked(number: int, message: Message) -> None:
            await asyncio.sleep(number * spacing)
            async with slots:
                answers[message.message_id] = await self._look_up(account, message)

        asking = asyncio.gather(*(asked(*one) for one in enumerate(doubts)))
        stopping = asyncio.ensure_future(self.stop.wait())
        left = None if self.deadline == float("inf") else self.deadline - time.monotonic()
        ends: set[asyncio.Future[Any]] = {asking, stopping}
        try:
            await asyncio.wait(ends, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
        return answers

    async def _settle(
        self,
        doubts: Sequence[Message],
        answers: Mapping[str, Answer | None],
        account: OpenAccount,
    ) -> None:
        now, outbox = self.project.clock(), self.project.ledger.messages
        found: list[Outcome] = []
        again: dict[str, str] = {}
        later: dict[str, datetime] = {}
        owners = await self._owners(answers)
        for message in doubts:
            if message.message_id not in answers:
                continue
            answer = answers[message.message_id]
            if answer is not None and answer.provider_id in owners:
                owner = owners[answer.provider_id] or message.message_id
                owners[answer.provider_id] = owner
                answer = answer if owner == message.message_id else None
            if answer is None:
                later[message.message_id] = _again_at(message, now)
            elif answer.kind in {OutcomeKind.ACCEPTED, OutcomeKind.REFUSED}:
                found.append(recorded(answer, account.name, now))
            elif answer.kind is OutcomeKind.TRY_LATER and _is_over(message):
                again[message.message_id] = message.next_id(self._salt)
        if found:
            await self.thread.call(lambda: outbox.record(found, now))
            self.tally.count("found_sent", len(found))
        if again:
            evidence = {"found": "the provider has not got it"}
            tried = await self.thread.call(lambda: outbox.try_again(again, evidence, now))
            self.tally.count("tried_again", tried)
        if later:
            await self.thread.call(lambda: outbox.ask_again(later))

    async def _owners(self, answers: Mapping[str, Answer | None]) -> dict[str, str]:
        """Whose the SMS is that was found, by the provider's id; '' where it is nobody's yet.

        It was found by number and text: people who share a number may be sent the same words, and
        what one of them got does not tell that the other did.
        """
        if self.channel != "sms":
            return {}
        ids = {one.provider_id for one in answers.values() if one and one.provider_id}
        outbox = self.project.ledger.messages
        known = await self.thread.call(lambda: outbox.sms_named(ids)) if ids else {}
        return {one: known.get(one, "") for one in ids}

    async def _look_up(self, account: OpenAccount, message: Message) -> Answer | None:
        now = self.project.clock()
        try:
            outgoing = await asyncio.to_thread(self.composer.outgoing, message)
            return await account.provider.lookup(outgoing, message.left_at or now, now)
        except Exception as error:
            log.warning("message %s: no look-up (%s)", message.message_id, type(error).__name__)
            return None

    async def by_policy(self) -> None:
        """What settings.yaml says of doubts for which no evidence came within the grace."""
        rules = self.project.configuration.settings.dispatch.in_doubt
        outbox, now = self.project.ledger.messages, self.project.clock()
        after, waiting, left_by = "", 0, now - rules.grace
        while not self._is_over() and (
            old := await self.thread.call(
                lambda: outbox.in_doubt(self.channel, None, AT_A_TIME, after, left_by=left_by)  # noqa: B023
            )
        ):
            after = old[-1].message_id
            if rules.then == "sent":
                await self._take_for_sent(old, now)
            elif rules.then == "again":
                await self._send_again(old, now)
            else:
                waiting += len(old)
        if waiting:
            self.tally.warn(
                f"{self.channel}: {waiting:,} messages are in doubt for longer than the grace, and "
                "a person has to decide: antiphon outbox settle"
            )

    async def _take_for_sent(self, doubts: Sequence[Message], now: datetime) -> None:
        evidence = {"policy": "dispatch.in_doubt: taken for sent"}
        outcomes = [Outcome(one.message_id, MessageState.ACCEPTED, evidence) for one in doubts]
        if outcomes:
            outbox = self.project.ledger.messages
            await self.thread.call(lambda: outbox.record(outcomes, now))
            self.tally.count("taken_for_sent", len(outcomes))

    async def _send_again(self, doubts: Sequence[Message], now: datetime) -> None:
        again = {one.message_id: one.next_id(self._salt) for one in doubts if one.expires_at > now}
        if again:
            outbox = self.project.ledger.messages
            evidence = {"policy": "dispatch.in_doubt: sent again"}
            tried = await self.thread.call(lambda: outbox.try_again(again, evidence, now))
            self.tally.count("sent_again", tried)


def _is_over(message: Message) -> bool:
    """Whether its sender can no longer hand it over: it is gone, or said itself that it does not
    know. A slow one whose claim ran out might still."""
    return SENDER_DIED not in (message.evidence or "") or is_dead(message.claim_holder or "")


def _again_at(message: Message, now: datetime) -> datetime:
    """When to ask again about a message that was not found."""
    ages = (message.updated_at + age for age in AGES)
    return next((moment for moment in ages if moment > now), now + AGES[-1])
