"""`antiphon responses` reads what waits, and tells what came, what waits and what was refused."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from demo_project import make_project

from antiphon.cli import exit_code
from antiphon.ledger import Arrival, Ledger
from antiphon.response.sources import Source

NOW = datetime.now(UTC)
EVENT = {"email": "ann@example.com", "timestamp": int(NOW.timestamp()), "sg_event_id": "e1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("shop"), 50, ["may-letter"])


@pytest.fixture
def ledger(project: Path) -> Ledger:
    """Its ledger, in which one request waits, one is no JSON, and one was refused."""
    path = project / "var" / "ledger.db"
    path.unlink(missing_ok=True)
    ledger = Ledger.open(str(path))
    events = [{**EVENT, "event": "spamreport"}, {**EVENT, "event": "telepathy"}]
    ledger.inbox.put(
        [
            Arrival(Source.SENDGRID_EVENTS, NOW, json.dumps(events).encode()),
            Arrival(Source.SENDGRID_EVENTS, NOW, b"<html>"),
        ]
    )
    ledger.tallies.add(NOW.date(), {"refused sendgrid_events: bad signature": 3})
    return ledger


@pytest.fixture
def asked(project: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def ask(*options: str) -> Any:
        assert exit_code(["--project", str(project), "responses", *options, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return ask


def test_it_reads_what_waits_and_tells_of_the_week(
    ledger: Ledger, asked: Callable[..., Any]
) -> None:
    before = asked("--look")
    assert (before["waiting"]["requests"], before["responses"], before["now"]) == (2, {}, {})
    told = asked()
    assert told["now"] == {"requests": 2, "unreadable": 1, "suppressed": 1, "complaint": 1}
    assert told["waiting"]["requests"] == 0
    assert told["responses"] == {"complaint": 1}
    assert told["unread"] == {"no JSON": 1}
    assert told["unknown"] == {"sendgrid_events unknown_telepathy": 1}
    assert told["refused"] == {"sendgrid_events: bad signature": 3}
    assert asked()["now"] == {}


def test_it_tells_of_events_whose_moment_nobody_can_read(
    ledger: Ledger, asked: Callable[..., Any]
) -> None:
    event = {**EVENT, "event": "open", "timestamp": "soon"}
    ledger.inbox.put([Arrival(Source.SENDGRID_EVENTS, NOW, json.dumps([event]).encode())])
    assert asked()["left out"] == {"sendgrid_events without_moment": 1}


def test_it_tells_people_too(
    ledger: Ledger, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["--project", str(project), "responses", "--look"]) == 0
    assert "Waiting to be read: 2 requests" in capsys.readouterr().out
    assert exit_code(["--project", str(project), "responses"]) == 0
    out = capsys.readouterr().out
    assert "Now: requests 2, unreadable 1" in out
    assert "ann@" not in out
