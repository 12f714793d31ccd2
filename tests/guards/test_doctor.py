"""What doctor finds, and that it says what to do; its world is on the loopback."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import dns.resolver
import pytest
from click.testing import CliRunner
from live_project import live_project, ticking
from loopback_dns import name_server

from antiphon.cli import cli
from antiphon.guards import machine, memory
from antiphon.guards.backup import back_up
from antiphon.guards.doctor import Doctor
from antiphon.guards.domains import Finding, Level
from antiphon.project import Project
from antiphon.sandbox.server import running

NOBODY = "https://127.0.0.1:9"  # nothing of a test leaves the machine
KEY = {"SENDGRID_API_KEY": "SG.fine", "ANTIPHON_LINK_KEY": "k"}


@contextmanager
def web_server(date: datetime | None, status: int = 200) -> Iterator[str]:
    """A web server that believes it is that time."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response_only(status)
            if date is not None:
                self.send_header("Date", format_datetime(date, usegmt=True))
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def project(
    root: Path, url: str = "", environment: Mapping[str, str] = KEY, **changes: Any
) -> Project:
    accounts = {"sendgrid": {"url": url or NOBODY}}
    providers = {"email": "sendgrid", "sms": "local"}
    links = {"base_url": NOBODY, "key_from": "ANTIPHON_LINK_KEY"}
    given = {"accounts": accounts, "providers": providers, "links": links, **changes}
    opened = live_project(root, ticking(), given, environment)
    (root / "prefect.yaml").write_text(
        "deployments:\n- entrypoint: flows/daily.py:daily\n"
        '  schedules: [{cron: "0 9 * * *", timezone: Europe/Berlin}]\n',
        encoding="utf-8",
    )
    return opened


def look(opened: Project) -> dict[str, Finding]:
    """Area → its worst findings as one."""
    with name_server({}) as resolver:
        found = list(Doctor(opened, resolver=lambda: resolver).findings())
    opened.ledger.close()
    order = list(Level)
    worst: dict[str, Finding] = {}
    for one in found:
        assert bool(one.todo) or one.level is not Level.WRONG
        if one.area not in worst or order.index(one.level) > order.index(worst[one.area].level):
            worst[one.area] = one
        elif one.level is worst[one.area].level:
            both = f"{worst[one.area].found} | {one.found}"
            worst[one.area] = replace(worst[one.area], found=both)
    return worst


def test_a_machine_that_is_set_up_is_fine(tmp_path: Path) -> None:
    with running() as sandbox:
        opened = project(tmp_path / "shop", sandbox.url)
        sandbox.state.sender = opened.configuration.settings.company.email_from
        memory.confirm(opened)
        back_up(opened, tmp_path / "backup.tar.gz")
        found = look(opened)
    assert found["email by sendgrid"].level is not Level.WRONG
    assert found["database"].level is Level.OK
    assert found["backup"].level is Level.OK
    assert "the next daily run is due on Wed 13 May, 09:00" in found["schedule"].found
    assert "sending refused" not in found
    assert {found["SPF"].level, found["DKIM"].level} == {Level.WARNING, Level.WRONG}


def test_what_is_missing_is_said_with_what_to_do_and_no_secret(tmp_path: Path) -> None:
    opened = project(tmp_path / "shop", environment={})
    found = look(opened)
    assert "SENDGRID_API_KEY" in found["email by sendgrid"].found
    assert found["links"].level is Level.WRONG  # nobody answers at base_url
    assert found["sending refused"].level is Level.WRONG
    assert "antiphon confirm" in found["sending refused"].todo
    assert found["backup"].level is Level.WARNING
    assert found["alerts"].level is Level.WARNING
    assert found["sms by local"].level is Level.WARNING  # live, and reaches nobody


def test_a_key_that_is_refused_and_a_provider_that_is_down(tmp_path: Path) -> None:
    secret = "SG.wrong-secret"
    with web_server(None, 401) as address:
        opened = project(tmp_path / "one", address, {"SENDGRID_API_KEY": secret})
        refused = look(opened)["email by sendgrid"]
    assert refused.level is Level.WRONG
    down = look(project(tmp_path / "two", address, {"SENDGRID_API_KEY": secret}))
    assert down["email by sendgrid"].level is Level.WRONG
    assert "reached" in down["email by sendgrid"].found
    assert secret not in str(refused) + str(down)


def test_a_sender_the_provider_does_not_know_is_wrong(tmp_path: Path) -> None:
    with running() as sandbox:
        sandbox.state.sender = "hello@elsewhere.example"
        found = look(project(tmp_path / "shop", sandbox.url))["email by sendgrid"]
    assert found.level is Level.WRONG
    assert "not authenticated" in found.found


@pytest.mark.parametrize(
    ("seconds", "level"), [(2, Level.OK), (20, Level.WARNING), (-600, Level.WRONG)]
)
def test_the_clock_is_compared_with_a_servers(seconds: int, level: Level) -> None:
    now = datetime(2026, 5, 12, 8, tzinfo=UTC)
    with web_server(now + timedelta(seconds=seconds), 404) as address:
        answered, theirs = machine.look_at_address("provider", address)
    assert answered.level is Level.OK
    assert machine.look_at_clock(now, theirs).level is level


def test_a_full_disk_and_a_folder_nobody_may_write_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    (one,) = machine.look_at_disk([tmp_path / "file"])
    assert one.level is Level.WRONG
    monkeypatch.setattr(machine, "LEAST_FREE", 10**18)
    monkeypatch.setattr(machine, "GOOD_FREE", 10**19)
    (full,) = machine.look_at_disk([tmp_path])
    assert full.level is Level.WRONG
    assert "antiphon clean" in full.todo


def test_a_ledger_that_is_not_there_ends_no_other_look(tmp_path: Path) -> None:
    opened = project(tmp_path / "shop", ledger={"url_from": "NO_SUCH_VARIABLE"})
    with name_server({}) as resolver:
        found = list(Doctor(opened, resolver=lambda: resolver).findings())
    assert {one.area for one in found} >= {"disk", "database", "clock", "schedule"}
    (database,) = [one for one in found if one.area == "database"]
    assert "NO_SUCH_VARIABLE" in database.found + database.todo


def test_the_command_ends_with_1_where_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_: object, **__: object) -> None:
        raise dns.resolver.NXDOMAIN

    monkeypatch.setattr(dns.resolver.Resolver, "resolve", nowhere)
    opened = project(tmp_path / "shop", environment={})
    opened.ledger.close()
    result = CliRunner().invoke(cli, ["--project", str(opened.root), "doctor", "--json"])
    assert result.exception is not None
    assert '"level": "wrong"' in result.output
