"""A ledger in which messages are planned by hand and leave when a test says so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import pyarrow as pa
from small_shop import Shop, at

from antiphon.dispatch.last_look import stopped
from antiphon.keys import message_id, occurrence_key
from antiphon.ledger import PLAN_SCHEMA, Message, Outcome
from antiphon.project import Project
from antiphon.states import MessageState

NOW = at("2026-05-12 09:00")  # a Tuesday
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Letter:
    """One message to plan: for whom, when, of which campaign."""

    customer: str
    planned_at: datetime
    campaign: str = "news"
    category: str = "promo"
    lasting: timedelta = 3 * DAY
    step: str = ""


@dataclass
class World:
    """One project's ledger. `plan` is a run; `leave` a pass of a dispatcher."""

    project: Project
    number: Iterator[int] = field(default_factory=count)

    def plan(self, letters: Sequence[Letter], as_of: datetime) -> dict[Letter, str]:
        """A released run of that moment that planned these; their ids."""
        ledger = self.project.ledger
        lease = ledger.leases.acquire("planning", "test", HOUR, as_of)
        run = ledger.runs.begin("daily", as_of.date(), as_of, as_of, lease=lease)
        hash_ = ledger.contents.put_files(self.project.configuration.files)
        ledger.runs.pin(run.run_id, as_of, lease=lease, files_hash=hash_)
        rows, ids = [], {}
        for letter in letters:
            anchor = str(next(self.number))
            key = occurrence_key(letter.campaign, letter.step, letter.customer, anchor)
            ids[letter] = message_id("salt", key, 1)
            rows.append(_row(letter, anchor, key, ids[letter], as_of))
        ledger.messages.plan(
            pa.Table.from_pylist(rows, schema=PLAN_SCHEMA), run.run_id, lease, as_of
        )
        ledger.messages.release(run.run_id, lease, as_of)
        ledger.runs.finish(run.run_id, "finished", "", as_of, lease=lease)  # type: ignore[arg-type]
        ledger.leases.release(lease)
        return ids

    def claim(self, now: datetime, limit: int = 1000) -> list[list[Message]]:
        """What is due, claimed group by group."""
        messages = self.project.ledger.messages
        return [
            messages.claim(group, "local", limit, now, "test", HOUR)
            for group in messages.due_groups("email", now)
        ]

    def look(self, claimed: Sequence[Message], now: datetime) -> dict[str, Outcome]:
        """The last look, and what comes of it: who may leave is accepted."""
        stops = stopped(self.project, "email", claimed, now)
        accepted = [
            Outcome(one.message_id, MessageState.ACCEPTED)
            for one in claimed
            if one.message_id not in stops
        ]
        self.project.ledger.messages.record([*stops.values(), *accepted], now, "test")
        return stops

    def leave(self, now: datetime) -> dict[str, Outcome]:
        """All that is due leaves, if it may; what was stopped."""
        return {
            message: outcome
            for claimed in self.claim(now)
            for message, outcome in self.look(claimed, now).items()
        }

    def state(self, message_id: str) -> Message:
        """The message as it stands."""
        found = self.project.ledger.messages.get(message_id)
        assert found is not None
        return found


def make_world(shop: Shop, policy: Mapping[str, Any], *campaigns: Mapping[str, Any]) -> World:
    """A world under this policy."""
    shop.write(*campaigns, policy=policy)
    return World(shop.project(NOW))


def _row(
    letter: Letter, anchor: str, key: str, message_id: str, as_of: datetime
) -> dict[str, object]:
    return {
        "message_id": message_id,
        "occurrence_key": key,
        "attempt": 1,
        "campaign": letter.campaign,
        "step": letter.step,
        "cell": "",
        "customer_id": letter.customer,
        "unit": letter.customer,
        "anchor": anchor,
        "arm": "all",
        "channel": "email",
        "category": letter.category,
        "values_json": "{}",
        "state": "planned",
        "not_before": letter.planned_at,
        "expires_at": as_of + letter.lasting,
        "planned_at": letter.planned_at,
        "cost_e4": 0,
        "address": f"{letter.customer}@example.com",
        "template_hash": "t",
        "language": "en",
    }
