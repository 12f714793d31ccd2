"""Feature files that are at fault stop a run before anything is decided; changed ones are told."""

import shutil
from pathlib import Path

import pytest
from demo_project import demo_clock

from antiphon.errors import ConfigError, ExitCode
from antiphon.ledger import RunState
from antiphon.project import Project, open_project
from antiphon.steps.daily import run_daily
from antiphon.steps.planning import planned
from antiphon.steps.run import WARNINGS

HEADER = "-- feature visits integer times: visits\n-- reads: events\n"


def visits(root: Path, select: str) -> Project:
    (root / "sql/features/visits.sql").write_text(HEADER + select + "\n", encoding="utf-8")
    return open_project(root, demo_clock())


@pytest.fixture(scope="module")
def root(undisturbed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy whose run is done; each test writes its own sql/features/visits.sql."""
    return shutil.copytree(undisturbed, tmp_path_factory.mktemp("faults") / "project")


@pytest.mark.parametrize(
    ("select", "place", "message"),
    [
        ("SELECT customer_id, 1 AS visits FROM events", ": ", "some come twice"),
        (
            "SELECT nullif(customer_id, 'LP000012') AS customer_id, count(*) AS visits "
            "FROM events GROUP BY ALL",
            ": ",
            "customer_id is null in 1 of ",
        ),
        (
            "SELECT customer_id, min(event) AS visits FROM events GROUP BY ALL",
            ":1:1: ",
            "is declared integer; its SELECT returns text",
        ),
        (
            "SELECT customer_id,\n min(evnt) AS visits FROM events GROUP BY ALL",
            ":4:1: ",
            'column "evnt" not found',
        ),
        (
            "SELECT customer_id, max(event::BIGINT) AS visits FROM events GROUP BY ALL",
            ": ",
            "a value does not fit",
        ),
    ],
)
def test_a_file_at_fault_is_told_with_its_place(
    root: Path, select: str, place: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught, planned(visits(root, select)):
        pass
    text = str(caught.value)
    assert text.startswith(f"sql/features/visits.sql{place}")
    assert message in text
    assert "app_installed" not in text  # no value of a row
    assert caught.value.exit_code == ExitCode.USER_FILES


def test_a_file_at_fault_stops_the_run_before_anything_is_decided(ran: Path) -> None:
    project = visits(ran, "SELECT customer_id, 1 AS visits FROM events")
    with pytest.raises(ConfigError, match="some come twice"):
        run_daily(ran, demo_clock())
    last = project.ledger.runs.latest("daily", 1)[0]
    assert (last.run_id, last.state) == ("2026-05-12-daily-2", RunState.ABANDONED)
    assert not project.lake.current().files("decisions", last.run_id)
    assert not project.ledger.messages.of_run(last.run_id)


def test_a_type_that_changed_since_the_last_run_is_warned_of(ran: Path) -> None:
    path = ran / "sql/features/interest.sql"
    text = path.read_text(encoding="utf-8")
    text = text.replace("interest_count integer interests:", "interest_count text -:")
    text = text.replace("count(DISTINCT trim(value))", "count(DISTINCT trim(value))::VARCHAR")
    path.write_text(text, encoding="utf-8")
    run_id = run_daily(ran, demo_clock(), dry_run=True)
    warnings = (ran / "var" / "runs" / run_id / WARNINGS).read_text(encoding="utf-8")
    assert "feature 'interest_count' is text now and was integer in the last run" in warnings
