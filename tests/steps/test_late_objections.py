"""Whoever withdrew consent gets nothing that was planned before, however we learn of it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from late_world import HOUR, NOW, Letter, World, make_world
from small_shop import Shop, at, campaign, make_shop

from antiphon.keys import address_key
from antiphon.states import MessageState

LATER = NOW + 6 * HOUR


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = make_shop(tmp_path / "shop")
    for name in ("a", "b", "c"):
        made.customer(name, at("2026-05-01 10:00"))
    return made


def _world(shop: Shop, consent: str) -> World:
    modes = {"promo": consent, "lifecycle": "opt_out", "service": "none"}
    policy = {"version": 1, "consent": modes}
    names = {"news": "promo", "tips": "lifecycle"}
    campaigns = [
        campaign(name, category=category, audience={"where": "false"}, repeat_after="1 hours")
        for name, category in names.items()
    ]
    return make_world(shop, policy, *campaigns)


def _act(world: World, customer: str, category: str, *, granted: bool) -> None:
    acted_at = NOW if granted else NOW + HOUR
    world.project.ledger.people.consent_act(
        customer, "email", category, granted=granted, acted_at=acted_at, source="shop"
    )


def test_a_pull_takes_back_what_waits_for_those_who_withdrew_consent(shop: Shop) -> None:
    world = _world(shop, "opt_in")
    for name, category in (("a", "promo"), ("b", "promo"), ("b", "lifecycle")):
        _act(world, name, category, granted=True)
    promos = [Letter(name, LATER) for name in ("a", "b", "c")]
    tips = [Letter(name, LATER, "tips", "lifecycle") for name in ("a", "b", "c")]
    ids = world.plan([*promos, *tips], NOW)
    _act(world, "b", "*", granted=False)
    run_id = shop.daily(NOW + 2 * HOUR)
    waits, taken = MessageState.PLANNED, MessageState.WITHDRAWN
    assert [world.state(ids[one]).state for one in promos] == [waits, taken, taken]
    assert [world.state(ids[one]).state for one in tips] == [waits, taken, waits]
    assert "no consent any more" in (world.state(ids[promos[1]]).evidence or "")
    warnings = shop.root / "var" / "runs" / run_id / "warnings.txt"
    assert "3 planned messages were withdrawn" in warnings.read_text(encoding="utf-8")


def _objects(world: World) -> None:
    world.project.ledger.people.consent_act(
        "a", "email", "promo", granted=False, acted_at=NOW - timedelta(seconds=1), source="link"
    )


def _suppresses(world: World) -> None:
    key = address_key(world.project.configuration.settings.salt, "email", "a@example.com")
    world.project.ledger.people.suppress("email", key, reason="bounce", at=NOW, source="us")


@pytest.mark.parametrize("says_no", [_objects, _suppresses])
def test_who_said_no_a_second_ago_gets_nothing(
    shop: Shop, says_no: Callable[[World], None]
) -> None:
    world = _world(shop, "opt_out")
    letters = [Letter(name, NOW) for name in ("a", "b")]
    ids = world.plan(letters, NOW)
    (claimed,) = world.claim(NOW)
    says_no(world)
    stops = world.look(claimed, NOW)
    assert list(stops) == [ids[letters[0]]]
    assert world.state(ids[letters[0]]).state == MessageState.WITHDRAWN
    assert world.state(ids[letters[1]]).state == MessageState.ACCEPTED
