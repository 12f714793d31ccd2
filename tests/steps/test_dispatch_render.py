"""One message that cannot be rendered is taken back; the others of its batch leave."""

from datetime import date
from pathlib import Path

import pytest
from demo_project import demo_clock, make_project

from antiphon.ledger import Message
from antiphon.message.content import Email, Sms
from antiphon.project import open_project
from antiphon.steps.daily import run_daily
from antiphon.steps.reading import Reader


def test_an_error_nobody_foresaw_takes_back_one_message_and_tells_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    project = make_project(tmp_path / "company", customers=300)
    content = Reader.content
    broken: list[str] = []

    def fails_once(self: Reader, message: Message) -> Email | Sms:
        if (not broken and message.state == "sending") or message.message_id in broken:
            broken.append(message.message_id)
            raise RecursionError("Anna Müller")
        return content(self, message)

    monkeypatch.setattr(Reader, "content", fails_once)
    run_id = run_daily(project, demo_clock())
    messages = open_project(project, demo_clock()).ledger.messages.of_run(run_id)
    taken_back = [m for m in messages if m.state == "withdrawn"]
    assert [m.message_id for m in taken_back] == broken
    assert "RecursionError" in (taken_back[0].evidence or "")
    assert {m.state.value for m in messages} == {"accepted", "control", "withdrawn"}
    assert "Anna" not in caplog.text + (taken_back[0].evidence or "")


def test_a_run_left_unfinished_on_another_day_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    project = make_project(tmp_path / "company", customers=300)
    clock = demo_clock()
    opened = open_project(project, clock)
    opened.ledger.runs.begin("daily", clock().date().replace(day=11), clock(), clock())
    run_daily(project, clock, campaigns=["may-letter"])
    assert "2026-05-11-daily-1 was never finished: antiphon abandon" in caplog.text
    assert "has been run already" not in caplog.text
    run_daily(project, clock, date(2026, 5, 10), campaigns=["may-letter"])
    assert "2026-05-12 has been run already; this run is of 2026-05-10" in caplog.text
