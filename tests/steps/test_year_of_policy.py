"""Whole daily runs of a shop over a change of the clocks and the end of a quarter, then audited.

The year of every morning is lived in tests/policy/test_policy_year.py, without files and databases.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import small_shop
from small_shop import ZONE, Shop, at, campaign, frozen_at, make_shop

from antiphon.clock import business_day
from antiphon.project import open_project
from antiphon.steps.dispatch import dispatch_due
from antiphon.steps.past_audits import audit_again

FIRST, DAYS = date(2026, 3, 27), 7  # clocks leap on the 29th, the quarter ends on the 31st
CUSTOMERS = 24
AT_LEAST = 4
ZONES = ("Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12")
CAMPAIGNS: tuple[dict[str, Any], ...] = (
    campaign("news", category="promo", audience={"where": "true"}, repeat_after="2 days",
             control="30%", priority=10, limits={"at_least_per_day": AT_LEAST},
             expires_after="2 days"),
    campaign("deal", category="promo", audience={"where": "true"}, repeat_after="3 days",
             priority=40, tags=["discount"], value="order_count * 2", expires_after="2 days",
             limits={"messages_per_day": 6, "cut": "value"}),
    campaign("care", audience={"where": "order_count > 0"}, repeat_after="6 days",
             priority=60, expires_after="2 days"),
)  # fmt: skip
POLICY: dict[str, Any] = {
    "version": 1,
    "consent": dict.fromkeys(("promo", "lifecycle", "service"), "none"),
    "winners_per_day": 2,
    "universal_control": {"share": "20%", "period": "quarter"},
    "caps": [
        {"name": "weekly", "max": "case when order_count > 1 then 4 else 3 end", "per": "7 days"},
        {"name": "home", "max": 5, "per": "7 days", "of": "household"},
    ],
    "gaps": [{"name": "breath", "at_least": "20 hours"}],
    "pauses": [{"name": "bought", "after": "order", "rest": "2 days", "category": "promo"}],
    "ratios": [{"name": "spoilt", "of": "discount", "share": "50%", "per": "30 days", "free": 1}],
    "times": [{"name": "night", "quiet": "21:00-08:00"}],
    "warm_up": [{"name": "young", "per_day": [3, 8], "from": str(FIRST)}],
    "budgets": [{"name": "purse", "money": "0.60", "per": "day"}],
    "costs": {"email": "0.10"},
}


@dataclass(frozen=True)
class Days:
    """The shop after its runs; the run and the warnings of each day."""

    shop: Shop
    end: datetime
    runs: dict[date, str] = field(default_factory=dict)
    warnings: dict[date, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    with pytest.MonkeyPatch.context() as columns:
        more = small_shop.COLUMNS["customers"] + ",country,timezone,household_id"
        columns.setitem(small_shop.COLUMNS, "customers", more)
        shop = make_shop(tmp_path_factory.mktemp("days") / "shop")
        shop.write(*CAMPAIGNS, policy=POLICY)
        yield live(shop)


def live(shop: Shop) -> Days:
    """A run every morning at nine; what waits for a later hour leaves in the afternoon or evening,
    when it is day for whoever waited."""
    chance = Random(3)
    for number in range(CUSTOMERS):
        home = f"h{number // 3}" if number < 12 else ""
        place = {"timezone": ZONES[number % 4], "country": "DE", "household_id": home}
        shop.customer(f"c{number:02}", at("2026-01-10 10:00"), **place)
    days = Days(shop, at(f"{FIRST + DAYS * timedelta(days=1)} 09:00"))
    for number in range(DAYS):
        day = FIRST + number * timedelta(days=1)
        for customer in chance.sample(range(CUSTOMERS), 3):
            shop.order(f"c{customer:02}", at(f"{day} 07:00"))
        run_id = shop.daily(at(f"{day} 09:00"))
        days.runs[day] = run_id
        told = shop.root / "var" / "runs" / run_id / "warnings.txt"
        days.warnings[day] = told.read_text(encoding="utf-8") if told.exists() else ""
        for hour in ("15:30", "21:30"):
            dispatch_due(shop.root, frozen_at(at(f"{day} {hour}")))
    return days


def test_the_audit_of_all_days_finds_no_breach(lived: Days) -> None:
    project = open_project(lived.shop.root, frozen_at(lived.end))
    found = list(audit_again(project, FIRST))
    assert [one for one in found if one.breaches] == []
    assert [one for one in found if one.gone] == []
    asked = {one.rule for one in found}
    assert {"cap:weekly", "cap:home", "gap:breath", "ratio:spoilt", "time:night"} <= asked
    assert {"warm_up:young", "budget:purse", "pause:bought", "control"} <= asked
    assert {one.run_id for one in found} == set(lived.runs.values())


def test_every_rule_held_somebody_back(lived: Days) -> None:
    project = open_project(lived.shop.root, frozen_at(lived.end))
    snapshot = project.lake.current()
    files = [str(path) for run in lived.runs.values() for path in snapshot.files("decisions", run)]
    with project.lake.session(snapshot) as session:
        sql = f"SELECT DISTINCT rule FROM read_parquet({files}, union_by_name = true)"
        rules = {rule for (rule,) in session.rows(sql)}
    expected = {"cap:weekly", "gap:breath", "pause:bought", "warm_up:young", "budget:purse"}
    assert expected <= rules, rules


def test_a_run_tells_of_each_campaign_that_wrote_less_than_it_should(lived: Days) -> None:
    written: Counter[date] = Counter()
    for row in lived.shop.contacts():
        if row["campaign"] == "news":
            run_day = next(day for day, run in lived.runs.items() if run == row["run_id"])
            written[run_day] += 1
    short = {day for day in lived.runs if written[day] < AT_LEAST}
    assert short, "never too few: this proves nothing"
    assert short < set(lived.runs), "always too few: this proves nothing"
    told = {day for day, text in lived.warnings.items() if "at_least_per_day" in text}
    assert told == short


def test_everything_left_by_day_on_the_clock_of_the_customer(lived: Days) -> None:
    zones = {row["customer_id"]: row["timezone"] for row in lived.shop.rows["customers"]}
    left = [row for row in lived.shop.contacts() if row["state"] == "accepted"]
    hours = Counter(
        row["contact_at"].astimezone(ZoneInfo(zones[row["customer_id"]])).hour for row in left
    )
    assert set(hours) <= set(range(8, 21))
    assert {zones[row["customer_id"]] for row in left} == set(ZONES)


def test_the_universal_control_changes_with_the_quarter_and_gets_nothing(lived: Days) -> None:
    arms: dict[tuple[str, int], set[bool]] = {}
    for row in lived.shop.contacts():
        quarter = (business_day(row["contact_at"], str(ZONE)).month + 2) // 3
        is_out = row["arm"] == "universal_control"
        arms.setdefault((row["unit"], quarter), set()).add(is_out)
    assert all(len(found) == 1 for found in arms.values())
    held_out = {quarter: {u for (u, q), f in arms.items() if q == quarter and True in f}
                for quarter in (1, 2)}  # fmt: skip
    assert held_out[1] != held_out[2]


def test_what_was_put_off_leaves_by_the_command_and_is_said_to_have_expired_otherwise(
    tmp_path: Path,
) -> None:
    shop = make_shop(tmp_path / "shop")
    night = {"name": "night", "quiet": "21:00-08:00"}
    note = campaign("note", audience={"where": "true"}, expires_after="1 day")
    shop.write(note, policy=small_shop.POLICY | {"times": [night]})
    shop.customer("a", at("2026-01-01 10:00"))
    shop.daily(at("2026-05-12 05:00"))

    def dispatch(moment: str) -> str:
        program = [sys.executable, "-m", "antiphon.cli", "dispatch", "--at", moment]
        done = subprocess.run(program, cwd=shop.root, capture_output=True, text=True, check=True)
        return done.stdout

    assert "Nothing is due." in dispatch("2026-05-12T07:59+02:00")
    assert "1 accepted" in dispatch("2026-05-12T08:00+02:00")
    shop.customer("b", at("2026-05-12 10:00"))
    shop.daily(at("2026-05-13 05:00"))
    run_id = shop.daily(at("2026-05-14 10:00"))
    warned = (shop.root / "var" / "runs" / run_id / "warnings.txt").read_text(encoding="utf-8")
    assert "1 messages expired before anything sent them" in warned


def test_a_message_that_missed_its_hour_does_not_leave_at_night(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop")
    night = {"name": "night", "quiet": "21:00-08:00"}
    note = campaign("note", audience={"where": "true"}, expires_after="1 day")
    shop.write(note, policy=small_shop.POLICY | {"times": [night]})
    shop.customer("a", at("2026-01-01 10:00"))
    shop.daily(at("2026-05-12 05:00"))  # planned for eight
    dispatch_due(shop.root, frozen_at(at("2026-05-12 23:30")))
    (row,) = shop.contacts()
    assert row["state"] == "expired"
    shop.daily(at("2026-05-13 10:00"))
    assert [row["state"] for row in shop.contacts()] == ["expired", "accepted"]
