"""A year of a small shop, with days on which nobody ran anything: what chains promise, kept."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from small_shop import ZONE, Shop, at, campaign, make_shop

WELCOME: dict[str, Any] = {
    "start": {"where": "order_count = 0"},
    "steps": [
        {"step": "first", "after": "10 days", "message": "note"},
        {"step": "second", "after": "30 days", "message": "note", "grace": "40 days"},
        {"step": "third", "after": "60 days", "message": "note", "where": "language = 'en'"},
    ],
    "exits": {"bought": "order_count > 0"},
    "grace": "15 days",
}
THANKS: dict[str, Any] = {
    "start": {"event": "order", "since": "30 days"},
    "steps": [
        {"step": "thanks", "after": "1 day", "message": "note", "grace": "12 days"},
        {"step": "again", "after": "40 days", "message": "note", "grace": "20 days"},
    ],
    "enter_again": "20 days",
}
CHAINS = {"welcome": WELCOME, "thanks": THANKS}
CUSTOMERS = 12
BEGIN = date(2026, 1, 5)
RUNS = 15


def noon(day: date) -> datetime:
    return at(f"{day} 12:00")


@dataclass(frozen=True)
class Year:
    """What was told and who was enrolled, and when runs were."""

    shop: Shop
    runs: list[datetime]
    told: list[dict[str, Any]]
    enrolments: list[dict[str, Any]]


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Year:
    """Lived through."""
    chance = Random(11)
    shop = make_shop(
        tmp_path_factory.mktemp("year") / "shop",
        *(campaign(name, chain=chain) for name, chain in CHAINS.items()),
    )
    for number in range(CUSTOMERS):
        shop.customer(f"c{number:02}", noon(BEGIN), language="en" if number % 3 else "de")
    runs, day = [], BEGIN
    for _ in range(RUNS):
        for number in range(1, CUSTOMERS, 2):
            if chance.random() < 0.15:
                shop.order(f"c{number:02}", noon(day) - timedelta(hours=chance.randint(1, 40)))
        shop.daily(noon(day))
        runs.append(noon(day))
        day += timedelta(days=chance.choice([5, 20, 25, 33, 45]))
    told = [row for row in shop.contacts() if row["state"] == "accepted"]
    assert len(told) > 2 * CUSTOMERS, "hardly anybody was told anything: this proves nothing"
    assert day - BEGIN > timedelta(days=300)
    return Year(shop, runs, sorted(told, key=lambda row: row["contact_at"]), shop.enrolments())


def day_of(moment: datetime) -> date:
    return moment.astimezone(ZONE).date()


def test_no_step_comes_twice_nor_two_on_a_day_nor_out_of_order(year: Year) -> None:
    rows = year.told
    occasions = Counter((r["campaign"], r["step"], r["customer_id"], r["anchor"]) for r in rows)
    assert set(occasions.values()) == {1}
    days = Counter((row["customer_id"], day_of(row["contact_at"])) for row in rows)
    assert set(days.values()) == {1}
    steps = defaultdict(list)
    for row in rows:
        order = [step["step"] for step in CHAINS[row["campaign"]]["steps"]]
        steps[row["campaign"], row["customer_id"], row["anchor"]].append(order.index(row["step"]))
    assert all(places == sorted(places) for places in steps.values())


def test_every_step_is_within_its_grace_and_none_comes_after_leaving(year: Year) -> None:
    enrolments = {(e["campaign"], e["customer_id"], e["anchor"]): e for e in year.enrolments}
    for row in year.told:
        enrolment = enrolments[row["campaign"], row["customer_id"], row["anchor"]]
        chain = CHAINS[row["campaign"]]
        step = next(one for one in chain["steps"] if one["step"] == row["step"])
        due = _due_at(enrolment, step)
        assert due <= row["contact_at"]
        assert day_of(row["contact_at"]) <= day_of(due) + timedelta(days=_grace(chain, step))
        assert enrolment["left_at"] is None or row["contact_at"] <= enrolment["left_at"]


def test_whoever_could_get_a_step_within_its_grace_got_it_or_the_step_says_why_not(
    year: Year,
) -> None:
    spoken = {(r["campaign"], r["step"], r["customer_id"], r["anchor"]) for r in year.told}
    reasons = Counter[str]()
    for enrolment in year.enrolments:
        chain = CHAINS[enrolment["campaign"]]
        missed = dict(one.split(":") for one in (enrolment["missed"] or "").split(",") if one)
        person = next(
            r for r in year.shop.rows["customers"] if r["customer_id"] == enrolment["customer_id"]
        )
        for step in chain["steps"]:
            key = enrolment["campaign"], step["step"], enrolment["customer_id"], enrolment["anchor"]
            due = _due_at(enrolment, step)
            last = day_of(due) + timedelta(days=_grace(chain, step))
            chances = [
                run
                for run in year.runs
                if due <= run
                and day_of(run) <= last
                and run >= enrolment["entered_at"]
                and (enrolment["left_at"] is None or run < enrolment["left_at"])
            ]
            if key in spoken:
                assert step["step"] not in missed
            elif "where" in step and person["language"] != "en":
                if last < day_of(year.runs[-1]) and enrolment["left_for"] in (None, "finished"):
                    assert missed[step["step"]] == "condition"
                    reasons["condition"] += 1
            elif step["step"] in missed:
                assert missed[step["step"]] == "late"
                reasons["late"] += 1
                free = [run for run in chances if not _is_taken(year, enrolment, run)]
                assert not free, f"{key} could have been told on {free[0]:%F}"
    assert {"late", "condition"} <= reasons.keys()


def test_who_buys_leaves_and_who_buys_again_is_thanked_again(year: Year) -> None:
    bought = {row["customer_id"]: row["ordered_at"] for row in reversed(year.shop.rows["orders"])}
    for enrolment in year.enrolments:
        if enrolment["campaign"] == "welcome":
            expected = "bought" if enrolment["left_for"] == "bought" else "finished"
            first = bought.get(enrolment["customer_id"])
            if expected == "bought":
                seen = next(run for run in year.runs if run >= datetime.fromisoformat(str(first)))
                assert enrolment["left_at"] == seen
            else:
                assert enrolment["left_for"] in ("finished", None)
    thanked = Counter(row["customer_id"] for row in year.told if row["step"] == "thanks")
    assert max(thanked.values()) > 1
    order_ids = {row["order_id"] for row in year.shop.rows["orders"]}
    thanks = {row["anchor"] for row in year.told if row["campaign"] == "thanks"}
    assert thanks <= order_ids


def _due_at(enrolment: dict[str, Any], step: dict[str, Any]) -> datetime:
    """In the shop's time, whose days may have 23 or 25 hours."""
    entered: datetime = enrolment["entered_at"].astimezone(ZONE)
    return entered + timedelta(days=int(step["after"].split()[0]))


def _grace(chain: dict[str, Any], step: dict[str, Any]) -> int:
    return int(step.get("grace", chain.get("grace", "1 day")).split()[0])


def _is_taken(year: Year, enrolment: dict[str, Any], run: datetime) -> bool:
    """Whether the customer had another message on the run's day."""
    return any(
        row["customer_id"] == enrolment["customer_id"] and day_of(row["contact_at"]) == day_of(run)
        for row in year.told
    )
