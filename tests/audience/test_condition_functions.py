"""Claims on calls of condition functions, segments and cell values as they are written."""

from collections.abc import Mapping
from dataclasses import replace

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.audience.call_functions import CALL_FUNCTIONS
from antiphon.audience.calls import calls_sql
from antiphon.audience.conditions import (
    CellValue,
    Condition,
    ConditionProblem,
    Vocabulary,
    combine,
    parse,
)
from antiphon.audience.dictionary import Feature
from antiphon.audience.expressions import MAX_SIZE
from antiphon.entities import ColumnType

FEATURES = {
    "order_count": Feature("order_count", ColumnType.INTEGER, "", "", "", nullable=False),
    "age": Feature("age", ColumnType.INTEGER, "", "", "", nullable=True),
    "days_to_birthday": Feature("days_to_birthday", ColumnType.INTEGER, "", "", "", nullable=True),
    "language": Feature("language", ColumnType.TEXT, "", "", "", nullable=True),
    "vip": Feature("vip", ColumnType.BOOLEAN, "", "", "", nullable=True),
}
CELL = {
    "discount": CellValue(
        ColumnType.INTEGER, "CASE frame.band WHEN 'a' THEN 5 END", frozenset({"band"})
    )
}


def vocabulary(segments: Mapping[str, str] | None = None) -> Vocabulary:
    """The names of this file; segments may build on those before them."""
    known = Vocabulary(FEATURES, campaigns=("winback", "birthday-wishes"), cell=CELL)
    for name, text in (segments or {}).items():
        found = parse(text, known)
        assert isinstance(found, Condition), found
        known = replace(known, segments={**known.segments, name: found})
    return known


WORDS = vocabulary({"active": "order_count > 3 and bought(within => '90 days')"})


def condition(text: str, words: Vocabulary = WORDS) -> Condition:
    found = parse(text, words)
    assert isinstance(found, Condition), found
    return found


def problems(text: str, words: Vocabulary = WORDS) -> list[ConditionProblem]:
    found = parse(text, words)
    assert isinstance(found, list), f"accepted: {found.sql}"
    return found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bought(category => 'a', brand => 'b')", "BOUGHT(Brand=>'b',CATEGORY => 'a')"),
        ("bought(at_least => 1)", "bought()"),
        ("bought(within => '2 weeks')", "bought(within => '14 days')"),
        ("bought(spent_at_least => 50)", "bought(spent_at_least => 50.00)"),
        ("did('x')", "did(event => 'x')"),
        ("responded('winback')", "responded(campaign => 'winback')"),
        ("did('x', within => '60 minutes')", "did('x', within => '1 hour')"),
        ("runs_out_within('1 week')", "runs_out_within(within => '7 DAYS')"),
    ],
)
def test_calls_that_ask_the_same_share_a_column(one: str, other: str) -> None:
    assert condition(one).sql == condition(other).sql
    assert condition(one).calls == condition(other).calls


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("did('x', within => '24 hours')", "did('x', within => '1 day')"),
        ("did('x', within => '2 days')", "did('x', before => '2 days')"),
        ("did('x', product => 'y')", "did('x', value => 'y')"),
        ("did('x')", "did('x', at_least => 2)"),
        ("bought(category => 'a')", "bought(brand => 'a')"),
        ("bought(spent_at_least => 2)", "bought(at_least => 2)"),
        ("contacted('winback')", "responded('winback')"),
    ],
)
def test_calls_that_ask_something_else_have_columns_of_their_own(one: str, other: str) -> None:
    assert set(condition(one).calls).isdisjoint(condition(other).calls)


def test_the_calls_of_a_condition_are_told_with_their_columns() -> None:
    found = condition("did('x') and not did('y') and age > 3 and did('x')")
    assert [dict(call.matches)["event"] for call in found.calls.values()] == ["x", "y"]
    assert all(f'frame."{column}"' in found.sql for column in found.calls)
    assert found.columns == {"age"}
    both = combine([found, condition("did('z') and vip")])
    assert len(both.calls) == 3
    assert both.columns == {"age", "vip"}


@pytest.mark.parametrize(
    ("text", "column", "message", "hint"),
    [
        ("vip and bought(categry => 'x')", 16, "'bought' has no argument 'categry'", "'category'?"),
        ("bought(colour => 'x')", 8, "no argument 'colour'", "Arguments: category, product, brand"),
        ("bought(category = 'x')", 8, "takes its arguments by name", "Write: category => …"),
        ("bought(category := 'x')", 8, "takes its arguments by name", "Write: category => …"),
        ("bought('x')", 8, "takes its arguments by name", "Example: bought(category"),
        ("did('a', 'b')", 10, "takes all but its first argument by name", "Arguments: event"),
        ("did((a, b) => 'x')", 6, "takes all but its first argument by name", "Arguments: event"),
        ("did()", 1, "'did' needs the name of an event in quotes", "did('cart_abandoned'"),
        ("did(within => '3 days')", 1, "'did' needs the name of an event", "did('cart_abandoned'"),
        ("in_segment()", 1, "needs the name of a segment", "in_segment('vip')"),
        ("did('order')", 5, "an order is no event", "bought(…)"),
        ("did('x', event => 'y')", 10, "'event' is given twice", ""),
        ("bought(brand => 'x', brand => 'y')", 22, "'brand' is given twice", ""),
        ("bought(category => vitamins)", 20, "takes a text in quotes", "single quotes: 'vitamins'"),
        ('bought(category => "vitamins")', 20, "takes a text in quotes", "quotes: 'vitamins'"),
        ("bought(category => 'a' || 'b')", 20, "takes a text in quotes, written out", "Example"),
        ("bought(category => lower('A'))", 20, "takes a text in quotes, written out", "Example"),
        ("bought(category => null)", 8, "takes a text in quotes, written out", "Example"),
        ("bought(category => true)", 8, "takes a text in quotes, written out", "Example"),
        ("bought(category => ('a', 'b'))", 21, "takes a text in quotes, written out", "Example"),
        ("bought(category => 7)", 20, "takes a text in quotes, not integer '7'", ""),
        ("bought(category => ' ')", 20, "'category' is empty", ""),
        ("bought(within => 90)", 18, "such as '90 days', not integer '90'", ""),
        ("bought(within => '90')", 18, "takes a duration in quotes", "Write a number and a unit"),
        ("bought(within => '3 years')", 18, "not '3 years'", "'2 weeks'"),
        ("bought(within => '-3 days')", 18, "not '-3 days'", "Write a number and a unit"),
        ("bought(within => '0 days')", 18, "not '0 days'", "longer than 0"),
        ("bought(within => '40000 days')", 18, "not '40000 days'", "at most 36500 days"),
        ("bought(within => '3 days', before => '3 days')", 38, "nothing is both within 3 days", ""),
        ("did('x', within => '2 hours', before => '3 hours')", 41, "before 180 minutes", "shorter"),
        ("bought(at_least => 0)", 20, "a whole number from 1 to 1,000,000, not integer '0'", ""),
        ("bought(at_least => -2)", 21, "a whole number from 1 to 1,000,000, not integer '-2'", ""),
        ("bought(at_least => 1.5)", 20, "a whole number from 1 to 1,000,000, not money '1.5'", ""),
        ("bought(at_least => 2000000)", 20, "a whole number from 1 to 1,000,000", ""),
        ("bought(at_least => '2')", 20, "a whole number from 1 to 1,000,000, not text", ""),
        ("bought(spent_at_least => 0)", 26, "an amount above 0, not integer '0'", ""),
        ("bought(spent_at_least => 12345678901234567890)", 26, "more than 18 digits", ""),
        ("contacted('winbak')", 11, "no campaign 'winbak'", "'winback'?"),
        ("responded(campaign => 'zzz')", 23, "no campaign 'zzz'", ""),
        ("contacted(channel => 'e-mail')", 22, "a channel, 'email' or 'sms', not", "'email'?"),
        ("contacted(category => 'Promo')", 23, "a category of campaigns", "'promo'?"),
        ("age > 3 and in_segment('activ')", 24, "no segment 'activ'", "'active'?"),
        ("birthday_within('3 hours')", 17, "counts whole days", "'1 day'"),
        ("runs_out_within('90 minutes')", 17, "counts whole days", "'1 day'"),
        ("bougt(category => 'x')", 1, "function 'bougt' is not allowed", "bought(category => 'vit"),
        ("bought = true", 1, "unknown column 'bought'", "'bought' is a function"),
        ("bought() > 3", 12, "boolean beside integer '3'", ""),
        ("bought(category => )", 20, "something is missing before ')'", ""),
        ("bought(category =>", 17, "something is missing after '=>'", ""),
        ("bought(category => 'x'", 7, "a bracket is not closed", ""),
        ("coalesce(vip => true, vip)", 10, "an argument with a name is not allowed", ""),
        ("cell.discont > 3", 1, "no value 'cell.discont'", "'discount'?"),
        ("cell.zzz > 3", 1, "no value 'cell.zzz'", "cell.discount"),
        ("cell.discount = 'x'", 17, "integer beside text 'x'", "without quotes"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_answered_at_the_word(
    text: str, column: int, message: str, hint: str
) -> None:
    (found,) = problems(text)
    assert message in found.message
    assert hint in found.hint
    assert (found.line, found.column) == (1, column)


def test_all_that_is_wrong_is_told_in_the_order_of_the_text() -> None:
    text = "agge > 3 and bought(\n  categry => 'x', at_least => 0,\n  within => 90)"
    places = [(found.line, found.column) for found in problems(text)]
    assert places == [(1, 1), (2, 3), (2, 31), (3, 13)]


@pytest.mark.parametrize(
    "text",
    [
        "bought(category => (select 'x'))",
        "bought(category => $1)",
        "bought(category => 'x' order by 1)",
        "bought(distinct category => 'x')",
        "bought(*)",
        "bought(category => 'x') over ()",
        "bought(category => 'x') filter (where vip)",
        "bought(category => 'x'; drop table frame)",
        "bought(category => 'x' /* all */)",
        "bought(category -> 'x')",
        "bought(x -> x > 1)",
        "main.bought(category => 'x')",
        "frame.cell.discount > 3",
        "frame.discount > 3",
        "category => 'x'",
        "bought(category => did('x'))",
        "bought(() => 'x')",
        "call_0123456789ab",
    ],
)
def test_nothing_else_gets_through_a_call(text: str) -> None:
    assert problems(text)[0].message


HOSTILE = "x'); DROP TABLE frame; --"


@pytest.mark.parametrize("argument", ["category", "product", "brand", "store"])
def test_a_hostile_text_is_a_text(argument: str) -> None:
    found = condition(f"bought({argument} => '{HOSTILE.replace(chr(39), chr(39) * 2)}')")
    (select,) = calls_sql(found.calls)
    statements = duckdb.extract_statements(f"SELECT {found.sql} FROM frame; {select.sql}")
    assert len(statements) == 2


# ---------------------------------------------------------------- segments and cells


def holds(text: str, words: Vocabulary = WORDS, **row: object) -> object:
    """What the engine makes of a condition on one row; columns that are not given are null."""
    found = condition(text, words)
    columns = {*FEATURES, *found.columns, *found.calls, "band"}
    values = ", ".join(f'? AS "{name}"' for name in sorted(columns))
    given = [row.get(name) for name in sorted(columns)]
    with duckdb.connect() as connection:
        sql = f"SELECT {found.sql} FROM (SELECT {values}) AS frame"
        answer = connection.execute(sql, given).fetchone()
    assert answer
    return answer[0]


def test_a_segment_in_a_condition_brings_its_columns_and_calls() -> None:
    found = condition("not in_segment('active') and age > 3")
    assert found.segments == {"active"}
    assert found.columns == {"order_count", "age"}
    assert found.calls == WORDS.segments["active"].calls


def test_who_is_not_known_to_be_in_a_segment_is_not_in_it() -> None:
    words = vocabulary({"grown_up": "age >= 18", "others": "not in_segment('grown_up')"})
    assert words.segments["others"].segments == {"grown_up"}
    assert holds("in_segment('grown_up')", words, age=None) is False
    assert holds("in_segment('others')", words, age=None) is True
    assert holds("in_segment('others')", words, age=18) is False


def test_the_birthday_is_within_so_many_days_today_included() -> None:
    days = [*range(6), None]
    answers = [holds("birthday_within('3 days')", days_to_birthday=day) for day in days]
    assert answers == [True, True, True, True, False, False, False]
    assert condition("birthday_within('3 days')").columns == {"days_to_birthday"}


def test_a_birthday_needs_its_feature() -> None:
    (found,) = problems("birthday_within('3 days')", Vocabulary({}))
    assert "unknown column 'days_to_birthday'" in found.message


def test_a_value_of_the_cell_is_compared_like_a_feature() -> None:
    found = condition("Cell.Discount * 2 > age")
    assert found.columns == {"band", "age"}
    assert holds("cell.discount * 2 > age", band="a", age=9) is True
    (none,) = problems("cell.discount > 3", Vocabulary(FEATURES))
    assert "for_each" in none.hint


def test_events_are_judged_where_they_are_known() -> None:
    known = replace(WORDS, events=("cart_abandoned",))
    assert condition("did('cart_abandoned')", known)
    (found,) = problems("did('cart_abandonned')", known)
    assert (found.message, found.hint) == (
        "no event 'cart_abandonned'",
        "Did you mean 'cart_abandoned'?",
    )


@pytest.mark.parametrize("join", ["and", "or"])
def test_segments_of_segments_stop_growing_before_the_engine_gives_in(join: str) -> None:
    words = vocabulary({"s0": "order_count > 3 or (age > 4 and (vip or (language = 'de')))"})
    for number in range(1, 1000):
        last = f"in_segment('s{number - 1}')"
        text = f"{last} {join} (age > {number} and not {last})"
        found = parse(text, words)
        if isinstance(found, list):
            break
        words = replace(words, segments={**words.segments, f"s{number}": found})
    assert isinstance(found, list)
    assert "too large" in found[0].message
    assert text[found[0].column - 1 :].startswith(f"'s{number - 1}'")  # the one too many
    largest = words.segments[f"s{number - 1}"]
    assert MAX_SIZE / 3 < len(largest.sql) < MAX_SIZE + 1000
    assert holds(f"in_segment('s{number - 1}')", words, order_count=0, age=9, vip=True) is not None


def test_a_long_line_of_segments_stops_before_the_engine_gives_in() -> None:
    words = vocabulary({"s0": "order_count > 3"})
    for number in range(1, 1000):
        found = parse(f"not (vip and not in_segment('s{number - 1}'))", words)
        if isinstance(found, list):
            break
        words = replace(words, segments={**words.segments, f"s{number}": found})
    assert isinstance(found, list)
    assert 20 < number < 1000
    assert holds(f"in_segment('s{number - 1}')", words, order_count=9, vip=True) is True


# ---------------------------------------------------------------- everything together


def test_every_example_of_the_table_is_accepted() -> None:
    words = vocabulary({"vip": "vip", "active": "order_count > 3"})
    for function in CALL_FUNCTIONS.values():
        for example in function.examples:
            assert function.name in example
            condition(example, words)


PIECES = [
    "bought", "did", "in_segment", "birthday_within", "(", ")", ",", "=>", "=", "category",
    "within", "at_least", "'3 days'", "'active'", "2", "-", "null", "and", "not", "or", "age", ">",
    "cell", ".", "discount", "select", "[", "->", ":=",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_no_words_whatever_raise(words: list[str]) -> None:
    found = parse(" ".join(words), WORDS)
    if isinstance(found, list):
        assert found
        assert all(one.line == 1 and one.column >= 1 for one in found)
