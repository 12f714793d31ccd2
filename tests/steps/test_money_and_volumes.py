"""What messages cost, whom the money reaches, and what a run warns of."""

from pathlib import Path
from typing import Any

import pytest
from small_shop import POLICY, Shop, at, campaign, make_shop

NOW = at("2026-05-12T10:00")
NAMES = {"short": "Ann", "cyrillic": "Жанна", "long": "Anastasia " * 12}
SMS = campaign(
    "reminder", channels=["sms"], audience={"where": "true"}, limits={"at_least_per_day": 9}
)
COSTS = {"costs": {"email": "0.0012", "sms": "0.07"}}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = make_shop(tmp_path, SMS)
    text = "Hello {{ customer.first_name | default('you') }}, out: {{ links.unsubscribe }}"
    (tmp_path / "templates" / "note" / "sms.j2").write_text(text, encoding="utf-8")
    for number, (name, first_name) in enumerate(NAMES.items()):
        shop.customer(
            name, at("2026-01-01"), phone=f"+4915112345{number:03}", first_name=first_name
        )
    return shop


def decisions(shop: Shop) -> dict[str, tuple[str, str | None, str | None]]:
    with shop.project(NOW).lake.session() as session:
        files = shop.root.glob("var/lake/decisions/*/*/*.parquet")
        listed = ", ".join(f"'{path}'" for path in files)
        rows = session.rows(
            "SELECT customer_id, outcome, rule, counters "
            f"FROM read_parquet([{listed}], union_by_name = true)"
        )
    return {row[0]: row[1:] for row in rows}


def costs(shop: Shop) -> dict[str, int]:
    return {row["customer_id"]: row["cost_e4"] for row in shop.contacts()}


def test_an_sms_costs_by_the_segments_of_its_own_text(shop: Shop) -> None:
    shop.write(SMS, policy=POLICY | COSTS)
    shop.daily(NOW)
    assert costs(shop) == {"short": 700, "cyrillic": 1400, "long": 1400}
    with shop.project(NOW).lake.session() as session:
        known = session.rows("SELECT customer_id, cost_e4 FROM contacts")
    assert dict(known) == costs(shop)


def test_a_budget_is_kept_over_the_runs_of_a_day(shop: Shop) -> None:
    budget = {"budgets": [{"name": "sms", "money": "0.22", "per": "day", "channel": "sms"}]}
    shop.write(SMS | {"limits": {}}, policy=POLICY | COSTS | budget)
    shop.daily(NOW)
    first = costs(shop)
    assert 0 < sum(first.values()) <= 2200
    held = {name: row for name, row in decisions(shop).items() if row[0] == "held"}
    assert set(held) == set(NAMES) - set(first)
    ((_, rule, counters), *_) = held.values()
    spent = f"{sum(first.values()) / 10_000:.2f}"
    assert (rule, counters) == (
        "budget:sms",
        f'{{"money":"0.22","spent":"{spent}","per":"day"}}',
    )
    shop.daily(at("2026-05-12T15:00"))
    assert sum(costs(shop).values()) <= 2200
    shop.daily(at("2026-05-13T10:00"))
    assert set(costs(shop)) == set(NAMES)


def test_a_run_warns_of_a_campaign_that_wrote_too_few(shop: Shop) -> None:
    run_id = shop.daily(NOW)
    said = (shop.root / "var" / "runs" / run_id / "warnings.txt").read_text(encoding="utf-8")
    assert "campaign reminder wrote 3 messages today (control included), fewer than its" in said
    enough: dict[str, Any] = SMS | {"limits": {"at_least_per_day": 3}}
    shop.write(enough)
    again = shop.daily(at("2026-05-12T15:00"))  # it wrote three this morning
    assert not (shop.root / "var" / "runs" / again / "warnings.txt").exists()


def test_a_run_warns_of_groups_out_of_proportion(shop: Shop) -> None:
    """Control is drawn of all, and then some of the others cannot be sent: they lack a value."""
    for number in range(300):
        shop.customer(f"c{number:03}", at("2026-01-01"), city="Ulm" if number % 3 == 0 else "")
    (shop.root / "templates" / "note" / "subject.j2").write_text("{{ customer.city }}", "utf-8")
    letter = campaign("letter", audience={"where": "email_reachable"}, control="50%")
    shop.write(letter)
    run_id = shop.daily(NOW)
    said = (shop.root / "var" / "runs" / run_id / "warnings.txt").read_text(encoding="utf-8")
    assert "campaign letter: its groups are out of proportion" in said
