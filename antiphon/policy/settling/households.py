"""Caps and gaps of households: what all members got counts together.

`judge` sees one customer at a time. It counts a customer's own contacts in rules of households
too, which is all there is for who lives alone; `settle` adds what the others of the household got.
"""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.rules import Cap, Gap, Policy
from antiphon.policy.columns import INSTANT, instants, positions, texts
from antiphon.policy.moment import Moment, microseconds
from antiphon.states import CONTACT_STATES

SHARED = pa.schema(
    {
        "household_id": pa.string(),
        "customer_id": pa.string(),
        "contact_at": INSTANT,
        "channel": pa.string(),
        "category": pa.string(),
        "campaign": pa.string(),
    }
)
"""Contacts that count in rules of households, of customers who share theirs with somebody."""

_LONGEST = {  # from its start; and a day more, for the zones of its members
    Calendar.DAY: timedelta(days=3),
    Calendar.WEEK: timedelta(days=9),
    Calendar.MONTH: timedelta(days=33),
    Calendar.QUARTER: timedelta(days=94),
    Calendar.YEAR: timedelta(days=368),
}


def household_rules(policy: Policy, moment: Moment) -> Iterator[tuple[str, Cap]]:
    """The caps, then the gaps, of households that hold on the run's day: title, as a cap."""
    rules: list[Cap | Gap] = [*policy.caps, *policy.gaps]
    for rule in rules:
        if rule.of == "household" and rule.holds_on(moment.business_day):
            yield rule.title, rule.cap if isinstance(rule, Gap) else rule


def household_columns(policy: Policy, moment: Moment) -> list[str]:
    """The columns of people that `settle` needs of survivors, beside those of SURVIVORS: of
    personal rules `in:NAME`, of maxima that are expressions `max:NAME`, and `timezone` where a
    window follows the calendar."""
    names: dict[str, None] = {}
    for _, cap in household_rules(policy, moment):
        if cap.is_personal:
            names[f"in:{cap.name}"] = None
        if isinstance(cap.max, str):
            names[f"max:{cap.name}"] = None
        if isinstance(cap.per, Calendar) and cap.per is not Calendar.EVER:
            names["timezone"] = None
    return list(names)


def shared_contacts(
    history: pa.Table, households: pa.Table | None, policy: Policy, moment: Moment
) -> pa.Table:
    """The contacts (SHARED) of those who share a household, as far back as a rule looks.

    `households`: customer_id and household_id of everybody in the bucket who shares one.
    """
    windows = [cap.per for _, cap in household_rules(policy, moment)]
    if households is None or not windows or not households.num_rows:
        return SHARED.empty_table()
    member = positions(texts(history, "customer_id"), texts(households, "customer_id"))
    counted = positions(texts(history, "state"), sorted(CONTACT_STATES)) >= 0
    counted &= positions(texts(history, "category"), policy.uncounted) < 0
    counted &= member >= 0
    if Calendar.EVER not in windows:
        reach = max(w if isinstance(w, timedelta) else _LONGEST[w] for w in windows)
        counted &= instants(history, "contact_at") > microseconds(moment.as_of - reach)
    rows = history.filter(pa.array(counted))
    of = texts(households, "household_id").take(pa.array(np.asarray(member)[counted]))
    named = {name: texts(rows, name) for name in SHARED.names if name in history.column_names}
    named["contact_at"] = rows["contact_at"].cast(INSTANT)
    return pa.table(named | {"household_id": of}).select(SHARED.names).cast(SHARED)
