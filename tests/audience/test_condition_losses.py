"""Claims on warnings: a condition that loses customers by surprise says so, and others do not."""

from dataclasses import replace

import pytest

from antiphon.audience.conditions import CellValue, Condition, Vocabulary, parse
from antiphon.audience.definitions import define
from antiphon.audience.dictionary import Feature
from antiphon.campaigns.models import Segments, Sources
from antiphon.entities import ColumnType
from antiphon.files import ProjectFiles

T = ColumnType


def feature(name: str, type_: ColumnType, *reads: str, nullable: bool = True) -> Feature:
    return Feature(name, type_, "", "", "sql/features/x.sql", nullable, reads)


FEATURES = {
    one.name: one
    for one in (
        feature("order_count", T.INTEGER, "orders", nullable=False),
        feature("days_since_order", T.INTEGER, "orders"),
        feature("last_order_day", T.DAY, "orders"),
        feature("average_order", T.MONEY, "orders"),
        feature("favourite_category", T.TEXT, "order_lines", "products"),
        feature("days_since_contact", T.INTEGER, "contacts"),
        feature("consent_email", T.BOOLEAN, "consents"),
        feature("consent_sms", T.BOOLEAN, "consents"),
        feature("age", T.INTEGER, "customers"),
        feature("days_to_birthday", T.INTEGER, "customers"),
        feature("reachable", T.BOOLEAN, "customers", nullable=False),
        Feature("stage", T.TEXT, "", "", "config/segments.yaml", False, ("orders",)),
        Feature("size", T.TEXT, "", "", "config/segments.yaml", False),
        Feature("tier", T.TEXT, "", "", "config/sources.yaml", True),
    )
}
WORDS = Vocabulary(
    FEATURES,
    campaigns=("winback",),
    cell={"discount": CellValue(T.INTEGER, "5", frozenset())},
)


def condition(text: str, words: Vocabulary = WORDS, *beside: Condition) -> Condition:
    found = parse(text, words, beside)
    assert isinstance(found, Condition), found
    return found


def lost(text: str, words: Vocabulary = WORDS, *beside: Condition) -> list[str]:
    return [loss.feature for loss in condition(text, words, *beside).losses]


SURPRISING = [
    # whom it does not want
    ("favourite_category <> 'tea'", ["favourite_category"]),
    ("'tea' <> favourite_category", ["favourite_category"]),
    ("favourite_category not in ('tea', 'herbs')", ["favourite_category"]),
    ("favourite_category not like 't%'", ["favourite_category"]),
    ("favourite_category not ilike 't!%' escape '!'", ["favourite_category"]),
    ("not favourite_category like 't%'", ["favourite_category"]),
    ("not consent_sms", ["consent_sms"]),
    ("consent_email and not consent_sms", ["consent_sms"]),
    ("not (age between 18 and 25)", ["age"]),
    ("age not between 18 and 25", ["age"]),
    ("not (tier = 'gold' or age = 3)", ["tier", "age"]),
    ("not (tier = 'gold' and order_count > 3)", ["tier"]),
    ("not (lower(tier) = 'gold')", ["tier"]),
    ("not contains(tier, 'gold')", ["tier"]),
    ("not (nullif(tier, 'x') = 'gold')", ["tier"]),
    ("abs(age - 30) * 2 <> 10", ["age"]),
    ("cast(age as text) || 'x' <> '10x'", ["age"]),
    ("not (not (tier <> 'gold'))", ["tier"]),
    # long ago
    ("days_since_order > 30", ["days_since_order"]),
    ("(days_since_order) >= 30", ["days_since_order"]),
    ("30 < days_since_order", ["days_since_order"]),
    ("last_order_day < '2026-01-01'", ["last_order_day"]),
    ("date '2026-01-01' >= last_order_day", ["last_order_day"]),
    ("not (days_since_order <= 30)", ["days_since_order"]),
    ("reachable and days_since_order > 30", ["days_since_order"]),
    ("tier = 'gold' or days_since_order > 30", ["days_since_order"]),
    # beside it stands what they do not fail
    ("order_count >= 0 and days_since_order > 30", ["days_since_order"]),
    ("order_count > 0 or days_since_order > 30", ["days_since_order"]),
    ("order_count = 0 and days_since_order > 30", ["days_since_order"]),
    ("tier is null or days_since_order > 30", ["days_since_order"]),
    ("age is not null and days_since_order > 30", ["days_since_order"]),
    ("days_since_contact < 10 and days_since_order > 30", ["days_since_order"]),
    ("not bought(category => 'x') and days_since_order > 30", ["days_since_order"]),
    ("contacted() and days_since_order > 30", ["days_since_order"]),
    ("size = 'big' and days_since_order > 30", ["days_since_order"]),
    ("stage <> 'lead' or days_since_order > 30", ["days_since_order"]),
    ("days_since_order > 30 and last_order_day < '2026-01-01'",
     ["days_since_order", "last_order_day"]),
    ("days_since_order > 30 and favourite_category <> 'tea'",
     ["days_since_order", "favourite_category"]),
    ("not (order_count > 0 and days_since_order < 30)", []),
    ("not (order_count = 0 and days_since_order < 30)", ["days_since_order"]),
]  # fmt: skip

PLAIN = [
    # who has a value is who is meant
    "favourite_category = 'tea'",
    "favourite_category in ('tea', 'herbs') and tier like 'g%'",
    "age between 18 and 25",
    "age > 60 and average_order < 20 and average_order >= 10",
    "days_since_order <= 30",
    "days_since_order between 90 and 365",
    "days_since_order > 30 and days_since_order < 60",
    "last_order_day >= '2026-01-01'",
    "days_since_order = 30 and consent_sms and consent_sms = false",
    "not (tier <> 'gold')",
    "days_to_birthday > 30",
    "order_count <> 3 and not reachable",
    "cell.discount <> 3",
    # the writer has thought of it
    "days_since_order > 30 or days_since_order is null",
    "days_since_order is not null and days_since_order > 30",
    "days_since_order is null or (age > 3 and days_since_order > 30)",
    "not (days_since_order is null or days_since_order <= 30)",
    "tier <> 'gold' or tier is null",
    "coalesce(tier, '') <> 'gold'",
    "tier is distinct from 'gold'",
    "not (ifnull(age, 0) > 3)",
    "(tier <> 'gold') is not true",
    "(consent_sms is true) = false",
    "case when tier <> 'gold' then true else false end",
    "not (nullif('gold', tier) = 'silver')",
    # beside it stands what they fail, or hold, anyway
    "consent_sms is not true or not consent_sms",
    "30 > days_since_order and days_since_order > 10",
    "coalesce(days_since_order, 999) > 300 or days_since_order > 30",
    "order_count > 0 and days_since_order > 30",
    "order_count between 1 and 3 and days_since_order > 30",
    "order_count in (1, 2) and days_since_order > 30",
    "order_count * 1 > 0 or days_since_order > 30 or order_count = 0",
    "not (order_count = 0) and days_since_order > 30",
    "order_count = 0 or days_since_order > 30",
    "order_count > 0 and (tier = 'gold' or (age > 3 and days_since_order > 30))",
    "favourite_category = 'tea' and days_since_order > 30",
    "order_count > 2 and favourite_category <> 'tea'",
    "stage = 'new' and days_since_order > 14",
    "stage <> 'lead' and days_since_order > 14 and size <> 'big'",
    "bought(category => 'tea', within => '365 days') and days_since_order > 60",
    "runs_out_within('7 days') and favourite_category <> 'tea'",
    "contacted('winback') and days_since_contact > 30",
    "birthday_within('3 days') and not did('x') and not bought()",
]


@pytest.mark.parametrize(("text", "features"), SURPRISING)
def test_a_surprising_loss_is_told(text: str, features: list[str]) -> None:
    assert lost(text) == features


@pytest.mark.parametrize("text", PLAIN)
def test_nothing_is_told_where_the_writer_knows(text: str) -> None:
    assert lost(text) == []


@pytest.mark.parametrize(("text", "features"), SURPRISING)
def test_both_answers_that_the_hint_names_are_answers(text: str, features: list[str]) -> None:
    for name in features:
        assert name not in lost(f"({text}) or {name} is null")
        assert name not in lost(f"({text}) and {name} is not null")


def test_the_warning_points_at_the_word_and_names_both_answers() -> None:
    (loss,) = condition("reachable and\n  order_count <> 3 and\n  tier <> 'gold'").losses
    assert (loss.line, loss.column, loss.feature) == (3, 3, "tier")
    assert loss.message == "this also leaves out whoever has no 'tier'"
    assert loss.hint == (
        "To keep them, add: or tier is null. To leave them out on purpose: and tier is not null."
    )


def test_a_feature_is_told_of_once() -> None:
    assert lost("tier <> 'gold' and tier <> 'silver' and not (tier = 'x')") == ["tier"]


def test_a_segment_beside_it_may_have_the_answer() -> None:
    segments = {
        "buyers": condition("order_count > 0"),
        "recent": condition("days_since_order < 30"),
        "by_call": condition("bought(within => '365 days')"),
        "adults": condition("age > 18"),
    }
    words = replace(WORDS, segments=segments)
    text = "days_since_order > 30"
    for name in ("buyers", "recent", "by_call"):
        assert lost(f"in_segment('{name}') and {text}", words) == []
        assert lost(text, words, segments[name]) == []
    assert lost(f"in_segment('adults') and {text}", words) == ["days_since_order"]
    assert lost(text, words, segments["adults"]) == ["days_since_order"]
    assert lost(f"not in_segment('buyers') and {text}", words) == ["days_since_order"]


def test_the_losses_of_a_segment_are_told_at_the_segment() -> None:
    words = replace(WORDS, segments={"quiet": condition("days_since_order > 30")})
    assert lost("in_segment('quiet') and age > 3", words) == []
    assert lost("not in_segment('quiet')", words) == []


def test_scores_and_dimensions_know_the_facts_they_are_built_on() -> None:
    files = ProjectFiles({"sql/features/orders.sql": ORDERS})
    segments = Segments.model_validate(
        {
            "version": "1",
            "segments": {"quiet": {"where": "stage = 'buyer' and days_since_order > 30"}},
            "scores": {"recency": {"of": "days_since_order"}},
            "dimensions": {"stage": {"cases": {"buyer": "order_count > 0"}, "rest": "lead"}},
        }
    )
    definitions, _ = define(files, Sources(version="1", sources={}), segments, ())
    assert definitions.features["stage"].reads == ("orders",)
    assert definitions.features["recency"].reads == ("orders",)
    assert definitions.segments["quiet"].losses == ()


ORDERS = """
-- feature order_count integer orders: so far
-- feature days_since_order integer days nullable: since the last order
-- reads: orders
SELECT customer_id, count(*) AS order_count, 1::BIGINT AS days_since_order FROM orders GROUP BY ALL
"""
