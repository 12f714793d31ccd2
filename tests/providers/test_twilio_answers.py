"""Whatever Twilio answers, or fails to: what its message is told, and what was asked of it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs

import pytest
from provider_contract import NOW, outgoing
from scripted_server import DEAF, DROP, GARBAGE, HANG, RESET, Reply, Server, refusing_url, serving

from antiphon.message.content import Sms
from antiphon.providers import BATCH_REFUSED, Access, Blame, Outcome, OutcomeKind, Outgoing
from antiphon.providers import twilio as adapter

SID, TOKEN = "AC" + "0a" * 16, "a-token-that-must-not-be-seen"
BASE_URL = "https://mail.linden.example"
NGINX = b"<html>\r\n<head><title>502 Bad Gateway</title></head></html>"
LATER, REFUSED, UNKNOWN = OutcomeKind.TRY_LATER, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


def message(**changes: object) -> dict[str, object]:
    given = {"sid": "SM" + "1" * 32, "status": "queued", "error_code": None, "body": "Grüße 🌿"}
    return {**given, "to": "+493012345678", "num_segments": "1", **changes}


def created(**changes: object) -> Reply:
    return Reply(201, json.dumps(message(**changes)).encode())


def error(status: int, code: int | None = None, text: str = "odd") -> Reply:
    body = {"code": code, "message": text, "more_info": "https://…", "status": status}
    return Reply(status, json.dumps(body).encode())


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(created()) as running:
        yield running


def open_at(url: str, callback_url: str = BASE_URL, **options: str) -> adapter.Twilio:
    secrets = {"account": SID, "token": TOKEN}
    access = Access("twilio", "sms", url, secrets, options, time_out=2, callback_url=callback_url)
    return adapter.open_account(access)


def send(url: str, *batch: Outgoing, **options: str) -> list[Outcome]:
    async def sent() -> list[Outcome]:
        async with open_at(url, **options) as provider:
            return await provider.send(batch, NOW)

    return asyncio.run(sent())


def form(server: Server) -> dict[str, str]:
    found = parse_qs(server.seen[-1].body.decode(), strict_parsing=True)
    return {name: value for name, (value,) in found.items()}


def test_a_message_is_asked_for_as_twilios_api_wants_it(server: Server) -> None:
    (outcome,) = send(server.url, outgoing(7, "sms", expires_at=NOW + timedelta(minutes=30)))
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "SM" + "1" * 32)
    assert server.seen[0].path == f"/2010-04-01/Accounts/{SID}/Messages.json"
    assert server.seen[0].headers["Authorization"].startswith("Basic ")
    assert server.seen[0].headers["User-Agent"].startswith("twilio-python/")
    assert form(server) == {
        "To": "+493012345678",
        "From": "Linden",
        "Body": "Grüße 🌿",
        "ValidityPeriod": "1800",
        "StatusCallback": f"{BASE_URL}/twilio/status?m={7:032x}#rc=3&rp=all",
    }


@pytest.mark.parametrize("service", [{}, {"messaging_service": "MG" + "2" * 32}])
def test_the_request_is_the_one_the_sdk_makes(server: Server, service: dict[str, str]) -> None:
    one = outgoing(7, "sms", expires_at=NOW + timedelta(minutes=30))

    async def by_the_sdk() -> None:
        async with open_at(server.url, **service) as provider:
            sender = {"messaging_service_sid": service["messaging_service"]} if service else {}
            await provider._sdk.messages.create_async(
                to=one.to,
                body=one.content.text,  # type: ignore[union-attr]
                validity_period=1800,
                status_callback=f"{BASE_URL}/twilio/status?m={7:032x}#rc=3&rp=all",
                **(sender or {"from_": one.sender}),
            )

    asyncio.run(by_the_sdk())
    theirs, their_form = server.seen[-1], form(server)
    send(server.url, one, **service)
    ours = server.seen[-1]
    assert (ours.method, ours.path, form(server)) == (theirs.method, theirs.path, their_form)
    kept = ("Authorization", "User-Agent", "Accept", "Accept-Charset", "Content-Type")
    for name in (*kept, "X-Twilio-Client"):
        assert ours.headers[name] == theirs.headers[name], name


def test_options_reach_the_request(server: Server) -> None:
    service = "MG" + "2" * 32
    options = {"messaging_service": service, "callbacks": "no", "longest_validity": "600"}
    send(server.url, outgoing(7, "sms"), **options)
    assert form(server) == {
        "To": "+493012345678",
        "MessagingServiceSid": service,
        "Body": "Grüße 🌿",
        "ValidityPeriod": "600",
    }


@pytest.mark.parametrize(("hours", "seconds"), [(1, "3600"), (10, "36000"), (99, "36000")])
def test_twilio_stops_trying_when_the_message_expires(
    server: Server, hours: int, seconds: str
) -> None:
    send(server.url, outgoing(7, "sms", expires_at=NOW + timedelta(hours=hours)))
    assert form(server)["ValidityPeriod"] == seconds


def test_an_expired_message_is_not_sent(server: Server) -> None:
    (outcome,) = send(server.url, outgoing(7, "sms", expires_at=NOW))
    assert (outcome.kind, server.seen) == (LATER, [])


@pytest.mark.parametrize(
    ("base_url", "is_told"),
    [
        ("https://mail.linden.example", True),
        ("https://mail.linden.example/shop", True),
        ("https://my_shop.linden.example", False),
        ("http://localhost:8000", False),
        ("http://192.168.1.7", False),
        ("http://127.0.0.1:8000", False),
        ("", False),
    ],
)
def test_twilio_is_told_only_addresses_it_can_call(base_url: str, is_told: bool) -> None:
    opened = open_at("https://api.twilio.com", base_url)
    assert bool(opened._callback) is is_told


@pytest.mark.parametrize(
    ("action", "kind", "blame"),
    [
        (DROP, UNKNOWN, Blame.NETWORK),
        (RESET, UNKNOWN, Blame.NETWORK),
        (HANG, UNKNOWN, Blame.NETWORK),
        (GARBAGE, UNKNOWN, Blame.NETWORK),
        (error(500, 20500), UNKNOWN, Blame.NETWORK),
        (error(400, 20500), UNKNOWN, Blame.NETWORK),
        (error(503), UNKNOWN, Blame.NETWORK),
        (Reply(502, NGINX), UNKNOWN, Blame.NETWORK),
        (Reply(500), UNKNOWN, Blame.NETWORK),
        (Reply(200, NGINX), UNKNOWN, Blame.NETWORK),
        (Reply(201), UNKNOWN, Blame.NETWORK),
        (Reply(201, b"[]"), UNKNOWN, Blame.NETWORK),
        (Reply(201, b'{"odd": true}'), UNKNOWN, Blame.NETWORK),
        (Reply(307, NGINX, {"Location": "/"}), LATER, Blame.ACCOUNT),
        (error(429, 20429), LATER, Blame.BUSY),
        (Reply(429, NGINX), LATER, Blame.BUSY),
        (error(400, 21611), LATER, Blame.BUSY),
        (Reply(408), LATER, Blame.NETWORK),
        (error(401, 20003), LATER, Blame.ACCOUNT),
        (error(403, 20003), LATER, Blame.ACCOUNT),
        (Reply(401, NGINX), LATER, Blame.ACCOUNT),
        (error(402), LATER, Blame.ACCOUNT),
        (error(403), LATER, Blame.ACCOUNT),
        (error(404, 20404), LATER, Blame.ACCOUNT),
        (Reply(404, NGINX), LATER, Blame.ACCOUNT),
        (error(400, 21606), LATER, Blame.ACCOUNT),
        (error(400, 21212), LATER, Blame.ACCOUNT),
        (error(400, 21609), LATER, Blame.ACCOUNT),
        (error(404, 21701), LATER, Blame.ACCOUNT),
        (error(400, 21610), REFUSED, Blame.OPT_OUT),
        (error(403, 21610), REFUSED, Blame.OPT_OUT),
        (error(400, 21211), REFUSED, Blame.MESSAGE),
        (error(400, 21408), REFUSED, Blame.MESSAGE),
        (error(403, 21408), REFUSED, Blame.MESSAGE),
        (error(400, 21612), REFUSED, Blame.MESSAGE),
        (error(400, 21614), REFUSED, Blame.MESSAGE),
        (error(400, 21617), REFUSED, Blame.MESSAGE),
        (error(400, 21635), REFUSED, Blame.MESSAGE),
        (error(400), REFUSED, Blame.MESSAGE),
        (Reply(400), REFUSED, Blame.MESSAGE),
        (Reply(413, NGINX), REFUSED, Blame.MESSAGE),
        (created(status="failed", error_code=21610), REFUSED, Blame.OPT_OUT),
        (created(status="failed", error_code=30006), REFUSED, Blame.MESSAGE),
        (created(status="accepted"), OutcomeKind.ACCEPTED, Blame.MESSAGE),
        (Reply(201, b'{"sid": "S', cut=99), OutcomeKind.ACCEPTED, Blame.MESSAGE),
    ],
)
def test_each_answer_says_whether_anything_can_have_left(
    server: Server, action: Reply | str, kind: OutcomeKind, blame: Blame
) -> None:
    server.script = [action]
    (outcome,) = send(server.url, outgoing(1, "sms"))
    assert (outcome.kind, outcome.blame) == (kind, blame), outcome.evidence
    assert outcome.evidence
    assert TOKEN not in outcome.evidence
    assert len(server.seen) == 1, "exactly one request: nothing is retried"


def test_a_connection_closed_at_once_is_never_taken_for_sent(server: Server) -> None:
    """Where the reset comes before the request was written, it is even certain."""
    server.script = [DEAF]
    (outcome,) = send(server.url, outgoing(1, "sms"))
    assert outcome.kind in (UNKNOWN, LATER)
    assert outcome.blame is Blame.NETWORK
    assert server.seen == []


def test_errors_in_the_newer_shape_are_understood(server: Server) -> None:
    """RFC 9457: the SDK raises another exception for them, which is no TwilioRestException."""
    for status, code, expected in (
        (400, 21610, (REFUSED, Blame.OPT_OUT)),
        (500, 20500, (UNKNOWN, Blame.NETWORK)),
        (429, 20429, (LATER, Blame.BUSY)),
    ):
        body = {"type": "https://…", "title": "odd", "status": status, "code": code}
        server.script = [Reply(status, json.dumps(body).encode())]
        (outcome,) = send(server.url, outgoing(1, "sms"))
        assert (outcome.kind, outcome.blame) == expected


def test_the_time_twilio_names_is_when_it_is_tried_again(server: Server) -> None:
    server.script = [Reply(429, b'{"code": 20429}', {"Retry-After": "9"})]
    (outcome,) = send(server.url, outgoing(1, "sms"))
    assert outcome.retry_at == NOW + timedelta(seconds=9)


def test_nobody_there_is_certain_not_to_have_sent() -> None:
    (outcome,) = send(refusing_url(), outgoing(1, "sms"))
    assert (outcome.kind, outcome.blame) == (LATER, Blame.NETWORK)


def test_what_shares_its_request_goes_alone(server: Server) -> None:
    first, second = send(server.url, outgoing(1, "sms"), outgoing(2, "sms"))
    assert first.kind is OutcomeKind.ACCEPTED
    assert second.kind is LATER
    assert second.evidence.startswith(BATCH_REFUSED)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"content": Sms("")}, "its text is empty"),
        ({"content": Sms(" \n")}, "its text is empty"),
        ({"content": Sms("x" * 1601)}, "its text has more than 1,600 characters"),
        ({"content": Sms("\ud800")}, "its text holds half a character"),
        ({"to": "030 12345678"}, "not a telephone number in E.164"),
        ({"to": "+49"}, "not a telephone number in E.164"),
        ({"to": "+4930123456789012"}, "not a telephone number in E.164"),
        ({"to": "+9991234567"}, "not a telephone number in E.164"),
        ({"to": "whatsapp:+493012345678"}, "not a telephone number in E.164"),
    ],
)
def test_what_twilio_would_refuse_is_not_asked_of_it(
    server: Server, changes: dict[str, object], reason: str
) -> None:
    (outcome,) = send(server.url, outgoing(1, "sms", **changes))
    assert (outcome.kind, outcome.evidence) == (REFUSED, reason)
    assert server.seen == []


def test_a_text_of_1600_characters_is_sent(server: Server) -> None:
    send(server.url, outgoing(1, "sms", content=Sms("ü" * 1600)))
    assert form(server)["Body"] == "ü" * 1600


def test_a_hundred_at_once_get_their_own_answers_over_few_connections(server: Server) -> None:
    """The SDK's own client, without its pool, gives tasks each other's answers."""
    server.script = [created(sid=f"SM{n:032x}") for n in range(100)]

    async def all_of_them() -> list[Outcome]:
        access = Access("t", "sms", server.url, {"account": SID, "token": TOKEN}, at_once=8)
        async with adapter.open_account(access) as provider:
            sent = [provider.send([outgoing(n, "sms")], NOW) for n in range(100)]
            return [outcome for (outcome,) in await asyncio.gather(*sent)]

    outcomes = asyncio.run(all_of_them())
    assert [o.message_id for o in outcomes] == [f"{n:032x}" for n in range(100)]
    assert len({o.provider_id for o in outcomes}) == 100
    assert server.connections <= 8


def listed(*messages: dict[str, object], date: str = "Tue, 12 May 2026 08:00:01 GMT") -> Reply:
    page = {"messages": messages, "next_page_uri": None, "page": 0, "page_size": 100}
    return Reply(200, json.dumps(page).encode(), {"Date": date})


@pytest.mark.parametrize(
    ("found", "is_found"),
    [
        ({"date_created": "Tue, 12 May 2026 08:00:00 +0000", "direction": "outbound-api"}, True),
        ({"date_created": "Tue, 12 May 2026 07:00:00 +0000", "direction": "outbound-api"}, False),
        ({"date_created": "Tue, 12 May 2026 08:00:00 +0000", "direction": "inbound"}, False),
        (
            {
                "date_created": "Tue, 12 May 2026 08:00:00 +0000",
                "direction": "outbound-api",
                "body": "another text",
            },
            False,
        ),
        ({"date_created": None, "direction": "outbound-api"}, False),
    ],
)
def test_a_message_in_twilios_list_is_found_by_number_text_and_time(
    server: Server, found: dict[str, object], is_found: bool
) -> None:
    async def asked() -> Outcome | None:
        async with open_at(server.url) as provider:
            return await provider.lookup(outgoing(1, "sms"), NOW, NOW + timedelta(minutes=5))

    server.script = [listed(message(**found), date="Tue, 12 May 2026 08:05:00 GMT")]
    outcome = asyncio.run(asked())
    assert (outcome is not None) is is_found
    assert "To=%2B493012345678" in server.seen[0].path
    if outcome is not None:
        assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "SM" + "1" * 32)


@pytest.mark.parametrize("reply", [Reply(500, NGINX), error(401, 20003), Reply(200, b"{}"), DROP])
def test_a_look_up_that_fails_says_nothing(server: Server, reply: Reply | str) -> None:
    async def asked() -> Outcome | None:
        async with open_at(server.url) as provider:
            return await provider.lookup(outgoing(1, "sms"), NOW, NOW)

    server.script = [reply]
    assert asyncio.run(asked()) is None


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (error(401, 20003), "does not accept the account SID and token"),
        (Reply(200, b'{"status": "suspended"}'), "suspended"),
        (Reply(500, NGINX), "500"),
        (Reply(200, NGINX), "HTML"),
        ([DROP, DROP], "cannot be reached"),
    ],
)
def test_a_probe_says_what_is_wrong(
    server: Server, reply: Reply | list[Reply | str], expected: str
) -> None:
    async def probed() -> list[str]:
        async with open_at(server.url) as provider:
            return await provider.probe()

    server.script = reply if isinstance(reply, list) else [reply]
    (said,) = asyncio.run(probed())
    assert expected in said
    assert TOKEN not in said


def test_nothing_personal_and_no_token_is_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [RESET, error(400, 21211, "The 'To' number +493012345678 is not valid")]
    for number in range(3):
        send(server.url, outgoing(number, "sms"))
    for word in (TOKEN, "493012", "Grüße"):
        assert word not in caplog.text


def test_twilios_words_are_told_without_the_number(server: Server) -> None:
    server.script = [error(400, 29999, "The 'To' number +49 30 12345678 of Ada (a@b.de) is odd")]
    (outcome,) = send(server.url, outgoing(1, "sms"))
    assert outcome.evidence.startswith("29999 ")
    for word in ("12345678", "a@b.de"):
        assert word not in outcome.evidence
