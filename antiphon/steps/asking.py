"""What a bucket's decisions are made from: queries over its frame, the lake and the ledger's rows.

Needs the tables `recent` (the ledger's contacts that the snapshot does not have, of any bucket) and
`zones` (see `zones_table`) in the session.
"""

# ruff: noqa: S608  (names are ours and checked configuration's; values are literals)

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import available_timezones

import pyarrow as pa

from antiphon import keys
from antiphon.audience.frame import scan_sql
from antiphon.audience.policy_history import counting_sql
from antiphon.audience.policy_inputs import expressions, facts, people_sql, reading_sql
from antiphon.audience.windows import instant
from antiphon.lake import Session
from antiphon.policy.brakes import BrakeReading, stops, warns
from antiphon.policy.settling.households import household_rules
from antiphon.quoting import literal
from antiphon.states import CONTACT_STATES, MessageState
from antiphon.steps.composing import occasions_sql
from antiphon.steps.frames import touch_conditions
from antiphon.steps.terms import own_columns, terms_of

if TYPE_CHECKING:
    from antiphon.steps.deciding import Day

# Of the entity contacts; ids and cells are read by nobody who decides.
COLUMNS = (
    "customer_id",
    "unit",
    "campaign",
    "step",
    "anchor",
    "attempt",
    "channel",
    "category",
    "state",
    "contact_at",
    "cost_e4",
)

_EVERYBODYS = "(FROM contacts ANTI JOIN recent USING (message_id) UNION ALL BY NAME FROM recent)"
LEFT = CONTACT_STATES - {MessageState.PLANNED}
SKEW = timedelta(minutes=5)  # clocks of machines differ
FARTHEST = timedelta(days=400)  # a message is never planned that far ahead


@cache
def zones_table() -> pa.Table:
    """Every time zone there is (column `name`)."""
    return pa.table({"name": sorted(available_timezones())})


def people_query(day: "Day") -> Callable[[int], str]:
    """By bucket the SELECT of `people` as policy.decide.judge reads it.

    Conditions and expressions are parsed here, once for all buckets.
    """
    configuration = day.project.configuration
    touches, campaigns = day.touches, day.campaigns
    conditions = touch_conditions(configuration, touches)
    crosses = sorted({one.for_each for one in campaigns if one.for_each})
    asked = expressions(
        terms_of(configuration, campaigns, day.moment.business_day),
        configuration.settings.business,
        own_columns(campaigns),
    )
    occasional = [place for place, touch in enumerate(touches) if touch.is_occasional]
    happened = [*facts(configuration.policy, touches, day.moment)]

    def of(bucket: int) -> str:
        scan = scan_sql(
            conditions,
            day.frames.relation(bucket),
            crosses,
            expressions=asked,
            occasional=occasional,
            occasions=occasions_sql(day.occasions[bucket : bucket + 1]),
        )
        return people_sql(scan, happened)

    return of


def history_query(day: "Day", bucket: int | None = None) -> str:
    """SELECT of the contacts that can matter to this day: the lake's, and the ledger's newer ones.

    The columns that decisions read: COLUMNS, and the occurrence's key where something is due.
    """
    configuration = day.project.configuration
    is_due = any(touch.is_occasional for touch in day.touches)
    columns = ", ".join([*COLUMNS, *(["occurrence_key"] if is_due else [])])
    in_bucket = f"{keys.bucket_sql('customer_id', day.snapshot.buckets)} = {bucket}"
    counting = counting_sql(
        configuration.policy,
        configuration.campaigns.values(),
        [one.campaign for one in day.campaigns],
        day.moment,
    )
    return f"""
        SELECT {columns} FROM contacts ANTI JOIN recent USING (message_id) WHERE {counting}
        UNION ALL BY NAME
        SELECT {columns} FROM recent
        WHERE {in_bucket if bucket is not None else "true"} AND ({counting})
    """


def households_query(day: "Day") -> str | None:
    """SELECT of customer_id and household_id of those who share one; None where no rule asks."""
    if not any(household_rules(day.project.configuration.policy, day.moment)):
        return None
    return "SELECT customer_id, household_id FROM households WHERE since_day IS NOT NULL"


def doubts(day: "Day", session: Session, now: datetime) -> Iterator[str]:
    """What a run warns of: customers in no known time zone, contacts from the future, brakes.

    The session is over all of the snapshot. A message cannot have left after `now`, nor be planned
    further ahead than any run looks.
    """
    zones = set(zones_table()["name"].to_pylist())
    counts = session.rows(
        "SELECT timezone, count(*) FROM customers WHERE timezone IS NOT NULL GROUP BY ALL ORDER BY "
        "ALL"
    )
    unknown = {str(name): count for name, count in counts if name not in zones}
    if unknown:
        named = ", ".join(repr(name[:40]) for name in list(unknown)[:3])
        yield (
            f"customers whose time zone does not exist: {sum(unknown.values()):,} ({named}). They "
            f"are written to by the clock of {day.moment.zone}; a zone is called Europe/Berlin."
        )
    session.register("recent", day.recent)
    left, planned = instant(max(day.moment.as_of, now) + SKEW), instant(now + FARTHEST)
    states = ", ".join(map(literal, sorted(LEFT)))
    ((future,),) = session.rows(
        f"SELECT count(*) FROM {_EVERYBODYS} WHERE (state IN ({states}) AND contact_at > {left}) "
        f"OR contact_at > {planned}"
    )
    if future:
        yield (
            f"messages that are said to have left in the future: {future:,}. Rules count them at "
            "that time; was a clock wrong when they were sent?"
        )
    for brake in day.project.configuration.policy.brakes:
        reading = day.brakes.get(brake.name)
        if reading and warns(brake, reading):
            verb = "nothing more is sent" if stops(brake, reading) else "a warning"
            yield (
                f"{brake.title}: {reading.share:.2%} of {reading.contacts:,} contacts had a "
                f"{brake.response}: {verb} (warns from {brake.warn:.2%}, stops from "
                f"{brake.stop:.2%})."
            )


def brake_readings(day: "Day", session: Session) -> Mapping[str, BrakeReading]:
    """What stands on the brakes of the day, by name; the session has the table `recent`."""
    configuration = day.project.configuration
    found = {}
    for brake in configuration.policy.brakes:
        if brake.holds_on(day.moment.business_day):
            sql = reading_sql(
                brake,
                configuration.policy,
                configuration.campaigns.values(),
                day.moment,
                _EVERYBODYS,
            )
            found[brake.name] = BrakeReading(*session.rows(sql)[0])
    return found
