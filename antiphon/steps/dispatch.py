"""Sending what is due: claim, look once more, render, hand over, record; never twice or lost."""

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from antiphon import keys
from antiphon.clock import Clock, business_day
from antiphon.dispatch.last_look import stopped
from antiphon.ledger import Message, Outcome
from antiphon.message.templates import MessageHeld, TemplateFault
from antiphon.project import Project, open_project
from antiphon.providers import Outcome as Answer
from antiphon.providers import OutcomeKind, Outgoing, Provider, open_provider
from antiphon.states import MessageState
from antiphon.steps.holder import is_dead, this_process
from antiphon.steps.reading import Reader
from antiphon.steps.run import Counts, Run, step

CHANNELS = ("email", "sms")
CLAIM = timedelta(minutes=5)  # a claim not recorded by then belongs to a dead sender
ANSWERS = {
    OutcomeKind.ACCEPTED: MessageState.ACCEPTED,
    OutcomeKind.REFUSED: MessageState.REFUSED,
    OutcomeKind.TRY_LATER: MessageState.PLANNED,
    OutcomeKind.UNKNOWN: MessageState.IN_DOUBT,
}
log = logging.getLogger("antiphon.dispatch")


@step("dispatch")
def dispatch(run: Run) -> Counts:
    """Send what is due, of this run and of earlier ones."""
    counts = send_due(run.project)
    if expired := counts.get("expired", 0):
        run.warn(
            [
                f"{expired:,} messages expired before anything sent them: they are decided anew. "
                "`antiphon dispatch` (or a Prefect worker) must run at the hours messages wait for."
            ]
        )
    return counts


def dispatch_due(root: Path, clock: Clock) -> Counts:
    """Send what has become due, whoever planned it: the dispatch flow."""
    return send_due(open_project(root, clock))


def send_due(project: Project) -> Counts:
    """Send every due message of released runs; counts by what became of them."""
    counts = Counter[str](expired=project.ledger.messages.expire(project.clock()))
    sender = Sender(project, this_process(), Reader(project))
    for channel in CHANNELS:
        counts.update(asyncio.run(sender.send_channel(channel)))
    return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True)
class Sender:
    """Sends the messages of one project under one holder's name."""

    project: Project
    holder: str
    reader: Reader

    async def send_channel(self, channel: str) -> Counts:
        """Settle what a dead sender left, then send batch by batch until nothing is due."""
        ledger, clock = self.project.ledger, self.project.clock
        settings = self.project.configuration.settings
        name = getattr(settings.providers, channel)[0]
        outbox = str(self.project.root / settings.providers.outbox)
        provider = open_provider(name, channel, outbox)
        counts = Counter(await self._settle(provider))
        while groups := ledger.messages.due_groups(channel, clock()):
            claimed = ledger.messages.claim(
                groups[0],
                provider.name,
                provider.capabilities.batch_size,
                clock(),
                self.holder,
                CLAIM,
            )
            outcomes, outgoing = self._prepare(channel, claimed)
            answers = await provider.send(outgoing, clock())
            outcomes += [_outcome(answer, provider.name) for answer in answers]
            ledger.messages.record(outcomes, clock(), self.holder)
            counts.update(outcome.state.value for outcome in outcomes)
            log.info("%s: %s messages handled", channel, f"{sum(counts.values()):,}")
        return dict(counts)

    async def _settle(self, provider: Provider) -> Counts:
        """What dead senders had in flight is in doubt; the provider's own record settles it.

        A message the provider certainly has not got is tried again as a new attempt.
        """
        ledger, now = self.project.ledger, self.project.clock()
        dead = [holder for holder in ledger.messages.holders() if is_dead(holder)]
        ledger.messages.recover(now, dead)
        salt = self.project.configuration.settings.salt
        settled: list[Outcome] = []
        again: dict[str, str] = {}
        channel = provider.channel
        for message in ledger.messages.in_doubt(channel):
            answer = await provider.lookup(
                self._outgoing(channel, message), message.left_at or now, now
            )
            if answer is not None and answer.kind is OutcomeKind.ACCEPTED:
                settled.append(_outcome(answer, provider.name))
            elif (
                answer is not None
                and answer.kind is OutcomeKind.TRY_LATER
                and is_dead(message.claim_holder or "")  # a slow one might still hand it over
            ):
                again[message.message_id] = keys.message_id(
                    salt, message.occurrence_key, message.attempt + 1
                )
        ledger.messages.record(settled, now)
        ledger.messages.try_again(again, {"found": "the provider has not got it"}, now)
        return {"found_sent": len(settled), "tried_again": len(again)}

    def _prepare(
        self, channel: str, claimed: Sequence[Message]
    ) -> tuple[list[Outcome], list[Outgoing]]:
        """Rendered messages, and outcomes of those that may not or cannot leave after all."""
        stops = stopped(self.project, channel, claimed, self.project.clock())
        outcomes = list(stops.values())
        outgoing: list[Outgoing] = []
        for message in claimed:
            if message.message_id in stops:
                continue
            try:
                outgoing.append(self._outgoing(channel, message))
                continue
            except (MessageHeld, TemplateFault) as error:
                reason = str(error)
            except Exception as error:
                # One message must not hold up the others; its text may quote the customer.
                reason = f"it cannot be rendered ({type(error).__name__})"
                log.warning("message %s: %s", message.message_id, reason)
            withdrawn = Outcome(message.message_id, MessageState.WITHDRAWN, {"reason": reason})
            outcomes.append(withdrawn)
        return outcomes, outgoing

    def _outgoing(self, channel: str, message: Message) -> Outgoing:
        settings = self.project.configuration.settings
        company = settings.company
        is_email = channel == "email"
        return Outgoing(
            message_id=message.message_id,
            campaign=message.campaign,
            category=message.category,
            arm=message.arm,
            expires_at=message.expires_at,
            day=business_day(message.planned_at, settings.business.timezone),
            to=message.address or "",
            sender=company.email_from if is_email else company.sms_from,
            sender_name=company.email_from_name if is_email else "",
            content=self.reader.content(message),
        )


def _outcome(answer: Answer, provider: str) -> Outcome:
    return Outcome(
        answer.message_id,
        ANSWERS[answer.kind],
        {"evidence": answer.evidence},
        provider,
        answer.provider_id or None,
        answer.retry_at,
    )
