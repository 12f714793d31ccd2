"""Claims on `antiphon customer` and `antiphon features`: everything of one person, file by file."""

import json
from pathlib import Path
from typing import Any

import pytest
from demo_project import AT

from antiphon import cli
from antiphon.demo import AS_OF
from antiphon.keys import bucket_of
from antiphon.project import Project, open_project
from antiphon.steps.customer import customer


class Terminal:
    """The command line in this process, on the demo day."""

    def __init__(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self.capsys = capsys

    def ask(self, *arguments: str, code: int = 0) -> str:
        assert cli.exit_code(["--project", str(self.project), *arguments]) == code
        told = self.capsys.readouterr()
        return told.err if code else told.out

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ask(*arguments, "--json"))


@pytest.fixture
def terminal(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Terminal:
    monkeypatch.setenv("ANTIPHON_AT", AT)
    return Terminal(project, capsys)


@pytest.fixture
def opened(project: Path) -> Project:
    return open_project(project, lambda: AS_OF)  # a clock that ticks would see the run's messages


def written_to(opened: Project) -> str:
    """Somebody whom the run of the day wrote to."""
    messages = opened.ledger.messages.of_run("2026-05-12-daily-1")
    return next(one.customer_id for one in messages if one.state == "accepted")


def test_the_frame_of_a_customer_is_that_of_the_run(opened: Project) -> None:
    name = written_to(opened)
    snapshot = opened.lake.current()
    path = snapshot.files("frames", "2026-05-12-daily-1")[bucket_of(name, snapshot.buckets)]
    with opened.lake.session(snapshot) as session:
        (row,) = session.arrow(
            f"SELECT * FROM read_parquet('{path}') WHERE customer_id = $1", [name]
        ).to_pylist()
    found = customer(opened, name).frame
    stored = {key: value for key, value in row.items() if key in found}
    assert len(stored) > 100
    assert {key: found[key] for key in stored} == stored
    assert set(found) == set(opened.configuration.features)


def test_segments_are_those_whose_condition_holds(opened: Project) -> None:
    snapshot = opened.lake.current()
    with opened.lake.session(snapshot) as session:
        names = [name for (name,) in session.rows("SELECT customer_id FROM customers LIMIT 4")]
    seen = set()
    for name in names:
        found = customer(opened, name)
        seen |= set(found.segments)
        assert ("active" in found.segments) == (found.frame["order_count_90d"] > 0)
        assert ("quiet_lately" in found.segments) == (found.frame["contact_count_30d"] == 0)
    assert "active" in seen


def test_a_customer_is_shown_file_by_file_with_messages_and_responses(
    terminal: Terminal, opened: Project
) -> None:
    name = written_to(opened)
    text = terminal.ask("customer", name)
    known = customer(opened, name)
    assert known.frame["email_address"] in text
    for expected in ("sql/features/orders.sql", "days since the last message", "lifecycle"):
        assert expected in text
    assert known.messages[0].message_id in text
    assert "Europe/Berlin time" in text
    assert "This is personal data" in text


def test_a_program_gets_the_same_as_json(terminal: Terminal, opened: Project) -> None:
    name = written_to(opened)
    answer = terminal.json("customer", name)
    known = customer(opened, name)
    assert answer["customer"] == name
    assert set(answer["features"]) == set(known.frame)
    assert answer["features"]["order_count"] == known.frame["order_count"]
    assert [one["segment"] for one in answer["segments"]] == list(known.segments)
    assert [one["message"] for one in answer["messages"]] == [
        one.message_id for one in known.messages
    ]
    assert len(answer["responses"]) == len(known.responses) <= 10


def test_the_last_responses_come_newest_first(opened: Project) -> None:
    with opened.lake.session() as session:
        ((name, count),) = session.rows(
            "SELECT customer_id, count(*) FROM responses GROUP BY ALL ORDER BY ALL DESC LIMIT 1"
        )
    assert count > 0
    times = [one["occurred_at"] for one in customer(opened, name, last=3).responses]
    assert times == sorted(times, reverse=True)
    assert len(times) == min(count, 3)


def test_an_unknown_customer_is_told_without_a_frame(terminal: Terminal) -> None:
    assert "there is no customer 'nobody'" in terminal.ask("customer", "nobody", code=1)


def test_features_stand_under_their_file_and_are_searched_by_a_word(terminal: Terminal) -> None:
    text = terminal.ask("features")
    assert text.index("sql/features/consent.sql") < text.index("consent_email_promo")
    assert text.index("consent_sms_service") < text.index("sql/features/contact.sql")
    few = terminal.ask("features", "run_out")
    assert "run_out_product_name" in few
    assert "sql/features/orders.sql" not in few


def test_features_as_json_are_one_flat_list(terminal: Terminal) -> None:
    rows = {row["feature"]: row for row in terminal.json("features")}
    assert rows["order_count"]["file"] == "sql/features/orders.sql"
    assert rows["median_gap_days"]["may be null"] is True
    assert rows["lifecycle"]["file"] == "config/segments.yaml"
    assert list(terminal.json("features", "gaps_late")[0]) == [
        "feature", "type", "unit", "may be null", "meaning", "file",
    ]  # fmt: skip
