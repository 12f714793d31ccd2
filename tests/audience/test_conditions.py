"""Claims on conditions: what is allowed means what DuckDB means, and nothing else gets through."""

import json
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.audience.conditions import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    Condition,
    combine,
    parse,
)
from antiphon.audience.dictionary import Feature
from antiphon.audience.functions import FUNCTIONS
from antiphon.entities import ColumnType

NAUGHTY = Path(__file__).resolve().parents[3] / "shared/data/bad_input/blns/blns.json"
TYPES = {
    "order_count": ColumnType.INTEGER,
    "days_since_order": ColumnType.INTEGER,
    "spend_total": ColumnType.MONEY,
    "score": ColumnType.NUMBER,
    "favourite_category": ColumnType.TEXT,
    "language": ColumnType.TEXT,
    "birthday": ColumnType.DAY,
    "registered_at": ColumnType.INSTANT,
    "vip": ColumnType.BOOLEAN,
}
FEATURES = {name: Feature(name, type_, "", "", "", True) for name, type_ in TYPES.items()}
FINE = "0.1234567"
HUGE = {"order_count": 2**62, "spend_total": Decimal("99999999999999.9999")}
ROW = {
    "order_count": 3,
    "days_since_order": 90,
    "spend_total": Decimal("100.1000"),
    "score": 0.5,
    "favourite_category": "skin care",
    "language": "de",
    "birthday": date(2000, 2, 29),
    "registered_at": "2026-01-01 00:00:00+01:00",
    "vip": True,
}


def condition(text):
    found = parse(text, FEATURES)
    assert isinstance(found, Condition), found
    return found


def problem(text):
    found = parse(text, FEATURES)
    assert isinstance(found, list), f"accepted: {found.sql}"
    return found[0]


@pytest.fixture(scope="module")
def engine():
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'")  # must not matter
    columns = ", ".join(f"{name} {type_.value}" for name, type_ in TYPES.items())
    connection.execute(f"CREATE TABLE frame ({columns})")
    yield connection
    connection.close()


def holds(engine, text, **changes):
    """What DuckDB makes of the condition on one row."""
    row = ROW | changes
    engine.execute("DELETE FROM frame")
    engine.execute(f"INSERT INTO frame VALUES ({', '.join('?' * len(row))})", list(row.values()))
    return engine.execute(f"SELECT {condition(text).sql} FROM frame").fetchone()[0]


@pytest.mark.parametrize(
    "text",
    [
        "vip",
        "not not vip",
        "order_count = 3 and Days_Since_Order between 90 and 365",
        "favourite_category in ('skin care', 'vitamins')",
        "language not in ('en') and language <> 'fr' and language != 'ru'",
        "language like 'd%' and language not like 'x%' and language ilike 'D_'",
        "favourite_category like '%!%' escape '!' is false or vip",
        "spend_total = 100.10 and spend_total < 100.1001 and spend_total > 100.0999",
        "spend_total + 0.0001 = 100.1001 and spend_total * 2 = 200.2",
        "spend_total / order_count between 33.3 and 33.4",
        "order_count // 2 = 1 and order_count % 2 = 1 and -order_count = -3",
        "birthday = '2000-02-29' and birthday < date '2000-03-01'",
        "birthday + 1 = date '2000-03-01' and date '2000-03-01' - birthday = 1",
        "registered_at = timestamptz '2025-12-31 23:00:00+00:00'",
        "registered_at < '2026-01-01 00:00:01+01:00'",
        "case when order_count > 2 then 'many' else 'few' end = 'many'",
        "case language when 'de' then 1 when 'en' then 2 end = 1",
        "case when not vip then 1 end is null",
        "cast('7' as bigint) = 7 and order_count::text = '3' and score::double = 0.5",
        "abs(-score) = 0.5 and round(spend_total, 1) = 100.1 and floor(score) = 0",
        "ceil(score) = 1 and length(lower(upper(trim(' x ')))) = 1",
        "left(language, 1) = 'd' and right(language, 1) = 'e' and substring(language, 2) = 'e'",
        "contains(language, 'e') and starts_with(language, 'd') and ends_with(language, 'e')",
        "year(birthday) = 2000 and month(birthday) = 2 and day(birthday) = 29",
        "isodow(birthday) = 2",
        "coalesce(nullif(language, 'de'), 'none') = 'none' and ifnull(score, 1) = 0.5",
        "greatest(order_count, 5, spend_total) > 100 and least(order_count, score) = 0.5",
        "language || '-' || favourite_category = 'de-skin care'",
        "language is not null and vip is true and vip is not distinct from true",
        "language is distinct from 'en' and score = 5e-1",
    ],
)
def test_what_is_allowed_holds_in_the_engine(engine, text):
    assert holds(engine, text) is True


NO_ANSWER = [
    ("spend_total / order_count > 0", {"order_count": 0}),
    ("order_count // days_since_order > 0", {"days_since_order": 0}),
    ("order_count % days_since_order > 0", {"days_since_order": 0}),
    ("order_count * days_since_order > 0", {"order_count": 2**62}),
    ("order_count + 1 > 0", {"order_count": 2**63 - 1}),
    ("abs(order_count) > 0", {"order_count": -(2**63)}),
    ("-order_count > 0", {"order_count": -(2**63)}),
    ("birthday + order_count > birthday", {"order_count": 2**62}),
    ("cast(language as bigint) = 1", {}),
    ("cast(language as date) > date '2000-01-01'", {}),
    ("cast(order_count as decimal(4)) > 1", {"order_count": 99999}),
    ("cast(order_count as decimal) > 1", {"order_count": 2**62}),
    ("order_count > 1", {"order_count": None}),
    *(
        (f"order_count * spend_total {test}", HUGE)
        for test in (f"> {FINE}", f"in ({FINE})", f"between {FINE} and {FINE}")
    ),
]


@pytest.mark.parametrize(("text", "changes"), NO_ANSWER)
def test_where_there_is_no_answer_it_is_null_and_no_error(engine, text, changes):
    assert holds(engine, text, **changes) is None


@pytest.mark.parametrize(("text", "changes"), NO_ANSWER)
def test_conditions_that_share_a_calculation_cannot_fail_either(engine, text, changes):
    value = re.split(r" (?:>|=|in|between) ", text)[0]
    shared = [text, f"{value} is null", f"{value} in ({value}) or {value} is null", f"not ({text})"]
    if "birthday" in value:
        shared.append("birthday - order_count > birthday")
    elif "date" not in value:
        shared += [f"({value}) * 2 > 0.1234567", f"({value}) + 0.1 between 0.01 and {value}"]
    holds(engine, "vip", **changes)
    masks = " | ".join(f"CASE WHEN {condition(each).sql} THEN 1 ELSE 0 END" for each in shared)
    assert engine.execute(f"SELECT {masks} FROM frame").fetchone() == (1,)


def test_every_function_of_the_table_can_be_called_by_the_engine(engine):
    written = {
        ColumnType.TEXT: "language",
        ColumnType.INTEGER: "order_count",
        ColumnType.NUMBER: "score",
        ColumnType.MONEY: "spend_total",
        ColumnType.DAY: "birthday",
        ColumnType.INSTANT: "registered_at",
        ColumnType.BOOLEAN: "vip",
    }
    for function in FUNCTIONS.values():
        for type_ in sorted(function.arguments[0]):
            arguments = [
                "2"
                if place in function.literals
                else written[type_ if type_ in allowed else min(allowed)]
                for place, allowed in enumerate(function.arguments)
            ]
            assert holds(engine, f"{function.name}({', '.join(arguments)}) is not null or vip")


def test_the_columns_a_condition_reads_are_told():
    assert condition("ORDER_COUNT > 1 or \"language\" = 'x'").columns == {"order_count", "language"}


@pytest.mark.parametrize(
    ("text", "line", "column", "message", "hint"),
    [
        ("vip and days_since_ordr > 3", 1, 9, "unknown column 'days_since_ordr'", "since_order'?"),
        ("vip\n  and languag = 'x'", 2, 7, "unknown column 'languag'", "'language'?"),
        ('language = "de"', 1, 12, "unknown column 'de'", "single quotes: 'de'"),
        ("birthday = current_date", 1, 12, "unknown column 'current_date'", "business day"),
        ("qqqqq = 1", 1, 1, "unknown column 'qqqqq'", "antiphon features"),
        ("favourite_category > 3", 1, 22, "text beside integer", ""),
        ("order_count in (1, 'b')", 1, 20, "integer '1' beside text 'b'", "without quotes"),
        ("order_count = '3'", 1, 15, "integer beside text '3'", "without quotes: 3"),
        ("vip = 1", 1, 7, "boolean beside integer", ""),
        ("registered_at > birthday", 1, 17, "instant beside day", "time zone"),
        ("registered_at > '2026-01-01'", 1, 17, "does not say which time zone", "+01:00"),
        ("order_count", 1, 1, "the result is integer", "Compare it"),
        ("vip and order_count", 1, 9, "AND joins conditions, not integer", ""),
        ("birthday = '2026-02-30'", 1, 12, "no such day: '2026-02-30'", "2026-01-31"),
        ("birthday = date '2026-2-3'", 1, 17, "'2026-2-3' is not a day", "2026-01-31"),
        ("spend_total / 0 > 1", 1, 15, "division by zero", ""),
        ("order_count % 0.0 > 1", 1, 15, "division by zero", ""),
        ("vip + 1 = 2", 1, 1, "'+' between boolean", ""),
        ("language = null", 1, 1, "null in a comparison", "is null"),
        ("language in ()", 1, 1, "needs a list", "in ('a', 'b')"),
        ("language in language", 1, 1, "without a list in brackets", ""),
        ("language like 3", 1, 1, "`like` on integer", ""),
        ("language like 'x!' escape '!'", 1, 1, "ends within an escape", ""),
        ("rond(score) = 1", 1, 1, "function 'rond' is not allowed", "'round'?"),
        ("length() = 1", 1, 1, "'length' takes 1 argument, not 0", ""),
        ("length(order_count) = 1", 1, 8, "'length' does not take integer", ""),
        ("round(score, order_count) = 1", 1, 14, "takes a written number", ""),
        ("round(score, 99999) = 1", 1, 14, "takes a written number", ""),
        ("cast(language as blob) = 'x'", 1, 6, "cast to", "Types: text"),
        ("cast(score as decimal(30,9)) = 1", 1, 6, "cast to decimal(30, 9)", ""),
        ("cast(score as decimal(vip)) = 1", 1, 6, "cast to decimal", ""),
        ("cast(score as decimal(0)) = 1", 1, 6, "cast to decimal(0)", ""),
        ("cast(registered_at as date) = birthday", 1, 6, "instant cannot become day", ""),
        ("spend_total > 1234567890123456789", 1, 15, "more than 18 digits", ""),
        ("spend_total > 0.12345678", 1, 15, "more than 7 decimal places", ""),
        ("score > 1e999", 1, 9, "too large", ""),
        ("language = 'x", 1, 12, "the quote ' is never closed", "doubled"),
        ("language = 'it''s' and vip = \"x", 1, 30, 'the quote " is never closed', ""),
        ("vip and (vip or (vip)", 1, 9, "a bracket is not closed", ""),
        ("vip)", 1, 4, "')' closes nothing", ""),
        ("vip and", 1, 5, "something is missing after 'and'", ""),
        ("language vip", 1, 10, "'vip' is not expected here", "operator"),
        ("vip && vip", 1, 1, "'&&'", "") ,
        ("", 1, 1, "the condition is empty", ""),
        ("   \n ", 1, 1, "the condition is empty", ""),
        ("/* nothing */", 1, 1, "nothing but a comment", ""),
    ],
)  # fmt: skip
def test_a_wrong_condition_is_answered_with_place_and_advice(text, line, column, message, hint):
    found = problem(text)
    assert message in found.message
    assert (found.line, found.column) == (line, column)
    assert hint in found.hint


def test_several_wrong_columns_are_all_reported():
    found = parse("ordr_count > 1 and lnguage = 'x' and vip", FEATURES)
    assert [item.column for item in found] == [1, 20]


@pytest.mark.parametrize(
    "text",
    [
        "vip; drop table frame",
        "vip;",
        "vip -- the rest",
        "vip /* hidden */ and vip",
        "vip) or (1=1",
        "exists(select 1)",
        "exists(from frame)",
        "language in (select 'x')",
        "language in (values ('x'))",
        "language in (table frame)",
        "(select true)",
        "(with x as (select 1) select true from x)",
        "select true",
        "drop table frame",
        "copy frame to 'x.csv'",
        "vip union select true",
        "read_csv('/etc/passwd') is null",
        "getenv('HOME') = ''",
        "getvariable('x') is null",
        "query('select 1') is null",
        "now() > registered_at",
        "random() < 0.5",
        "count(*) > 1",
        "sum(score) over () > 1",
        "max(score) > 1",
        "main.frame.vip",
        "frame.vip",
        "*",
        "columns('.*')",
        "vip = $1",
        "vip = ?",
        "vip = :x",
        "vip = {{ vip }}",
        "{'a': vip}",
        "[vip][1]",
        "language[1] = 'd'",
        "language -> 'a' = 'x'",
        "(vip, vip) = (vip, vip)",
        "list_filter([1], x -> x > 1) is null",
        "language similar to 'd.*'",
        "language ~ 'd.*'",
        "language glob 'd*'",
        "language collate nocase = 'DE'",
        "registered_at + interval 3 days > registered_at",
        "registered_at at time zone 'UTC' > registered_at",
        "language like any ('d%')",
        "language = any (select 'x')",
        "language = 'a' 'b'",
        "language = e'\\x27'",
        "language = $$de$$",
        "language = x'41'",
        "try(vip)",
        "cast(language as integer[]) is null",
        "vip between symmetric vip and vip",
        "trim(both 'x' from language) = 'x'",
        "vip as x",
        "vip, vip",
        "language = 'a\0b'",
    ],
)
def test_nothing_outside_the_allow_list_gets_through(text):
    assert problem(text).message


@pytest.mark.parametrize(
    "text",
    [
        "(" * 4900 + "vip" + ")" * 4900,
        "not " * 2000 + "vip",
        "- " * 4000 + "order_count = 1",
        "case when " * 400 + "vip" + " then vip end" * 400,
        "abs(" * 1900 + "score" + ")" * 1900 + " = 1",
        "language in (" * 700 + "language" + ")" * 700,
        "+".join(["order_count"] * 800) + " = 1",
        " || ".join(["language"] * 700) + " = 1",
        "order_count = " * 700 + "1",
        "[" * 5000,
        "interval " * 1000 + "1",
        "{'a': " * 1000,
    ],
)
def test_wild_nesting_is_a_problem_and_never_a_crash(text):
    assert len(text) <= MAX_CHARACTERS
    assert problem(text).message


def test_the_deepest_allowed_condition_parses_even_from_a_deep_stack(engine):
    deepest = "abs(" * MAX_DEPTH + "score" + ")" * MAX_DEPTH + " = 0.5"
    assert holds(engine, deepest) is True

    def dig(levels):
        return dig(levels - 1) if levels else parse(deepest, FEATURES)

    # Either parsed or a problem: no RecursionError. A thread's stack begins at nought.
    with ThreadPoolExecutor(1) as stack:
        assert stack.submit(dig, 950).result() is not None


def test_a_long_list_and_a_long_chain_pass_the_engine(engine):
    codes = ", ".join(f"'{number}'" for number in range(1200))
    assert holds(engine, f"language not in ({codes})") is True
    assert holds(engine, " and ".join(["vip"] * 1200)) is True


def test_one_character_too_many_is_a_clear_limit():
    text = "vip and " * (MAX_CHARACTERS // 8) + "vip"
    found = problem(text)
    assert f"{len(text)} characters; at most {MAX_CHARACTERS}" in found.message


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the list of naughty strings is not here")
def test_naughty_strings_reach_the_engine_as_they_are(engine):
    for text in json.loads(NAUGHTY.read_text(encoding="utf-8")):
        written = "'" + text.replace("'", "''") + "'"
        if "\0" not in text and len(text) < MAX_CHARACTERS - 100:
            assert holds(engine, f"language = {written}", language=text) is True, text
            assert holds(engine, f"language in ({written})", language="other") is False, text


@settings(max_examples=150, deadline=None)
@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_any_text_literal_survives_the_way(engine, text):
    written = "'" + text.replace("'", "''") + "'"
    assert holds(engine, f"language = {written}", language=text) is True


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="vip()'\"-/*;$ and or not 1.0,=<>case when then end[]{}\n", max_size=60))
def test_no_text_whatever_raises(text):
    found = parse(text, FEATURES)
    assert isinstance(found, Condition | list)
    if isinstance(found, list):
        assert found
        assert all(item.line >= 1 and item.column >= 1 for item in found)


@settings(max_examples=100, deadline=None)
@given(
    st.decimals(min_value=-(10**9), max_value=10**9, places=4),
    st.decimals(min_value=-(10**9), max_value=10**9, places=4),
)
def test_money_is_compared_exactly(engine, left, right):
    assert holds(engine, f"spend_total < {right:f}", spend_total=left) is (left < right)
    assert holds(engine, f"spend_total + 0.0001 > {right:f}", spend_total=left) is (
        left + Decimal("0.0001") > right
    )


def test_an_audience_is_its_segment_and_its_own_condition(engine):
    segment, where = condition("vip or order_count > 5"), condition("language = 'de'")
    both = combine([segment, where])
    assert both.columns == {"vip", "order_count", "language"}
    holds(engine, "vip", vip=True, language="en")
    assert engine.execute(f"SELECT {both.sql} FROM frame").fetchone() == (False,)
    holds(engine, "vip", vip=True, language="de")
    assert engine.execute(f"SELECT {both.sql} FROM frame").fetchone() == (True,)
    assert combine([where]) is where
    with pytest.raises(ValueError, match="a segment or a condition"):
        combine([])


def test_three_hundred_conditions_parse_in_a_moment():
    text = (
        "days_since_order between 90 and 365 and favourite_category in ('skin care', 'vitamins')"
        " and spend_total / order_count > 10.50 and not (language = 'de' or vip)"
    )
    call = "and bought(category => 'vitamins', within => '90 days', at_least => {})"
    condition(text)
    started = time.process_time()
    for number in range(300):
        asked = call.format(number + 1) if number % 5 == 0 else ""
        condition(f"{text} and order_count > {number} {asked}")
    assert time.process_time() - started < 1.0  # about 0.2 s; the margin is for busy machines


def test_conditions_need_no_engine():
    code = "import antiphon.audience.conditions, sys; print('duckdb' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
