"""Requests of providers are read once, whoever reads them, and whatever stands in them."""

import random

from back_office import DAY, HOUR, NOW, Office

from antiphon.clock import system_clock
from antiphon.collection.inbox import LEASE, TTL, expire, parse
from antiphon.ledger import Arrival
from antiphon.response.sources import Source


def test_events_move_messages_and_become_responses(either: Office) -> None:
    one, two, three = either.send("ann", "bob", "eve")
    parsed = either.mailed(
        either.event("processed", one),
        either.event("delivered", one),
        either.event("open", one, sg_machine_open=True),
        either.event("click", one, url="https://office.example/sale?who=ann#top"),
        either.event("open", two),
        either.event("deferred", three, attempt="1"),
    )
    assert parsed.requests == 1
    assert parsed.unreadable == 0
    assert [either.state(message) for message in (one, two, three)] == [
        "delivered",
        "delivered",
        "accepted",
    ]
    told = {answer.kind: answer for answer in either.project.ledger.responses.of_customer("ann")}
    assert set(told) == {"open", "click"}
    assert told["open"].is_machine
    assert (told["click"].value, told["click"].campaign) == (
        "https://office.example/sale",
        "letter",
    )
    counts = either.project.ledger.tallies.since(NOW.date())
    assert counts["sendgrid_events processed"] == 1
    assert counts["sendgrid_events deferred"] == 1


def test_46_copies_in_any_order_are_one_event(either: Office) -> None:
    message, *_ = either.send("ann")
    events = [
        either.event("delivered", message),
        either.event("open", message),
        either.event("bounce", message, type="bounce", status="5.1.1"),
    ]
    copies = events * 46
    random.Random(7).shuffle(copies)
    ledger = either.project.ledger
    ledger.inbox.put([either.post(*copies[:50]), either.post(*copies[50:])])
    parsed = parse(either.project)
    assert either.state(message) == "bounced"
    assert either.mailed(*events).requests == 1
    assert sorted(one.kind for one in ledger.responses.of_message(message)) == ["bounce", "open"]
    assert either.state(message) == "bounced"
    assert parsed.counts is not None
    assert parsed.counts["suppressed"] == 1
    assert parsed.counts["repeated"] == 2 * 46 - 2


def test_what_cannot_be_read_is_kept_with_its_reason_and_stops_nothing(either: Office) -> None:
    message, *_ = either.send("ann")
    ledger = either.project.ledger
    bodies = [b"", b"{", b'{"event": "open"}', b"\xff\xfe", b"null", b"[" * 100_000]
    ledger.inbox.put([Arrival(Source.SENDGRID_EVENTS, NOW, body) for body in bodies])
    ledger.inbox.put([Arrival(Source.TWILIO_STATUS, NOW, b"a=%ff&b")])
    ledger.inbox.put([Arrival("pigeons", NOW, b"coo")])
    parsed = either.mailed(either.event("open", message))
    assert parsed.unreadable == len(bodies) + 2
    assert len(ledger.responses.of_message(message)) == 1
    assert ledger.inbox.waiting().requests == 0
    assert ledger.inbox.problems(NOW) == {
        "no JSON": 4,
        "no JSON array": 2,
        "no MessageSid or no MessageStatus": 1,
        "of no provider we know": 1,
    }
    assert expire(either.project, NOW + 31 * DAY) == len(bodies) + 3


def test_events_of_a_kind_nobody_knows_are_counted(office: Office) -> None:
    parsed = office.mailed(
        office.event("account_status_change"),
        {"event": "Très <b>odd</b> " + "x" * 99},
        {"event": ["open"]},
        "open",  # type: ignore[arg-type]
        office.event("open", timestamp="soon"),
        office.event("open", timestamp=10**18),
    )
    assert parsed.counts is not None
    names = sorted(name.removeprefix("sendgrid_events ") for name in parsed.counts)
    assert names == [
        "unknown_account_status_change",
        "unknown_tr_s_b_odd_b_" + "x" * 27,
        "unknown_without_name",
        "without_moment",
    ]
    assert parsed.counts["sendgrid_events unknown_without_name"] == 2


def test_one_reads_at_a_time(office: Office) -> None:
    message, *_ = office.send("ann")
    ledger = office.project.ledger
    lease = ledger.leases.acquire(LEASE, "elsewhere/1/1", TTL, system_clock())
    assert office.mailed(office.event("open", message)).is_busy
    assert ledger.inbox.waiting().requests == 1
    ledger.leases.release(lease)
    assert parse(office.project).requests == 1


def test_a_parser_killed_before_the_end_leaves_nothing_twice(office: Office) -> None:
    message, *_ = office.send("ann")
    ledger = office.project.ledger
    event = office.event("unsubscribe", message)
    finish = ledger.inbox.finish

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> int:
        raise Killed

    ledger.inbox.finish = die  # type: ignore[method-assign]
    try:
        office.mailed(event)
    except Killed:
        ledger.inbox.finish = finish  # type: ignore[method-assign]
    assert ledger.inbox.waiting().requests == 1
    parsed = parse(office.project)
    assert parsed.counts is not None
    assert parsed.counts["suppressed"] == 0
    assert parsed.counts["repeated"] == 1
    assert len(ledger.responses.of_customer("ann")) == 1


def test_an_event_before_our_answer_settles_what_is_in_doubt(either: Office) -> None:
    (message,) = either.plan("ann")
    messages = either.project.ledger.messages
    (group,) = messages.due_groups("email", NOW)
    messages.claim(group, "account", 1, NOW, "gone", HOUR)
    messages.recover(NOW, ["gone"])
    assert either.state(message) == "in_doubt"
    either.mailed(either.event("delivered", message))
    assert either.state(message) == "delivered"
    assert either.message(message).provider_id == "request"


def test_states_of_sms_come_by_our_id_or_by_the_sid(either: Office) -> None:
    known, nameless = either.send("ann", "bob", channel="sms", address="+491701234567")
    either.called_back("SMx", "sent", message_id=known)
    either.called_back("SMx", "delivered", message_id=known)
    either.called_back("SMx", "sending", message_id=known)
    either.called_back(f"SM{nameless}", "undelivered", "30003")
    assert either.state(known) == "delivered"
    assert either.state(nameless) == "bounced"
    (answer,) = either.project.ledger.responses.of_message(nameless)
    assert (answer.kind, answer.customer_id) == ("soft_bounce", "bob")
    assert not either.is_suppressed("+491701234567", "sms")
