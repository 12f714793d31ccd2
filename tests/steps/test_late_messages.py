"""What leaves later than planned is judged again on the real time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from late_world import DAY, HOUR, NOW, Letter, World, make_world
from small_shop import Shop, at, campaign, make_shop

from antiphon.dispatch import disturbing, judging
from antiphon.dispatch.households import households
from antiphon.dispatch.last_look import stopped
from antiphon.states import MessageState

MINUTE = timedelta(minutes=1)
POLICY: dict[str, Any] = {
    "version": 1,
    "consent": {"promo": "none", "lifecycle": "none", "service": "none"},
    "exempt": ["service"],
    "winners_per_day": 9,
}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return make_shop(tmp_path / "shop")


def world(shop: Shop, **rules: Any) -> World:
    names = {"news": "promo", "offer": "promo", "tips": "lifecycle", "receipt": "service"}
    campaigns = [
        campaign(name, category=category, repeat_after="1 hours", audience={"where": "true"})
        for name, category in names.items()
    ]
    return make_world(shop, {**POLICY, **rules}, *campaigns)


def test_a_late_message_waits_until_the_gap_after_the_next_one_is_over(shop: Shop) -> None:
    them = world(shop, gaps=[{"name": "apart", "at_least": "1 days"}])
    early, next_ = Letter("c1", NOW), Letter("c1", NOW + DAY, "offer")
    ids = them.plan([early, next_], NOW)
    stops = them.leave(NOW + 2 * HOUR)  # the next one is only 22 hours away now
    assert [stops[ids[early]].evidence["rule"]] == ["gap:apart"]  # type: ignore[index]
    moved = them.state(ids[early])
    assert (moved.state, moved.not_before) == (
        MessageState.PLANNED,
        NOW + 2 * DAY + timedelta(seconds=1),
    )
    assert them.leave(NOW + DAY) == {}  # on time: it leaves
    assert them.leave(NOW + 2 * DAY + MINUTE) == {}
    assert them.state(ids[early]).state == MessageState.ACCEPTED


def test_a_late_message_that_is_stale_before_it_may_leave_is_withdrawn(shop: Shop) -> None:
    them = world(shop, gaps=[{"name": "apart", "at_least": "1 days"}])
    early, next_ = Letter("c1", NOW, lasting=DAY), Letter("c1", NOW + DAY, "offer")
    ids = them.plan([early, next_], NOW)
    stops = them.leave(NOW + 2 * HOUR)
    assert stops[ids[early]].state == MessageState.WITHDRAWN
    assert "gap:apart" in (them.state(ids[early]).evidence or "")


def test_a_message_on_time_waits_when_another_left_later_than_its_run_knew(shop: Shop) -> None:
    them = world(shop, gaps=[{"name": "apart", "at_least": "1 days"}])
    receipt = Letter("c1", NOW, "receipt", "service")  # exempt: it always goes, but counts
    news = Letter("c1", NOW + DAY)
    ids = them.plan([receipt, news], NOW)
    assert them.leave(NOW + 3 * HOUR) == {}
    stops = them.leave(NOW + DAY)
    assert stops[ids[news]].not_before == NOW + DAY + 3 * HOUR + timedelta(seconds=1)
    assert them.leave(NOW + DAY + 3 * HOUR + MINUTE) == {}


def test_a_rolling_cap_counts_what_left_and_what_is_to_come(shop: Shop) -> None:
    them = world(shop, caps=[{"name": "two-a-week", "max": 2, "per": "7 days"}])
    ids = them.plan([Letter("c1", NOW)], NOW)
    assert them.leave(NOW) == {}
    second = Letter("c1", NOW + 2 * DAY, lasting=9 * DAY)
    third = Letter("c1", NOW + 7 * DAY, "offer", lasting=9 * DAY)
    more = them.plan([second, third], NOW + DAY)
    assert them.leave(NOW + 4 * DAY) == {}  # still two in each week
    tips = Letter("c1", NOW + 9 * DAY, "tips", "lifecycle", lasting=9 * DAY)
    last = them.plan([tips], NOW + 3 * DAY)
    assert them.leave(NOW + 7 * DAY) == {}
    stops = them.leave(NOW + 9 * DAY)  # by plan a week after the second; really five days
    assert list(stops) == list(last.values())
    assert all(them.state(one).state == "accepted" for one in [*ids.values(), *more.values()])


def test_an_exclusion_holds_between_what_left_late_and_what_comes(shop: Shop) -> None:
    them = world(
        shop, exclusions=[{"name": "either", "campaigns": ["news", "offer"], "per": "3 days"}]
    )
    ids = them.plan([Letter("c1", NOW), Letter("c1", NOW + 3 * DAY, "offer")], NOW)
    stops = them.leave(NOW + HOUR)
    assert list(stops) == [ids[Letter("c1", NOW)]]


def test_a_calendar_cap_is_that_of_the_day_on_which_it_really_leaves(shop: Shop) -> None:
    them = world(shop, caps=[{"name": "one-a-day", "max": 1, "per": "calendar day"}])
    evening, morning = at("2026-05-12 23:50"), at("2026-05-13 09:00")
    ids = them.plan([Letter("c1", evening), Letter("c1", morning, "offer")], NOW)
    stops = them.leave(at("2026-05-13 00:05"))
    found = stops[ids[Letter("c1", evening)]]
    assert found.evidence["rule"] == "cap:one-a-day"  # type: ignore[index]
    assert found.not_before == at("2026-05-14 00:00") + timedelta(seconds=1)


def test_the_slot_of_a_day_is_that_of_the_day_on_which_it_really_leaves(shop: Shop) -> None:
    them = world(shop, winners_per_day=1)
    evening, morning = at("2026-05-12 23:50"), at("2026-05-13 09:00")
    ids = them.plan([Letter("c1", evening), Letter("c1", morning, "offer")], NOW)
    stops = them.leave(at("2026-05-13 00:05"))
    assert stops[ids[Letter("c1", evening)]].not_before == at("2026-05-14 00:00")


def test_households_and_rules_for_some_customers_are_those_of_the_lake(shop: Shop) -> None:
    """c1 and c2 share a household; the gap is for c3 alone."""
    house: dict[str, Any] = {"name": "a-house", "max": 1, "per": "1 days", "of": "household"}
    house["where"] = "customer_id in ('c1', 'c2')"
    gap = {"name": "apart", "at_least": "1 days", "where": "customer_id = 'c3'"}
    shared: dict[str, Any] = {"phone": "+4915112345678"}
    for name, more in {"c1": shared, "c2": shared, "c3": {}, "c4": {}}.items():
        shop.customer(name, at("2026-01-01"), **more)
    them = world(shop, caps=[house], gaps=[gap])
    shop.daily(NOW - DAY)
    assert households(them.project).of(["c2", "c3"]) == {"c1": "c1", "c2": "c1"}
    late = {name: Letter(name, NOW) for name in ("c1", "c3", "c4")}
    next_ = [Letter(name, NOW + DAY, "offer") for name in ("c2", "c3", "c4")]
    ids = them.plan([*late.values(), *next_], NOW)
    stops = them.leave(NOW + HOUR)
    assert {message: (outcome.evidence or {})["rule"] for message, outcome in stops.items()} == {
        ids[late["c1"]]: "cap:a-house",
        ids[late["c3"]]: "gap:apart",
    }


def test_hours_forbidden_since_the_plan_are_kept(shop: Shop) -> None:
    them = world(shop)
    letter = Letter("c1", NOW)
    ids = them.plan([letter], NOW)
    changed = world(shop, times=[{"name": "nights", "quiet": "20:00-08:00"}])
    stops = changed.leave(at("2026-05-12 21:00"))
    assert stops[ids[letter]].evidence["rule"] == "time:nights"  # type: ignore[index]
    assert stops[ids[letter]].not_before == at("2026-05-13 08:00")


def test_of_two_that_are_claimed_at_once_never_both_leave_and_one_does(shop: Shop) -> None:
    them = world(shop, gaps=[{"name": "apart", "at_least": "1 days"}])
    them.plan([Letter("c1", NOW, lasting=9 * DAY)], NOW)
    them.plan([Letter("c1", NOW + DAY, "offer", lasting=9 * DAY)], NOW)
    now = NOW + 2 * DAY
    claimed = them.claim(now)  # by two dispatchers, before either looks
    assert len(claimed) == 2
    both = [stopped(them.project, "email", one, now) for one in claimed]
    assert all(both), "each sees the other's claim"
    for stops in both:
        them.project.ledger.messages.record(list(stops.values()), now, "test")
    for minutes in range(10, 80, 10):  # both would be claimed at once again and again
        them.leave(now + minutes * MINUTE)
    left = [c for c in them.project.ledger.messages.counts() if c.state == "accepted"]
    assert sum(one.messages for one in left) == 1


def test_two_to_one_person_in_one_batch_leave_one_after_the_other(shop: Shop) -> None:
    them = world(shop, gaps=[{"name": "apart", "at_least": "6 hours"}])
    ids = them.plan([Letter("c1", NOW), Letter("c1", NOW + 12 * HOUR)], NOW)
    now = NOW + DAY
    stops = them.leave(now)
    assert list(stops) == [ids[Letter("c1", NOW + 12 * HOUR)]]
    them.leave(now + 3 * MINUTE)
    moved = them.state(ids[Letter("c1", NOW + 12 * HOUR)])
    assert moved.not_before == now + 6 * HOUR + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("kind", "state"),
    [("paused", MessageState.PLANNED), ("cancelled", MessageState.WITHDRAWN)],
)
def test_a_campaign_held_after_the_claim_sends_nothing_more(
    shop: Shop, kind: str, state: MessageState
) -> None:
    them = world(shop)
    ids = them.plan([Letter("c1", NOW), Letter("c1", NOW, "tips")], NOW)
    claimed = them.claim(NOW)
    them.project.ledger.holds.hold("news", kind, "a wrong price", "Ann", NOW)
    told = {message: one for batch in claimed for message, one in them.look(batch, NOW).items()}
    news, tips = ids.values()
    assert told[news].state == state
    assert told[news].evidence == {"reason": f"campaign {kind}: a wrong price"}
    assert tips not in told


def test_what_leaves_on_time_costs_one_query_and_opens_no_lake(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    them = world(
        shop,
        gaps=[{"name": "apart", "at_least": "1 days", "where": "customer_id = 'c1'"}],
        caps=[{"name": "daily", "max": 1, "per": "calendar day"}],
    )
    them.plan([Letter(f"c{n}", NOW) for n in range(50)], NOW)
    them.plan([Letter(f"d{n}", NOW) for n in range(50)], NOW)
    them.leave(NOW)  # runs are known from here on
    asked = []
    since = type(them.project.ledger.neighbours).since
    monkeypatch.setattr(
        type(them.project.ledger.neighbours),
        "since",
        lambda *values: asked.append(1) or since(*values),  # type: ignore[func-returns-value]
    )
    for room, name in ((judging, "people_of"), (disturbing, "households")):
        monkeypatch.setattr(room, name, lambda *_: pytest.fail("the lake is asked"))
    monkeypatch.setattr(type(them.project.ledger.neighbours), "of", lambda *_: pytest.fail("more"))
    them.plan([Letter(f"e{n}", NOW + HOUR) for n in range(50)], NOW + HOUR)
    assert them.leave(NOW + HOUR + MINUTE) == {}
    assert len(asked) == 1
