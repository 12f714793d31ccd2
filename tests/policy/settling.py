"""Survivors written by hand, settled: the smallest world of what crosses customers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from policy_world import SALT, policy

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import touches
from antiphon.policy.decide import Judged
from antiphon.policy.decisions import SURVIVORS
from antiphon.policy.moment import Moment
from antiphon.policy.settling.households import SHARED, household_columns
from antiphon.policy.settling.settle import settle
from antiphon.policy.settling.usage import USED, used_by

AS_OF = datetime(2026, 5, 12, 8, tzinfo=UTC)  # a Tuesday, 10:00 in Berlin
TODAY = Moment(AS_OF, date(2026, 5, 12), "Europe/Berlin")
Rows = Sequence[Mapping[str, Any]]


def survivor(name: str, of: Campaign, at: datetime = AS_OF, **changes: Any) -> dict[str, Any]:
    """One row of SURVIVORS: lives alone, is treated and not to be moved, unless changed."""
    return {
        "campaign": of.campaign,
        "step": "",
        "cell": "",
        "customer_id": name,
        "unit": name,
        "arm": "default",
        "channel": of.channels[0],
        "planned_at": at,
        "outcome": "send",
        "occurrence_key": f"{of.campaign}||once|{name}",
        "anchor": "once",
        "attempt": 1,
        "household_id": name,
        "movable_until": at,
        "timezone": "Europe/Berlin",
    } | changes


def table_of(rows: Rows, rules: Policy, moment: Moment = TODAY) -> pa.Table:
    """SURVIVORS, and the columns that rules of households ask for."""
    asked = household_columns(rules, moment)
    types = {"timezone": pa.string()} | {name: _type(name) for name in asked}
    schema = pa.schema([*SURVIVORS, *(pa.field(name, types[name]) for name in asked)])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def _type(name: str) -> pa.DataType:
    kinds = {"in": pa.bool_(), "max": pa.int64()}
    return kinds.get(name.partition(":")[0], pa.string())


def settled(
    rows: Rows,
    campaigns: Sequence[Campaign],
    rules: Policy | None = None,
    *,
    sent: pa.Table | None = None,
    shared: Rows = (),
    parts: int = 1,
    moment: Moment = TODAY,
) -> list[dict[str, Any]]:
    """The decisions. `sent`: history (contacts) that counts in limits; `shared`: rows of SHARED;
    `parts`: so many buckets, dealt in turn."""
    rules = rules or policy()
    used = USED.empty_table() if sent is None else used_by(sent, rules, moment)
    none = SURVIVORS.empty_table()
    judged = [
        Judged(
            table_of(rows[part::parts], rules, moment),
            none,
            USED.empty_table(),
            pa.Table.from_pylist([dict(row) for row in shared[part::parts]], schema=SHARED),
        )
        for part in range(parts)
    ]
    judged[0] = replace(judged[0], used=used)
    decisions: list[dict[str, Any]] = settle(
        judged, touches(campaigns), rules, moment, salt=SALT
    ).to_pylist()
    return decisions


def held(decisions: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Customer → the rule that held them."""
    return {row["customer_id"]: row["rule"] for row in decisions if row["outcome"] == "held"}


def sending(decisions: Iterable[Mapping[str, Any]]) -> list[str]:
    """The customers who are written to."""
    return sorted(row["customer_id"] for row in decisions if row["outcome"] == "send")
