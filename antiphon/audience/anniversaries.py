"""Anniversaries as SQL over the relation `frame`: who is spoken to today, and for which year.

A date of 29 February is kept on 28 February in other years, as the engine's `to_years` does. The
day is the customer's own (feature `local_day`).
"""

# ruff: noqa: S608  (names are features, checked; values are literals)

from datetime import date

from antiphon.audience.windows import ONE_DAY
from antiphon.campaigns.models import Anniversary
from antiphon.policy.moment import Moment
from antiphon.quoting import literal, quoted

LOCAL_DAY = "local_day"
A_LEAP_YEAR = 1904  # before all feasts we keep: every one of them has a year of its own
YEARLY = ("birthday", "first_order", "registration")


def feast(of: str) -> date | None:
    """The feast's date in a leap year; None for anything but an existing month and day."""
    month, _, day = of.partition("-")
    if not (len(month) == len(day) == 2 and month.isdecimal() and day.isdecimal()):
        return None
    try:
        return date(A_LEAP_YEAR, int(month), int(day))
    except ValueError:
        return None


def columns(anniversary: Anniversary) -> frozenset[str]:
    """The columns of the frame that an anniversary reads."""
    source = _SOURCES.get(anniversary.of, anniversary.of)
    return frozenset({LOCAL_DAY} if feast(anniversary.of) else {LOCAL_DAY, source})


def anniversary_sql(anniversary: Anniversary, moment: Moment, source: str) -> str:
    """SELECT customer_id, anchor, due_at of those whose day is today, or was within `grace`.

    The anchor is the year of the anniversary itself (a letter sent on 2 January for 31 December
    has the old year), or the day where the date is due once. `source`: a relation with the frame.
    """
    offset, grace = anniversary.offset_days, anniversary.grace // ONE_DAY
    target = f"(frame.{quoted(LOCAL_DAY)} - ({offset}))"
    day, is_yearly = _day(anniversary.of, moment.zone)
    if is_yearly:
        years = f"(year({target}) - year({day}))"
        this_year = f"({day} + to_years({years}::INTEGER))::DATE"
        year_before = f"({day} + to_years(({years} - 1)::INTEGER))::DATE"
        kept = f"CASE WHEN {this_year} <= {target} THEN {this_year} ELSE {year_before} END"
        anchor, later = "year(kept)::VARCHAR", "kept_year > first_year"
    else:
        kept, anchor, later = f"{day}", "kept::VARCHAR", "true"
    return f"""
        SELECT customer_id, {anchor} AS anchor,
            timezone({literal(moment.zone)}, (kept + ({offset}))::TIMESTAMP) AS due_at
        FROM (
            SELECT frame.customer_id, {kept} AS kept, {target} AS target,
                year({kept}) AS kept_year, year({day}) AS first_year
            FROM {source} AS frame
        )
        WHERE kept BETWEEN target - {grace} AND target AND {later}
    """


_SOURCES = {"first_order": "first_order_day", "registration": "registered_at"}


def _day(of: str, zone: str) -> tuple[str, bool]:
    """SQL of the day it all began (or is due), and whether it comes back every year."""
    if found := feast(of):
        return f"DATE '{found}'", True
    column = f"frame.{quoted(_SOURCES.get(of, of))}"
    if of == "registration":
        column = f"timezone({literal(zone)}, {column})::DATE"
    return column, of in YEARLY
