"""Claims on files of sql/features/ that do not return what they declare, before a run and after."""

from pathlib import Path

import pytest

from antiphon.audience.dictionary import feature_files
from antiphon.errors import ConfigError
from antiphon.files import ProjectFiles
from antiphon.lake.manifest import Manifest, Snapshot
from antiphon.lake.session import Session
from antiphon.steps.feature_checks import verify_columns, verify_files
from antiphon.steps.feature_types import changed_types

PATH = "sql/features/visits.sql"


def written(select, declared="visits integer times: visits", reads="events"):
    return ProjectFiles({PATH: f"-- feature {declared}\n-- reads: {reads}\n{select}\n"})


def session_of(world):
    return Session(world.connection, Snapshot(Path("lake"), Manifest(buckets=1)))


def problem_of(world, files, verify=verify_columns):
    with pytest.raises(ConfigError) as caught:
        verify(session_of(world), files, world.parameters)
    (problem,) = caught.value.problems
    assert problem.path == PATH
    return problem


@pytest.fixture
def facts(world):
    """Two customers, one of whom came twice, and once nobody knows who."""
    for name in ("a", "b"):
        world.add("customers", customer_id=name)
    for name in ("a", "a", "b", None):
        world.add("events", customer_id=name, event="visit", value="x",
                  occurred_at="2026-05-01 10:00+02")  # fmt: skip
    return world


# ------------------------------------------------------------ known without data


@pytest.mark.parametrize(
    ("select", "line", "message", "hint"),
    [
        ("SELECT customer_id, count(*) AS visits\nFRM events", 4, "cannot be read at 'FRM'", ""),
        ("SELECT customer_id, 'x AS visits FROM events", 0, "cannot be read", "never closed"),
        ("", 0, "there is no SELECT", "one SELECT"),
        ("SELECT * FROM events;\nSELECT 1", 4, "2 statements", "one SELECT"),
        ("DELETE FROM events", 3, "DELETE is not a SELECT", ""),
        (
            "SELECT customer_id, 1 AS visit FROM events",
            1,
            "the SELECT returns no column 'visits'",
            "Did you mean 'visit'?",
        ),
        ("SELECT 1 AS visits FROM events", 0, "returns no column 'customer_id'", "visits"),
        ("SELECT * FROM evnts", 3, "unknown view 'evnts'", "Did you mean 'events'?"),
        ("SELECT * FROM other.events", 3, "unknown view 'other.events'", ""),
        ("SELECT * FROM orders", 3, "reads 'orders', and the header does not say so", "orders"),
        ("SELECT * FROM events\nWHERE value = $today", 4, "unknown parameter 'today'", "$as_of"),
        ("SELECT * FROM events\nWHERE occurred_at < now()", 4, "asks the machine", "$as_of"),
        ("SELECT * FROM events\nWHERE '2026-01-01' < today()", 4, "asks the machine", "$as_of"),
        ("SELECT customer_id,\n random() AS visits FROM events", 4, "draws by chance", "md5"),
    ],
)
def test_a_wrong_select_is_a_problem_of_check_with_its_line(select, line, message, hint):
    (problem,) = feature_files(written(select))[1]
    assert (problem.path, problem.line) == (PATH, line)
    assert message in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize(
    "select",
    [
        "SELECT customer_id, count(*) AS visits FROM events GROUP BY ALL;",
        "SELECT customer_id, count(*) AS Visits FROM events GROUP BY ALL; -- the end",
        "WITH orders AS (SELECT * FROM events) SELECT * FROM orders",
        "SELECT customer_id, 1 AS visits FROM events UNION SELECT customer_id, 2 FROM events",
        "SELECT *, max(now) AS visits FROM (SELECT *, $as_of AS now FROM events) GROUP BY ALL",
    ],
)
def test_a_right_select_is_none(select):
    assert feature_files(written(select))[1] == []


# ------------------------------------------------------------ known from the views


@pytest.mark.parametrize(
    ("declared", "value"),
    [
        ("integer", "count(*)"),
        ("integer", "sum(1)"),
        ("integer", "max(1::UTINYINT)"),
        ("integer", "NULL"),
        ("number", "1.5"),
        ("money", "sum(1.50)"),
        ("text", "min(value)"),
    ],
)
def test_types_that_fit_are_cast(facts, declared, value):
    select = f"SELECT customer_id, {value} AS visits FROM events WHERE customer_id <> '' GROUP BY 1"
    files = written(select, f"visits {declared} - nullable: visits")
    verify_files(session_of(facts), files, facts.parameters)
    facts.files = files
    assert set(facts.frame()) == {"a", "b"}


@pytest.mark.parametrize(
    ("declared", "value", "returned", "hint"),
    [
        ("integer", "min(value)", "text", "Declare it text, or write CAST(… AS BIGINT)"),
        ("integer", "avg(1)", "number", "AS BIGINT"),
        ("money", "avg(1)", "number", "AS DECIMAL(18,4)"),
        ("integer", "1.5", "money", ""),
        ("text", "count(*)", "integer", "AS VARCHAR"),
        ("day", "max(occurred_at)", "instant", "AS DATE"),
        ("instant", "max(occurred_at)::TIMESTAMP", "TIMESTAMP", "AS TIMESTAMPTZ"),
    ],
)
def test_a_type_that_is_not_the_declared_one_is_told_with_its_line(
    facts, declared, value, returned, hint
):
    select = f"SELECT customer_id, {value} AS visits FROM events WHERE customer_id <> '' GROUP BY 1"
    problem = problem_of(facts, written(select, f"visits {declared} - nullable: visits"))
    assert (problem.line, problem.source_line[:17]) == (1, "-- feature visits")
    assert problem.message.endswith(f"is declared {declared}; its SELECT returns {returned}")
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("select", "line", "message"),
    [
        ("SELECT customer_id,\n viists AS visits FROM events", 4, 'column "viists" not found'),
        ("SELECT customer_id,\n  cuont(*) AS visits\nFROM events GROUP BY 1", 4, "cuont"),
        ("SELECT * FROM events", 1, "returns no column 'visits'"),
        ("SELECT * EXCLUDE customer_id, 1 AS visits FROM events", 0, "no column 'customer_id'"),
        ("SELECT 1 AS customer_id, 1 AS visits FROM events", 0, "customer_id is integer, not text"),
    ],
)
def test_what_only_the_engine_knows_is_told_with_file_and_line(facts, select, line, message):
    problem = problem_of(facts, written(select))
    assert problem.line == line
    assert message in problem.message


# ------------------------------------------------------------ known from the facts


def test_a_file_that_returns_a_customer_twice_is_named(facts):
    files = written("SELECT customer_id, 1 AS visits FROM events WHERE customer_id IS NOT NULL")
    verify_columns(session_of(facts), files, facts.parameters)
    problem = problem_of(facts, files, verify_files)
    assert problem.message == "2 customers have 3 rows: some come twice"
    assert "Group" in problem.hint


def test_a_null_customer_is_told(facts):
    files = written("SELECT customer_id, count(*) AS visits FROM events GROUP BY 1")
    problem = problem_of(facts, files, verify_files)
    assert problem.message == "customer_id is null in 1 of 3 rows"


def test_a_value_that_cannot_be_computed_is_found_and_never_shown(facts):
    files = written(
        "SELECT customer_id, value::BIGINT AS visits FROM events WHERE customer_id = 'b'"
    )
    verify_columns(session_of(facts), files, facts.parameters)
    problem = problem_of(facts, files, verify_files)
    assert problem.message == "a value does not fit (not shown here)"


def test_all_files_are_told_at_once(facts):
    files = written("SELECT customer_id, 1 AS visits FROM events")
    other = files.texts[PATH].replace("visits", "others")
    both = ProjectFiles({**files.texts, "sql/features/others.sql": other})
    with pytest.raises(ConfigError) as caught:
        verify_files(session_of(facts), both, facts.parameters)
    assert {problem.path for problem in caught.value.problems} == {PATH, "sql/features/others.sql"}


def test_a_file_that_leaves_out_customers_loses_nobody(facts):
    facts.files = written(
        "SELECT customer_id, count(*) AS visits FROM events WHERE customer_id = 'a' GROUP BY 1"
    )
    verify_files(session_of(facts), facts.files, facts.parameters)
    frame = facts.frame()
    assert {name: row["visits"] for name, row in frame.items()} == {"a": 2, "b": 0}


def test_the_shipped_files_return_what_they_declare_over_no_fact_at_all(world):
    verify_files(session_of(world), world.files, world.parameters)


# ------------------------------------------------------------ from day to day


def test_a_type_that_changed_since_the_last_run_is_a_warning(facts, tmp_path):
    path = tmp_path / "b000.parquet"
    facts.connection.execute(
        f"COPY (SELECT 'a' AS customer_id, 1::BIGINT AS visits, 2::BIGINT AS gone) TO '{path}'"
    )
    session = session_of(facts)
    facts.files = written("SELECT * FROM events")
    assert changed_types(session, [path], facts.features) == []
    assert changed_types(session, [], facts.features) == []
    facts.files = written("SELECT * FROM events", "visits text -: visits")
    (problem,) = changed_types(session, [path], facts.features)
    assert problem.is_warning
    assert problem.message == "feature 'visits' is text now and was integer in the last run"
