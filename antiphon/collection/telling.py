"""From events of a provider to what the ledger keeps: messages moved, responses recorded."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from antiphon import keys
from antiphon.collection import record
from antiphon.collection.consequences import CONSEQUENTIAL
from antiphon.ledger import Addressed, Outcome, Response
from antiphon.project import Project
from antiphon.response.events import Event
from antiphon.response.twilio import PROVIDER as TWILIO
from antiphon.states import NEXT, MessageState, ResponseKind

CHANNELS = {"sendgrid": "email", TWILIO: "sms"}
RANK = (MessageState.ACCEPTED, MessageState.DELIVERED, MessageState.BOUNCED)
MOVES: dict[str, frozenset[MessageState]] = {
    state.value: frozenset(after & {*RANK})
    for state, after in NEXT.items()
    if state is not MessageState.PLANNED
}


class Teller:
    """Gathers events, and writes all of them down at once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._events: list[tuple[str, datetime, Event]] = []

    def add(self, provider: str, received_at: datetime, events: Sequence[Event]) -> None:
        """Events of one request."""
        self._events += [(provider, received_at, event) for event in events]

    def tell(self, now: datetime) -> Counter[str]:
        """Move the messages, draw the consequences, keep the responses; counts of all that."""
        if not self._events:
            return Counter()
        named = self._named()
        told = Counter(moved=self._move(named, now))
        addresses, responses = dict[str, str](), list[Response]()
        for provider, received_at, event in self._events:
            if event.kind is not None:
                message = named.get(event.message_id) or named.get(event.provider_id)
                responses.append(self._response(provider, received_at, event, message, addresses))
        recorded = record(self._project, responses, addresses)
        told.update(recorded)
        told["repeated"] = len(responses) - sum(recorded[kind] for kind in ResponseKind)
        return +told

    def _named(self) -> dict[str, Addressed]:
        """The messages that events name, by our id, and SMS by the provider's too."""
        messages = self._project.ledger.messages
        by_sid = {
            event.provider_id
            for provider, _, event in self._events
            if provider == TWILIO and event.provider_id and not event.message_id
        }
        named = messages.sms_named(by_sid) if by_sid else {}
        ours = {event.message_id for _, _, event in self._events if event.message_id}
        found = messages.addressed(ours | set(named.values()))
        return found | {sid: found[ours] for sid, ours in named.items()}

    def _move(self, named: Mapping[str, Addressed], now: datetime) -> int:
        """Each message goes as far as its events say, where it is not there yet; how many moved."""
        furthest: dict[str, tuple[int, Outcome]] = {}
        for _, _, event in self._events:
            if event.state is None:
                continue
            message = named.get(event.message_id) or named.get(event.provider_id)
            if message is None or event.state not in MOVES.get(message.state, ()):
                continue
            rank = RANK.index(event.state)
            if message.message_id not in furthest or furthest[message.message_id][0] < rank:
                evidence = event.evidence or {"event": event.state.value}
                provider_id = None if message.provider_id else event.provider_id or None
                outcome = Outcome(
                    message.message_id, event.state, evidence, provider_id=provider_id
                )
                furthest[message.message_id] = rank, outcome
        outcomes = [outcome for _, outcome in furthest.values()]
        return self._project.ledger.messages.record(outcomes, now).moved if outcomes else 0

    def _response(
        self,
        provider: str,
        received_at: datetime,
        event: Event,
        message: Addressed | None,
        addresses: dict[str, str],
    ) -> Response:
        """`addresses` gets the address of somebody whom no message names."""
        channel, salt = CHANNELS[provider], self._project.configuration.settings.salt
        key = address = None
        if message is None:
            address = normalised(channel, event.address)
        elif event.kind in CONSEQUENTIAL:
            address = message.address
        if address:
            key = keys.address_key(salt, channel, address)
            if message is None:
                addresses[key] = address
        is_answer = message is not None and not event.is_earlier
        return Response(
            response_id=keys.digest("response", provider, event.event_id),
            kind=str(event.kind),
            occurred_at=event.occurred_at,
            received_at=received_at,
            provider=provider,
            message_id=message.message_id if message and is_answer else None,
            customer_id=message.customer_id if message else None,
            campaign=message.campaign if message and is_answer else None,
            channel=channel,
            address_key=key,
            provider_id=event.provider_id or None,
            is_machine=event.is_machine,
            value=event.value,
            evidence=event.evidence,
        )


def normalised(channel: str, address: str) -> str | None:
    """The address as messages and suppressions have it; None for what is none."""
    from antiphon.sources.contacts import is_plain, parse_email  # noqa: PLC0415 - brings an engine

    if channel == "sms":
        return address if address.startswith("+") else None
    if is_plain(address):
        return address.lower()
    return parse_email(address).address
