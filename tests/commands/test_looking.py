"""What a marketer sees of groups: sizes, answers, overlaps, moves, and conditions still in mind."""

import csv
import json
import shutil
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from datetime import timedelta
from io import StringIO
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from demo_project import demo_clock

from antiphon import cli
from antiphon.clock import clock_from
from antiphon.demo import AS_OF
from antiphon.project import open_project
from antiphon.steps.daily import run_daily
from antiphon.steps.looking import overlaps
from antiphon.steps.planning import planned

EARLIER = "2026-03-12"
AFTER = "2026-05-12T10:05+02:00"  # the run is done


def ask(project: Path, *arguments: str, code: int = 0, at: str = AFTER) -> str:
    """What the command prints, without the start of a process."""
    printed, said = StringIO(), StringIO()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANTIPHON_AT", at)
        with redirect_stdout(printed), redirect_stderr(said):
            found = cli.exit_code(["--project", str(project), *arguments])
    assert found == code, said.getvalue()
    return said.getvalue() if code else printed.getvalue()


def ask_json(project: Path, *arguments: str, at: str = AFTER) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(ask(project, *arguments, "--json", at=at))
    return rows


def test_an_audience_is_counted_and_sampled_from_the_facts(project: Path) -> None:
    with open_project(project, demo_clock()).lake.session() as session:
        orders = session.rows("SELECT customer_id, count(*) FROM orders GROUP BY 1")
    often = {customer for customer, count in orders if count >= 6}
    (row,) = ask_json(project, "audience", "order_count >= 6")
    assert row["customers"] == len(often) > 20
    assert {one["customer_id"] for one in row["sample"]} <= often
    assert all(one["order_count"] >= 6 for one in row["sample"])
    assert len(row["sample"]) == 8
    assert "Some of them" in ask(project, "audience", "order_count >= 6")


def test_a_function_and_a_dimension_are_asked_as_any_feature(project: Path) -> None:
    (row,) = ask_json(project, "audience", "bought(category => 'vitamins', within => '90 days')")
    (active,) = ask_json(project, "audience", "order_count_90d > 0")
    assert 0 < row["customers"] < active["customers"]
    stages = Counter[str]()
    for stage in (
        open_project(project, demo_clock()).configuration.definitions.dimensions["lifecycle"].names
    ):
        (row,) = ask_json(project, "audience", f"lifecycle = '{stage}'")
        stages[stage] = row["customers"]
    (everybody,) = ask_json(project, "audience", "true")
    assert stages.total() == everybody["customers"]


def test_every_mistake_is_shown_at_its_word(project: Path) -> None:
    said = ask(project, "audience", "ordr_count > 2 and age = 'x'", code=1)
    assert "1:1: unknown column 'ordr_count'" in said
    assert "Did you mean 'order_count'?" in said
    assert "    ordr_count > 2 and age = 'x'\n    ^\n" in said
    assert "1:26:" in said


def test_a_condition_that_loses_those_without_a_value_says_so(project: Path) -> None:
    said = ask(project, "audience", "days_since_order > 30")
    assert "Warning:" in said
    assert "days_since_order" in said


def test_answers_come_with_their_messages_and_interval(ran: Path) -> None:
    project = open_project(ran, demo_clock())
    messages = project.ledger.messages.of_run("2026-05-12-daily-1")
    sent = [one for one in messages if one.state.value == "accepted"]
    path = ran / "var" / "demo" / "responses.csv"
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header)
        for number, one in enumerate(sent[:10]):
            writer.writerow(
                {
                    "response_id": f"T{number}",
                    "customer_id": one.customer_id,
                    "kind": "click",
                    "occurred_at": "2026-05-12T12:00:00",
                    "campaign": one.campaign,
                }
            )
    run_daily(ran, clock_from(AS_OF + timedelta(days=1)))
    (row,) = ask_json(ran, "audience", "true", at="2026-05-13T10:05+02:00")
    counted = project.ledger.messages.of_run("2026-05-13-daily-1")
    contacts = len(sent) + sum(one.state.value == "accepted" for one in counted)
    assert row["answered"]["answered"] == 10
    assert row["answered"]["messages"] == contacts
    low, high = row["answered"]["interval"]
    assert low < row["answered"]["rate"] == 10 / contacts < high


def test_segments_are_compared_with_the_last_run(project: Path) -> None:
    rows = {row["segment"]: row for row in ask_json(project, "segments")}
    kept = json.loads((project / "var/runs/2026-05-12-daily-1/segments.json").read_text("utf-8"))
    for name, row in rows.items():
        assert int(row["vs last run"]) == row["customers"] - kept[name]
    assert int(rows["quiet_lately"]["vs last run"]) < 0, "those of the run were written to since"


def test_the_overlap_of_two_campaigns_is_their_common_customers(project: Path) -> None:
    opened = open_project(project, demo_clock())
    sizes, pairs = overlaps(opened)
    with planned(opened) as plan:
        rows = [
            row for path in plan.folder.glob("*.parquet") for row in pq.read_table(path).to_pylist()
        ]
    meant: dict[str, set[str]] = {}
    for row in rows:
        meant.setdefault(row["campaign"], set()).add(row["customer_id"])
    assert sizes == {name: len(people) for name, people in meant.items()}
    for one, other in combinations(sizes, 2):
        assert pairs.get((one, other), 0) == len(meant[one] & meant[other])
    assert any(pairs.values())
    shown = ask(project, "segments", "--overlap")
    assert "may-letter" in shown


def test_moves_lead_from_the_stages_of_then_to_those_of_now(project: Path) -> None:
    rows = ask_json(project, "segments", "--moves", EARLIER)
    now, then = Counter[str](), Counter[str]()
    for row in rows:
        now[row["to"]] += row["customers"]
        then[row["from"]] += row["customers"]
    assert then["(not registered)"] > 0
    for stage in ("loyal", "new"):
        (present,) = ask_json(project, "audience", f"lifecycle = '{stage}'")
        assert now[stage] == present["customers"]
        (past,) = ask_json(
            project, "audience", f"lifecycle = '{stage}'", at=f"{EARLIER}T10:05+01:00"
        )
        assert then[stage] == past["customers"]
    assert "moved or are new" in ask(project, "segments", "--moves", EARLIER)


def test_who_looks_long_after_the_last_run_is_told_so(project: Path) -> None:
    told = "The last run was on 2026-05-12: --at 2026-05-12T10:00+00:00 looks as of then."
    assert told in ask(project, "audience", "order_count_90d > 0", at="2026-11-22T10:00+01:00")
    assert "The last run was" not in ask(project, "audience", "order_count_90d > 0")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--moves", "2027-01-01"], 1, "not in the past"),
        (["--moves", EARLIER, "--dimension", "lifecicle"], 1, "Did you mean 'lifecycle'?"),
        (["--moves", EARLIER, "--overlap"], 2, "one at a time"),
    ],
)
def test_a_question_that_makes_no_sense_is_answered(
    project: Path, arguments: list[str], code: int, said: str
) -> None:
    assert said in ask(project, "segments", *arguments, code=code)


@pytest.fixture
def ran(project: Path, tmp_path: Path) -> Path:
    """A copy of the project whose first day is done."""
    return shutil.copytree(project, tmp_path / "project")
