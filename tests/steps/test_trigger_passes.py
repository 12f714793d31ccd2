"""A pass of the triggers: quick, quiet without news, and under the same rules as the daily run."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from small_shop import Shop, at, campaign, make_shop

from antiphon.ledger import RunState

NOON = "2026-05-12 12:00"
CART = {"event": "cart", "after": "1 hour", "grace": "1 day"}
CHAIN = {
    "start": {"event": "cart"},
    "steps": [
        {"step": "soon", "after": "1 hour", "grace": "6 hours", "message": "note"},
        {"step": "later", "after": "2 days", "message": "note"},
    ],
    "exits": {"bought": "order_count > 0"},
}


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Five customers after one daily run: only to be copied."""
    shop = make_shop(tmp_path_factory.mktemp("triggers") / "shop", campaign("cart", on=CART))
    for customer, city in zip("abcde", ("Kiel", "Kiel", "Bonn", "Bonn", "Jena"), strict=True):
        shop.customer(customer, at("2026-05-01 10:00"), city=city)
    shop.event("e", "seen", at("2026-05-02 10:00"))
    shop.daily(at(NOON))
    return shop


@pytest.fixture
def shop(untouched: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(untouched.root, tmp_path / "shop")
    return Shop(tmp_path / "shop", {name: [*rows] for name, rows in untouched.rows.items()})


def later(minutes: int) -> datetime:
    return at(NOON) + timedelta(minutes=minutes)


def full_disk(*_: object) -> None:
    raise OSError("no space left on device")


def flows(shop: Shop) -> list[tuple[str, str]]:
    """Flow and state of every run, the newest first."""
    runs = shop.project(later(0)).ledger.runs.latest()
    return [(one.flow, one.state.value) for one in runs if one.flow == "triggers"]


def test_a_pass_without_news_leaves_nothing_behind(shop: Shop) -> None:
    before = sorted(path for path in shop.root.rglob("*") if "ledger" not in path.name)
    assert shop.trigger(later(5)) is None
    assert flows(shop) == []
    assert sorted(path for path in shop.root.rglob("*") if "ledger" not in path.name) == before


def test_an_event_is_answered_once_when_it_is_due_and_the_daily_run_adds_nothing(
    shop: Shop,
) -> None:
    event = shop.event("a", "cart", later(0))
    assert shop.trigger(later(55)) is None
    assert shop.trigger(later(60)) is not None
    assert shop.told() == [("cart", "", "a", event)]
    assert [shop.trigger(later(minutes)) for minutes in (65, 70)] == [None, None]
    shop.daily(at("2026-05-13 09:00"))
    assert len(shop.told()) == 1
    assert shop.trigger(at("2026-05-13 09:05")) is None
    assert flows(shop) == [("triggers", "finished")]


def test_only_those_concerned_are_looked_at(shop: Shop) -> None:
    shop.event("a", "cart", later(0))
    run_id = shop.trigger(later(61))
    assert run_id is not None
    steps = {one.step: one.counts for one in shop.project(later(0)).ledger.runs.steps(run_id)}
    assert steps["segment"]["customers"] == 1
    assert steps["pull"] == {"events": 1, "notices": 0}


def test_only_events_and_notices_are_pulled_and_the_daily_run_reads_them_again(
    shop: Shop,
) -> None:
    shop.customer("f", later(0))
    shop.event("f", "cart", later(1))
    assert shop.trigger(later(90)) is None, "who is not known yet waits for the daily run"
    shop.event("a", "cart", later(30))
    assert shop.trigger(later(100)) is not None
    shop.daily(at("2026-05-13 09:00"))
    assert {customer for _, _, customer, _ in shop.told()} == {"a", "f"}


def test_a_condition_that_does_not_hold_is_asked_once_and_by_each_daily_run_within_grace(
    shop: Shop,
) -> None:
    shop.write(campaign("cart", on=CART, audience={"where": "order_count > 0"}))
    shop.daily(later(1))
    shop.event("a", "cart", later(2))
    assert shop.trigger(later(70)) is not None
    assert shop.trigger(later(75)) is None
    shop.order("a", later(80))
    shop.daily(at("2026-05-13 09:00"))
    assert [told[2] for told in shop.told()] == ["a"]


def test_news_of_one_customer_reopen_no_others(shop: Shop) -> None:
    shop.write(campaign("cart", on=CART, audience={"where": "order_count > 0"}))
    shop.daily(later(1))
    shop.event("a", "cart", later(2))
    assert shop.trigger(later(70)) is not None
    shop.event("b", "cart", later(71))
    run_id = shop.trigger(later(135))
    assert run_id is not None
    steps = {one.step: one.counts for one in shop.project(later(0)).ledger.runs.steps(run_id)}
    assert steps["segment"]["customers"] == 1


@pytest.mark.parametrize("column", ["city", "favourite_city"])
def test_a_notice_reaches_those_whom_it_names(shop: Shop, column: str) -> None:
    header = "-- The town.\n--\n-- feature favourite_city text - nullable: the same town\n"
    feature = (
        header + "-- reads: customers\nSELECT customer_id, city AS favourite_city FROM customers"
    )
    (shop.root / "sql" / "features" / "town.sql").write_text(feature, encoding="utf-8")
    shop.write(campaign("incident", on={"notice": "incident", "same": column}))
    notice = shop.notice("incident", later(0), value="Kiel")
    assert shop.trigger(later(1)) is not None
    assert shop.told() == [("incident", "", "a", notice), ("incident", "", "b", notice)]
    assert shop.trigger(later(6)) is None


def test_a_notice_reaches_those_who_waited_for_the_product(shop: Shop) -> None:
    shop.write(campaign("back", on={"notice": "back_in_stock", "did": "waits"}))
    shop.event("c", "waits", at("2026-05-10 10:00"), product_id="p1")
    shop.event("d", "waits", at("2026-05-10 10:00"), product_id="p2")
    notice = shop.notice("back_in_stock", later(0), product_id="p1")
    assert shop.trigger(later(1)) is not None
    assert shop.told() == [("back", "", "c", notice)]


def test_a_chain_of_an_event_goes_on_in_passes_and_in_daily_runs(shop: Shop) -> None:
    shop.write(campaign("cart", chain=CHAIN))
    first, second = shop.event("a", "cart", later(0)), shop.event("b", "cart", later(0))
    assert shop.trigger(later(10)) is not None, "both enter"
    assert shop.trigger(later(15)) is None
    assert shop.trigger(later(61)) is not None
    assert shop.told() == [("cart", "soon", "a", first), ("cart", "soon", "b", second)]
    shop.order("b", later(120))
    shop.daily(at("2026-05-13 09:00"))
    assert shop.trigger(at("2026-05-14 12:05")) is not None
    assert shop.told()[2:] == [("cart", "later", "a", first)]
    shop.daily(at("2026-05-15 09:00"))
    left = {row["customer_id"]: row["left_for"] for row in shop.enrolments()}
    assert left == {"a": "finished", "b": "bought"}


def test_an_unfinished_pass_is_finished_by_the_next_one_even_after_midnight(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.event("a", "cart", at("2026-05-12 22:50"))
    with monkeypatch.context() as broken:
        broken.setattr("antiphon.steps.release.Reader", full_disk)
        with pytest.raises(OSError, match="no space"):
            shop.trigger(at("2026-05-12 23:52"))
    assert shop.trigger(at("2026-05-13 00:07")) == "2026-05-12-triggers-1"
    assert len(shop.told()) == 1
    assert shop.trigger(at("2026-05-13 00:12")) is None


def test_before_the_first_daily_run_there_is_nobody(tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop", campaign("cart", on=CART))
    shop.customer("a", at("2026-05-01 10:00"))
    shop.event("a", "cart", later(0))
    assert shop.trigger(later(61)) is None


def test_a_held_out_pass_is_finished_too(shop: Shop) -> None:
    policy = {
        "version": 1,
        "consent": {"promo": "none", "lifecycle": "none", "service": "none"},
        "universal_control": {"share": "100%"},
    }
    shop.write(campaign("cart", on=CART), policy=policy)
    shop.event("a", "cart", later(0))
    assert shop.trigger(later(61)) is not None
    assert shop.trigger(later(66)) is None
    assert [row["state"] for row in shop.contacts()] == ["control"]
    record = shop.project(later(0)).ledger.runs.latest("triggers")[0]
    assert record.state is RunState.FINISHED
