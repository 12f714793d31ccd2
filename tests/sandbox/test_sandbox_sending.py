"""The sandbox takes what the providers would take, by their own SDKs, and says what they say."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from python_http_client.exceptions import BadRequestsError, UnauthorizedError
from sandbox_clients import SERVICE, mail, person, sendgrid, twilio
from starlette.requests import Request
from twilio.base.exceptions import TwilioRestException

from antiphon.clock import system_clock
from antiphon.sandbox import journal
from antiphon.sandbox.faults import Faults
from antiphon.sandbox.index import Index
from antiphon.sandbox.journal import JOURNAL, Journal, Kind
from antiphon.sandbox.mail import send
from antiphon.sandbox.mail_rules import faults_of
from antiphon.sandbox.mailbox import Mailbox
from antiphon.sandbox.process import started
from antiphon.sandbox.server import Sandbox, running
from antiphon.sandbox.state import State

NOW = datetime(2026, 5, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as found:
        yield found


def refusal_of(sandbox: Sandbox, body: dict[str, Any]) -> dict[str, Any]:
    before = len(sandbox.entries())
    with pytest.raises(BadRequestsError) as refused:
        sendgrid(sandbox.url).send(body)
    assert len(sandbox.entries()) == before
    found: dict[str, Any] = refused.value.to_dict["errors"][0]
    return found


def test_a_batch_of_mail_is_journalled_with_the_id_of_each_message(sandbox: Sandbox) -> None:
    answer = sendgrid(sandbox.url).send(mail(*(person(number) for number in range(1000))))
    assert answer.status_code == 202
    entry = sandbox.entries()[-1]
    assert entry.provider_id == answer.headers["X-Message-Id"]
    assert entry.messages == tuple(f"mail-{number}" for number in range(1000))
    request = journal.request_of(sandbox.folder, entry)
    assert request is not None
    assert request["personalizations"][7] == person(7)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (mail(*(person(number) for number in range(1001))), "personalizations"),
        (mail(person(1), person(2, to=[])), "personalizations.1.to"),
        (mail(person(1), person(2, to=[{"email": "ann@"}])), "personalizations.1.to.0.email"),
        (mail(person(1, to=[{"email": "zoë@example.org"}])), "personalizations.0.to.0.email"),
        (mail(person(1, to=[{"email": "a@x.org", "name": "A;B"}])), "personalizations.0.to.0.name"),
        (mail(person(1, to=[{"email": "a@x.org"}, {"email": "A@x.org"}])), "personalizations.0"),
        (mail(person(1, substitutions={"-a-": "é" * 5000})), "personalizations.0.substitutions"),
        (mail(person(1, headers={"Subject": "x"})), "personalizations.0.headers"),
        (mail(person(1, substitutions={"-a-": 1})), None),
        (mail(person(1, custom_args={"n": 1})), None),
        (mail(subject=""), "subject"),
        (mail(content=[]), "content"),
        (mail(content=[{"type": "text/html", "value": ""}]), "content.0.value"),
        (
            mail(
                content=[
                    {"type": "text/html", "value": "x"},
                    {"type": "text/plain", "value": "x"},
                ]
            ),
            "content",
        ),
        (mail(**{"from": {}}), "from.email"),
        (mail(categories=["é"]), "categories"),
        (mail(categories=[str(number) for number in range(11)]), "categories"),
        (mail(send_at=4_000_000_000), "send_at"),
        (mail(batch_id="unknown"), "batch_id"),
        (mail(colour="red"), None),
    ],
)
def test_mail_that_sendgrid_would_refuse_is_refused_and_not_journalled(
    sandbox: Sandbox, body: dict[str, Any], field: str | None
) -> None:
    refusal = refusal_of(sandbox, body)
    assert refusal["field"] == field
    assert refusal["message"]


def test_mail_in_sandbox_mode_is_looked_at_only(sandbox: Sandbox) -> None:
    checked = mail(person(99), mail_settings={"sandbox_mode": {"enable": True}})
    assert sendgrid(sandbox.url).send(checked).status_code == 200
    assert sandbox.entries()[-1].kind is Kind.CHECKED
    assert sandbox.accepted()["mail-99"] <= 1


def test_mail_of_more_than_30_mb_is_answered_with_a_page_instead_of_json(sandbox: Sandbox) -> None:
    body = orjson.dumps(mail(content=[{"type": "text/plain", "value": "x" * 31_500_000}]))
    request = urllib.request.Request(
        f"{sandbox.url}/v3/mail/send", body, {"authorization": "Bearer SG.test"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 413
        assert answer.read().startswith(b"<html>")


def test_a_kept_connection_is_answered_without_delay(sandbox: Sandbox) -> None:
    took = []
    with httpx.Client(base_url=sandbox.url) as client:
        for _ in range(60):
            began = time.monotonic()
            client.get("/v3/scopes", headers={"Authorization": "Bearer SG.sandbox"})
            took.append(time.monotonic() - began)
    assert min(took[-20:]) < 0.035, "Nagle's algorithm waits 40 ms for each acknowledgement"


def test_wrong_credentials_are_refused_by_both(sandbox: Sandbox) -> None:
    before = len(sandbox.entries())
    with pytest.raises(UnauthorizedError):
        sendgrid(sandbox.url, "SG.wrong").send(mail())
    with pytest.raises(TwilioRestException) as refused:
        twilio(sandbox.url, "wrong").messages.create(to="+15005550006", from_="+1500", body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)
    assert len(sandbox.entries()) == before


def test_an_sms_is_journalled_with_the_id_in_its_callback_and_found_by_number(
    sandbox: Sandbox,
) -> None:
    client = twilio(sandbox.url)
    sent = client.messages.create(
        to="+15005550123",
        messaging_service_sid=SERVICE,
        body="Grüße €",
        status_callback="https://x.example/twilio/status?m=sms-1#rc=3&rp=all",
        validity_period=14400,
    )
    assert (sent.status, sent.num_segments) == ("accepted", "0")
    assert sandbox.entries()[-1].messages == ("sms-1",)
    [found] = client.messages.list(to="+15005550123", limit=20)
    assert (found.sid, found.body) == (sent.sid, "Grüße €")
    assert client.messages(sent.sid).fetch().to == "+15005550123"
    assert client.messages.list(to="+15005550124") == []


def test_a_long_list_of_sms_comes_in_pages(sandbox: Sandbox) -> None:
    client = twilio(sandbox.url)
    sids = [
        client.messages.create(to="+15005550125", from_="+15005550006", body=str(n)).sid
        for n in range(7)
    ]
    found = client.messages.list(to="+15005550125", page_size=3)
    assert [one.sid for one in found] == sids[::-1]


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"to": "+15005550001"}, 21211),
        ({"to": "12"}, 21211),
        ({"to": "+15005550004"}, 21610),
        ({"to": "+15005550009"}, 21614),
        ({"body": "x" * 1601}, 21617),
        ({"body": ""}, 21602),
        ({"status_callback": "https://my_host.example/x"}, 21609),
        ({"validity_period": 36001}, 30036),
    ],
)
def test_sms_that_twilio_would_refuse_is_refused(
    sandbox: Sandbox, form: dict[str, Any], code: int
) -> None:
    before = len(sandbox.entries())
    usual = {"to": "+15005550006", "from_": "+15005550006", "body": "Hi"}
    with pytest.raises(TwilioRestException) as refused:
        twilio(sandbox.url).messages.create(**{**usual, **form})
    assert refused.value.code == code
    assert len(sandbox.entries()) == before


def test_the_journal_of_a_killed_sandbox_says_what_was_answered(tmp_path: Path) -> None:
    with started(tmp_path) as process:
        for number in range(20):
            sendgrid(process.url).send(mail(person(number)))
        os.kill(process.process.pid, signal.SIGKILL)
    assert journal.accepted(tmp_path) == {f"mail-{number}": 1 for number in range(20)}


def test_a_torn_last_line_is_cut_off_and_never_counted(tmp_path: Path) -> None:
    with Journal(tmp_path) as first:
        first.write(datetime(2026, 5, 12, tzinfo=UTC), "twilio", "SM1", ["a"], b"{}")
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(b'{"n":1,"at":"2026-05-1')
    assert journal.accepted(tmp_path) == {"a": 1}
    with Journal(tmp_path) as second:
        second.write(datetime(2026, 5, 13, tzinfo=UTC), "twilio", "SM2", ["b"], b"{}")
    assert [entry.number for entry in journal.read(tmp_path)] == [0, 1]
    assert journal.accepted(tmp_path) == {"a": 1, "b": 1}


ODD = (None, True, 0, 5, "", "x", [], {}, [1], [None], [[]], {"a": 1}, {"a": {}}, "é")


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a message, with each of its keys."""
    for key in node if isinstance(node, dict) else range(len(node)):
        yield node, key
        if isinstance(node[key], dict | list):
            yield from places(node[key])


def test_whatever_stands_in_a_message_is_answered_as_a_provider_would(tmp_path: Path) -> None:
    body = mail(person(1), categories=["a"], mail_settings={"sandbox_mode": {"enable": False}})
    body |= {
        "custom_args": {"a": "b"},
        "headers": {"x-a": "b"},
        "send_at": 5,
        "asm": {"group_id": 1},
    }
    assert faults_of(body, NOW) == []
    with Journal(tmp_path) as kept:
        state = State(kept, Faults(), system_clock)
        index = Index(tmp_path)
        mailbox = Mailbox(index)
        taken = 0
        for node, key in [*places(body)]:
            usual = node[key]
            for odd in ODD:
                node[key] = odd
                answer = send(state, orjson.dumps(body))
                assert answer.status in {200, 202, 400}
                taken += answer.status == 202
                assert len(index.everything()) == taken
                if answer.status == 202:
                    shown = {"type": "http", "path_params": {"number": taken - 1}}
                    assert mailbox.message(Request(shown)).status_code == 200
            node[key] = usual
    assert 20 < taken < 250


FULL = """
import resource, signal, sys
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from antiphon.sandbox.journal import Journal

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Journal(Path(sys.argv[1])) as journal:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    for number in range(100):
        try:
            journal.write(datetime(2026, 5, 12, tzinfo=UTC), "twilio", "SM", [str(number)])
        except OSError:
            print(number)
            break
"""


def test_on_a_full_disk_a_request_is_in_the_journal_as_a_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    )
    refused = int(done.stdout)
    assert 1 < refused < 100
    assert journal.accepted(tmp_path) == {str(number): 1 for number in range(refused)}
    assert (tmp_path / JOURNAL).read_bytes().endswith(b"\n")


def test_times_of_answers_and_their_date_are_of_one_clock_in_a_rehearsal_too() -> None:
    with running(clock=lambda: NOW) as rehearsal:
        text = twilio(rehearsal.url).messages.create("+4915112345678", from_="+4915100", body="Hi")
        date = httpx.get(rehearsal.url).headers.get_list("Date")
        rehearsal.fail({"do": "busy", "seconds": 5})
        busy = httpx.post(f"{rehearsal.url}/v3/mail/send")
    assert date == [format_datetime(NOW, usegmt=True)]
    assert text.date_created == NOW
    assert int(busy.headers["X-RateLimit-Reset"]) == NOW.timestamp() + 6
