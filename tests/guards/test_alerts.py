"""What a person on duty hears of, once, though nothing reports it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from live_project import START, Ticking, live_project, ticking

from antiphon.alerts.watching import Kind, look, stopped, troubles
from antiphon.guards import memory
from antiphon.ledger import Lease, Run, RunState
from antiphon.project import Project
from antiphon.steps.holder import this_process
from antiphon.steps.run import DAILY, LEASE

SCHEDULE = """
deployments:
  - name: daily
    entrypoint: flows/daily.py:daily
    schedules: [{cron: "0 9 * * *", timezone: Europe/Berlin}]
"""
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


@contextmanager
def listening(status: list[int]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook that answers with the statuses in turn, the last for ever; what it was sent."""
    got: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = status.pop(0) if len(status) > 1 else status[0]
            if answer == 200:
                got.append(json.loads(body))
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/secret-path", got
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def clock() -> Ticking:
    return ticking(START - timedelta(hours=1))  # nine in Berlin


@pytest.fixture
def project(tmp_path: Path, clock: Ticking) -> Iterator[Project]:
    opened = watched(tmp_path / "shop", clock, {"webhook_from": "HOOK"})
    memory.confirm(opened)
    yield opened
    opened.ledger.close()


def watched(root: Path, clock: Ticking, alerts: dict[str, Any], **changes: Any) -> Project:
    opened = live_project(root, clock, {"alerts": alerts, **changes}, {})
    (root / "prefect.yaml").write_text(SCHEDULE, encoding="utf-8")
    return opened


def begun(project: Project) -> Run:
    now = project.clock()
    return project.ledger.runs.begin(DAILY, now.date(), now, now, lease=held(project))


def held(project: Project, holder: str | None = None) -> Lease:
    from antiphon.clock import system_clock

    leases = project.ledger.leases
    other = leases.holder(LEASE, system_clock())
    if other is not None:
        leases.release(other)
    return leases.acquire(LEASE, holder or this_process(), 5 * MINUTE, system_clock())


def ended(project: Project, state: RunState, verdict: str = "done") -> None:
    run = begun(project)
    project.ledger.runs.finish(run.run_id, state, verdict, project.clock())


def kinds(project: Project) -> list[Kind]:
    return [one.kind for one in troubles(project)]


def hooked(project: Project, address: str) -> Project:
    listener = Project(project.root, project.configuration, {"HOOK": address}, project.clock)
    listener.__dict__["ledger"] = project.ledger
    return listener


@pytest.mark.parametrize(
    ("state", "kind"), [(RunState.FAILED, Kind.FAILED), (RunState.HELD, Kind.NOT_RELEASED)]
)
def test_a_run_that_failed_or_was_not_released_is_told_once(
    project: Project, state: RunState, kind: Kind
) -> None:
    ended(project, state, "the source orders is missing\n  Ann <ann@example.com>")
    with listening([200]) as (address, got):
        assert [look(hooked(project, address)) for _ in range(3)] == [1, 0, 0]
    assert got[0]["kind"] == kind
    assert "the source orders is missing" in got[0]["text"]
    assert "ann@example.com" not in json.dumps(got)


def test_an_alert_that_nobody_took_is_tried_again(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    ended(project, RunState.FAILED)
    with listening([500, 302, 200]) as (address, got):
        assert [look(hooked(project, address)) for _ in range(4)] == [0, 0, 1, 0]
        assert len(got) == 1
    ended(project, RunState.FAILED)
    assert look(hooked(project, address)) == 0  # nobody listens there any more
    assert "secret-path" not in caplog.text


def test_the_missing_run_is_noticed_and_the_late_one(project: Project, clock: Ticking) -> None:
    assert kinds(project) == []  # before the very first run nothing is missed
    ended(project, RunState.FINISHED)
    clock.now += DAY + timedelta(hours=1)
    assert kinds(project) == []  # two hours are allowed
    clock.now += timedelta(hours=1)
    assert kinds(project) == [Kind.MISSING]
    begun(project)
    assert kinds(project) == [Kind.LATE]
    run = project.ledger.runs.latest(DAILY)[0]
    project.ledger.runs.finish(run.run_id, RunState.FINISHED, "done", clock())
    assert kinds(project) == []


def test_a_killed_run_is_noticed(project: Project) -> None:
    run = begun(project)
    assert kinds(project) == []
    held(project, f"{this_process().partition('/')[0]}/1999999999/1")
    assert kinds(project) == [Kind.KILLED]
    assert run.run_id in troubles(project)[0].subject


def test_a_run_given_up_for_wrong_files_is_told_and_one_that_a_person_abandons_is_not(
    project: Project,
) -> None:
    run = begun(project)
    project.ledger.runs.abandon(run.run_id, "config/sources.yaml:3:1: wrong", project.clock())
    with listening([200]) as (address, got):
        assert look(hooked(project, address)) == 0
        assert stopped(hooked(project, address), run.run_id) == 1
    assert "config/sources.yaml:3:1" in got[0]["detail"]


def test_a_breaker_and_a_stopped_campaign_are_told(project: Project, clock: Ticking) -> None:
    ledger, now = project.ledger, clock()
    ledger.accounts.pause("sendgrid", now + 30 * MINUTE, "asked to wait (429).", "busy", now)
    ledger.holds.hold("spring", "paused", "by hand", "Ann", now)
    assert kinds(project) == []
    ledger.accounts.pause("twilio", now + 30 * MINUTE, "five requests failed.", "network", now)
    ledger.holds.hold("autumn", "paused", "every third was refused.", "breaker", now)
    assert kinds(project) == [Kind.PAUSED, Kind.STOPPED]


def test_refused_live_sending_is_told(tmp_path: Path, clock: Ticking) -> None:
    fresh = watched(tmp_path / "new", clock, {})
    assert kinds(fresh) == [Kind.REFUSED]


def test_an_alert_goes_by_mail_in_a_rehearsal_to_the_local_outbox(
    tmp_path: Path, clock: Ticking
) -> None:
    changes = {"environment": "rehearsal", "providers": {"email": "local", "sms": "local"}}
    opened = watched(tmp_path / "shop", clock, {"email": ["duty@example.com"]}, **changes)
    ended(opened, RunState.FAILED, "the disk is full")
    assert [look(opened), look(opened)] == [1, 0]
    (path,) = (opened.root / "var" / "outbox").rglob("*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["To"] == "duty@example.com"
    assert "run failed" in mail["Subject"]
    body = mail.get_body(("plain",))
    assert body is not None
    assert "the disk is full" in body.get_content()


def test_what_watches_never_breaks_what_it_watches(project: Project) -> None:
    ended(project, RunState.FAILED)
    (project.root / "prefect.yaml").write_text("deployments: [", encoding="utf-8")
    with listening([200]) as (address, _):
        assert look(hooked(project, address)) == 0


def test_files_that_do_not_check_are_told_by_the_dispatcher_that_cannot_begin(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from antiphon.errors import ConfigError
    from antiphon.steps.dispatch import dispatch_due

    (project.root / "config" / "policy.yaml").write_text("versoin: 1", encoding="utf-8")
    with listening([200]) as (address, got):
        monkeypatch.setenv("HOOK", address)
        for _ in range(2):
            with pytest.raises(ConfigError):
                dispatch_due(project.root, project.clock)
    assert [one["kind"] for one in got] == [Kind.FILES]
    assert "config/policy.yaml" in got[0]["text"]
