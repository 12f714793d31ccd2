"""What holds a message, a campaign or a whole run back; each at its own level, none further."""

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from run_processes import KILLED, Kill, frozen, run
from run_state import state_of

from antiphon.errors import AuditFailed, ExecutorsDisagree, ExitCode
from antiphon.steps.daily import run_daily
from antiphon.steps.planning import planned

AFTER_PLAN = Kill("decide", "antiphon.ledger.runs:Runs.finish_step", "after")
CAMPAIGN, MESSAGE = "may-letter", "letter"


def add_to_template(root: Path, text: str) -> None:
    for page in (root / "templates" / MESSAGE).glob("*/body.html.j2"):
        body = page.read_text("utf-8")
        page.write_text(body.replace("<h1>", f"<p>{text}</p>\n<h1>", 1), "utf-8")
        assert text in page.read_text("utf-8")


def test_a_template_that_fails_on_a_real_person_holds_only_its_campaign(
    project: Path, undisturbed: Path
) -> None:
    add_to_template(
        project, "{{ (1 / (customer.order_count - customer.order_count)) | number(1) }}"
    )
    assert run(project) == 0
    state, theirs = state_of(project), state_of(undisturbed)
    assert theirs.project.ledger.messages.of_run(theirs.last, CAMPAIGN)
    states = {one.state.value for one in state.messages() if one.campaign == CAMPAIGN}
    assert states <= {"withdrawn", "control"}
    assert "withdrawn" in states
    expected = {pair for pair in theirs.written_to() if pair[0] != CAMPAIGN}
    assert set(state.written_to()) == expected
    warnings = (project / "var" / "runs" / state.last / "warnings.txt").read_text("utf-8")
    (line,) = [one for one in warnings.splitlines() if CAMPAIGN in one]
    assert "held back" in line
    assert "body.html.j2" in line


def test_a_null_that_would_be_printed_holds_only_that_message_and_plan_counts_it(
    project: Path, undisturbed: Path
) -> None:
    customers = project / "var" / "demo" / "customers.csv"
    with customers.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row["acquired_from"] = "" if number % 2 else "shop"  # which no campaign asks for
    with customers.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    add_to_template(project, "{{ customer.acquired_from }}")
    nowhere = {row["customer_id"] for row in rows if not row["acquired_from"]}
    theirs = state_of(undisturbed)
    wanted = {who for name, who in theirs.written_to() if name == CAMPAIGN}
    assert wanted & nowhere
    assert wanted - nowhere
    assert run(project, Kill("publish", AFTER_PLAN.place, "after")) == KILLED
    with planned(state_of(project).project) as plan:
        (summary,) = [one for one in plan.summaries if one.campaign == CAMPAIGN]
    assert summary.held["missing_value"] == len(wanted & nowhere)
    assert run(project) == 0
    state = state_of(project)
    assert {who for name, who in state.written_to() if name == CAMPAIGN} == wanted - nowhere
    assert {pair for pair in state.written_to() if pair[0] != CAMPAIGN} == {
        pair for pair in theirs.written_to() if pair[0] != CAMPAIGN
    }


def test_a_planted_breach_leaves_the_run_unreleased_and_nothing_is_sent(project: Path) -> None:
    assert run(project, AFTER_PLAN) == KILLED
    with closing(sqlite3.connect(project / "var" / "ledger.db")) as ledger, ledger:
        names = [row[1] for row in ledger.execute("PRAGMA table_info(messages)")]
        spoilt = {
            "message_id": "'planted'",
            "occurrence_key": "'planted|' || occurrence_key",
            "anchor": "'planted'",
        }
        ledger.execute(
            f"INSERT INTO messages SELECT {', '.join(spoilt.get(name, name) for name in names)} "
            "FROM messages WHERE state = 'planned' ORDER BY message_id LIMIT 1"
        )
    with pytest.raises(AuditFailed, match="nothing of it is sent") as raised:
        run_daily(project, frozen)
    assert raised.value.exit_code == ExitCode.OUR_FAULT
    state = state_of(project)
    (record,) = state.project.ledger.runs.latest()
    assert record.state == "held"
    assert record.released_at is None
    assert state.files() == []
    assert set(state.states()) == {"planned", "control"}
    with pytest.raises(AuditFailed):
        run_daily(project, frozen)  # repeating it does not talk it round
    assert state_of(project).files() == []


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Great Expectations alone sees the first customer's language as wrong."""
    from great_expectations.execution_engine import PandasExecutionEngine
    from great_expectations.expectations.metrics.map_metric_provider import (
        map_condition_auxilliary_methods as theirs,
    )

    assert theirs  # imported, so that the metrics are registered

    true_records = PandasExecutionEngine.get_compute_domain

    def get_compute_domain(self: Any, domain_kwargs: Any, *args: Any, **kwargs: Any) -> Any:
        rows, compute, accessor = true_records(self, domain_kwargs, *args, **kwargs)
        if accessor.get("column") == "language" and len(rows):
            rows = rows.copy()
            rows.loc[rows.index[0], "language"] = "planted"
        return rows, compute, accessor

    monkeypatch.setattr(PandasExecutionEngine, "get_compute_domain", get_compute_domain)
    return


@pytest.mark.usefixtures("planted")
def test_a_failure_planted_in_great_expectations_alone_fails_the_whole_run(project: Path) -> None:
    with pytest.raises(ExecutorsDisagree, match="fault of Antiphon") as raised:
        run_daily(project, frozen)
    assert raised.value.exit_code == ExitCode.OUR_FAULT
    state = state_of(project)
    assert state.runs == ["failed"]
    assert state.project.lake.current().id == 0
    assert state.messages() == []
