"""Money: exact, spent in one order, on what messages really cost; and groups in proportion."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from policy_world import campaign, contact, history, policy
from settling import AS_OF, TODAY, settled, survivor

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Costs, Policy
from antiphon.campaigns.touches import touches
from antiphon.policy.columns import INSTANT
from antiphon.policy.settling.balance import mismatches
from antiphon.policy.settling.budgets import price_e4, unpaid
from antiphon.policy.settling.usage import USED, used_by

DAY = timedelta(days=1)
ROWS = pa.schema(
    {
        "campaign": pa.string(),
        "channel": pa.string(),
        "planned_at": INSTANT,
        "outcome": pa.string(),
        "cost_e4": pa.int64(),
    }
)
SPRING = campaign("spring", channels=("sms",))
MAY = {"name": "may", "money": "10", "per": "month"}
DAILY = {"name": "daily", "money": "1.50", "per": "day", "channel": "sms"}


def row(of: Campaign = SPRING, cost: int = 700, **changes: Any) -> dict[str, Any]:
    return {
        "campaign": of.campaign,
        "channel": of.channels[0],
        "planned_at": AS_OF,
        "outcome": "send",
        "cost_e4": cost,
    } | changes


def beyond(
    rows: list[dict[str, Any]],
    rules: Policy,
    campaigns: tuple[Campaign, ...] = (SPRING,),
    sent: tuple[dict[str, Any], ...] = (),
) -> dict[int, tuple[str, dict[str, str]]]:
    table = pa.Table.from_pylist(rows, schema=ROWS)
    used = used_by(history(sent), rules, TODAY) if sent else USED.empty_table()
    found = unpaid(table, used, touches(campaigns), rules, TODAY).to_pylist()
    return {one["row"]: (one["rule"], json.loads(one["counters"])) for one in found}


def test_the_first_are_paid_and_the_rest_are_held_with_what_was_spent() -> None:
    found = beyond([row() for _ in range(30)], policy(budgets=(DAILY,)))
    assert sorted(found) == list(range(21, 30))  # 21 × 0.07 = 1.47
    assert found[21] == ("budget:daily", {"money": "1.50", "spent": "1.47", "per": "day"})


def test_money_is_spent_to_the_last_ten_thousandth() -> None:
    rules = policy(budgets=(DAILY,))
    assert not beyond([row(cost=5000) for _ in range(3)], rules)
    assert list(beyond([row(cost=5000), row(cost=5000), row(cost=5001)], rules)) == [2]
    assert price_e4(Costs(sms=Decimal("0.00795")), "sms") == 80
    assert price_e4(Costs(email=Decimal("0.0004")), "email") == 4


def test_what_was_spent_before_counts_in_its_day_and_its_month() -> None:
    early = contact("a", SPRING, datetime(2026, 5, 1, tzinfo=UTC), cost_e4=99_000)
    april = contact("b", SPRING, datetime(2026, 4, 30, 21, 59, tzinfo=UTC), cost_e4=50_000)
    today = contact("c", SPRING, AS_OF, cost_e4=500)
    rules = policy(budgets=(MAY, DAILY))
    found = beyond([row(cost=250) for _ in range(4)], rules, sent=(early, april, today))
    assert sorted(found) == [2, 3]  # in May (of Berlin) 9.95 of 10.00 are spent
    assert found[3] == ("budget:may", {"money": "10.00", "spent": "10.00", "per": "month"})
    june = row(cost=250, planned_at=AS_OF + 25 * DAY)
    assert sorted(beyond([june, row(cost=600)], rules, sent=(early, april, today))) == [1]


def test_free_messages_and_other_channels_are_never_held_for_money() -> None:
    mail = campaign("mail", channels=("email",))
    rows = [row(cost=20_000), row(cost=0), row(mail, 900)]
    assert list(beyond(rows, policy(budgets=(DAILY,)), (SPRING, mail))) == [0]


def test_a_campaign_has_money_of_its_own() -> None:
    own = campaign("own", channels=("sms",), limits={"money_per_day": "0.14"})
    rows = [row(own), row(), row(own), row(own), row(own, planned_at=AS_OF + DAY)]
    found = beyond(rows, policy(), (SPRING, own))
    assert found == {3: ("budget", {"money": "0.14", "spent": "0.14", "per": "day"})}


def test_exempt_messages_are_paid_first_and_leave_less_for_the_others() -> None:
    code = campaign("code", channels=("sms",), category="service")
    rows = [row(cost=10_000), row(code, 10_000), row(code, 10_000)]
    rules = policy(budgets=(DAILY,), exempt=("service",))
    assert list(beyond(rows, rules, (SPRING, code))) == [0]
    uncounted = policy(budgets=(DAILY,), exempt=("service",), uncounted=("service",))
    assert not beyond(rows, uncounted, (SPRING, code))


def test_control_costs_nothing_and_stays_only_where_its_message_could_be_paid() -> None:
    out = {"outcome": "control"}
    rows = [row(cost=15_000), row(cost=700, **out), row(cost=700)]
    assert sorted(beyond(rows, policy(budgets=(DAILY,)))) == [1, 2]
    rows = [row(cost=14_300), row(cost=700, **out), row(cost=700)]
    assert not beyond(rows, policy(budgets=(DAILY,)))


def test_a_budget_holds_on_its_days_alone() -> None:
    later = DAILY | {"from": "2026-05-13"}
    assert not beyond([row(cost=90_000)], policy(budgets=(later,)))


def test_where_money_is_limited_the_survivors_come_in_the_order_of_spending() -> None:
    low = campaign("low", priority=1)
    best = campaign("best", priority=9, limits={"cut": "value"})
    rows = [survivor(f"l{n}", low) for n in range(5)]
    rows += [survivor(f"b{n}", best, value=float(n)) for n in range(5)]
    names = [one["customer_id"] for one in settled(rows, [low, best], policy(budgets=(MAY,)))]
    assert names[:5] == ["b4", "b3", "b2", "b1", "b0"]
    again = settled(rows[::-1], [low, best], policy(budgets=(MAY,)), parts=3)
    assert [one["customer_id"] for one in again] == names


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_budget_is_ever_exceeded(data: st.DataObject) -> None:
    one = campaign("one", channels=("sms",), tags=("offer",), limits={"money_per_day": "0.09"})
    two = campaign("two", channels=("email", "sms"))
    days = st.integers(-14, 20)
    cost = st.sampled_from([0, 1, 7, 250, 700, 1400])
    money = st.sampled_from(["0", "0.0007", "0.1", "0.3"])
    scope = st.sampled_from([{}, {"tag": "offer"}, {"channel": "email"}, {"campaign": "two"}])
    per = st.sampled_from(["day", "month"])
    budgets = [
        {"name": f"b{k}", "money": data.draw(money), "per": data.draw(per)} | data.draw(scope)
        for k in range(2)
    ]
    rules = policy(budgets=tuple(budgets))
    of = st.sampled_from([one, two])
    way = st.sampled_from(["email", "sms"])
    sent = tuple(
        contact(
            f"p{k}",
            data.draw(of),
            AS_OF + data.draw(days) * DAY,
            cost_e4=data.draw(cost),
            channel=data.draw(way),
        )
        for k in range(data.draw(st.integers(0, 5)))
    )
    rows = [
        row(
            data.draw(of),
            data.draw(cost),
            channel=data.draw(way),
            planned_at=AS_OF + data.draw(st.integers(0, 25)) * DAY,
            outcome=data.draw(st.sampled_from(["send", "send", "control"])),
        )
        for _ in range(data.draw(st.integers(0, 15)))
    ]
    found = beyond(rows, rules, (one, two), sent)
    named = {"one": one, "two": two}
    limits = [(b.concerns, b.per, b.money) for b in rules.budgets]
    limits.append((lambda c, _: c is one, "day", one.limits.money_per_day))
    for concerns, per, most in limits:
        spent: dict[Any, int] = defaultdict(int)
        mine: set[Any] = set()
        for place, each in enumerate(rows):
            if place in found or each["outcome"] != "send":
                continue
            if concerns(named[each["campaign"]], each["channel"]):
                key = _period(each["planned_at"], per)
                spent[key] += each["cost_e4"]
                mine |= {key} if each["cost_e4"] else set()
        for each in sent:
            if concerns(named[each["campaign"]], each["channel"]):
                spent[_period(each["contact_at"], per)] += each["cost_e4"]
        for key in mine:
            assert spent[key] <= most * 10_000


def _period(at: datetime, per: str) -> Any:
    there = at + timedelta(hours=2)  # Berlin in summer
    return there.date() if per == "day" else (there.year, there.month)


# ---------------------------------------------------------------- groups in proportion


def arms(**counts: int) -> dict[str, dict[str, int]]:
    return {"spring": counts}


@pytest.mark.parametrize(
    ("counts", "is_wrong"),
    [
        ({"control": 100, "default": 900}, False),
        ({"control": 130, "default": 870}, False),  # p = 0.0016
        ({"control": 132, "default": 868}, True),  # p = 0.0007
        ({"control": 0, "default": 1000}, True),
        ({"control": 4, "default": 30}, False),  # too few to judge
        ({"universal_control": 500, "control": 100, "default": 900}, False),
    ],
)
def test_groups_out_of_proportion_are_found_by_chi_square(
    counts: dict[str, int], is_wrong: bool
) -> None:
    one = campaign("spring", control="10%")
    found = mismatches(arms(**counts), [one], policy())
    assert bool(found) is is_wrong
    if is_wrong:
        assert "expected 100" in str(found[0])
        assert "once in" in str(found[0])


def test_the_statistic_is_that_of_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    one = campaign("spring", control="20%", variants={"a": "1", "b": "3"})
    counts = {"control": 300, "a": 200, "b": 500}
    (found,) = mismatches(arms(**counts), [one], policy())
    expected = stats.chisquare([300, 200, 500], [200, 200, 600]).pvalue
    assert found.chance == pytest.approx(expected)
    assert {name: count for name, (count, _) in found.arms.items()} == counts
    assert [expected for _, expected in found.arms.values()] == pytest.approx([200, 200, 600])


def test_exact_strata_and_single_arms_are_not_judged() -> None:
    strata = campaign("spring", control="10%", strata="tier")
    assert not mismatches(arms(control=500, default=500), [strata], policy())
    assert not mismatches(arms(default=500), [campaign("spring")], policy())
    service = campaign("spring", category="service", control="10%")
    assert not mismatches(arms(default=900), [service], policy(exempt=("service",)))


def test_sound_draws_are_seldom_suspected() -> None:
    one = campaign("spring", control="10%", variants={"a": "1", "b": "1"})
    random = np.random.default_rng(7)
    found = Counter(
        bool(mismatches(arms(control=int(c), a=int(a), b=int(b)), [one], policy()))
        for c, a, b in random.multinomial(2000, [0.1, 0.45, 0.45], 2000)
    )
    assert found[True] < 10
