"""What goes wrong on purpose, as the SDKs see it, and what the journal says all the same."""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from python_http_client.exceptions import HTTPError, TooManyRequestsError
from sandbox_clients import mail, person, sendgrid, twilio
from twilio.base.exceptions import TwilioException, TwilioRestException

from antiphon.errors import UserFilesError
from antiphon.sandbox.faults import Fault, Faults, Script, parse_script, read_script
from antiphon.sandbox.server import Sandbox, running


@pytest.fixture(scope="module")
def started() -> Iterator[Sandbox]:
    with running() as found:
        yield found


@pytest.fixture
def sandbox(started: Sandbox) -> Iterator[Sandbox]:
    yield started
    started.fail()


def send_mail(sandbox: Sandbox) -> Any:
    return sendgrid(sandbox.url).send(mail(person(1)))


def send_sms(sandbox: Sandbox) -> Any:
    return twilio(sandbox.url).messages.create(to="+15005550006", from_="+15005550006", body="x")


Send = Callable[[Sandbox], Any]


@pytest.mark.parametrize("is_accepted", [True, False])
@pytest.mark.parametrize(
    ("fault", "send", "error"),
    [
        ({"do": "drop"}, send_mail, http.client.RemoteDisconnected),
        ({"do": "drop"}, send_sms, requests.ConnectionError),
        ({"do": "cut"}, send_mail, http.client.IncompleteRead),
        ({"do": "cut"}, send_sms, requests.exceptions.ChunkedEncodingError),
        ({"do": "fail", "status": 503}, send_mail, HTTPError),
        ({"do": "fail", "status": 503}, send_sms, TwilioException),
        ({"do": "html"}, send_mail, HTTPError),
        ({"do": "html"}, send_sms, TwilioException),
        ({"do": "busy"}, send_mail, TooManyRequestsError),
        ({"do": "busy"}, send_sms, TwilioRestException),
        ({"do": "empty"}, send_mail, HTTPError),
    ],
)
def test_a_fault_ends_the_request_before_or_after_it_was_accepted(
    sandbox: Sandbox, fault: dict[str, Any], send: Send, error: type[Exception], is_accepted: bool
) -> None:
    before = len(sandbox.entries())
    sandbox.fail({**fault, "accepted": is_accepted})
    with pytest.raises(error):
        send(sandbox)
    assert len(sandbox.entries()) - before == int(is_accepted)


def test_a_provider_that_is_busy_says_until_when(sandbox: Sandbox) -> None:
    sandbox.fail({"do": "busy", "seconds": 30})
    with pytest.raises(TooManyRequestsError) as busy:
        send_mail(sandbox)
    assert 29 <= int(busy.value.headers["X-RateLimit-Reset"]) - time.time() <= 32
    request = urllib.request.Request(
        f"{sandbox.url}/2010-04-01/Accounts/AC1/Messages.json", b"To=1", method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as late:
        urllib.request.urlopen(request, timeout=5)
    with late.value as answer:
        assert answer.headers["Retry-After"] == "30"


@pytest.mark.parametrize("do", ["wait", "read_slowly", "answer_slowly"])
@pytest.mark.parametrize("send", [send_mail, send_sms])
def test_a_delay_is_waited_for_and_then_all_goes_well(
    sandbox: Sandbox, do: str, send: Send
) -> None:
    before = len(sandbox.entries())
    sandbox.fail({"do": do, "seconds": 0.15})
    began = time.monotonic()
    send(sandbox)
    assert 0.15 <= time.monotonic() - began < 5
    assert len(sandbox.entries()) == before + 1


def test_faults_come_in_order_and_a_delay_may_come_before_one(sandbox: Sandbox) -> None:
    before = len(sandbox.entries())
    sandbox.fail(
        {"do": "wait", "seconds": 0.1},
        {"do": "fail", "times": 1},
        {"do": "drop", "skip": 1, "times": 1, "api": "sendgrid"},
    )
    began = time.monotonic()
    with pytest.raises(HTTPError):
        send_mail(sandbox)
    assert time.monotonic() - began >= 0.1
    send_mail(sandbox)
    with pytest.raises(http.client.RemoteDisconnected):
        send_mail(sandbox)
    send_mail(sandbox)
    assert len(sandbox.entries()) - before == 2


def test_a_fault_may_concern_one_api_one_text_or_only_what_is_read(sandbox: Sandbox) -> None:
    sandbox.fail({"do": "fail", "api": "twilio"}, {"do": "fail", "contains": "ann2@"})
    send_mail(sandbox)
    with pytest.raises(TwilioException):
        send_sms(sandbox)
    with pytest.raises(HTTPError):
        sendgrid(sandbox.url).send(mail(person(1), person(2)))
    sandbox.fail({"do": "fail", "on": "other"})
    assert send_sms(sandbox).sid
    with pytest.raises(TwilioException):
        twilio(sandbox.url).messages.list(to="+15005550006")


def test_a_script_is_set_and_ended_by_http(sandbox: Sandbox) -> None:
    url = f"{sandbox.url}/sandbox/faults"

    def ask(method: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
        with urllib.request.urlopen(request, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    assert ask("POST", {"faults": [{"do": "fail"}]})["faults"][0]["do"] == "fail"
    with pytest.raises(HTTPError):
        send_mail(sandbox)
    assert ask("GET")["done"] == [1]
    assert ask("DELETE")["faults"] == []
    assert send_mail(sandbox).status_code == 202
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask("POST", {"faults": [{"do": "explode"}]})
    with refused.value as answer:
        assert answer.code == 400
        assert "faults.0.do" in json.load(answer)["error"]


def test_a_wrong_script_is_answered_with_its_place_and_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text('{"faults": [{"do": "busy"}, {"do": "drop", "chance": 0.5}]}')
    with pytest.raises(UserFilesError, match=r"faults.json: faults.1.chance: (.|\n)*busy, fail"):
        read_script(path)
    with pytest.raises(UserFilesError, match=r"events.STOP: (.|\n)*spamreport(.|\n)*stop"):
        parse_script('{"events": {"STOP": 0.1}}', "faults")
    with pytest.raises(UserFilesError, match="JSON"):
        parse_script("{", "faults")
    with pytest.raises(UserFilesError, match="cannot be read"):
        read_script(tmp_path / "absent.json")


@given(seed=st.integers(0, 1000), rate=st.floats(0.1, 0.9))
def test_chance_is_the_same_for_the_same_seed_and_near_its_rate(seed: int, rate: float) -> None:
    script = Script(seed=seed, faults=(Fault(do="drop", rate=rate),))  # type: ignore[arg-type]

    def played() -> list[bool]:
        faults = Faults(script)
        return [bool(faults.of("twilio", b"", is_send=True)) for _ in range(400)]

    first = played()
    assert first == played()
    assert abs(sum(first) / 400 - rate) < 0.15
