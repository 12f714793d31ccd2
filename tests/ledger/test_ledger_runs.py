"""Runs on record, and the contents they were made from."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from outbox_scene import DAY, HOUR, MINUTE, NOW
from sqlalchemy.dialects import sqlite

from antiphon.errors import LedgerError
from antiphon.files import ProjectFiles
from antiphon.keys import digest
from antiphon.ledger import Ledger, RunState
from antiphon.ledger.schema import Instant


def test_run_ids_are_readable_and_numbered_by_day_and_flow(ledger: Ledger) -> None:
    begin = ledger.runs.begin
    names = [begin("daily", DAY, NOW, NOW).run_id for _ in range(2)]
    names.append(begin("daily", date(2026, 5, 13), NOW, NOW + MINUTE).run_id)
    names.append(begin("dispatch", DAY, NOW, NOW + 2 * MINUTE).run_id)
    assert names == [
        "2026-05-12-daily-1",
        "2026-05-12-daily-2",
        "2026-05-13-daily-1",
        "2026-05-12-dispatch-1",
    ]
    latest = [run.run_id for run in ledger.runs.latest("daily", limit=2)]
    assert latest == ["2026-05-13-daily-1", "2026-05-12-daily-2"]


def test_a_run_is_remembered_as_it_was_begun(ledger: Ledger) -> None:
    lease = ledger.leases.acquire("run", "a", HOUR, NOW)
    local = datetime(2026, 5, 12, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    begun = ledger.runs.begin(
        "daily", DAY, local, NOW, parameters={"campaigns": ["winback"]}, lease=lease
    )
    assert ledger.runs.get(begun.run_id) == begun
    assert begun.as_of == local
    assert begun.as_of.tzinfo is UTC
    assert (begun.state, begun.lease_token, begun.dry_run) == (RunState.RUNNING, 1, False)
    assert begun.parameters == {"campaigns": ["winback"]}
    assert ledger.runs.get("2026-05-12-daily-9") is None


def test_what_was_pinned_first_stays_when_a_run_is_resumed(ledger: Ledger) -> None:
    run_id = ledger.runs.begin("daily", DAY, NOW, NOW).run_id
    ledger.runs.pin(run_id, NOW, snapshot_id=7, files_hash="f")
    ledger.runs.finish(run_id, RunState.FAILED, "disk full", NOW + MINUTE)
    resumed = ledger.runs.resume(run_id, NOW + HOUR)
    assert (resumed.state, resumed.finished_at) == (RunState.RUNNING, None)
    pinned = ledger.runs.pin(run_id, NOW + HOUR, snapshot_id=8, history_mark=0)
    assert (pinned.snapshot_id, pinned.files_hash, pinned.history_mark) == (7, "f", 0)


def test_unfinished_runs_of_the_day_are_found_and_dry_ones_are_not(ledger: Ledger) -> None:
    begin = ledger.runs.begin
    running, failed, held, done, gone = (begin("daily", DAY, NOW, NOW).run_id for _ in range(5))
    begin("daily", DAY, NOW, NOW, dry_run=True)
    begin("dispatch", DAY, NOW, NOW)
    ledger.runs.finish(failed, RunState.FAILED, "", NOW)
    ledger.runs.finish(held, RunState.HELD, "", NOW)
    ledger.runs.finish(done, RunState.FINISHED, "", NOW)
    ledger.runs.abandon(gone, "mistake", NOW)
    waiting = [run.run_id for run in ledger.runs.unfinished("daily", DAY)]
    assert waiting == [running, failed, held]


def test_a_run_that_is_over_stays_over(ledger: Ledger) -> None:
    run_id = ledger.runs.begin("daily", DAY, NOW, NOW).run_id
    ledger.runs.finish(run_id, RunState.FINISHED, "12 sent", NOW)
    with pytest.raises(LedgerError, match="cannot go on"):
        ledger.runs.resume(run_id, NOW)
    with pytest.raises(LedgerError, match="not running"):
        ledger.runs.finish(run_id, RunState.FAILED, "", NOW)
    with pytest.raises(LedgerError, match="nothing to abandon"):
        ledger.runs.abandon(run_id, "", NOW)
    with pytest.raises(LedgerError, match="no run nowhere"):
        ledger.runs.resume("nowhere", NOW)
    with pytest.raises(ValueError, match="abandoned"):
        ledger.runs.finish(run_id, RunState.ABANDONED, "", NOW)


def test_steps_are_counted_and_done_again_on_repeat(ledger: Ledger) -> None:
    run_id = ledger.runs.begin("daily", DAY, NOW, NOW).run_id
    ledger.runs.begin_step(run_id, "pull", NOW)
    ledger.runs.finish_step(run_id, "pull", {"rows": 5}, NOW + MINUTE)
    ledger.runs.begin_step(run_id, "decide", NOW + MINUTE)
    ledger.runs.begin_step(run_id, "pull", NOW + HOUR)
    decide, pull = ledger.runs.steps(run_id)
    assert (decide.step, decide.finished_at) == ("decide", None)
    assert (pull.started_at, pull.finished_at, pull.counts) == (NOW + HOUR, None, {})
    ledger.runs.finish_step(run_id, "pull", {"rows": 6}, NOW + HOUR)
    assert ledger.runs.steps(run_id)[1].counts == {"rows": 6}
    with pytest.raises(LedgerError, match="never begun"):
        ledger.runs.finish_step(run_id, "render", {}, NOW)


def test_contents_come_back_by_their_hash(ledger: Ledger) -> None:
    text = "Grüße \U0001f48a" * 1000
    key = ledger.contents.put(text)
    assert key == ledger.contents.put(text.encode()) == digest("content", text)
    assert ledger.contents.get(key).decode() == text
    with pytest.raises(LedgerError, match="no content"):
        ledger.contents.get("0" * 32)


def test_the_users_files_of_a_past_run_can_be_read(ledger: Ledger) -> None:
    files = ProjectFiles({"config/settings.yaml": "a: ä\n", "sql/x.sql": ""})
    assert ledger.contents.put_files(files) == files.hash
    assert ledger.contents.put_files(files) == files.hash
    assert ledger.contents.files(files.hash) == files


@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_instants_order_in_sqlite_as_they_do_in_time(one: datetime, two: datetime) -> None:
    dialect = sqlite.dialect()  # type: ignore[no-untyped-call]
    kept = [Instant().process_bind_param(moment, dialect) for moment in (one, two)]
    one, two = one.astimezone(UTC), two.astimezone(UTC)
    assert (kept[0] < kept[1]) == (one < two)
    assert Instant().process_result_value(kept[0], dialect) == one


def test_a_naive_moment_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        Instant().process_bind_param(datetime(2026, 5, 12), sqlite.dialect())  # noqa: DTZ001
