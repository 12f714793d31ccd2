"""Claims on what people told of themselves: in conditions, and the language they are written to."""

from datetime import UTC, datetime, timedelta

import pytest

from antiphon.audience.conditions import Condition, Vocabulary, parse
from antiphon.audience.frame import frame_sql

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
DAY = timedelta(days=1)


def chosen(world, text):
    """Who a condition holds for."""
    condition = parse(text, world.features)
    assert isinstance(condition, Condition), condition
    query = frame_sql(world.files, world.sources, set(), calls=condition.calls)
    for name, sql in query.tables.items():
        world.connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}", world.parameters)
    world.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE frame AS {query.select}", world.parameters
    )
    found = world.connection.execute(f"SELECT customer_id FROM frame WHERE {condition.sql}")
    return {name for (name,) in found.fetchall()}


@pytest.fixture
def told(world):
    world.only("person", "consent")
    for name in "abcde":
        world.add("customers", customer_id=name, language="de")
    for customer, name, value, days in (
        ("a", "interest", "vitamins", 9),
        ("b", "interest", "vitamins", 9),
        ("b", "interest", "baby", 3),
        ("c", "interest", "vitamins", 9),
        ("c", "interest", None, 3),
        ("d", "interest", "vitamins", -1),
        ("a", "language", "en", 2),
        ("b", "language", "en", 5),
        ("b", "language", None, 1),
    ):
        world.add(
            "statements",
            customer_id=customer,
            name=name,
            value=value,
            stated_at=NOW - days * DAY,
            source="purchase",
        )
    return world


def test_the_latest_statement_counts_and_what_was_taken_back_is_null(told):
    assert chosen(told, "stated('interest') = 'vitamins'") == {"a"}
    assert chosen(told, "stated('interest') in ('baby', 'vitamins')") == {"a", "b"}
    assert chosen(told, "stated('interest') is null") == {"c", "d", "e"}
    assert chosen(told, "stated('interest') is null and stated('language') = 'en'") == set()
    assert chosen(told, "coalesce(stated('interest'), 'none') <> 'vitamins'") == {
        *("b", "c", "d", "e")
    }


def test_the_language_somebody_stated_comes_before_that_of_the_source(told):
    assert chosen(told, "language = 'en'") == {"a"}


def test_a_name_that_no_survey_sets_is_answered_with_the_nearest():
    words = Vocabulary({}, statements=("interest", "language"))
    (found,) = parse("stated('intrest') = 'x'", words)
    assert "no survey sets 'intrest'" in found.message
    assert "'interest'" in found.hint
    (typed,) = parse("stated('interest') > 3", words)
    assert "text" in typed.message
