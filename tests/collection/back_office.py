"""A company's ledger with messages that left or wait, and what providers say of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlencode

import orjson
import pyarrow as pa

from antiphon import keys
from antiphon.collection.inbox import Parsed, parse
from antiphon.ledger import PLAN_SCHEMA, Arrival, Message, Outcome
from antiphon.project import Project
from antiphon.response.sources import Source
from antiphon.states import MessageState

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SALT = "office"


class Clock:
    """Shows what a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Office:
    """One project; `clock` is its clock."""

    project: Project
    clock: Clock

    def __post_init__(self) -> None:
        self._anchors, self._events = count(), count()

    def plan(self, *customers: str, **known: Any) -> list[str]:
        """A released run with one message for each; their ids."""
        ledger = self.project.ledger
        lease = ledger.leases.acquire("planning", "test", HOUR, NOW)
        run = ledger.runs.begin("daily", date(2026, 5, 12), NOW, NOW, lease=lease)
        rows = [self._row(customer, **known) for customer in customers]
        ledger.messages.plan(
            pa.Table.from_pylist(rows, schema=PLAN_SCHEMA), run.run_id, lease, self.clock.now
        )
        ledger.messages.release(run.run_id, lease, NOW)
        ledger.runs.finish(run.run_id, "finished", "", NOW, lease=lease)  # type: ignore[arg-type]
        ledger.leases.release(lease)
        return [str(row["message_id"]) for row in rows]

    def send(self, *customers: str, provider_id: str = "", **known: Any) -> list[str]:
        """As `plan`; and all of them left."""
        ids = self.plan(*customers, **known)
        channel = known.get("channel", "email")
        messages, now = self.project.ledger.messages, self.clock.now
        for group in messages.due_groups(channel, now):
            messages.claim(group, "account", 100_000, now, "test", HOUR)
        outcomes = [
            Outcome(one, MessageState.ACCEPTED, provider_id=provider_id or f"SM{one}")
            for one in ids
        ]
        messages.record(outcomes, now, "test")
        return ids

    def _row(self, customer: str, **known: Any) -> dict[str, Any]:
        channel = known.get("channel", "email")
        key = keys.occurrence_key("letter", "", customer, f"a{next(self._anchors)}")
        default = f"{customer}@example.com" if channel == "email" else known.get("address", "+1")
        row: dict[str, Any] = {
            "message_id": keys.message_id(SALT, key, 1),
            "occurrence_key": key,
            "attempt": 1,
            "campaign": "letter",
            "step": "",
            "cell": "",
            "customer_id": customer,
            "unit": customer,
            "anchor": key.split("|")[2],
            "arm": "a",
            "channel": channel,
            "category": "promo",
            "address": default,
            "values_json": "{}",
            "template_hash": "t",
            "language": "en",
            "state": "planned",
            "not_before": self.clock.now,
            "expires_at": self.clock.now + 30 * DAY,
            "planned_at": self.clock.now,
            "cost_e4": 0,
        }
        return {**row, **{name: value for name, value in known.items() if name in row}}

    def event(self, name: str, message_id: str = "", **fields: Any) -> dict[str, Any]:
        """One event of SendGrid."""
        event = {
            "email": "somebody@example.com",
            "timestamp": int(self.clock.now.timestamp()),
            "event": name,
            "sg_event_id": f"event{next(self._events)}",
            "sg_message_id": "request.filter0425p1mdw1.13037.57168B4A1D.0",
        }
        ours = {"antiphon_message": message_id} if message_id else {}
        return {**event, **ours, **fields}

    def mailed(self, *events: Mapping[str, Any]) -> Parsed:
        """SendGrid posts these, and they are read."""
        self.project.ledger.inbox.put([self.post(*events)])
        return parse(self.project)

    def post(self, *events: Mapping[str, Any]) -> Arrival:
        """A request of SendGrid."""
        return Arrival(Source.SENDGRID_EVENTS, self.clock.now, orjson.dumps(events) + b"\r\n")

    def texted(self, sender: str, body: str, **fields: str) -> Parsed:
        """Somebody sends an SMS to us, and it is read."""
        form = {"MessageSid": f"SM{next(self._events)}", "From": sender, "Body": body, **fields}
        arrival = Arrival(Source.TWILIO_INBOUND, self.clock.now, urlencode(form).encode())
        self.project.ledger.inbox.put([arrival])
        return parse(self.project)

    def called_back(self, sid: str, status: str, error: str = "", message_id: str = "") -> Parsed:
        """Twilio tells a state, and it is read."""
        form = {"MessageSid": sid, "MessageStatus": status, "To": "+491701234567"}
        if error:
            form["ErrorCode"] = error
        query = f"m={message_id}" if message_id else ""
        body = urlencode(form).encode()
        self.project.ledger.inbox.put([Arrival(Source.TWILIO_STATUS, self.clock.now, body, query)])
        return parse(self.project)

    def state(self, message_id: str) -> str:
        """Where a message stands."""
        return self.message(message_id).state.value

    def message(self, message_id: str) -> Message:
        """The message."""
        found = self.project.ledger.messages.get(message_id)
        assert found is not None
        return found

    def reason(self, message_id: str) -> str:
        """Why a message was withdrawn."""
        return str(orjson.loads(self.message(message_id).evidence or "{}").get("reason", ""))

    def is_suppressed(self, address: str, channel: str = "email") -> bool:
        """Whether nobody may write to the address."""
        key = keys.address_key(SALT, channel, address)
        return bool(self.project.ledger.people.suppressed_now(channel, [key]))

    def objects(self, customer: str, channel: str = "email", category: str = "promo") -> bool:
        """Whether the customer's latest act by now is an objection."""
        people = self.project.ledger.people
        return bool(people.objections_now([customer], channel, category, self.clock.now))
