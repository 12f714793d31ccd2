"""Daily runs and passes of the triggers share one lease, one history and one set of chains."""

import shutil
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from run_processes import KILLED, Kill, run
from small_shop import Shop, at, campaign, frozen_at, make_shop

from antiphon.demo import AS_OF
from antiphon.errors import RunBusy, UserFilesError
from antiphon.steps.daily import run_daily, run_triggers
from antiphon.steps.run import TRIGGERS, running

FINISH = "antiphon.ledger.runs:Runs.finish_step"
PUBLISH = "antiphon.lake.change:Change.publish"
PLAN = "antiphon.ledger.messages:Messages.plan"
FILE = "antiphon.providers.local:LocalOutbox._write"
WELCOME = {
    "start": {"where": "order_count = 0"},
    "steps": [
        {"step": "first", "after": "1 day", "message": "note"},
        {"step": "second", "after": "3 days", "message": "note"},
    ],
    "exits": {"bought": "order_count > 0"},
}
CART = {
    "start": {"event": "cart"},
    "steps": [{"step": "soon", "after": "1 hour", "message": "note"}],
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Yesterday four customers entered one chain; today two of them left a cart behind."""
    shop = make_shop(
        tmp_path_factory.mktemp("together") / "shop",
        campaign("welcome", chain=WELCOME),
        campaign("cart", chain=CART, category="service", priority=90),
    )
    for customer in "abcd":
        shop.customer(customer, at("2026-05-01 10:00"))
    shop.daily(AS_OF - timedelta(days=1))
    for customer in "ab":
        shop.event(customer, "cart", AS_OF - timedelta(hours=2))
    return shop


@pytest.fixture
def shop(untouched: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(untouched.root, tmp_path / "shop")
    return Shop(tmp_path / "shop", {name: [*rows] for name, rows in untouched.rows.items()})


def states(shop: Shop) -> dict[str, str]:
    runs = shop.project(AS_OF).ledger.runs.latest()
    return {one.run_id.removeprefix("2026-05-"): one.state.value for one in runs}


def assert_told_once(shop: Shop, carts: str = "ab") -> None:
    """A cart's message for each of those, which is their message of the day; a welcome for the
    others."""
    assert sorted((name, step, customer) for name, step, customer, _ in shop.told()) == [
        *(("cart", "soon", customer) for customer in carts),
        *(("welcome", "first", customer) for customer in "abcd" if customer not in carts),
    ]
    kept = [(row["campaign"], row["customer_id"]) for row in shop.enrolments()]
    assert kept == [*(("cart", one) for one in carts), *(("welcome", one) for one in "abcd")]


IN_SEGMENT = Kill("segment", PUBLISH, "after")
IN_DECIDE = Kill("decide", PLAN, "after")
IN_DISPATCH = Kill("dispatch", FILE, "after", 2)
AFTER_PUBLISH = Kill("publish", FINISH, "after")


@pytest.mark.parametrize("kill", [IN_SEGMENT, IN_DECIDE], ids=lambda kill: kill.step)
def test_a_daily_run_that_has_not_decided_gives_way_to_a_pass_with_news(
    shop: Shop, kill: Kill
) -> None:
    assert run(shop.root, kill) == KILLED
    shop.event("c", "cart", AS_OF - timedelta(hours=2))
    assert run(shop.root, work=run_triggers) == 0
    assert states(shop) == {
        "11-daily-1": "finished",
        "12-daily-1": "abandoned",
        "12-triggers-1": "finished",
    }
    assert [told[0] for told in shop.told()] == ["cart", "cart", "cart"]
    assert run(shop.root) == 0
    assert_told_once(shop, carts="abc")


def test_a_daily_run_that_has_decided_is_finished_whatever_passes_do_meanwhile(shop: Shop) -> None:
    assert run(shop.root, IN_DISPATCH) == KILLED
    shop.event("d", "cart", AS_OF - timedelta(hours=2))
    assert run(shop.root, work=run_triggers) == 0
    assert run(shop.root) == 0
    assert states(shop)["12-daily-1"] == "finished"
    told = {(name, customer) for name, _, customer, _ in shop.told()}
    assert len(shop.told()) == len(told) == 4, "twice, or two on one day: d has the welcome"
    assert told == {("cart", "a"), ("cart", "b"), ("welcome", "c"), ("welcome", "d")}


@pytest.mark.parametrize(
    "kill", [AFTER_PUBLISH, IN_SEGMENT, IN_DISPATCH], ids=lambda kill: kill.step
)
def test_a_killed_pass_loses_nothing_and_repeats_nothing(shop: Shop, kill: Kill) -> None:
    assert run(shop.root, kill, work=run_triggers) == KILLED
    assert run(shop.root) == 0, "the daily run goes on by itself"
    assert run(shop.root, work=run_triggers) == 0
    has_decided = kill is IN_DISPATCH
    assert states(shop)["12-triggers-1"] == ("finished" if has_decided else "abandoned")
    assert_told_once(shop)


def test_a_run_that_looked_before_another_moved_the_chains_on_is_over(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr("antiphon.steps.segment.find_occasions", full_disk)
        with pytest.raises(OSError, match="no space"):
            shop.daily(AS_OF)
    shop.daily(AS_OF + timedelta(days=1))
    before = shop.enrolments()
    with pytest.raises(UserFilesError, match="looked before run 2026-05-13-daily-1"):
        shop.daily(AS_OF + timedelta(days=1, minutes=5), day=AS_OF.date())
    assert shop.enrolments() == before
    assert states(shop)["12-daily-1"] == "abandoned"


def full_disk(*_: object, **__: object) -> None:
    raise OSError("no space left on device")


def test_a_dry_run_enrols_nobody_and_stops_nobody(shop: Shop) -> None:
    before = shop.enrolments()
    shop.daily(AS_OF, dry_run=True)
    assert shop.enrolments() == before
    assert shop.told() == []


def test_the_daily_run_waits_for_a_pass_and_a_pass_for_nobody(shop: Shop) -> None:
    ended = threading.Event()

    def daily() -> None:
        run_daily(shop.root, frozen_at(AS_OF))
        ended.set()

    thread = threading.Thread(target=daily)
    with running(shop.root, TRIGGERS, None, ["cart"], dry_run=False, clock=frozen_at(AS_OF)):
        with pytest.raises(RunBusy):
            shop.trigger(AS_OF)
        thread.start()
        assert not ended.wait(1.5)
    thread.join(60)
    assert ended.is_set()
    assert states(shop)["12-daily-1"] == "finished"
