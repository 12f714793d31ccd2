"""Clock hours and days of the business zone, and what was used in them."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_world import campaign, contact, history, policy
from settling import AS_OF, TODAY

from antiphon.policy.moment import microseconds
from antiphon.policy.settling.hours import hours_around
from antiphon.policy.settling.usage import USED, total, used_by

ZONES = ["Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Etc/GMT+12"]


@given(st.sampled_from(ZONES), st.timedeltas(timedelta(days=-5_300), timedelta(days=600)))
def test_an_instant_lies_in_the_clock_hour_and_day_that_a_clock_there_shows(
    zone: str, away: timedelta
) -> None:
    at = AS_OF + away
    there = at.astimezone(ZoneInfo(zone))
    hours = hours_around(zone, np.array([microseconds(at)]))
    (place,) = hours.of(np.array([microseconds(at)]))
    assert hours.days[place] == there.toordinal()
    begin, end = hours.starts[place], hours.starts[place + 1]
    assert begin <= microseconds(at) < end
    for moment in (int(begin), int(end) - 1):
        shown = datetime.fromtimestamp(0, UTC) + timedelta(microseconds=moment)
        local = shown.astimezone(ZoneInfo(zone))
        assert (local.date(), local.hour) == (there.date(), there.hour)


@pytest.mark.parametrize(
    ("day", "count"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 5, 12), 24)]
)
def test_a_day_has_as_many_hours_as_its_clock_shows(day: date, count: int) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    hours = hours_around("Europe/Berlin", np.array([microseconds(noon)]))
    assert int((hours.days == day.toordinal()).sum()) == count


def test_use_is_by_hour_since_the_day_began_and_in_one_before_it() -> None:
    one = campaign()
    rows = [
        contact("a", one, AS_OF, cost_e4=700),
        contact("b", one, AS_OF + timedelta(minutes=59), cost_e4=700),
        contact("c", one, AS_OF, state="control"),
        contact("d", one, AS_OF - timedelta(days=3), cost_e4=900),
        contact("e", one, AS_OF, state="refused", cost_e4=900),
    ]
    used = used_by(history(rows), policy(), TODAY).to_pylist()
    assert {
        (row["hour_at"], row["is_control"], row["messages"], row["cost_e4"]) for row in used
    } == {
        (AS_OF, False, 2, 1400),
        (AS_OF, True, 1, 0),
        (None, False, 1, 900),
    }
    monthly = policy(budgets=({"name": "may", "money": "5", "per": "month"},))
    dated = used_by(history(rows), monthly, TODAY)
    assert not dated["hour_at"].null_count


def test_the_use_of_buckets_adds_up() -> None:
    one = campaign()
    whole = used_by(history([contact(f"p{n}", one, AS_OF) for n in range(9)]), policy(), TODAY)
    parts = [
        used_by(history([contact(f"p{n}", one, AS_OF) for n in part]), policy(), TODAY)
        for part in (range(4), range(4, 9), range(0))
    ]
    assert total(parts).equals(whole)
    assert total([]).schema == USED
