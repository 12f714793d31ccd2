"""What was used already of the limits that cross customers: messages and money, by the hour."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.rules import Policy
from antiphon.policy.columns import INSTANT, instants, positions, texts
from antiphon.policy.moment import Moment
from antiphon.policy.settling.hours import first_of_month, hours_around
from antiphon.states import OCCURRENCE_STATES, MessageState

USED = pa.schema(
    {
        "campaign": pa.string(),
        "channel": pa.string(),
        "category": pa.string(),
        "hour_at": INSTANT,
        "is_control": pa.bool_(),
        "messages": pa.int64(),
        "cost_e4": pa.int64(),
    }
)
"""Messages and control rows that earlier runs planned, by clock hour of the business zone.

`hour_at`: the hour's start; null: before `counted_since`, when only limits without a period still
count. `cost_e4`: money, in ten-thousandths of the business currency.
"""
_READ = ("campaign", "channel", "category", "state", "contact_at", "cost_e4")
_KEYS = [name for name in USED.names if name not in ("messages", "cost_e4")]


def counted_since(policy: Policy, moment: Moment) -> int:
    """From when on the hour of a message matters, whatever its campaign: the start of the day that
    holds `as_of`, or of its month where a budget is by the month (microseconds)."""
    begin = moment.day_bounds()[0]
    if any(budget.per == "month" for budget in policy.budgets):
        day = moment.as_of.astimezone(ZoneInfo(moment.zone)).date()
        return min(begin, first_of_month(day, moment.zone))
    return begin


def used_by(history: pa.Table, policy: Policy, moment: Moment) -> pa.Table:
    """What these contacts have used (USED).

    `history`: columns of the entity contacts. Of campaigns with a limit in all it must hold all
    contacts, of all campaigns those since `counted_since`, of customers without a candidate too.
    """
    used = positions(texts(history, "state"), sorted(OCCURRENCE_STATES)) >= 0
    needed = [name for name in _READ if name in history.column_names]
    rows = history.select(needed).filter(pa.array(used))
    at = instants(rows, "contact_at")
    since = counted_since(policy, moment)
    is_old = at < since
    hours = hours_around(moment.zone, at[~is_old])
    hour_at = hours.starts[hours.of(np.where(is_old, hours.starts[0], at))]
    cost = pc.fill_null(rows["cost_e4"].cast(pa.int64()), 0)
    return total(
        [
            pa.table(
                {
                    "campaign": texts(rows, "campaign"),
                    "channel": texts(rows, "channel"),
                    "category": texts(rows, "category"),
                    "hour_at": pa.array(hour_at, mask=is_old).cast(INSTANT),
                    "is_control": pc.equal(texts(rows, "state"), MessageState.CONTROL.value),
                    "messages": pa.array(np.ones(rows.num_rows, np.int64)),
                    "cost_e4": cost,
                },
                schema=USED,
            )
        ]
    )


def total(tables: Sequence[pa.Table]) -> pa.Table:
    """Several buckets' use as one (USED), each combination once, in a stable order."""
    together = pa.concat_tables([USED.empty_table(), *tables])
    summed = together.group_by(_KEYS).aggregate([("messages", "sum"), ("cost_e4", "sum")])
    named = summed.rename_columns(
        [name.removesuffix("_sum") for name in summed.column_names]
    ).select(USED.names)
    return named.cast(USED).sort_by([(name, "ascending") for name in _KEYS])
