"""Released runs are audited again: with the files they had, on the contacts of that time."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from small_shop import POLICY, Shop, at, campaign, make_shop

from antiphon.campaigns.rules import Rules
from antiphon.cli import exit_code
from antiphon.errors import ExitCode
from antiphon.steps.past_audits import Finding, audit_again, first_day

WEEKLY = {"name": "weekly", "max": 1, "per": "6 days"}
MONDAY = at("2026-05-11 10:00")
EVENING = at("2026-05-19 20:00")


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop after three runs; the policy of the second has no cap."""
    everybody = {"audience": {"where": "true"}}
    shop = make_shop(tmp_path_factory.mktemp("week"))
    for name in ("ann", "bob"):
        shop.customer(name, at("2026-01-01"))
    letter = campaign("letter", category="promo", repeat_after="1 day", **everybody)
    capped = {**POLICY, "caps": [WEEKLY]}
    for days, policy in ((0, capped), (2, POLICY), (8, capped)):
        shop.write(letter, policy=policy)
        shop.daily(MONDAY + timedelta(days=days))
    return shop.root


@pytest.fixture
def shop(week: Path, tmp_path: Path) -> Shop:
    return Shop(shutil.copytree(week, tmp_path / "shop"))


def findings(shop: Shop, since: str = "2026-05-11") -> list[Finding]:
    return list(audit_again(shop.project(EVENING), date.fromisoformat(since)))


def tamper(shop: Shop, sql: str) -> None:
    with closing(sqlite3.connect(shop.root / "var" / "ledger.db")) as connection, connection:
        assert connection.execute(sql).rowcount > 0


def audited(shop: Shop, *options: str) -> int:
    return exit_code(["--project", str(shop.root), "audit", "--at", EVENING.isoformat(), *options])


def test_each_run_is_held_against_the_rules_of_its_own_day(shop: Shop) -> None:
    found = findings(shop)
    by_run = {one.run_id: set[str]() for one in found}
    for one in found:
        by_run[one.run_id].add(one.rule)
    assert list(by_run) == [
        "2026-05-19-daily-1",
        "2026-05-13-daily-1",
        "2026-05-11-daily-1",
    ]
    assert "cap:weekly" in by_run["2026-05-19-daily-1"]
    assert "cap:weekly" not in by_run["2026-05-13-daily-1"], "two days apart, and then allowed"
    assert [one for one in found if one.breaches or one.gone] == []
    assert {one.checked for one in found if one.run_id == "2026-05-13-daily-1"} == {2}


def test_contacts_that_came_later_are_no_matter_of_a_run(shop: Shop) -> None:
    """Seen from today the first letter shares a window with the second, which was not there."""
    [capped] = [
        one
        for one in findings(shop)
        if one.run_id == "2026-05-11-daily-1" and one.rule == "cap:weekly"
    ]
    assert capped.breaches == ()
    assert len(shop.contacts()) == 6


def test_a_message_that_should_not_have_been_is_named(shop: Shop) -> None:
    tamper(
        shop,
        "UPDATE messages SET planned_at = planned_at - 86400000000 "
        "WHERE run_id = '2026-05-19-daily-1' AND customer_id = 'ann'",
    )
    broken = [one for one in findings(shop) if one.breaches]
    assert {one.run_id for one in broken} == {"2026-05-19-daily-1"}
    assert {one.rule for one in broken} == {"stale", "cap:weekly"}
    [message] = [
        one["message_id"]
        for one in shop.contacts()
        if one["run_id"] == "2026-05-19-daily-1" and one["customer_id"] == "ann"
    ]
    assert {each.message_id for one in broken for each in one.breaches} == {message}


def test_a_suppression_that_became_known_later_is_no_breach(shop: Shop) -> None:
    project = shop.project(EVENING)
    with project.lake.session(project.lake.current()) as session:
        ((key,),) = session.rows("SELECT email_key FROM customers WHERE customer_id = 'ann'")
    project.ledger.people.suppress(
        "email", key, reason="bounce", at=at("2026-05-01"), source="provider"
    )
    assert [one for one in findings(shop) if one.breaches] == []


def test_what_is_no_longer_kept_is_said(shop: Shop) -> None:
    manifests = sorted((shop.root / "var" / "lake" / "manifests").glob("*.json"))
    assert manifests, "the lake's older manifests have another place now"
    for manifest in manifests:
        manifest.unlink()
    found = findings(shop)
    assert all("no longer kept" in one.gone and one.rule == "" for one in found)


def test_the_command_ends_with_1_where_a_rule_was_broken(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audited(shop) == ExitCode.DONE
    assert "No breach." in capsys.readouterr().out
    tamper(shop, "UPDATE messages SET arm = 'b' WHERE run_id = '2026-05-13-daily-1'")
    assert audited(shop, "--days", "2") == ExitCode.DONE
    assert audited(shop) == ExitCode.USER_FILES
    assert "2 breaches found." in capsys.readouterr().out
    assert audited(shop, "--json") == ExitCode.USER_FILES
    rows = json.loads(capsys.readouterr().out)
    broken = [row for row in rows if row["breaches"]]
    assert [(row["run"], row["rule"], len(row["breaches"])) for row in broken] == [
        ("2026-05-13-daily-1", "arm", 2)
    ]


def one(**keys: Any) -> list[dict[str, Any]]:
    """A section with one rule."""
    return [{"name": "it", **keys}]


EVERYTHING: dict[str, Any] = {
    "version": 1,
    "consent": {"promo": "none", "lifecycle": "none", "service": "none"},
    "universal_control": {"share": "20%", "period": "month"},
    "tests": {"prices": {"groups": {"low": 1, "high": 2}, "period": "year"}},
    "costs": {"email": "0.001"},
    "consents": one(needs="double_opt_in", proof="yes", separate="yes", campaign="strict"),
    "suppress": [{"name": "few-orders", "where": "order_count > 3"}],
    "brakes": [{"name": "complaints", "warn": "1%", "stop": "5%"}],
    "one_click": [{"name": "headers"}],
    "caps": [
        {"name": "rolling", "max": 2, "per": "7 days"},
        {"name": "calendar", "max": 2, "per": "calendar week"},
        {"name": "own", "max": "case when order_count > 1 then 2 else 1 end", "per": "1 day"},
        {"name": "offers", "max": 3, "per": "ever", "each": "offer"},
        {"name": "home", "max": 3, "per": "7 days", "of": "household"},
    ],
    "gaps": [{"name": "gap", "at_least": "12 hours"}],
    "pauses": [
        {"name": "bought", "after": "order", "rest": "1 day"},
        {"name": "unhappy", "after": "survey", "below": "3", "rest": "9 days"},
    ],
    "cool_downs": [{"name": "ignored", "ignored": 9, "rest": "30 days"}],
    "ratios": [{"name": "discounts", "of": "sale", "share": "90%", "per": "90 days", "free": 1}],
    "exclusions": [{"name": "either", "campaigns": ["letter", "strict"]}],
    "sequences": [{"name": "then", "campaign": "second", "after": "letter"}],
    "chains": [{"name": "few-chains", "max": 1}],
    "times": [{"name": "quiet", "quiet": "20:00-11:00", "holidays": "own"}],
    "capacity": [{"name": "carrier", "per_hour": 100, "per_day": 1000}],
    "warm_up": [{"name": "young", "per_day": [500, 600], "from": "2026-05-10"}],
    "budgets": [{"name": "money", "money": "5", "per": "month"}],
}


def test_a_policy_of_every_kind_is_audited_in_whole_runs(tmp_path: Path) -> None:
    """What was decided under all of them at once breaks none of them, each of which is asked."""
    shop = make_shop(tmp_path / "every")
    for number in range(8):
        zone = {"city": "Bonn"} if number % 2 else {}
        shop.customer(f"k{number}", at("2026-01-01"), **zone)
        shop.order(f"k{number}", MONDAY - timedelta(hours=20 + number))
    everybody = {"audience": {"where": "true"}, "category": "promo"}
    shop.write(
        campaign("letter", **everybody, tags=["sale"], control="10%", expires_after="2 days",
                 repeat_after="1 day", offer={"code": "SPRING"}),
        campaign("second", **everybody, test={"layer": "prices", "group": "high"}),
        campaign("strict", **everybody),
        policy=EVERYTHING,
    )  # fmt: skip
    for days in range(2):
        shop.daily(MONDAY + timedelta(days=days))
    found = findings(shop)
    assert [one for one in found if one.breaches or one.gone] == []
    asked = {one.rule for one in found}
    titles = {
        f"{get_args(field.annotation)[0].kind}:{rule['name']}"
        for section, field in Rules.model_fields.items()
        for rule in EVERYTHING[section]
    }
    assert titles - asked == {"chains:few-chains"}, "there are no chains"
    assert len({row["contact_at"] for row in shop.contacts()}) > 1, "nothing ever waited"


def test_seven_days_end_today() -> None:
    assert first_day(date(2026, 5, 17), 7) == date(2026, 5, 11)
