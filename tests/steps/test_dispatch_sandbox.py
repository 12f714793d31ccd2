"""Dispatch with the real adapters against the sandbox: its journal and the ledger agree."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from postgres_server import database, running_server

from antiphon.clock import clock_from
from antiphon.dispatch.dispatcher import send_due
from antiphon.sandbox.server import Sandbox, running
from bench.outbox import NOW, Outbox, make_outbox


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with running(tmp_path / "sandbox") as one:
        yield one


def _outbox(folder: Path, sandbox: Sandbox, **settings: Any) -> Outbox:
    account = {"url": sandbox.url, **settings.pop("account", {})}
    chosen = {
        "providers": {"email": "sandbox", "sms": "sandbox"},
        "accounts": {"sandbox": account},
        **settings,
    }
    return make_outbox(folder / "project", clock_from(NOW), chosen)


def _agree(outbox: Outbox, sandbox: Sandbox, ids: list[str]) -> None:
    """What the ledger calls accepted was accepted, once; what was accepted is not planned."""
    states = {
        one.message_id: one.state.value for one in outbox.project.ledger.messages.several(ids)
    }
    taken = sandbox.accepted()
    assert set(taken.values()) <= {1}
    assert {one for one, state in states.items() if state == "accepted"} <= set(taken)
    assert {states[one] for one in taken} <= {"accepted", "in_doubt"}


def test_e_mails_and_sms_arrive_once(tmp_path: Path, sandbox: Sandbox) -> None:
    outbox = _outbox(tmp_path, sandbox)
    ids = outbox.plan(1_200) + outbox.plan(40, channel="sms", campaign="short", first=5_000)
    outbox.release()
    send_due(outbox.project)
    assert outbox.states() == {"accepted": 1_240}
    assert sorted(sandbox.accepted()) == sorted(ids)
    _agree(outbox, sandbox, ids)


def test_one_address_no_provider_takes_does_not_hold_up_its_batch(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    outbox = _outbox(tmp_path, sandbox)
    addresses = [f"a{number}@example.com" for number in range(60)]
    addresses[7] = "no one at all@@example.com"
    ids = outbox.plan(60, addresses=addresses)
    outbox.release()
    send_due(outbox.project)
    assert outbox.states() == {"accepted": 59, "refused": 1}
    _agree(outbox, sandbox, ids)


def test_an_error_after_accepting_leaves_doubts_that_a_look_up_settles(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    outbox = _outbox(tmp_path, sandbox, dispatch={"failures": 100})
    ids = outbox.plan(20, channel="sms")
    outbox.release()
    sandbox.fail({"do": "fail", "api": "twilio", "accepted": True, "rate": 0.5})
    send_due(outbox.project)
    states = outbox.states()
    assert states["in_doubt"] >= 1
    _agree(outbox, sandbox, ids)
    sandbox.fail()
    send_due(outbox.project)
    assert outbox.states() == {"accepted": 20}
    _agree(outbox, sandbox, ids)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def ledger(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Settings of an empty ledger."""
    if request.param == "sqlite":
        yield {}
        return
    with running_server() as server:
        if server is None:
            pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        with database(server) as url:
            yield {"ledger": {"url": url}}


def test_two_dispatchers_at_once_send_each_message_once(
    tmp_path: Path, sandbox: Sandbox, ledger: dict[str, Any]
) -> None:
    outbox = _outbox(tmp_path, sandbox, account={"batch": 20, "at_once": 4}, **ledger)
    ids = outbox.plan(400) + outbox.plan(60, channel="sms", campaign="short", first=5_000)
    outbox.release()
    project = outbox.project
    projects = [project, replace(project)]  # each with a ledger of its own
    failures: list[BaseException] = []

    def send(one: Any) -> None:
        try:
            send_due(one)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(one,)) for one in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    send_due(project)
    assert failures == []
    assert outbox.states() == {"accepted": 460}
    assert sorted(sandbox.accepted()) == sorted(ids)
    _agree(outbox, sandbox, ids)
    for one in projects:
        one.ledger.close()
