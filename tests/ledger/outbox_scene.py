"""What the tests of the outbox share: a day, rows to plan, a run that holds its lease."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from antiphon.keys import message_id, occurrence_key
from antiphon.ledger import PLAN_SCHEMA, Lease, Ledger, Message, Planned

NOW = datetime(2026, 5, 12, 8, 0, tzinfo=UTC)
DAY = date(2026, 5, 12)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def rows(
    customers: int | list[str],
    *,
    campaign: str = "winback",
    channel: str = "email",
    state: str = "planned",
    attempt: int = 1,
    not_before: datetime = NOW,
    expires_at: datetime = NOW + 24 * HOUR,
) -> pa.Table:
    """Messages to plan, one a customer."""
    names = [f"c{i:05}" for i in range(customers)] if isinstance(customers, int) else customers
    keys = [occurrence_key(campaign, "", name, "once") for name in names]
    each = {
        "campaign": campaign,
        "step": "",
        "cell": "",
        "anchor": "once",
        "arm": "control" if state == "control" else "gift",
        "channel": channel,
        "category": "promo",
        "address": "somebody@example.org",
        "values_json": '{"first_name": "Änne"}',
        "template_hash": "t",
        "language": "de",
        "state": state,
        "attempt": attempt,
        "not_before": not_before,
        "planned_at": not_before,
        "expires_at": expires_at,
        "cost_e4": 0,
    }
    columns = {name: [value] * len(names) for name, value in each.items()}
    columns |= {"customer_id": names, "unit": names, "occurrence_key": keys}
    columns["message_id"] = [message_id("salt", key, attempt) for key in keys]
    return pa.table({name: columns[name] for name in PLAN_SCHEMA.names}, schema=PLAN_SCHEMA)


@dataclass(frozen=True)
class Scene:
    """A ledger with one running run, whose planner holds the lease."""

    ledger: Ledger
    run_id: str
    lease: Lease

    def plan(self, table: pa.Table) -> Planned:
        return self.ledger.messages.plan(table, self.run_id, self.lease, NOW)

    def release(self) -> None:
        self.ledger.messages.release(self.run_id, self.lease, NOW)

    def states(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for count in self.ledger.messages.counts():
            counts[count.state] = counts.get(count.state, 0) + count.messages
        return counts


def scene(ledger: Ledger, planned: pa.Table | None = None, *, released: bool = True) -> Scene:
    lease = ledger.leases.acquire("planner", "test", 10 * MINUTE, NOW)
    run = ledger.runs.begin("daily", DAY, NOW, NOW, lease=lease)
    made = Scene(ledger, run.run_id, lease)
    if planned is not None:
        made.plan(planned)
    if released:
        made.release()
    return made


def claimed(
    ledger: Ledger,
    limit: int = 100,
    now: datetime = NOW,
    holder: str = "dispatcher",
    ttl: timedelta = MINUTE,
    channel: str = "email",
    account: str = "local",
) -> list[Message]:
    """Up to `limit` due messages, of the group to be served first, and of the next ones."""
    found: list[Message] = []
    for group in ledger.messages.due_groups(channel, now):
        wanted = limit - len(found)
        if wanted:
            found += ledger.messages.claim(group, account, wanted, now, holder, ttl)
    return found
