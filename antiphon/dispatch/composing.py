"""From claimed messages to requests: rendered, and told apart by what one request can carry."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property, lru_cache

from antiphon.clock import business_day
from antiphon.ledger import Message, Outcome
from antiphon.message.content import Personal
from antiphon.message.templates import MessageHeld, TemplateFault
from antiphon.project import Project
from antiphon.providers import Outgoing
from antiphon.states import MessageState
from antiphon.steps.reading import Reader

LARGEST_REQUEST = 25_000_000  # bytes; SendGrid takes less than 30 MB (provider facts, 1)
BYTES_A_CHARACTER = 4  # at most, in UTF-8; JSON escapes of plain text take less
BYTES_A_PERSON = 1_000  # address, headers, ids
log = logging.getLogger("antiphon.dispatch")


@dataclass(frozen=True)
class Composer:
    """Makes what a provider is given from what the ledger holds, for one channel."""

    project: Project
    channel: str
    reader: Reader

    def compose(
        self, messages: Sequence[Message], *, in_batches: bool
    ) -> tuple[list[Outgoing], list[Outcome]]:
        """Rendered messages, and the outcomes of those that cannot be rendered.

        One message must not hold up the others, and no error may quote the customer.
        """
        ready: list[Outgoing] = []
        failed: list[Outcome] = []
        for message in messages:
            try:
                ready.append(self.outgoing(message, in_batches=in_batches))
            except (MessageHeld, TemplateFault) as error:
                failed.append(_withdrawn(message, str(error)))
            except Exception as error:
                reason = f"it cannot be rendered ({type(error).__name__})"
                log.warning("message %s: %s", message.message_id, reason)
                failed.append(_withdrawn(message, reason))
        return ready, failed

    def outgoing(self, message: Message, *, in_batches: bool = False) -> Outgoing:
        """One message as it leaves; raises what rendering raises."""
        sender, sender_name = self._sender
        return Outgoing(
            message_id=message.message_id,
            campaign=message.campaign,
            category=message.category,
            arm=message.arm,
            day=_day(message.planned_at, self._zone),
            to=message.address or "",
            sender=sender,
            sender_name=sender_name,
            content=self.reader.shared(message) if in_batches else self.reader.content(message),
            expires_at=message.expires_at,
        )

    @cached_property
    def _sender(self) -> tuple[str, str]:
        return self.project.configuration.settings.company.sender(self.channel)

    @cached_property
    def _zone(self) -> str:
        return self.project.configuration.settings.business.timezone


def requests(messages: Sequence[Outgoing], batch_size: int) -> Iterator[list[Outgoing]]:
    """The messages as one request carries them: of one skeleton together, any other alone."""
    batches: dict[int, list[Outgoing]] = {}
    for message in messages:
        if batch_size > 1 and isinstance(message.content, Personal):
            batches.setdefault(id(message.content.skeleton), []).append(message)
        else:
            yield [message]
    for batch in batches.values():
        yield from _cut(batch, batch_size)


def _cut(batch: list[Outgoing], batch_size: int) -> Iterator[list[Outgoing]]:
    part: list[Outgoing] = []
    size = 0
    for message in batch:
        content = message.content
        assert isinstance(content, Personal)
        own = BYTES_A_PERSON + BYTES_A_CHARACTER * sum(map(len, content.values))
        if part and (len(part) == batch_size or size + own > LARGEST_REQUEST):
            yield part
            part = []
        if not part:
            skeleton = content.skeleton
            texts = len(skeleton.html) + len(skeleton.text) + len(skeleton.subject)
            size = BYTES_A_CHARACTER * texts
        part.append(message)
        size += own
    if part:
        yield part


def _withdrawn(message: Message, reason: str) -> Outcome:
    return Outcome(message.message_id, MessageState.WITHDRAWN, {"reason": reason})


@lru_cache(maxsize=1024)
def _day(planned_at: datetime, zone: str) -> date:
    return business_day(planned_at, zone)
