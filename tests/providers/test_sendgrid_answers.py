"""Whatever SendGrid answers, or fails to: what each message of the request is told."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime

import pytest
from provider_contract import HEADERS, NOW, email, outgoing, personal
from scripted_server import DEAF, DROP, GARBAGE, HANG, RESET, Reply, Server, refusing_url, serving

from antiphon.providers import (
    BATCH_REFUSED,
    Access,
    Blame,
    Outcome,
    OutcomeKind,
    Outgoing,
    transport,
)
from antiphon.providers import sendgrid as adapter

KEY = "SG.a-secret.that-must-not-be-seen"
ACCEPTED = Reply(202, b"", {"X-Message-Id": "14c5d75ce93"})
NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head></html>"
LATER, REFUSED, UNKNOWN = OutcomeKind.TRY_LATER, OutcomeKind.REFUSED, OutcomeKind.UNKNOWN


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(ACCEPTED) as running:
        yield running


def open_at(url: str, **options: str) -> adapter.SendGrid:
    access = Access("sendgrid", "email", url, {"key": KEY}, options, time_out=2)
    return adapter.open_account(access)


def send(url: str, *batch: Outgoing, **options: str) -> list[Outcome]:
    async def sent() -> list[Outcome]:
        async with open_at(url, **options) as provider:
            return await provider.send(batch, NOW)

    return asyncio.run(sent())


def errors(*listed: tuple[str | None, str], status: int = 400) -> Reply:
    body = {"errors": [{"field": name, "message": text, "help": None} for name, text in listed]}
    return Reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})


def test_all_of_a_batch_are_accepted_under_one_id(server: Server) -> None:
    outcomes = send(server.url, *(personal(n) for n in range(3)))
    assert {(o.kind, o.provider_id) for o in outcomes} == {(OutcomeKind.ACCEPTED, "14c5d75ce93")}
    assert len(server.seen) == 1
    assert server.seen[0].path == "/v3/mail/send"
    assert server.seen[0].headers["Authorization"] == f"Bearer {KEY}"
    assert server.seen[0].headers["User-Agent"].startswith("sendgrid/")


@pytest.mark.parametrize(
    ("action", "kind", "blame"),
    [
        (DROP, UNKNOWN, Blame.NETWORK),
        (RESET, UNKNOWN, Blame.NETWORK),
        (HANG, UNKNOWN, Blame.NETWORK),
        (GARBAGE, UNKNOWN, Blame.NETWORK),
        (Reply(500, b"oops"), UNKNOWN, Blame.NETWORK),
        (Reply(502, NGINX), UNKNOWN, Blame.NETWORK),
        (Reply(503), UNKNOWN, Blame.NETWORK),
        (Reply(504, b"{}"), UNKNOWN, Blame.NETWORK),
        (Reply(200, NGINX), UNKNOWN, Blame.NETWORK),
        (Reply(202, NGINX), UNKNOWN, Blame.NETWORK),
        (Reply(303, b"", {"Location": "/"}), UNKNOWN, Blame.NETWORK),
        (Reply(302, b"", {"Location": "http://login.example/"}), LATER, Blame.ACCOUNT),
        (Reply(408), LATER, Blame.NETWORK),
        (Reply(429), LATER, Blame.BUSY),
        (errors((None, "Maximum credits exceeded"), status=401), LATER, Blame.ACCOUNT),
        (errors((None, "authorization required"), status=401), LATER, Blame.ACCOUNT),
        (errors(("from", "not a verified Sender Identity"), status=403), LATER, Blame.ACCOUNT),
        (Reply(403, NGINX), LATER, Blame.ACCOUNT),
        (Reply(404, NGINX), LATER, Blame.ACCOUNT),
        (Reply(405), LATER, Blame.ACCOUNT),
        (Reply(415), LATER, Blame.ACCOUNT),
        (Reply(451, b"{}"), LATER, Blame.ACCOUNT),
        (errors(("from.email", "The from email does not..")), LATER, Blame.ACCOUNT),
        (errors(("asm.group_id", "group is not known")), LATER, Blame.ACCOUNT),
        (errors(("content.0.value", "too odd")), LATER, Blame.MESSAGE),
        (Reply(400, NGINX), LATER, Blame.MESSAGE),
        (Reply(400), LATER, Blame.MESSAGE),
        (Reply(413, NGINX), LATER, Blame.MESSAGE),
    ],
)
def test_each_answer_says_whether_anything_can_have_left(
    server: Server, action: Reply | str, kind: OutcomeKind, blame: Blame
) -> None:
    server.script = [action]
    outcomes = send(server.url, personal(1), personal(2))
    assert [(o.kind, o.blame) for o in outcomes] == [(kind, blame)] * 2
    assert all(o.evidence and KEY not in o.evidence for o in outcomes)
    assert len(server.seen) == 1, "exactly one request: nothing is retried"


def test_a_connection_closed_at_once_is_never_taken_for_sent(server: Server) -> None:
    """Where the reset comes before the request was written, it is even certain."""
    server.script = [DEAF]
    (outcome,) = send(server.url, personal(1))
    assert outcome.kind in (UNKNOWN, LATER)
    assert outcome.blame is Blame.NETWORK
    assert server.seen == []


def test_nobody_there_is_certain_not_to_have_sent() -> None:
    outcomes = send(refusing_url(), personal(1))
    assert [(o.kind, o.blame) for o in outcomes] == [(LATER, Blame.NETWORK)]
    assert outcomes[0].evidence == "no connection (ConnectionRefusedError)"


def test_a_name_nobody_knows_is_certain_not_to_have_sent() -> None:
    (outcome,) = send("http://api.sendgrid.invalid", personal(1))
    assert (outcome.kind, outcome.blame) == (LATER, Blame.NETWORK)


def test_no_tls_where_tls_was_asked_is_certain_not_to_have_sent(server: Server) -> None:
    (outcome,) = send(server.url.replace("http:", "https:"), personal(1))
    assert (outcome.kind, outcome.blame) == (LATER, Blame.NETWORK)


def test_an_answer_that_breaks_off_is_known_by_its_status(server: Server) -> None:
    server.script = [Reply(202, b"x", {"X-Message-Id": "abc"}, cut=10), Reply(400, b"{", cut=5)]
    assert send(server.url, personal(1))[0].kind is OutcomeKind.ACCEPTED
    assert send(server.url, outgoing(1))[0].kind is REFUSED


@pytest.mark.parametrize(
    "field",
    ["personalizations.1.to.0.email", "personalizations[1].to[0].email", "personalizations.1"],
)
def test_whom_an_error_names_is_refused_and_the_rest_goes_again_at_once(
    server: Server, field: str
) -> None:
    server.script = [errors((field, "Does not contain a valid address."))]
    outcomes = send(server.url, *(personal(n) for n in range(3)))
    assert [o.kind for o in outcomes] == [LATER, REFUSED, LATER]
    assert [o.retry_at for o in outcomes] == [NOW, None, NOW]
    assert "valid address" in outcomes[1].evidence
    assert not any(o.evidence.startswith(BATCH_REFUSED) for o in outcomes)


def test_an_error_is_counted_among_those_who_were_sent(server: Server) -> None:
    """The second of the request is the third of the batch: one address never joined it."""
    server.script = [errors(("personalizations.1", "odd"))]
    outcomes = send(server.url, personal(0), personal(1, to="no address"), personal(2), personal(3))
    assert [o.kind for o in outcomes] == [LATER, REFUSED, REFUSED, LATER]


@pytest.mark.parametrize(
    "reply",
    [
        errors((None, "Bad Request")),
        errors(("personalizations.7", "no such person")),
        errors(("subject", "The subject is odd")),
        Reply(400, b'{"errors": "odd"}'),
        Reply(400, b"[1]"),
        Reply(413, NGINX),
    ],
)
def test_where_nobody_is_named_each_goes_alone_and_then_is_refused(
    server: Server, reply: Reply
) -> None:
    server.script = [reply]
    outcomes = send(server.url, personal(0), personal(1))
    assert all(o.kind is LATER and o.retry_at == NOW for o in outcomes)
    assert all(o.evidence.startswith(BATCH_REFUSED) for o in outcomes)
    server.script = [reply]
    assert [o.kind for o in send(server.url, personal(0))] == [REFUSED]


def test_an_error_that_quotes_the_person_is_not_repeated(server: Server) -> None:
    text = (
        "We found the first duplicate instance of [ada@example.org] in personalizations.0.to; "
        "'Ada Lovelace' ada@example.org +49 30 12345678"
    )
    server.script = [errors(("personalizations.0", text))]
    (outcome,) = send(server.url, outgoing(1))
    assert outcome.kind is REFUSED
    for word in ("ada", "Ada", "12345"):
        assert word not in outcome.evidence


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "17"}, 17),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 23)}, 23),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "99999"}, 3600),
        ({"X-RateLimit-Reset": "0"}, 1),
        (
            {  # a rehearsal's clock shows another day than the server's
                "Date": "Mon, 23 Nov 2026 02:00:00 GMT",
                "X-RateLimit-Reset": "1795399230",
            },
            30,
        ),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=40), usegmt=True)}, 40),
        ({"Retry-After": "soon"}, None),
        ({}, None),
    ],
)
def test_the_time_sendgrid_names_is_when_it_is_tried_again(
    server: Server, headers: dict[str, str], seconds: int | None
) -> None:
    server.script = [Reply(429, b"", headers)]
    (outcome,) = send(server.url, personal(1))
    assert outcome.blame is Blame.BUSY
    assert outcome.retry_at == (NOW + timedelta(seconds=seconds) if seconds else None)


def test_connections_are_kept_and_shared(server: Server) -> None:
    async def twenty() -> None:
        async with open_at(server.url) as provider:
            for _ in range(20):
                await provider.send([personal(1)], NOW)

    asyncio.run(twenty())
    assert (len(server.seen), server.connections) == (20, 1)


def test_a_connection_the_server_has_closed_is_not_used_again(server: Server) -> None:
    """A request on it would be in doubt, all thousand messages of it."""
    server.usual = Reply(202, b"", {"X-Message-Id": "x"}, closes=True)

    async def three() -> list[Outcome]:
        outcomes = []
        async with open_at(server.url) as provider:
            for _ in range(3):
                outcomes += await provider.send([personal(1)], NOW)
                await asyncio.sleep(0.05)
        return outcomes

    assert {o.kind for o in asyncio.run(three())} == {OutcomeKind.ACCEPTED}
    assert server.connections == 3


def test_a_proxy_that_the_environment_names_is_used_but_not_for_this_machine(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", server.url.removeprefix("http://"))
    (outcome,) = send("http://api.sendgrid.example", personal(1))
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert server.seen[0].path == "http://api.sendgrid.example/v3/mail/send"
    send(server.url, personal(1))
    assert server.seen[1].path == "/v3/mail/send"


def test_a_proxy_that_refuses_is_certain_not_to_have_sent(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", server.url)
    server.script = [Reply(407)]
    (outcome,) = send("https://api.sendgrid.example", personal(1))
    assert (outcome.kind, outcome.blame) == (LATER, Blame.NETWORK)
    assert [request.method for request in server.seen] == ["CONNECT"]


@pytest.mark.filterwarnings("error")
def test_a_request_of_many_megabytes_arrives_whole(server: Server) -> None:
    large = outgoing(1, content=email(html="ü" * 5_000_000))
    assert send(server.url, large)[0].kind is OutcomeKind.ACCEPTED
    assert json.loads(server.seen[0].body)["content"][1]["value"] == "ü" * 5_000_000
    assert server.seen[0].headers["Content-Type"] == "application/json"
    server.script = [DEAF]  # the connection is reset while it is written
    (outcome,) = send(server.url, large)
    assert outcome.kind in (UNKNOWN, LATER)
    assert outcome.blame is Blame.NETWORK


def test_a_connection_idle_for_long_is_not_used_again(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.1)

    async def twice() -> None:
        async with open_at(server.url) as provider:
            for _ in range(2):
                await provider.send([personal(1)], NOW)
                await asyncio.sleep(0.3)

    asyncio.run(twice())
    assert (len(server.seen), server.connections) == (2, 2)


def test_connecting_takes_no_longer_than_the_time_out() -> None:
    """A listener whose queue is full answers nothing: certain, as nothing was written."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        began = time.monotonic()
        (outcome,) = send(f"http://127.0.0.1:{port}", personal(1))
        for one in waiting:
            one.close()
    assert (outcome.kind, outcome.evidence) == (LATER, "no connection in time")
    assert time.monotonic() - began < 2


def test_a_request_that_is_cancelled_raises_and_closes_its_connection(server: Server) -> None:
    """Whoever cancels knows that it may have been sent."""
    server.script = [HANG]

    async def cancelled() -> bool:
        async with open_at(server.url) as provider:
            sending = asyncio.create_task(provider.send([personal(1)], NOW))
            while not server.seen:
                await asyncio.sleep(0.01)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            (outcome,) = await provider.send([personal(2)], NOW)
            return outcome.kind is OutcomeKind.ACCEPTED

    assert asyncio.run(cancelled())
    assert server.connections == 2


def test_a_whole_message_has_no_substitutions_and_a_batch_has(server: Server) -> None:
    send(server.url, personal(1, "Ada", "x"))
    send(server.url, personal(1, "Ada", "x"), personal(2, "Bob", "y"))
    alone, batch = (json.loads(request.body) for request in server.seen)
    assert alone["subject"] == "Grüße 🌿 für Ada"
    assert "substitutions" not in alone["personalizations"][0]
    assert batch["subject"] == "Grüße 🌿 für {{1}}"
    assert [p["substitutions"]["{{1}}"] for p in batch["personalizations"]] == ["Ada", "Bob"]
    assert [len(p["to"]) for p in batch["personalizations"]] == [1, 1]
    assert batch["personalizations"][0]["headers"] == HEADERS
    ids = [p["custom_args"]["antiphon_message"] for p in batch["personalizations"]]
    assert ids == [f"{1:032x}", f"{2:032x}"]


def test_an_expired_message_is_not_sent_and_the_others_are(server: Server) -> None:
    outcomes = send(server.url, personal(1, expires_at=NOW), personal(2))
    assert [o.kind for o in outcomes] == [LATER, OutcomeKind.ACCEPTED]
    assert [o.retry_at for o in outcomes] == [NOW, None]
    assert len(json.loads(server.seen[0].body)["personalizations"]) == 1


def test_options_reach_the_request(server: Server) -> None:
    options = {
        "categories": "campaign, arm",
        "unsubscribe_groups": "promo=12",
        "sandbox_mode": "yes",
        "ip_pool": "warm",
    }
    server.script = [Reply(200)]
    (outcome,) = send(server.url, personal(1), **options)
    body = json.loads(server.seen[0].body)
    assert body["categories"] == ["spring", "default"]
    assert body["asm"] == {"group_id": 12}
    assert body["mail_settings"] == {"sandbox_mode": {"enable": True}}
    assert body["ip_pool_name"] == "warm"
    assert outcome.kind is OutcomeKind.ACCEPTED
    assert "not sent" in outcome.evidence
    send(server.url, personal(1, is_test=True), **options)
    assert "categories" not in json.loads(server.seen[1].body), "a proof counts nowhere"


def test_a_wrong_key_is_told_by_the_probe(server: Server) -> None:
    async def probed() -> list[str]:
        async with open_at(server.url) as provider:
            return await provider.probe()

    server.script = [Reply(401, b"{}"), Reply(200, b'{"scopes": ["user.read"]}'), Reply(200, NGINX)]
    for expected in ("does not accept the key", "may not send mail", "HTML"):
        (said,) = asyncio.run(probed())
        assert expected in said
        assert KEY not in said


@pytest.mark.parametrize(
    ("domains", "senders", "expected"),
    [
        ([{"domain": "linden.example", "valid": True}], [], ""),
        ([{"domain": "example", "valid": True}], [], ""),
        ([{"domain": "linden.example", "valid": False}], [], "DNS records of linden.example"),
        (
            [{"domain": "otherlinden.example", "valid": True}],
            [],
            "linden.example is not authenticated",
        ),
        ([], [{"from_email": "News@linden.example", "verified": True}], ""),
        ([], [{"from_email": "news@linden.example", "verified": False}], "nor the sender verified"),
    ],
)
def test_a_sender_sendgrid_does_not_know_is_told(
    server: Server, domains: list[object], senders: list[object], expected: str
) -> None:
    server.script = [
        Reply(200, json.dumps(domains).encode()),
        Reply(200, json.dumps({"results": senders}).encode()),
    ]
    said = "".join(asyncio.run(sender_faults(server)))
    assert expected in said
    assert bool(said) is bool(expected)


@pytest.mark.parametrize("reply", [Reply(403, b"{}"), Reply(500, NGINX), Reply(200, NGINX)])
def test_a_key_that_may_not_ask_for_senders_is_no_fault_of_the_sender(
    server: Server, reply: Reply
) -> None:
    server.usual = reply
    assert asyncio.run(sender_faults(server)) == []
    server.script = [Reply(200, b"[]")]
    assert asyncio.run(sender_faults(server)) == []


async def sender_faults(server: Server) -> list[str]:
    async with open_at(server.url) as provider:
        return await provider.sender_faults("news@linden.example")


def test_activity_that_is_not_bought_is_asked_for_once(server: Server) -> None:
    async def asked() -> list[Outcome | None]:
        async with open_at(server.url) as provider:
            return [await provider.lookup(outgoing(n), NOW, NOW) for n in range(5)]

    server.usual = Reply(403, b"{}")
    assert asyncio.run(asked()) == [None] * 5
    assert len(server.seen) == 1


def test_nothing_personal_and_no_key_is_logged(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.script = [RESET, Reply(500)]
    send(server.url, personal(1))
    send(server.url, outgoing(1, content=email(text="Ada Lovelace")))
    for word in (KEY, "ada@", "Lovelace", "List-Unsubscribe"):
        assert word not in caplog.text
