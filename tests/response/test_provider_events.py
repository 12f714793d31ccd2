"""Events of SendGrid and Twilio in our words.

The SendGrid payloads are of django-anymail's tests (BSD-3-Clause, Copyright Anymail Contributors),
which took them from SendGrid's own webhook; only our id stands where theirs stood.
"""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.providers import MESSAGE_ARGUMENT
from antiphon.response import sendgrid, twilio
from antiphon.response.events import Event, Unreadable
from antiphon.response.words import STOP, Keywords, plain
from antiphon.states import MessageState, ResponseKind

AT = datetime(2026, 5, 12, 8, tzinfo=UTC)
OURS = "3c2f4df8c6dd4cd29b916582b81a0349"
KEYWORDS = Keywords(["de"])
DELIVERED = {
    "ip": "167.89.17.173",
    "response": "250 2.0.0 OK 1461095248 m143si2210036ioe.159 - gsmtp ",
    "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>",
    "sg_event_id": "nOSv8m0eTQ-vxvwNwt3fZQ",
    "sg_message_id": "wrfRRvF7Q0GgwUo2CvDmEA.filter0425p1mdw1.13037.57168B4A1D.0",
    "tls": 1,
    "event": "delivered",
    "email": "recipient@example.com",
    "timestamp": 1461095250,
    "antiphon_message": OURS,
}
DROPPED = {
    "email": "unsubscribe@example.com",
    "antiphon_message": OURS,
    "timestamp": 1461095250,
    "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>",
    "sg_event_id": "oxy9OLwMTAy5EsuZn1qhIg",
    "sg_message_id": "filter0199p1las1.4745.5717FB6F5.0",
    "reason": "Unsubscribed Address",
    "event": "dropped",
}
BOUNCE = {
    "ip": "167.89.17.173",
    "status": "5.1.1",
    "smtp-id": "<wrfRRvF7Q0GgwUo2CvDmEA@ismtpd0006p1sjc2.sendgrid.net>",
    "sg_event_id": "lC0Rc-FuQmKbnxCWxX1jRQ",
    "reason": "550 5.1.1 The email account that you tried to reach does not exist.",
    "sg_message_id": "Lli-03HcQ5-JLybO9fXsJg.filter0077p1las1.21536.5717FC482.0",
    "tls": 1,
    "event": "bounce",
    "email": "noreply@example.com",
    "timestamp": 1461095250,
    "antiphon_message": OURS,
    "type": "bounce",
}
CLICK = {
    "ip": "24.130.34.103",
    "sg_event_id": "OTdlOGUzYjctYjc5Zi00OWE4LWE4YWUtNjIxNjk2ZTJlNGVi",
    "sg_message_id": "_fjPjuJfRW-IPs5SuvYotg.filter0590p1mdw1.2098.57168CFC4B.0",
    "useragent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_11_4) AppleWebKit/537.36",
    "antiphon_message": OURS,
    "event": "click",
    "url_offset": {"index": 0, "type": "html"},
    "email": "recipient@example.com",
    "timestamp": 1461095250,
    "url": "http://www.example.com",
}


def read(**event: Any) -> Event:
    (found,) = sendgrid.read_events(orjson.dumps([event]), AT).events
    return found


def test_our_id_has_the_name_under_which_it_is_sent() -> None:
    assert sendgrid.MESSAGE_ARGUMENT == MESSAGE_ARGUMENT


def test_genuine_events_are_read() -> None:
    delivered, dropped, bounce, click = (read(**one) for one in (DELIVERED, DROPPED, BOUNCE, CLICK))
    assert delivered.kind is None
    assert (delivered.state, delivered.message_id) == (MessageState.DELIVERED, OURS)
    assert delivered.occurred_at == datetime(2016, 4, 19, 19, 47, 30, tzinfo=UTC)
    assert delivered.provider_id == "wrfRRvF7Q0GgwUo2CvDmEA"
    assert (dropped.kind, dropped.provider_id) == (ResponseKind.OPT_OUT, "")
    assert dropped.is_earlier
    assert (bounce.kind, bounce.evidence) == (ResponseKind.BOUNCE, {"status": "5.1.1"})
    assert (click.kind, click.value) == (ResponseKind.CLICK, "http://www.example.com")


def test_a_click_keeps_no_token_and_no_query() -> None:
    token = "k1." + "a" * 22 + "." + "b" * 27
    clicked = read(**{**CLICK, "url": f"https://mail.office.example/p/{token}/x?u=1#y"})
    assert clicked.value == "https://mail.office.example/p"
    assert read(**{**CLICK, "url": None}).value is None


def test_an_event_without_an_id_is_the_same_event_each_time() -> None:
    nameless = {name: value for name, value in DELIVERED.items() if name != "sg_event_id"}
    turned = dict(reversed(nameless.items()))
    other = {**nameless, "timestamp": 1461095251}
    assert read(**nameless).event_id == read(**turned).event_id != read(**other).event_id


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text()
        | st.sampled_from(["open", "bounce", "dropped", "group_unsubscribe", "click"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "event",
                        "timestamp",
                        "email",
                        "sg_event_id",
                        "reason",
                        "url",
                        "status",
                        "asm_group_id",
                        "type",
                        "sg_message_id",
                        "antiphon_message",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_can_break_the_reader(told: Any) -> None:
    try:
        reading = sendgrid.read_events(orjson.dumps(told), AT)
    except Unreadable:
        assert not isinstance(told, list)
    else:
        assert sum(reading.counts.values()) == len(told)


@pytest.mark.parametrize(
    ("status", "error", "state", "kind"),
    [
        ("queued", "", MessageState.ACCEPTED, None),
        ("sent", "", MessageState.ACCEPTED, None),
        ("delivered", "", MessageState.DELIVERED, None),
        ("undelivered", "30003", MessageState.BOUNCED, ResponseKind.SOFT_BOUNCE),
        ("undelivered", "30005", MessageState.BOUNCED, ResponseKind.BOUNCE),
        ("failed", "30006", MessageState.BOUNCED, ResponseKind.BOUNCE),
        ("failed", "21610", MessageState.BOUNCED, ResponseKind.OPT_OUT),
        ("failed", "", MessageState.BOUNCED, ResponseKind.SOFT_BOUNCE),
    ],
)
def test_states_of_sms(
    status: str, error: str, state: MessageState, kind: ResponseKind | None
) -> None:
    body = f"MessageSid=SM1&MessageStatus={status}&ErrorCode={error}&To=%2B4917".encode()
    (event,) = twilio.read_status(body, f"m={OURS}", AT).events
    assert (event.state, event.kind, event.message_id) == (state, kind, OURS)
    assert event.event_id == f"SM1:{status}"


def test_a_state_nobody_knows_is_counted() -> None:
    reading = twilio.read_status(b"MessageSid=SM1&MessageStatus=Teleported", "", AT)
    assert (reading.events, dict(reading.counts)) == ([], {"unknown_teleported": 1})


@given(st.binary())
def test_no_form_can_break_the_reader(body: bytes) -> None:
    for read_form in (
        lambda: twilio.read_status(body, "m=x", AT),
        lambda: twilio.read_inbound(body, AT, KEYWORDS),
    ):
        with contextlib.suppress(Unreadable):
            assert isinstance(read_form().events, list)


@given(st.sampled_from([word for words in STOP.values() for word in words]))
def test_every_stop_word_stops_in_any_writing(word: str) -> None:
    spoken = Keywords(STOP)
    for text in (word, word.upper(), f" {word}! ", f"»{word}«\n", f"{word}\u200b", f"({word})"):
        assert spoken.meaning(text) is ResponseKind.OPT_OUT


@given(st.text(), st.sampled_from(["stop", "stopp", "unsubscribe"]))
def test_a_stop_word_among_others_does_not_stop(text: str, word: str) -> None:
    if plain(text) and plain(text) not in {"please", "keine werbung"}:
        said = f"{text} x {word}"
        assert KEYWORDS.meaning(said) is ResponseKind.REPLY


def test_languages_that_are_not_configured_do_not_stop() -> None:
    assert Keywords(["de"]).meaning("стоп") is ResponseKind.REPLY
    assert Keywords(["ru"]).meaning("Стоп.") is ResponseKind.OPT_OUT
    own = Keywords(["de"], {"de": ["schluss"]})
    assert own.meaning("Schluss") is ResponseKind.OPT_OUT
    assert own.meaning("abmelden") is ResponseKind.REPLY
    assert own.meaning("STOP") is ResponseKind.OPT_OUT


@pytest.mark.parametrize("moment", ["soon", -1, 1e400, [], None])
def test_a_stop_without_a_readable_moment_is_taken_at_its_arrival(moment: Any) -> None:
    kinds = {
        "bounce": ResponseKind.BOUNCE,
        "spamreport": ResponseKind.COMPLAINT,
        "unsubscribe": ResponseKind.OPT_OUT,
        "group_unsubscribe": ResponseKind.OPT_OUT,
    }
    for name, kind in kinds.items():
        event = {**BOUNCE, "event": name, "timestamp": moment}
        reading = sendgrid.read_events(json.dumps([event]).encode(), AT)
        assert [(one.kind, one.occurred_at) for one in reading.events] == [(kind, AT)]
    event = {**CLICK, "timestamp": "soon"}
    reading = sendgrid.read_events(orjson.dumps([event]), AT)
    assert (reading.events, reading.counts) == ([], {"without_moment": 1})


@pytest.mark.parametrize(
    ("bad", "url"),
    [
        (b'"url": NaN', None),
        (b'"url": "a\\ud800b"', "a\ufffdb"),
        (b'"url": "a\\u0000b"', "a\ufffdb"),
        (b'"url": "a\x00b"', "a\ufffdb"),
        (b'"url": "a\xffb"', "a\ufffdb"),
        (b'"url": "ok", "more": ' + b"9" * 30, "ok"),
        (b'"url": "ok", "\\ud800": {"\\u0000": ["\\udfff"]}', "ok"),
    ],
)
def test_one_bad_event_leaves_its_neighbours_readable(bad: bytes, url: str | None) -> None:
    body = b'[{"event":"click","timestamp":1461095250,' + bad + b"}," + orjson.dumps(BOUNCE) + b"]"
    first, second = sendgrid.read_events(body, AT).events
    assert first.value == url or url is None
    assert first.event_id == sendgrid.read_events(body, AT).events[0].event_id
    assert second == read(**BOUNCE)
