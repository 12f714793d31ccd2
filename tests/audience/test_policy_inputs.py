"""Claims on what rules ask of customers: SQL over the facts of a small world."""

from datetime import UTC, date, datetime, timedelta

import pytest

from antiphon.audience.conditions import parse, parse_number
from antiphon.audience.dictionary import Feature
from antiphon.audience.frame import scan_sql
from antiphon.audience.policy_inputs import ZONES, expressions, facts, people_sql, reading_sql
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.settings import Business
from antiphon.campaigns.touches import touches
from antiphon.entities import ColumnType
from antiphon.policy.moment import Moment
from antiphon.policy.terms import Terms

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
MOMENT = Moment(NOW, date(2026, 5, 12), "Europe/Berlin")
BUSINESS = Business(timezone="Europe/Berlin", country="DE", languages=("de",), currency="EUR")


def policy(**sections):
    return Policy.model_validate({"version": "1", "consent": {}, **sections})


def campaign(name="letter", **keys):
    whole = {
        "campaign": name,
        "title": name,
        "category": "promo",
        "priority": "1",
        "runs": {"from": "2026-01-01"},
        "channels": ["email", "sms"],
        "message": "note",
    }
    return Campaign.model_validate(whole | keys)


def asked(world, rules, campaigns=None, **who):
    """Customer → the columns that these rules ask for; customers a and b are there."""
    spoken = touches(campaigns or [campaign()])
    world.connection.execute("CREATE OR REPLACE TABLE scanned AS SELECT unnest(['a', 'b']) AS id")
    scan = "SELECT id AS customer_id FROM scanned"
    sql = people_sql(scan, [*facts(rules, spoken, MOMENT)])
    cursor = world.connection.execute(f"SELECT * FROM ({sql}) ORDER BY customer_id")
    names = [column[0] for column in cursor.description]
    rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    assert [row.pop("customer_id") for row in rows] == ["a", "b"]
    return dict(zip("ab", rows, strict=True))


# ------------------------------------------------------------ consent


def act(world, ago=10, channel="email", category="promo", granted=True, **more):
    acted = None if ago is None else NOW - timedelta(days=ago)
    world.add("consents", customer_id="a", channel=channel, category=category, granted=granted,
              acted_at=acted, source="web", **more)  # fmt: skip


DOUBLE = {"name": "x", "needs": "double_opt_in"}
PROOF = {"name": "x", "proof": "yes"}
SEPARATE = {"name": "x", "separate": "yes", "acts_since": "2025-09-01"}
CONFIRMED = {"confirmed_at": NOW - timedelta(days=1)}


@pytest.mark.parametrize(
    ("rule", "acts", "agreed"),
    [
        (DOUBLE, [], False),
        (DOUBLE, [{}], False),
        (DOUBLE, [CONFIRMED], True),
        (DOUBLE, [{"confirmed_at": NOW}], True),
        (DOUBLE, [{"confirmed_at": NOW + timedelta(microseconds=1)}], False),
        (DOUBLE, [{"channel": "*", "category": "*", **CONFIRMED}], True),
        (DOUBLE, [{"channel": "sms", **CONFIRMED}], False),
        (DOUBLE, [CONFIRMED, {"ago": 5}], False),  # the latest act is the one in force
        (DOUBLE, [{"ago": 20}, CONFIRMED], True),
        (DOUBLE, [CONFIRMED, {"granted": False}], False),  # of the same moment: the objection
        (DOUBLE, [CONFIRMED, {"ago": -1, "granted": False}], True),  # not yet
        (DOUBLE, [{"ago": None, **CONFIRMED}], True),
        (PROOF, [{}], False),
        (PROOF, [{"evidence": "  "}], False),
        (PROOF, [{"evidence": "form 7"}], True),
        (SEPARATE, [{}], False),
        (SEPARATE, [{"separate": False}], False),
        (SEPARATE, [{"separate": True}], True),
        (SEPARATE, [{"ago": 300}], True),  # before the law
        (SEPARATE, [{"ago": None}], False),  # nobody knows when
    ],
)
def test_an_act_fulfils_a_rule_as_it_asks(world, rule, acts, agreed):
    for one in acts:
        act(world, **one)
    found = asked(world, policy(consents=[rule]))
    assert found["a"]["agreed:x:email:promo"] is agreed
    assert found["b"]["agreed:x:email:promo"] is False


def test_agreements_are_asked_only_where_a_touch_needs_them(world):
    rules = policy(consents=[{**DOUBLE, "channel": "sms"}], consent={"promo": "double_opt_in"})
    spoken = [campaign(), campaign("mail", category="lifecycle", channels=["email"])]
    assert set(asked(world, rules, spoken)["a"]) == {
        "agreed:x:sms:promo",
        "agreed:promo:email:promo",
        "agreed:promo:sms:promo",
    }
    assert asked(world, policy(consents=[{**DOUBLE, "until": "2026-05-11"}]))["a"] == {}


# ------------------------------------------------------------ rests and chains


def test_a_pause_looks_at_the_last_such_fact_that_can_still_hold(world):
    rules = policy(pauses=[{"name": "bought", "after": "order", "rest": "7 days"}])
    for number, at in enumerate(
        [NOW - timedelta(days=7), NOW - timedelta(days=3), NOW + timedelta(seconds=1)]
    ):
        world.add("orders", order_id=str(number), customer_id="a", ordered_at=at, amount=1)
    world.add("orders", order_id="9", customer_id="b", ordered_at=NOW - timedelta(days=7), amount=1)
    found = asked(world, rules)
    assert found["a"]["pause:bought"] == NOW - timedelta(days=3)
    assert found["b"]["pause:bought"] is None  # its week is over


def test_an_answer_is_no_survey_and_no_complaint(world):
    rules = policy(cool_downs=[{"name": "rest", "ignored": 2, "rest": "30 days"}])
    for number, kind in enumerate(("open", "survey", "complaint")):
        world.add("responses", response_id=str(number), customer_id="a", kind=kind,
                  occurred_at=NOW - timedelta(days=9 - number))  # fmt: skip
    found = asked(world, rules)
    assert found["a"]["last_answer"] == NOW - timedelta(days=9)
    assert found["b"]["last_answer"] is None


def test_chains_are_those_that_were_not_left(world):
    rules = policy(chains=[{"name": "one", "max": 1}])
    for name, anchor, left in (
        ("z", "1", None),
        ("c", "1", None),
        ("d", "1", NOW),
        ("c", "2", None),
    ):
        world.add("enrolments", campaign=name, customer_id="a", anchor=anchor, left_at=left)
    found = asked(world, rules)
    assert (found["a"]["chains"], found["b"]["chains"]) == (["c", "z"], [])


def test_nothing_is_asked_for_rules_that_ask_nothing(world):
    caps = [{"name": "few", "max": 2, "per": "7 days"}]
    assert asked(world, policy(caps=caps)) == {"a": {}, "b": {}}


# ------------------------------------------------------------ expressions over the frame


def test_scopes_maxima_and_values_are_never_more_than_is_meant(world):
    features = {
        name: Feature(name, type_, "", "", "", True)
        for name, type_ in (("n", ColumnType.INTEGER), ("x", ColumnType.NUMBER))
    }
    terms = Terms(
        {"big": parse("n > 1", features)},
        {"most": parse_number("x", features)},
        {"letter": parse_number("x * 2", features)},
    )
    consents = ", ".join(
        f"true AS consent_{channel}_{category}"
        for channel in ("email", "sms")
        for category in ("promo", "lifecycle", "service")
    )
    world.connection.execute(
        "CREATE TABLE frame AS SELECT row_number() OVER () AS customer_id, customer_id AS unit, "
        "customer_id AS household_id, 'de' AS language, true AS email_reachable, "
        f"true AS sms_reachable, false AS suppressed_email, false AS suppressed_sms, {consents}, * "
        "FROM (VALUES (2, 2.9, 'Asia/Tokyo', 'JP'), (NULL, 'nan', 'Mars', NULL), "
        "(0, 1e30, NULL, 'AT')) AS t(n, x, timezone, country)"
    )
    world.connection.execute("CREATE TABLE zones AS SELECT 'Asia/Tokyo' AS name")
    assert ZONES == "zones"
    everybody = parse("n is null or n >= 0", features)
    scan = scan_sql([everybody], expressions=expressions(terms, BUSINESS, ["n"]))
    columns = '"in:big", "max:most", "value:letter", timezone, country, n'
    rows = world.connection.execute(f"SELECT {columns} FROM ({scan}) ORDER BY customer_id")
    assert rows.fetchall() == [
        (True, 2, 5.8, "Asia/Tokyo", "JP", "2"),
        (False, None, None, "Europe/Berlin", "DE", None),
        (False, None, 2e30, "Europe/Berlin", "AT", "0"),
    ]


# ------------------------------------------------------------ brakes


@pytest.mark.parametrize(
    ("scope", "contacts", "responses"),
    [
        ({}, 3, 3),
        ({"channel": "email"}, 2, 3),
        ({"channel": "sms"}, 1, 2),
        ({"tag": "deal"}, 2, 3),
        ({"tag": "none"}, 0, 1),
        ({"campaign": "other"}, 1, 1),
    ],
)
def test_a_brake_reads_contacts_and_answers_in_its_scope(world, scope, contacts, responses):
    for number, (name, channel, state, ago) in enumerate(
        [
            ("letter", "email", "delivered", 30),  # the window's edge is out
            ("letter", "email", "delivered", 29),
            ("letter", "sms", "accepted", 0),
            ("other", "email", "planned", 1),
            ("other", "email", "control", 1),
            ("bill", "email", "delivered", 1),
            ("letter", "email", "planned", -1),
        ]
    ):
        category = "service" if name == "bill" else "promo"
        at = NOW - timedelta(days=ago)
        world.add("contacts", message_id=str(number), customer_id="a", campaign=name, state=state,
                  channel=channel, category=category, contact_at=at)  # fmt: skip
    for number, (kind, name, channel, ago) in enumerate(
        [
            ("complaint", "letter", "email", 2),
            ("complaint", "letter", None, 0),
            ("complaint", None, None, 29),
            ("complaint", "letter", "email", 30),
            ("click", "letter", "email", 2),
        ]
    ):
        world.add("responses", response_id=str(number), customer_id="b", kind=kind, campaign=name,
                  channel=channel, occurred_at=NOW - timedelta(days=ago))  # fmt: skip
    brake = {"name": "b", "warn": "1%", "stop": "2%", **scope}
    rules = policy(brakes=[brake], exempt=["service"], uncounted=["service"])
    known = [campaign(tags=["deal"]), campaign("other")]
    sql = reading_sql(rules.brakes[0], rules, known, MOMENT, "contacts")
    assert world.connection.execute(sql).fetchone() == (contacts, responses)
