"""Anniversaries: the right people on the right day, once for each year."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from occasions_world import Tables, at, days, local, moment

from antiphon.audience.anniversaries import anniversary_sql, columns, feast
from antiphon.campaigns.models import Anniversary

FRAME = {
    "local_day": "DATE",
    "birthday": "DATE",
    "first_order_day": "DATE",
    "registered_at": "TIMESTAMPTZ",
    "checkup_day": "DATE",
}


@pytest.fixture(scope="module")
def tables() -> Iterator[Tables]:
    with Tables(FRAME) as made:
        yield made


def found(tables: Tables, today: date, values: dict[str, Any], **keys: str) -> list[str]:
    """Anchors of one customer with these values, on that day."""
    tables.fill("people_today", [{"customer_id": "a", "local_day": today, **values}])
    anniversary = Anniversary.model_validate(keys)
    sql = anniversary_sql(anniversary, moment(local(today)), "people_today")
    return [row["anchor"] for row in tables.rows(sql)]


def test_a_birthday_comes_every_year_but_not_on_the_day_of_birth(tables: Tables) -> None:
    born = {"birthday": date(1980, 5, 12)}
    assert found(tables, date(2026, 5, 12), born, of="birthday") == ["2026"]
    assert found(tables, date(2026, 5, 13), born, of="birthday") == []
    assert found(tables, date(1980, 5, 12), born, of="birthday") == []
    assert found(tables, date(2026, 5, 12), {}, of="birthday") == []


def test_29_february_is_kept_on_the_28th_in_other_years(tables: Tables) -> None:
    everyday = [
        {"customer_id": str(day), "local_day": day, "birthday": date(2000, 2, 29)}
        for day in days(date(2023, 2, 25), 1100)
    ]
    tables.fill("people_today", everyday)
    sql = anniversary_sql(
        Anniversary(of="birthday"), moment(at("2023-02-25 09:00")), "people_today"
    )
    kept = sorted(date.fromisoformat(row["customer_id"]) for row in tables.rows(sql))
    assert kept == [date(2023, 2, 28), date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28)]


def test_offsets_move_the_day_and_leave_the_year_of_the_anniversary(tables: Tables) -> None:
    born = {"birthday": date(1980, 1, 2)}
    assert found(tables, date(2025, 12, 30), born, of="birthday", before="3 days") == ["2026"]
    born = {"birthday": date(1980, 12, 31)}
    assert found(tables, date(2026, 1, 2), born, of="birthday", after="2 days") == ["2025"]


def test_a_day_without_a_run_is_made_up_for_within_grace_also_over_new_year(
    tables: Tables,
) -> None:
    born = {"birthday": date(1980, 12, 31)}
    graceful = {"of": "birthday", "grace": "2 days"}
    assert found(tables, date(2026, 1, 2), born, **graceful) == ["2025"]
    assert found(tables, date(2026, 1, 3), born, **graceful) == []
    assert found(tables, date(2025, 12, 30), born, **graceful) == []


def test_first_order_and_registration_count_their_years_in_the_business_zone(
    tables: Tables,
) -> None:
    assert found(
        tables, date(2026, 3, 1), {"first_order_day": date(2024, 3, 1)}, of="first_order"
    ) == ["2026"]
    late = {"registered_at": at("2024-03-02 00:30")}  # still the 1st in UTC
    assert found(tables, date(2026, 3, 2), late, of="registration") == ["2026"]
    assert found(tables, date(2026, 3, 1), late, of="registration") == []


def test_a_due_day_is_spoken_of_once_for_each_such_day(tables: Tables) -> None:
    due = {"checkup_day": date(2026, 6, 10)}
    week_before = {"of": "checkup_day", "before": "7 days"}
    assert found(tables, date(2026, 6, 3), due, **week_before) == ["2026-06-10"]
    assert found(tables, date(2027, 6, 3), due, **week_before) == []


def test_a_feast_is_everybodys_and_29_february_exists(tables: Tables) -> None:
    assert found(tables, date(2026, 12, 24), {}, of="12-24") == ["2026"]
    assert found(tables, date(2026, 1, 1), {}, of="01-01") == ["2026"]
    assert found(tables, date(2025, 12, 28), {}, of="01-01", before="4 days") == ["2026"]
    assert found(tables, date(2027, 2, 28), {}, of="02-29") == ["2027"]
    assert found(tables, date(2028, 2, 28), {}, of="02-29") == []


@pytest.mark.parametrize("wrong", ["02-30", "13-01", "1-1", "12/24", "birthday", "", "12-24-2026"])
def test_what_is_no_month_and_day_is_no_feast(wrong: str) -> None:
    assert feast(wrong) is None


def test_the_columns_it_reads_are_known_beforehand() -> None:
    assert columns(Anniversary(of="first_order")) == {"local_day", "first_order_day"}
    assert columns(Anniversary(of="12-24")) == {"local_day"}
    assert columns(Anniversary(of="checkup_day")) == {"local_day", "checkup_day"}


def test_the_time_a_feast_is_due_is_the_beginning_of_its_day(tables: Tables) -> None:
    tables.fill("people_today", [{"customer_id": "a", "local_day": date(2026, 3, 30)}])
    sql = anniversary_sql(
        Anniversary.model_validate({"of": "03-29", "grace": "1 day"}),
        moment(at("2026-03-30 09:00")),
        "people_today",
    )
    assert [row["due_at"] for row in tables.rows(sql)] == [at("2026-03-29 00:00")]


@settings(max_examples=100, deadline=None)
@given(
    born=st.dates(date(1920, 1, 1), date(2026, 12, 31)),
    today=st.dates(date(2024, 1, 1), date(2029, 12, 31)),
    offset=st.integers(-40, 40),
    grace=st.integers(0, 20),
)
def test_whoever_is_found_has_that_day_within_grace_and_nobody_else(
    tables: Tables, born: date, today: date, offset: int, grace: int
) -> None:
    keys = {"of": "birthday", "grace": f"{grace} days"}
    keys["before" if offset < 0 else "after"] = f"{abs(offset)} days"
    expected = []
    for year in range(today.year - 1, today.year + 2):
        try:
            kept = born.replace(year=year)
        except ValueError:
            kept = date(year, 2, 28)
        due = kept + timedelta(days=offset)
        if due <= today <= due + timedelta(days=grace) and year > born.year:
            expected.append(str(year))
    assert found(tables, today, {"birthday": born}, **keys) == expected
