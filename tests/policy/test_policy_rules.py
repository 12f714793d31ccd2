"""Each rule of the policy, by example."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from policy_world import (
    MOMENT,
    NOW,
    Person,
    World,
    campaign,
    contact,
    decide,
    engine_numbers,
    history,
    messages,
    people,
    policy,
    tables,
)

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.chance import keyed_numbers
from antiphon.policy.decide import judge
from antiphon.policy.decisions import DECISIONS, SURVIVORS
from antiphon.policy.moment import Moment
from antiphon.policy.settling.settle import settle

DAY = timedelta(days=1)


def one(
    person: Person = Person("p"),  # noqa: B008  (frozen)
    of: Campaign = campaign(),  # noqa: B008
    rules: Policy = policy(),  # noqa: B008
    *contacts: dict[str, Any],
) -> dict[str, Any]:
    """The decision on one person and one campaign."""
    return decide(World((person,), (of,), rules, contacts))[of.campaign, person.name]


@pytest.mark.parametrize(
    ("needed", "act", "outcome"),
    [
        ("opt_in", None, "held"),
        ("opt_in", True, "send"),
        ("opt_in", False, "held"),
        ("opt_out", None, "send"),
        ("opt_out", True, "send"),
        ("opt_out", False, "held"),
        ("none", None, "send"),
        ("none", False, "send"),
    ],
)
def test_consent_is_as_the_category_needs_it(needed: str, act: bool | None, outcome: str) -> None:
    acts = () if act is None else (("email", "promo", act, NOW - DAY),)
    decision = one(Person("p", acts=acts), rules=policy(consent={"promo": needed}))
    assert decision["outcome"] == outcome
    assert decision["rule"] == (None if outcome == "send" else "consent")


def test_a_category_without_a_consent_rule_needs_agreement() -> None:
    assert one(rules=policy(consent={"service": "none"}))["rule"] == "consent"


def test_the_first_channel_by_which_a_customer_may_be_reached_is_taken() -> None:
    both = campaign(channels=("sms", "email"))
    assert one(of=both)["channel"] == "sms"
    assert one(Person("p", sms=False), both)["channel"] == "email"
    assert one(Person("p", suppressed=frozenset({"sms"})), both)["channel"] == "email"
    objected = (("sms", "*", False, NOW - DAY),)
    assert one(Person("p", acts=objected), both)["channel"] == "email"


def test_where_no_channel_is_left_the_rule_that_took_the_last_one_is_the_reason() -> None:
    both = campaign(channels=("email", "sms"))
    objected = (("email", "promo", False, NOW - DAY),)
    decision = one(Person("p", sms=False, acts=objected), both)
    assert (decision["rule"], decision["channel"]) == ("no_address", None)
    assert json.loads(decision["counters"]) == {"email": "objected", "sms": "no_address"}
    suppressed = Person("p", sms=False, email=True, suppressed=frozenset({"email", "sms"}))
    assert one(suppressed, both)["rule"] == "suppressed"
    assert one(Person("p", email=False), campaign())["rule"] == "no_address"


def test_a_campaign_speaks_once_unless_it_repeats() -> None:
    once, again = campaign(), campaign(repeat_after=30 * DAY)
    assert one(Person("p"), once, policy(), contact("p", once, NOW - 900 * DAY))["rule"] == (
        "already_sent"
    )
    fresh = one(Person("p"), again, policy(), contact("p", again, NOW - 30 * DAY))
    assert (fresh["outcome"], fresh["anchor"], fresh["attempt"]) == ("send", "2", 1)
    assert fresh["occurrence_key"] == keys.occurrence_key("spring", "", "p", "2")
    early = one(Person("p"), again, policy(), contact("p", again, NOW - 30 * DAY + DAY / 86400))
    assert early["rule"] == "already_sent"
    assert json.loads(early["counters"]) == {
        "last": "2026-04-12T08:00:01Z",
        "repeat_after": 30 * 86400,
    }


def test_a_control_row_uses_the_occurrence_up() -> None:
    once = campaign()
    held_out = contact("p", once, NOW - DAY, state="control", arm="control")
    assert one(Person("p"), once, policy(), held_out)["rule"] == "already_sent"


@pytest.mark.parametrize("state", ["refused", "withdrawn", "expired"])
def test_an_occurrence_that_reached_nobody_is_tried_again_three_times(state: str) -> None:
    once = campaign()
    tried = [contact("p", once, NOW - (9 - n) * DAY, state=state, attempt=n) for n in (1, 2, 3)]
    second = one(Person("p"), once, policy(), *tried[:1])
    assert (second["outcome"], second["anchor"], second["attempt"]) == ("send", "once", 2)
    assert one(Person("p"), once, policy(), *tried[:2])["attempt"] == 3
    assert one(Person("p"), once, policy(), *tried)["rule"] == "attempts"


def test_a_repeating_campaign_gives_an_unlucky_occurrence_up_after_its_pause() -> None:
    again = campaign(repeat_after=30 * DAY)

    def tried(days: int) -> list[dict[str, Any]]:
        reached = contact("p", again, NOW - 90 * DAY, anchor="1")
        dead = [
            contact("p", again, NOW - days * DAY - n * DAY, anchor="2", attempt=n, state="refused")
            for n in (1, 2, 3)
        ]
        return [reached, *dead]

    assert one(Person("p"), again, policy(), *tried(28))["rule"] == "attempts"
    turn = one(Person("p"), again, policy(), *tried(29))
    assert (turn["outcome"], turn["anchor"], turn["attempt"]) == ("send", "3", 1)


def test_a_message_of_an_earlier_run_takes_the_day_s_slot_control_included() -> None:
    other = campaign("other")
    for state in ("planned", "delivered", "control"):
        earlier = contact("p", other, NOW - timedelta(hours=2), state=state)
        decision = one(Person("p"), campaign(), policy(), earlier)
        assert decision["rule"] == "day_slot"
        assert json.loads(decision["counters"]) == {"max": 1, "used": 1}
    refused = contact("p", other, NOW - timedelta(hours=2), state="refused")
    assert one(Person("p"), campaign(), policy(), refused)["outcome"] == "send"
    yesterday = contact("p", other, NOW - timedelta(hours=11))
    assert one(Person("p"), campaign(), policy(), yesterday)["outcome"] == "send"


def test_a_cap_counts_contacts_before_and_after_and_not_what_never_left() -> None:
    other = campaign("other")
    longer = {"name": "longer", "max": 9, "per": "70 days"}
    rules = policy(caps=({"name": "weekly", "max": 1, "per": "7 days"}, longer))

    def decision(at: datetime, state: str = "delivered") -> dict[str, Any]:
        return one(Person("p"), campaign(), rules, contact("p", other, at, state=state))

    assert decision(NOW - 7 * DAY)["outcome"] == "send"
    assert decision(NOW + 7 * DAY)["outcome"] == "send"
    refused = decision(NOW - 7 * DAY + DAY / 24)
    assert refused["rule"] == "cap:weekly"
    assert json.loads(refused["counters"]) == {
        "max": 1,
        "per": 7 * 86400,
        "contacts": ["2026-05-05T09:00:00Z"],
        "next": "2026-05-12T09:00:00Z",
    }
    assert decision(NOW + 7 * DAY - DAY / 24, "planned")["rule"] == "cap:weekly"
    for state in ("refused", "withdrawn", "expired", "control"):
        assert decision(NOW - 3 * DAY, state)["outcome"] == "send"


def test_a_cap_counts_its_channel_and_category_alone() -> None:
    sms = campaign("other", channels=("sms",), category="lifecycle")
    earlier = contact("p", sms, NOW - DAY)
    for scope, outcome in (
        ({}, "held"),
        ({"channel": "email"}, "send"),
        ({"channel": "sms"}, "send"),
        ({"category": "lifecycle"}, "send"),
        ({"category": "promo"}, "send"),
    ):
        rules = policy(caps=({"name": "one", "max": 1, "per": "7 days"} | scope,))
        assert one(Person("p"), campaign(), rules, earlier)["outcome"] == outcome


def test_exempt_messages_pass_a_full_window_and_fill_it_for_the_others() -> None:
    rules = policy(
        caps=({"name": "one", "max": 1, "per": "7 days"},), exempt=("service",), winners_per_day=1
    )
    service, promo = campaign("refill", category="service"), campaign("promo")
    person = Person("p", wanted=frozenset({0, 1}))
    decisions = decide(World((person,), (service, promo), rules))
    assert decisions["refill", "p"]["outcome"] == "send"
    assert decisions["promo", "p"]["rule"] == "cap:one"
    full = contact("p", campaign("old"), NOW - DAY)
    decisions = decide(World((person,), (service, promo), rules, (full,)))
    assert decisions["refill", "p"]["outcome"] == "send"


def test_the_highest_priority_wins_and_the_others_name_it() -> None:
    campaigns = tuple(campaign(f"c{n}", priority=n) for n in (10, 30, 20))
    world = World((Person("p", wanted=frozenset(range(3))),), campaigns, policy())
    decisions = decide(world)
    assert decisions["c30", "p"]["outcome"] == "send"
    for name in ("c10", "c20"):
        assert (decisions[name, "p"]["rule"], decisions[name, "p"]["lost_to"]) == ("lost_to", "c30")


def test_several_winners_share_the_caps() -> None:
    campaigns = tuple(campaign(f"c{n}", priority=n) for n in (40, 30, 20, 10))
    person = Person("p", wanted=frozenset(range(4)))
    caps = ({"name": "two", "max": 2, "per": "7 days", "channel": "email"},)
    decisions = decide(World((person,), campaigns, policy(caps=caps, winners_per_day=3)))
    assert [decisions[c.campaign, "p"]["rule"] for c in campaigns] == [
        None,
        None,
        "cap:two",
        "cap:two",
    ]
    decisions = decide(World((person,), campaigns, policy(winners_per_day=3)))
    assert [decisions[c.campaign, "p"]["lost_to"] for c in campaigns] == [None, None, None, "c20"]


def test_a_winner_that_is_control_uses_no_cap_but_a_slot() -> None:
    held_out, other = campaign("first", priority=9, control=1.0), campaign("other", priority=1)
    person = Person("p", wanted=frozenset({0, 1}))
    caps = ({"name": "one", "max": 1, "per": "7 days"},)
    world = World((person,), (held_out, other), policy(caps=caps, winners_per_day=2))
    decisions = decide(world)
    assert [decisions[name, "p"]["outcome"] for name in ("first", "other")] == ["control", "send"]
    single = decide(World((person,), (held_out, other), policy(caps=caps)))
    assert single["other", "p"]["lost_to"] == "first"


def test_equal_priorities_share_the_customers_evenly() -> None:
    campaigns = (campaign("one"), campaign("two"), campaign("three"))
    persons = tuple(Person(f"p{n}", wanted=frozenset(range(3))) for n in range(3000))
    sent = messages(
        decide(World(persons, campaigns, policy())), World(persons, campaigns, policy())
    )
    for each in campaigns:
        share = sum(row["campaign"] == each.campaign for row in sent) / 3000
        assert abs(share - 1 / 3) < 4.5 * (2 / 9 / 3000) ** 0.5


def test_a_limit_cuts_by_chance_and_counts_what_the_day_has_already() -> None:
    limited = campaign(limits={"messages_per_day": 10}, control=0.5)
    persons = tuple(Person(f"p{n}") for n in range(100))
    earlier = [contact(f"q{n}", limited, NOW - timedelta(hours=1)) for n in range(4)]
    world = World(persons, (limited,), policy(), tuple(earlier))
    decisions = decide(world, buckets=4)
    assert len(messages(decisions, world)) == 6, "control rows count: the cut comes first"
    cut = next(row for row in decisions.values() if row["rule"] == "limit")
    assert json.loads(cut["counters"]).items() >= {"max": 10, "used": 4}.items()
    assert (cut["arm"], cut["occurrence_key"], cut["channel"]) == (None, None, "email")


def test_control_shares_lie_within_their_binomial_bounds() -> None:
    count = 4000
    persons = tuple(Person(f"p{n}") for n in range(count))
    rules = policy(universal_control={"share": "5%", "period": "quarter"})
    tested = campaign(control="10%", variants={"a": "1", "b": "3"})
    arms = [row["arm"] for row in decide(World(persons, (tested,), rules)).values()]
    left = count - arms.count("universal_control")
    treated = left - arms.count("control")
    for arm, of, share in (
        ("universal_control", count, 0.05),
        ("control", left, 0.10),
        ("a", treated, 0.25),
    ):
        assert abs(arms.count(arm) - of * share) < 4.5 * (of * share * (1 - share)) ** 0.5


def test_arms_of_two_campaigns_are_independent() -> None:
    count = 4000
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1})) for n in range(count))
    half = {"control": "50%", "variants": {"a": "1", "b": "1"}}
    campaigns = (campaign("one", **half), campaign("two", **half))
    decisions = decide(World(persons, campaigns, policy(winners_per_day=2)))
    for arm, share in (("control", 0.5), ("a", 0.25)):
        both = sum(
            all(decisions[name, person.name]["arm"] == arm for name in ("one", "two"))
            for person in persons
        )
        expected = share**2
        assert abs(both - count * expected) < 4.5 * (count * expected * (1 - expected)) ** 0.5


def test_the_universal_control_is_one_group_for_all_campaigns_of_a_period() -> None:
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1})) for n in range(300))
    rules = policy(universal_control={"share": "30%", "period": "month"}, winners_per_day=2)
    campaigns = (campaign("one"), campaign("two"))

    def group(moment: Moment, name: str) -> set[str]:
        decisions = decide(World(persons, campaigns, rules, moment=moment))
        return {p for (c, p), row in decisions.items() if c == name and row["outcome"] == "control"}

    assert group(MOMENT, "one") == group(MOMENT, "two")
    later = Moment(NOW + 10 * DAY, date(2026, 5, 22), "Europe/Berlin")
    assert group(later, "one") == group(MOMENT, "one")
    june = Moment(NOW + 30 * DAY, date(2026, 6, 11), "Europe/Berlin")
    assert group(june, "one") != group(MOMENT, "one")


def test_a_control_of_everybody_or_nobody_is_exact() -> None:
    persons = tuple(Person(f"p{n}") for n in range(50))
    everybody = decide(World(persons, (campaign(control="100%"),), policy()))
    assert {row["outcome"] for row in everybody.values()} == {"control"}
    assert {row["planned_at"] for row in everybody.values()} == {NOW}


def test_a_campaign_outside_its_days_writes_to_nobody() -> None:
    friday = campaign(runs={"from": "2026-01-01", "days": "fri"})
    ended = campaign(runs={"from": "2026-01-01", "until": "2026-05-11"})
    assert one(of=friday)["rule"] == one(of=ended)["rule"] == "not_running"


def test_the_day_has_23_hours_when_the_clock_springs_forward() -> None:
    spring = Moment(datetime(2026, 3, 29, 10, tzinfo=UTC), date(2026, 3, 29), "Europe/Berlin")
    first, after = spring.day_bounds()
    assert (after - first) / 3_600_000_000 == 23
    other = campaign("other")
    for at, rule in (
        (datetime(2026, 3, 28, 22, 59, 59, tzinfo=UTC), None),
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "day_slot"),
        (datetime(2026, 3, 29, 21, 59, 59, tzinfo=UTC), "day_slot"),
        (datetime(2026, 3, 29, 22, tzinfo=UTC), None),
    ):
        world = World(
            (Person("p"),), (campaign(),), policy(), (contact("p", other, at),), moment=spring
        )
        assert decide(world)["spring", "p"]["rule"] == rule


def test_more_than_62_campaigns_read_the_second_mask() -> None:
    campaigns = tuple(campaign(f"c{n}", priority=n) for n in range(100))
    decisions = decide(
        World((Person("p", wanted=frozenset({3, 61, 62, 99})),), campaigns, policy())
    )
    assert {name for name, _ in decisions} == {"c3", "c61", "c62", "c99"}


def test_two_rows_of_one_customer_are_refused() -> None:
    doubled = people([Person("p"), Person("p")])
    with pytest.raises(ValueError, match="one row for each customer_id"):
        judge(doubled, history(), [Touch(campaign())], policy(), MOMENT, salt="s")
    shared = people([Person("p"), Person("q")]).set_column(1, "unit", pa.array(["h", "h"]))
    with pytest.raises(ValueError, match="one row for each unit"):
        judge(shared, history(), [Touch(campaign())], policy(), MOMENT, salt="s")


def test_nobody_is_an_answer_of_the_right_columns() -> None:
    judged = judge(people([]), history(), [Touch(campaign())], policy(), MOMENT, salt="s")
    settled = settle([], [Touch(campaign())], policy(), MOMENT, salt="s")
    tables_ = ((judged.survivors, SURVIVORS), (judged.held, DECISIONS), (settled, DECISIONS))
    for table, schema in tables_:
        assert table.schema == schema
        assert table.num_rows == 0


def test_the_engine_hashes_as_we_do() -> None:
    units = pa.array(["c1", "ü|x", "", "a'b", "日本"])
    names = pa.array(["one", "two", "three", "four", "five"])
    for parts in (["salt", "x", units, "2026-Q2"], ["s'alt", names, units, ""]):
        ours = keyed_numbers("control", parts)
        assert ours.tolist() == engine_numbers("control", parts).tolist()
        texts = [[p] * 5 if isinstance(p, str) else p.to_pylist() for p in parts]
        assert ours[1] == keys.number("control", *(text[1] for text in texts))


def test_decisions_of_several_buckets_can_be_written_and_queried(tmp_path: Path) -> None:
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1})) for n in range(40))
    campaigns = (campaign("one", limits={"messages_per_day": 9}), campaign("two", priority=1))
    world = World(persons, campaigns, policy())
    written = tables(world, buckets=4)
    for number, table in enumerate(written):
        pq.write_table(table, tmp_path / f"{number}.parquet")
    read = duckdb.sql(
        f"SELECT customer_id, campaign, outcome FROM read_parquet('{tmp_path}/*.parquet')"
    ).fetchall()
    assert {(c, p): outcome for p, c, outcome in read} == {
        key: row["outcome"] for key, row in decide(world, buckets=4).items()
    }
    with duckdb.connect() as connection:
        connection.register("settled", written[0])
        counts = connection.execute("SELECT campaign, count(*) FROM settled GROUP BY 1").fetchall()
    assert counts == [("one", 40)]


def test_a_message_between_two_that_share_no_window_fits() -> None:
    other = campaign("other", repeat_after="1 day")
    longer = {"name": "longer", "max": 9, "per": "70 days"}
    rules = policy(caps=({"name": "weekly", "max": 2, "per": "7 days"}, longer))

    def decision(days_apart: float) -> dict[str, Any]:
        after = NOW + 3 * DAY
        pair = (after - days_apart * DAY, after)
        sent = [contact("p", other, at, anchor=str(k)) for k, at in enumerate(pair)]
        return one(Person("p"), campaign(), rules, *sent)

    assert decision(7)["outcome"] == "send"
    assert decision(6.99)["rule"] == "cap:weekly"


def test_a_campaign_never_speaks_twice_on_one_day_whatever_its_pause() -> None:
    brisk = campaign(repeat_after="2 hours")
    rules = policy(exempt=("promo",))
    today = contact("p", brisk, NOW - timedelta(hours=3))
    assert one(Person("p"), brisk, rules, today)["rule"] == "already_sent"
    yesterday = contact("p", brisk, NOW - timedelta(hours=11))
    assert one(Person("p"), brisk, rules, yesterday)["outcome"] == "send"
