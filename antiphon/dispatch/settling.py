"""Messages in doubt, settled by what the provider knows, and by declared policy after grace."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex

from antiphon import keys
from antiphon.dispatch.accounts import Accounts, OpenAccount
from antiphon.dispatch.composing import Composer
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.outcomes import recorded
from antiphon.dispatch.tally import Tally
from antiphon.ledger import Message, Outcome
from antiphon.project import Project
from antiphon.providers import LookUp, OutcomeKind
from antiphon.providers import Outcome as Answer
from antiphon.states import MessageState
from antiphon.steps.holder import is_dead

AT_A_TIME = 200
AT_ONCE = 8  # questions; messages that leave come first
MOST = 2_000  # questions of one pass
SENDER_DIED = "the sender died"
log = logging.getLogger("antiphon.dispatch")


@dataclass
class Settling:
    """Settles the doubts of one channel."""

    project: Project
    channel: str
    thread: LedgerThread
    accounts: Accounts
    composer: Composer
    tally: Tally

    async def ask(self) -> None:
        """What the providers know of messages in doubt."""
        accounts = {one.name: one for one in (*self.accounts.opened, self.accounts.local) if one}
        for account in accounts.values():
            if account.provider.capabilities.look_up is not LookUp.NEVER:
                await self._ask(account)

    async def _ask(self, account: OpenAccount) -> None:
        """Of many doubts not always the same ones: where it begins is chance."""
        outbox, after = self.project.ledger.messages, token_hex(16)
        for _ in range(MOST // AT_A_TIME):
            if not account.is_open(self.project.clock()):
                return
            doubts = await self.thread.call(
                lambda after=after: outbox.in_doubt(  # type: ignore[misc]
                    self.channel, account.name, AT_A_TIME, after
                )
            )
            if not doubts and not after:
                return
            after = doubts[-1].message_id if doubts else ""
            await self._settle(account, doubts)

    async def _settle(self, account: OpenAccount, doubts: Sequence[Message]) -> None:
        slots = asyncio.Semaphore(AT_ONCE)

        async def asked(message: Message) -> Answer | None:
            async with slots:
                return await self._look_up(account, message)

        answers = await asyncio.gather(*map(asked, doubts))
        now, outbox = self.project.clock(), self.project.ledger.messages
        found: list[Outcome] = []
        again: dict[str, str] = {}
        for message, answer in zip(doubts, answers, strict=True):
            if answer is None:
                continue
            if answer.kind in {OutcomeKind.ACCEPTED, OutcomeKind.REFUSED}:
                found.append(recorded(answer, account.name, now))
            elif answer.kind is OutcomeKind.TRY_LATER and _is_over(message):
                again[message.message_id] = self._next_attempt(message)
        if found:
            await self.thread.call(lambda: outbox.record(found, now))
            self.tally.count("found_sent", len(found))
        if again:
            evidence = {"found": "the provider has not got it"}
            tried = await self.thread.call(lambda: outbox.try_again(again, evidence, now))
            self.tally.count("tried_again", tried)

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
        after, waiting = "", 0
        while doubts := await self.thread.call(
            lambda: outbox.in_doubt(self.channel, None, AT_A_TIME, after)  # noqa: B023
        ):
            after = doubts[-1].message_id
            old = [one for one in doubts if (one.left_at or one.updated_at) + rules.grace <= now]
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
        again = {one.message_id: self._next_attempt(one) for one in doubts if one.expires_at > now}
        if again:
            outbox = self.project.ledger.messages
            evidence = {"policy": "dispatch.in_doubt: sent again"}
            tried = await self.thread.call(lambda: outbox.try_again(again, evidence, now))
            self.tally.count("sent_again", tried)

    def _next_attempt(self, message: Message) -> str:
        salt = self.project.configuration.settings.salt
        return keys.message_id(salt, message.occurrence_key, message.attempt + 1)


def _is_over(message: Message) -> bool:
    """Whether its sender can no longer hand it over: it is gone, or said itself that it does not
    know. A slow one whose claim ran out might still."""
    return SENDER_DIED not in (message.evidence or "") or is_dead(message.claim_holder or "")
