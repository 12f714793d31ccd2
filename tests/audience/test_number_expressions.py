"""Claims on expressions that yield a number: maxima of caps, values of campaigns."""

import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.audience.conditions import Condition, Expression, Vocabulary, parse, parse_number
from antiphon.audience.dictionary import Feature
from antiphon.entities import ColumnType

NAUGHTY = Path(__file__).resolve().parents[3] / "shared/data/bad_input/blns/blns.json"
TYPES = {
    "order_count": ColumnType.INTEGER,
    "spend_total": ColumnType.MONEY,
    "score": ColumnType.NUMBER,
    "lifecycle": ColumnType.TEXT,
    "birthday": ColumnType.DAY,
    "vip": ColumnType.BOOLEAN,
}
FEATURES = {name: Feature(name, type_, "", "", "", True) for name, type_ in TYPES.items()}
ROW = {
    "order_count": 3,
    "spend_total": Decimal("100.1000"),
    "score": 0.5,
    "lifecycle": "vip",
    "birthday": None,
    "vip": True,
}


def number(text, features=FEATURES):
    found = parse_number(text, features)
    assert isinstance(found, Expression), found
    return found


def problem(text):
    found = parse_number(text, FEATURES)
    assert isinstance(found, list), f"accepted: {found.sql}"
    return found[0]


@pytest.fixture(scope="module")
def engine():
    connection = duckdb.connect()
    columns = ", ".join(f"{name} {type_.value}" for name, type_ in TYPES.items())
    connection.execute(f"CREATE TABLE frame ({columns})")
    yield connection
    connection.close()


def worth(engine, text, **changes):
    engine.execute("DELETE FROM frame")
    row = ROW | changes
    engine.execute(f"INSERT INTO frame VALUES ({', '.join('?' * len(row))})", [*row.values()])
    return engine.execute(f"SELECT {number(text).sql} FROM frame").fetchone()[0]


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("2", ColumnType.INTEGER, 2),
        ("-1", ColumnType.INTEGER, -1),
        ("order_count", ColumnType.INTEGER, 3),
        ("spend_total * 0.2", ColumnType.MONEY, Decimal("20.02")),
        ("score * spend_total", ColumnType.NUMBER, 50.05),
        ("order_count / 0.0 + 1", None, None),
        ("spend_total / (order_count - 3)", ColumnType.NUMBER, None),
        ("case when lifecycle = 'vip' then 4 else 2 end", ColumnType.INTEGER, 4),
        ("CASE lifecycle WHEN 'new' THEN 1 END", ColumnType.INTEGER, None),
        ("coalesce(order_count, 0) + 1", ColumnType.INTEGER, 4),
        ("greatest(score, 0.75)", ColumnType.NUMBER, 0.75),
        ("cast(lifecycle as double)", ColumnType.NUMBER, None),
    ],
)
def test_an_expression_is_worth_what_the_engine_makes_of_it(engine, text, type_, value):
    if type_ is None:
        assert "zero" in problem(text).message
        return
    found = number(text)
    assert found.type is type_
    got = worth(engine, text)
    assert got == (pytest.approx(value) if isinstance(value, float) else value)


def test_a_null_feature_makes_a_null_and_no_zero(engine):
    assert worth(engine, "order_count + 1", order_count=None) is None
    assert worth(engine, "case when order_count > 1 then 4 else 2 end", order_count=None) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vip", "the result is boolean, not a number"),
        ("order_count > 2", "the result is boolean, not a number"),
        ("lifecycle", "the result is text, not a number"),
        ("'4'", "the result is text, not a number"),
        ("birthday", "the result is day, not a number"),
        ("case when vip then null end", "the result is null, not a number"),
        ("order_cuont + 1", "unknown column 'order_cuont'"),
        ("case when vip then 4 else 'two' end", "integer '4' beside text 'two'"),
        ("count(*)", "function 'count' is not allowed"),
        ("(select 1)", "subqueries"),
        ("4; drop table frame", "semicolon"),
        ("random()", "not allowed"),
        ("", "empty"),
        ("cell.worth", "no value 'cell.worth'"),
    ],
)
def test_what_is_no_number_is_said_in_words(text, words):
    assert words in problem(text).message


def test_a_truth_is_told_how_to_become_a_number():
    assert "case when" in problem("order_count > 2").hint
    found = problem("1 +\n  order_cuont")
    assert (found.line, found.column) == (2, 3)
    assert "order_count" in found.hint


def test_segments_and_functions_within_an_expression_are_known_to_its_readers():
    inside = parse("spend_total > 50 and did('login', within => '30 days')", Vocabulary(FEATURES))
    assert isinstance(inside, Condition)
    words = Vocabulary(FEATURES, {"big": inside})
    found = number("case when in_segment('big') then order_count else 1 end", words)
    assert found.segments == {"big"}
    assert found.columns == {"spend_total", "order_count"}
    assert set(found.calls) == set(inside.calls)
    assert found.calls


@given(st.sampled_from(json.loads(NAUGHTY.read_text())) if NAUGHTY.exists() else st.text())
def test_naughty_texts_are_answered_and_never_written_through(text):
    found = parse_number(text, FEATURES)
    assert isinstance(found, list) or found.type in {
        ColumnType.INTEGER,
        ColumnType.NUMBER,
        ColumnType.MONEY,
    }
