"""What the sandbox reports of its messages, signed so that the SDKs' own checks accept it."""

import json
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sandbox_clients import SERVICE, TOKEN, mail, person, sendgrid, twilio
from sendgrid.helpers.eventwebhook import EventWebhook
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator

from antiphon.errors import UserFilesError
from antiphon.sandbox import fates
from antiphon.sandbox.fates import Events
from antiphon.sandbox.faults import Script
from antiphon.sandbox.reporting import told
from antiphon.sandbox.server import Sandbox, running

CALLBACK = "https://mail.shop.example/twilio/status?m=sms-{}#rc=3&rp=all"
SURE = {name: 0.0 for name in Events.model_fields if name != "seconds"}


@dataclass
class Hook:
    """A web server that is told; `statuses` are its next answers, then 204."""

    url: str = ""
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def events(self) -> list[dict[str, Any]]:
        return [
            event
            for path, _, body in self.posts
            if path == "/sendgrid/events"
            for event in json.loads(body)
        ]

    def forms(self) -> list[dict[str, str]]:
        return [
            dict(parse_qsl(body.decode()))
            for path, _, body in self.posts
            if path.startswith("/twilio/")
        ]


@contextmanager
def listening() -> Iterator[Hook]:
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            hook.posts.append((self.path, headers, body))
            self.send_response(hook.statuses.pop(0) if hook.statuses else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    hook.url = f"http://127.0.0.1:{server.server_port}"
    yield hook
    server.shutdown()
    server.server_close()


@contextmanager
def reporting(**shares: float) -> Iterator[tuple[Sandbox, Hook]]:
    events = Events(**{**SURE, "seconds": 0.02, **shares})
    with (
        listening() as hook,
        running(script=Script(events=events), events_to=hook.url) as sandbox,
    ):
        yield sandbox, hook


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_an_email_is_reported_with_our_id_and_a_signature_that_the_sdk_accepts() -> None:
    with reporting(click=1) as (sandbox, hook):
        sendgrid(sandbox.url).send(mail(person(1), person(2), categories=["winback"]))
        until(lambda: len(hook.events()) == 8)
        request = urllib.request.Request(
            f"{sandbox.url}/v3/user/webhooks/event/settings/signed",
            headers={"authorization": "Bearer SG.x"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            checks = EventWebhook(json.load(answer)["public_key"])
        order: dict[str, list[str]] = {}
        for path, headers, body in hook.posts:
            assert path == "/sendgrid/events"
            stamp = headers["x-twilio-email-event-webhook-timestamp"]
            signature = headers["x-twilio-email-event-webhook-signature"]
            assert checks.verify_signature(body.decode(), signature, stamp)
            assert not checks.verify_signature(body.decode().strip(), signature, stamp)
            for event in json.loads(body):
                order.setdefault(event["antiphon_message"], []).append(event["event"])
                assert event["category"] == ["winback"]
                assert event["sg_message_id"].startswith(sandbox.entries()[0].provider_id)
        happened = ["processed", "delivered", "open", "click"]
        assert order == {"mail-1": happened, "mail-2": happened}
        assert len({event["sg_event_id"] for event in hook.events()}) == 8


def test_an_sms_is_reported_to_the_path_of_its_callback_signed_for_its_public_address() -> None:
    with reporting() as (sandbox, hook):
        client = twilio(sandbox.url)
        sid = client.messages.create(
            to="+15005550123",
            messaging_service_sid=SERVICE,
            body="Hi",
            status_callback=CALLBACK.format(1),
        ).sid
        until(lambda: len(told(sandbox.folder)) == 2)
        assert [form["MessageStatus"] for form in hook.forms()] == ["sent", "delivered"]
        assert {form["MessageSid"] for form in hook.forms()} == {sid}
        public = CALLBACK.format(1).partition("#")[0]
        for (path, headers, _), form in zip(hook.posts, hook.forms(), strict=True):
            assert path == "/twilio/status?m=sms-1"
            assert RequestValidator(TOKEN).validate(public, form, headers["x-twilio-signature"])
        assert client.messages(sid).fetch().status == "delivered"


def test_who_says_stop_is_refused_from_then_on_and_their_answer_is_posted() -> None:
    with reporting(stop=1) as (sandbox, hook):
        client = twilio(sandbox.url)
        form = {"to": "+15005550123", "from_": "+15005550006", "body": "Hi"}
        client.messages.create(**form, status_callback=CALLBACK.format(1))
        until(lambda: len(told(sandbox.folder)) == 3)
        [answer] = [form for form in hook.forms() if "Body" in form]
        assert (answer["Body"], answer["From"]) == ("STOP", "+15005550123")
        with pytest.raises(TwilioRestException) as refused:
            client.messages.create(**form)
        assert refused.value.code == 21610


def test_a_bounced_address_is_listed_and_later_mail_to_it_is_dropped() -> None:
    with reporting() as (sandbox, hook):
        client = sendgrid(sandbox.url)
        lost = person(1, to=[{"email": "ann+bounce@example.org"}])
        client.send(mail(lost, person(2)))
        until(lambda: len(hook.events()) == 4)
        client.send(mail(lost))
        until(lambda: len(hook.events()) == 5)
        last = hook.events()[-1]
        assert (last["event"], last["reason"]) == ("dropped", "Bounced Address")
        [listed] = json.loads(client.client.suppression.bounces.get().body)
        assert (listed["email"], listed["status"]) == ("ann+bounce@example.org", "5.1.1")
        empty = client.client.suppression.bounces.get(query_params={"start_time": 2**33})
        assert json.loads(empty.body) == []


def test_reports_are_repeated_until_taken_and_doubled_or_lost_as_told() -> None:
    with reporting(duplicates=1) as (sandbox, hook):
        hook.statuses = [500, 503]
        sendgrid(sandbox.url).send(mail(person(1)))
        until(lambda: len(told(sandbox.folder)) == 4)
        copies = Counter(event["sg_event_id"] for event in hook.events())
        assert len(copies) == 2
        assert len(hook.posts) > len({body for _, _, body in hook.posts})
    with reporting(lost=1) as (sandbox, hook):
        sendgrid(sandbox.url).send(mail(person(1)))
        time.sleep(0.2)
        assert hook.posts == []


def test_reports_out_of_order_come_later_than_what_follows_them() -> None:
    with reporting(out_of_order=0.5, click=1) as (sandbox, hook):
        sendgrid(sandbox.url).send(mail(*(person(number) for number in range(20))))
        until(lambda: len(hook.events()) == 80)
        names = [event["event"] for event in hook.events() if event["event"] != "processed"]
        assert names.index("open") < len(names) - names[::-1].index("delivered") - 1


def test_a_cancelled_batch_is_noted_and_never_reported() -> None:
    with reporting() as (sandbox, hook):
        client = sendgrid(sandbox.url)
        batch = json.loads(client.client.mail.batch.post().body)["batch_id"]
        later = int(time.time()) + 3600
        client.send(mail(person(1), batch_id=batch, send_at=later))
        client.client.user.scheduled_sends.post(
            request_body={"batch_id": batch, "status": "cancel"}
        )
        assert sandbox.accepted() == {}
        [shown] = json.loads(client.client.user.scheduled_sends.get().body)
        assert shown == {"batch_id": batch, "status": "cancel"}
        assert hook.posts == []


def test_a_scheduled_sms_is_cancelled_before_it_leaves_and_not_afterwards() -> None:
    with reporting() as (sandbox, hook):
        client = twilio(sandbox.url)
        sid = client.messages.create(
            to="+15005550123",
            messaging_service_sid=SERVICE,
            body="Hi",
            status_callback=CALLBACK.format(1),
            schedule_type="fixed",
            send_at=datetime.now(UTC) + timedelta(hours=1),
        ).sid
        assert client.messages(sid).fetch().status == "scheduled"
        assert client.messages(sid).update(status="canceled").status == "canceled"
        assert sandbox.accepted() == {}
        with pytest.raises(TwilioRestException):
            client.messages(sid).update(status="canceled")
        assert client.messages(sid).fetch().status == "canceled"
        assert hook.posts == []


def test_nothing_is_reported_to_another_machine() -> None:
    with (
        pytest.raises(UserFilesError, match="this machine"),
        running(events_to="https://x.example"),
    ):
        pass


@given(seed=st.integers(0, 10**6), key=st.text(min_size=1, max_size=20))
def test_a_message_has_one_end_and_always_the_same(seed: int, key: str) -> None:
    events = Events()
    story = fates.of_email(events, seed, key, "ann@example.org")
    assert story == fates.of_email(events, seed, key, "ann@example.org")
    names = [happening.name for happening in story]
    assert sum(name in {"delivered", "bounce", "dropped"} for name in names) == 1
    assert [happening.after for happening in story] == sorted(one.after for one in story)
    ends = [
        one.name for one in fates.of_sms(events, seed, key) if one.name not in {"sent", "inbound"}
    ]
    assert len(ends) == 1


def test_shares_are_what_becomes_of_many_messages() -> None:
    events = Events(bounce=0.1, open=0.5, click=0.2, stop=0.3, undelivered=0, failed=0)
    stories = [fates.of_email(events, 1, str(key), "a@example.org") for key in range(5000)]
    count = Counter(one.name for story in stories for one in story)
    assert 0.08 < count["bounce"] / 5000 < 0.14
    assert 0.5 < count["open"] / count["delivered"] < 0.7
    assert 0.17 < count["click"] / count["delivered"] < 0.23
    stops = sum(len(fates.of_sms(events, 1, str(key))) == 3 for key in range(2000))
    assert 0.25 < stops / 2000 < 0.35
