"""Whole runs of a small shop: what rules ask of customers comes from its files, and the clock of
its runs never goes back."""

import sqlite3
from datetime import timedelta

import pytest
import small_shop
from small_shop import POLICY, Shop, at, campaign, make_shop

from antiphon.errors import UserFilesError
from antiphon.steps.run import CLOCKS_DIFFER, WARNINGS

NOW = at("2026-05-12 10:00")
DAY = timedelta(days=1)
MORE = {
    "customers": small_shop.COLUMNS["customers"] + ",timezone,preferred_channel",
    "responses": "response_id,customer_id,kind,occurred_at,value,survey",
    "consents": "customer_id,channel,category,granted,acted_at,source,confirmed_at,evidence",
}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    for entity, columns in MORE.items():
        monkeypatch.setitem(small_shop.COLUMNS, entity, columns)
    return make_shop(tmp_path, letter())


def letter(**keys):
    return campaign("letter", audience={"where": "order_count >= 0"}, **keys)


def live(shop: Shop, *names: str, **values: str) -> None:
    for name in names:
        shop.customer(name, at("2025-11-01 10:00"), **values)


def decisions(shop: Shop, run_id: str, columns: str = "coalesce(rule, outcome)") -> dict[str, str]:
    """Customer → outcome, or the rule that held the message back."""
    lake = shop.project(NOW).lake
    files = [str(path) for path in lake.current().files("decisions", run_id)]
    with lake.session() as session:
        read = f"read_parquet({files}, union_by_name = true)"
        return dict(session.rows(f"SELECT customer_id, {columns} FROM {read}"))


def warnings(shop: Shop, run_id: str) -> str:
    path = shop.root / "var" / "runs" / run_id / WARNINGS
    return path.read_text(encoding="utf-8") if path.exists() else ""


# ------------------------------------------------------------ what rules ask


RULES = {
    "suppress": [{"name": "kiel", "where": "city = 'Kiel'"}],
    "pauses": [
        {"name": "bought", "after": "order", "rest": "7 days"},
        {"name": "cross", "after": "complaint", "rest": "30 days"},
        {"name": "unhappy", "after": "survey", "below": 5, "rest": "30 days"},
        {
            "name": "parcel",
            "after": "survey",
            "survey": "delivery",
            "below": 7,
            "rest": "30 days",
        },
        {"name": "moving", "after": "moved_house", "rest": "30 days"},
    ],
    "caps": [{"name": "own", "max": "case when city = 'Bonn' then 0 else 2 end", "per": "7 days"}],
    "consents": [
        {"name": "sure", "needs": "double_opt_in", "where": "city = 'Essen'"},
        {"name": "proven", "needs": "opt_in", "proof": "yes", "where": "city = 'Köln'"},
    ],
}


def test_each_rule_finds_whom_it_binds_in_what_happened(shop):
    shop.write(letter(), policy=POLICY | RULES)
    live(shop, "plain", "bought", "long-ago", "cross", "happy", "unhappy", "moving", "parcel")
    for name, city in {"kiel": "Kiel", "none-for-bonn": "Bonn"}.items():
        live(shop, name, city=city)
    live(shop, "not-sure", "sure", "sure-later", city="Essen")
    live(shop, "not-proven", "proven", city="Köln")
    shop.order("bought", NOW - 6 * DAY)
    shop.order("long-ago", NOW - 8 * DAY)
    for name, kind, value, survey in (
        ("cross", "complaint", "", ""),
        ("happy", "survey", "5", "purchase"),
        ("happy", "survey", "7", "delivery"),
        ("unhappy", "survey", "4.5", ""),
        ("parcel", "survey", "6", "delivery"),
    ):
        when = (NOW - 3 * DAY).isoformat()
        asked = {"kind": kind, "value": value, "survey": survey}
        shop.add("responses", customer_id=name, occurred_at=when, **asked)
    shop.event("moving", "moved_house", NOW - DAY)
    act = {"channel": "email", "category": "*", "granted": "yes", "source": "web"}
    act["acted_at"] = (NOW - 90 * DAY).isoformat()
    for name, more in {
        "not-sure": {},
        "sure": {"confirmed_at": (NOW - 89 * DAY).isoformat()},
        "sure-later": {"confirmed_at": (NOW + DAY / 24).isoformat()},
        "not-proven": {"evidence": " "},
        "proven": {"evidence": "form 7"},
    }.items():
        shop.add("consents", customer_id=name, **act, **more)
    assert decisions(shop, shop.daily(NOW)) == {
        "plain": "send",
        "bought": "pause:bought",
        "long-ago": "send",
        "cross": "pause:cross",
        "happy": "send",
        "unhappy": "pause:unhappy",
        "parcel": "pause:parcel",
        "moving": "pause:moving",
        "kiel": "suppress:kiel",
        "none-for-bonn": "cap:own",
        "not-sure": "consent:sure",
        "sure": "send",
        "sure-later": "consent:sure",
        "not-proven": "consent:proven",
        "proven": "send",
    }


def test_a_pass_of_the_triggers_knows_what_rules_ask_of_its_few(shop):
    cart = campaign("cart", on={"event": "cart"}, value="order_count")
    shop.write(cart, policy=POLICY | RULES)
    live(shop, "kiel", city="Kiel")
    live(shop, "bonn", city="Bonn")
    live(shop, "plain", "bought", city="Ulm")
    shop.order("bought", NOW - 2 * DAY)
    shop.daily(NOW - DAY)
    for name in ("kiel", "bonn", "plain", "bought"):
        shop.event(name, "cart", NOW - DAY / 24)
    run_id = shop.trigger(NOW)
    found = decisions(shop, run_id)
    assert found == {
        "kiel": "suppress:kiel",
        "bonn": "cap:own",
        "plain": "send",
        "bought": "pause:bought",
    }


def test_ignored_messages_bring_a_rest_and_an_answer_ends_it(shop):
    rest = {"name": "ignored", "ignored": 2, "rest": "30 days"}
    again = letter(repeat_after="1 day")
    shop.write(again, policy=POLICY | {"cool_downs": [rest]})
    live(shop, "silent", "keen")
    for days in (0, 2):
        shop.daily(NOW + days * DAY)
    when = (NOW + DAY).isoformat()
    shop.add("responses", customer_id="keen", kind="click", occurred_at=when)
    found = decisions(shop, shop.daily(NOW + 4 * DAY))
    assert found == {"silent": "cool_down:ignored", "keen": "send"}


def test_members_of_a_household_share_its_cap(shop):
    cap = {"name": "home", "max": 1, "per": "7 days", "of": "household"}
    again = letter(repeat_after="1 day")
    shop.write(again, policy=POLICY | {"caps": [cap]})
    live(shop, "anna", "bert", phone="+49 30 1234567")
    live(shop, "carl")
    rules = decisions(shop, shop.daily(NOW))
    assert sorted([rules["anna"], rules["bert"]]) == ["cap:home", "send"]
    assert rules["carl"] == "send"
    assert set(decisions(shop, shop.daily(NOW + 2 * DAY)).values()) == {"cap:home"}


def test_a_preferred_channel_comes_first_where_the_campaign_lets_people_choose(shop):
    both = {"channels": ["email", "sms"], "channel_by": "preference"}
    shop.write(letter(**both))
    (shop.root / "templates/note/sms.j2").write_text("Hi. {{ links.unsubscribe }}")
    live(shop, "anna", phone="+49 30 1234567", preferred_channel=" SMS ")
    live(shop, "bert", phone="+49 30 1234568", preferred_channel="pigeon")
    live(shop, "carl", preferred_channel="sms")
    found = decisions(shop, shop.daily(NOW), "channel")
    assert found == {"anna": "sms", "bert": "email", "carl": "email"}


def test_complaints_above_the_brake_stop_what_is_in_its_scope(shop):
    brake = {"name": "bulk", "warn": "10%", "stop": "30%", "at_least": 2}
    again = letter(repeat_after="1 day")
    shop.write(again, policy=POLICY | {"brakes": [brake]})
    live(shop, "anna", "bert", "carl", "dora", "emil")
    shop.daily(NOW)
    for name, day in (("anna", 1), ("bert", 3)):
        when = (NOW + day * DAY).isoformat()
        shop.add("responses", customer_id=name, kind="complaint", occurred_at=when)
    second = shop.daily(NOW + 2 * DAY)
    assert set(decisions(shop, second).values()) == {"send"}
    assert "brake:bulk: 20.00% of 5 contacts had a complaint: a warning" in warnings(shop, second)
    shop.add("responses", customer_id="carl", kind="complaint", occurred_at=when)
    shop.add("responses", customer_id="dora", kind="complaint", occurred_at=when)
    third = shop.daily(NOW + 4 * DAY)
    assert set(decisions(shop, third).values()) == {"brake:bulk"}
    assert "nothing more is sent" in warnings(shop, third)


def test_every_decision_names_the_files_it_was_made_by(shop):
    live(shop, "anna")
    live(shop, "bert", email="")
    run_id = shop.daily(NOW)
    record = shop.project(NOW).ledger.runs.get(run_id)
    assert decisions(shop, run_id) == {"anna": "send", "bert": "no_address"}
    assert decisions(shop, run_id, "configuration") == dict.fromkeys(
        ("anna", "bert"), record.files_hash
    )


# ------------------------------------------------------------ zones and clocks


def test_a_time_zone_that_does_not_exist_is_the_business_zone_and_is_said(shop):
    morning = {"name": "day", "hours": "08:00-20:00"}
    shop.write(letter(), policy=POLICY | {"times": [morning]})
    live(shop, "mars", timezone="Mars/Base")
    live(shop, "none")
    live(shop, "apia", timezone="Pacific/Apia")  # 21:00 there
    run_id = shop.daily(NOW)
    found = decisions(shop, run_id, "planned_at")
    assert found == {"mars": NOW, "none": NOW, "apia": at("2026-05-12 21:00")}
    assert "time zone does not exist: 1 ('Mars/Base')" in warnings(shop, run_id)
    assert "Europe/Berlin" in warnings(shop, run_id)


def test_a_run_before_a_finished_one_is_refused_with_both_times(shop):
    live(shop, "anna")
    first = shop.daily(NOW)
    with pytest.raises(UserFilesError) as refused:
        shop.daily(NOW - CLOCKS_DIFFER - timedelta(seconds=1))
    for words in ("2026-05-12 07:54:59", first, "2026-05-12 08:00:00", "--at", "without var/"):
        assert words in str(refused.value)
    assert [one.run_id for one in shop.project(NOW).ledger.runs.latest()] == [first]


def test_a_pass_before_a_finished_daily_run_is_refused_too(shop):
    shop.write(campaign("cart", on={"event": "cart"}))
    live(shop, "anna")
    shop.daily(NOW)
    shop.event("anna", "cart", NOW - 3 * DAY / 24)
    with pytest.raises(UserFilesError, match="time never runs backwards"):
        shop.trigger(NOW - DAY / 24)


def test_clocks_that_differ_a_little_are_made_up_for(shop):
    live(shop, "anna")
    shop.daily(NOW)
    again = shop.daily(NOW - CLOCKS_DIFFER)
    assert shop.project(NOW).ledger.runs.get(again).as_of == NOW
    assert decisions(shop, again) == {"anna": "already_sent"}


def test_a_past_day_may_be_run_again_later(shop):
    live(shop, "anna")
    shop.daily(NOW + DAY)
    run_id = shop.daily(NOW + 2 * DAY, day=NOW.date())
    assert run_id.startswith("2026-05-12")


def test_a_dry_run_moves_no_clock(shop):
    live(shop, "anna")
    shop.daily(NOW + DAY, dry_run=True)
    assert decisions(shop, shop.daily(NOW)) == {"anna": "send"}


def test_messages_that_left_in_the_future_are_counted_in_a_warning(shop):
    live(shop, "anna", "bert")
    shop.daily(NOW)
    with sqlite3.connect(shop.root / "var" / "ledger.db") as ledger:
        later = int((NOW + 40 * DAY).timestamp() * 1_000_000)
        (stamp,) = ledger.execute(
            "INSERT INTO revisions DEFAULT VALUES RETURNING revision"
        ).fetchone()
        changed = ledger.execute(
            "UPDATE messages SET left_at = ?, revision = ? WHERE customer_id = 'anna'",
            [later, stamp],
        )
        assert changed.rowcount == 1
    run_id = shop.daily(NOW + DAY)
    assert "left in the future: 1" in warnings(shop, run_id)
