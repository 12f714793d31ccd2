"""No name, address or telephone number in anything that is logged, told or kept about a run."""

import csv
import logging
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from run_processes import frozen
from run_state import state_of

from antiphon.steps.daily import run_daily

PERSONAL = re.compile(r"Vorname\d|Nachname\d|Stadt\d|post\d+|0151|49151", re.IGNORECASE)
TABLES = ("runs", "run_steps", "message_log", "leases")


@pytest.fixture
def telling(project: Path) -> Path:
    """A project with a tell-tale word in each personal value, in bad rows as in good ones."""
    path = project / "var" / "demo" / "customers.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        row |= {"first_name": f"Vorname{number}", "last_name": f"Nachname{number}"}
        row |= {"city": f"Stadt{number}", "email": f"post{number}@example.com"}
        row["birthday"] = row["birthday"] if number % 9 else f"Vorname{number}"
        row["updated_at"] = row["updated_at"] if number % 11 else f"post{number}@example.com"
        row["bonus_points"] = row["bonus_points"] if number % 13 else f"Nachname{number}"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        file.write(f'{rows[3]["customer_id"]},"Vorname1","Nachname2"\n')
    return project


def kept(root: Path) -> dict[str, str]:
    """All that a run leaves to be read, by where it lies."""
    found = {}
    for path in (root / "var" / "runs").rglob("*"):
        if path.is_file():
            found[str(path)] = path.read_text("utf-8", errors="replace")
    with closing(sqlite3.connect(root / "var" / "ledger.db")) as ledger:
        for table in TABLES:
            found[table] = repr(ledger.execute(f"SELECT * FROM {table}").fetchall())
    return found


def assert_nobody_in(texts: dict[str, str]) -> None:
    for place, text in texts.items():
        told = PERSONAL.search(text)
        assert told is None, f"{place}: …{text[max(0, told.start() - 60) : told.end() + 20]}…"


def test_a_run_tells_nothing_about_anybody(
    telling: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for page in (telling / "templates" / "vip").glob("*/body.html.j2"):
        failing = "{{ (1 / (customer.order_count * 0)) | number(1) }}<h1>"
        page.write_text(page.read_text("utf-8").replace("<h1>", failing, 1), "utf-8")
    run_daily(telling, frozen)
    output = capfd.readouterr()
    state = state_of(telling)
    assert state.files()
    assert any(PERSONAL.search(path.read_text("utf-8")) for path in state.files()), "no tell-tale"
    assert state.counts("validate")["quarantined"] > 50, "bad values were not told of"
    texts = {"log": caplog.text, "stdout": output.out, "stderr": output.err}
    assert "campaign vip-thanks is held back" in texts["log"]
    assert len(kept(telling)) > len(TABLES) + 3
    assert_nobody_in(texts | kept(telling))


def test_a_run_that_stops_tells_nothing_about_anybody(
    telling: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = telling / "var" / "demo" / "customers.csv"
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(Exception, match="half written") as raised:
        run_daily(telling, frozen)
    assert_nobody_in({"error": str(raised.value), "log": caplog.text} | kept(telling))
