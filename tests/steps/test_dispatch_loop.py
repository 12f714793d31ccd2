"""The loop of dispatch: who is served first, what failures lead to, and that nothing is lost."""

import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dispatch_scene import (
    Scripted,
    accepted,
    answering,
    scene,
    silent,
    unreachable,
)

from antiphon import keys
from antiphon.clock import clock_from
from antiphon.dispatch import ledger_thread, sender
from antiphon.dispatch.composing import Composer
from antiphon.errors import LedgerError, UserFilesError
from antiphon.ledger import Message
from antiphon.ledger.messages import Messages
from antiphon.message.values import Unsendable
from antiphon.providers import BATCH_REFUSED, Blame, LookUp, Outcome, OutcomeKind, Outgoing
from bench.outbox import NOW

MINUTE = timedelta(minutes=1)


def test_every_message_leaves_once_in_batches_of_one_campaign(tmp_path: Path) -> None:
    account = Scripted()
    with scene(tmp_path, account) as made:
        may = made.outbox.plan(2_300, campaign="may")
        june = made.outbox.plan(10, campaign="june", first=5_000)
        made.outbox.release()
        tally = made.send()
        assert tally.result() == {"accepted": 2_310}
        assert sorted(account.sent) == sorted(may + june)
        assert sorted(len(batch) for batch in account.requests) == [10, 300, 1_000, 1_000]
        assert all(len({one.campaign for one in batch}) == 1 for batch in account.requests)
        assert made.send().result() == {}


def test_service_leaves_before_lifecycle_before_promo(tmp_path: Path) -> None:
    account = Scripted()
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
        for number, category in enumerate(("promo", "service", "lifecycle")):
            made.outbox.plan(3, campaign=category, category=category, first=10 * number)
        made.outbox.release()
        made.send()
        assert [batch[0].category for batch in account.requests] == [
            "service",
            "lifecycle",
            "promo",
        ]


def test_an_account_has_no_more_requests_at_a_time_than_declared(tmp_path: Path) -> None:
    account = Scripted(batch_size=1, seconds=0.01)
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 3}}}) as made:
        made.outbox.plan(40)
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 40}
        assert account.most_at_once == 3


def test_what_was_not_reached_is_planned_again_and_the_breaker_opens(tmp_path: Path) -> None:
    account = Scripted(answer=unreachable, batch_size=1)
    with scene(tmp_path, account, settings={"dispatch": {"failures": 4}}) as made:
        made.outbox.plan(500)
        made.outbox.release()
        tally = made.send()
        assert made.states() == {"planned": 500}
        assert len(account.requests) < 50  # those under way at the first failure, then one by one
        (standing,) = made.outbox.project.ledger.accounts.standing()
        assert standing.paused_until == NOW + timedelta(minutes=5)
        assert any("in a row failed: connection refused" in line for line in tally.warnings)
        assert any("wait for account first" in line for line in tally.warnings)


def test_after_the_pause_one_request_tries_and_then_all_go(tmp_path: Path) -> None:
    account = Scripted(answer=unreachable, batch_size=1)
    with scene(tmp_path, account, settings={"dispatch": {"failures": 1}}) as made:
        made.outbox.plan(70)
        made.outbox.release()
        made.send()
        account.requests.clear()
        made.clock.now = NOW + 40 * MINUTE
        made.send()
        assert len(account.requests) == 1  # it failed: paused again
        account.requests.clear()
        made.clock.now = NOW + 90 * MINUTE
        account.answer = accepted
        made.send()
        assert made.states() == {"accepted": 70}
        assert len(account.requests[0]) == 1


def test_the_next_account_takes_over_what_was_certainly_not_sent(tmp_path: Path) -> None:
    first, second = Scripted(answer=unreachable), Scripted("second")
    with scene(tmp_path, first, second, settings={"dispatch": {"failures": 1}}) as made:
        ids = made.outbox.plan(3_000)
        made.outbox.release()
        made.send()
        states = made.states()
        assert states["accepted"] >= 2_999 - 3_000 + len(second.sent)
        assert states == {"accepted": 3_000}
        assert sorted(second.sent) == sorted(ids)
        providers = {made.outbox.project.ledger.messages.get(one).provider for one in ids[:50]}  # type: ignore[union-attr]
        assert providers == {"second"}


def test_what_nobody_knows_is_in_doubt_and_goes_to_no_other_account(tmp_path: Path) -> None:
    first, second = Scripted(answer=silent), Scripted("second")
    with scene(tmp_path, first, second, settings={"dispatch": {"failures": 1}}) as made:
        made.outbox.plan(10)
        made.outbox.release()
        made.send()
        assert made.states() == {"in_doubt": 10}
        assert second.sent == []


def test_429_pauses_the_account_for_everybody_until_the_time_it_names(tmp_path: Path) -> None:
    busy = answering(OutcomeKind.TRY_LATER, Blame.BUSY, "429", 90)
    account = Scripted(answer=busy)
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
        made.outbox.plan(2_500)
        made.outbox.release()
        made.send()
        assert len(account.requests) == 1
        assert made.states() == {"planned": 2_500}
        (standing,) = made.outbox.project.ledger.accounts.standing()
        assert standing.paused_until == NOW + timedelta(seconds=90)
        made.send()
        assert len(account.requests) == 1
        account.answer, made.clock.now = accepted, NOW + timedelta(seconds=91)
        made.send()
        assert made.states() == {"accepted": 2_500}


def test_a_short_429_is_waited_for_within_the_pass(tmp_path: Path) -> None:
    account = Scripted()

    def busy_at_first(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        first = answering(OutcomeKind.TRY_LATER, Blame.BUSY, "429", 1)
        return (first if len(account.requests) == 1 else accepted)(batch, now)

    account.answer = busy_at_first
    with scene(tmp_path, account, clock=clock_from(NOW)) as made:
        made.outbox.plan(5)
        made.outbox.release()
        assert made.send().result() == {"accepted": 5}


def test_an_account_without_credit_is_paused_and_its_messages_wait(tmp_path: Path) -> None:
    broken = answering(OutcomeKind.TRY_LATER, Blame.ACCOUNT, "401: Maximum credits exceeded")
    account = Scripted(answer=broken)
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
        made.outbox.plan(2_500)
        made.outbox.release()
        tally = made.send()
        assert made.states() == {"planned": 2_500}
        assert len(account.requests) == 1
        assert any("Maximum credits exceeded" in line for line in tally.warnings)


def test_one_bad_message_does_not_hold_up_its_batch(tmp_path: Path) -> None:
    account = Scripted()
    bad: list[str] = []

    def refuses_one(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        if bad[0] not in {one.message_id for one in batch}:
            return accepted(batch, now)
        if len(batch) == 1:
            return answering(OutcomeKind.REFUSED, Blame.MESSAGE, "400")(batch, now)
        return answering(OutcomeKind.TRY_LATER, Blame.MESSAGE, f"{BATCH_REFUSED}: 400")(batch, now)

    account.answer = refuses_one
    with scene(tmp_path, account) as made:
        bad.append(made.outbox.plan(120)[60])
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 119, "refused": 1}
        assert Counter(account.sent).most_common(1)[0][1] == 2  # in the batch, and alone
        assert len(account.requests) == 121


def test_an_adapter_that_raises_or_forgets_a_message_leaves_it_in_doubt(tmp_path: Path) -> None:
    account = Scripted()

    def forgets(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        if len(account.requests) == 1:
            raise RecursionError("secret@example.com")
        return accepted(batch[1:], now)

    account.answer = forgets
    settings = {"accounts": {"first": {"at_once": 1, "batch": 10}}}
    with scene(tmp_path, account, settings=settings) as made:
        made.outbox.plan(20)
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 9, "in_doubt": 11}


def test_who_told_the_provider_to_stop_is_suppressed(tmp_path: Path) -> None:
    said_stop = answering(OutcomeKind.REFUSED, Blame.OPT_OUT, "21610")
    account = Scripted(channel="sms", answer=said_stop, batch_size=1)
    with scene(tmp_path, account) as made:
        made.outbox.plan(1, channel="sms", addresses=["+4915112345678"])
        made.outbox.release()
        made.send()
        ledger = made.outbox.project.ledger
        key = keys.address_key("outbox", "sms", "+4915112345678")
        assert ledger.people.suppressed_now("sms", [key]) == {key}
        assert ledger.people.suppression_counts()[0][1:3] == ("first", "opt_out")
        assert made.states() == {"refused": 1}


def test_a_claim_that_ran_out_sends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "MARGIN_SECONDS", 0.0)
    monkeypatch.setattr(sender, "CLAIM", timedelta(seconds=0.3))  # and a second of a request
    monkeypatch.setattr(sender, "CLAIMED_AGAIN", timedelta(seconds=0.5))
    account = Scripted(batch_size=1, seconds=0.5)
    settings = {"accounts": {"first": {"at_once": 1, "time_out": 1}}}
    with scene(tmp_path, account, settings=settings, clock=clock_from(NOW)) as made:
        ids = made.outbox.plan(2)
        made.outbox.release()
        made.send()
        log = [
            one.evidence or "" for m in ids for one in made.outbox.project.ledger.messages.log(m)
        ]
        assert any("the claim ran out" in line for line in log)
        assert made.states() == {"accepted": 2}
        assert sorted(account.sent) == sorted(ids)


def test_who_opted_out_while_a_message_waited_for_its_turn_gets_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "STALE_LOOK_SECONDS", 0.05)
    account = Scripted(batch_size=1, seconds=0.2)
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
        addresses = [f"a{number}@example.com" for number in range(2)]
        made.outbox.plan(2, addresses=addresses)
        made.outbox.release()
        ledger = made.outbox.project.ledger

        def opts_out(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
            (other,) = set(addresses) - {batch[0].to}
            key = keys.address_key("outbox", "email", other)
            ledger.people.suppress("email", key, reason="asked", at=now, source="web")
            return accepted(batch, now)

        account.answer = opts_out
        made.send()
        assert made.states() == {"accepted": 1, "withdrawn": 1}


@pytest.mark.parametrize("channel", ["email", "sms"])
def test_a_rehearsal_reaches_only_the_allow_list(tmp_path: Path, channel: str) -> None:
    account = Scripted(channel=channel, reaches_people=True)
    allowed = {"email": "me@example.com", "sms": "+4915112345678"}[channel]
    other = {"email": "you@example.com", "sms": "+4915112345679"}[channel]
    with scene(tmp_path, account, settings={"providers": {"allow_list": [allowed]}}) as made:
        mine, theirs = made.outbox.plan(2, channel=channel, addresses=[allowed, other])
        made.outbox.release()
        made.send()
        messages = made.outbox.project.ledger.messages
        assert account.sent == [mine]
        assert [messages.get(one).provider for one in (mine, theirs)] == ["first", "local"]  # type: ignore[union-attr]
        assert made.states() == {"accepted": 2}
        assert len(list((tmp_path / "project" / "var" / "outbox").glob("*/*/*.*"))) == 1


def test_a_rehearsal_with_nobody_to_reach_opens_no_account_that_reaches_people(
    tmp_path: Path,
) -> None:
    with scene(tmp_path, settings={"providers": {"email": "sendgrid"}}) as made:
        made.outbox.plan(3)
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 3}


def test_missing_credentials_are_told_before_anything_leaves_by_any_channel(
    tmp_path: Path,
) -> None:
    settings = {"providers": {"email": "sendgrid", "allow_list": ["*@example.com"]}}
    other = Scripted(channel="sms")
    with scene(tmp_path, other, settings=settings) as made:
        made.outbox.plan(3)
        made.outbox.plan(2, channel="sms", campaign="short", first=10)
        made.outbox.release()
        with pytest.raises(UserFilesError, match="SENDGRID_API_KEY"):
            made.send()
        assert made.states() == {"planned": 5}
        assert other.requests == []


def test_what_cannot_be_written_is_told_by_campaign_with_its_reason(tmp_path: Path) -> None:
    account = Scripted()
    with scene(tmp_path, account) as made:
        made.outbox.plan(3, campaign="may")
        made.outbox.plan(2, campaign="june", first=10)
        made.outbox.release()
        written = Composer.outgoing

        def without_june(self: Composer, message: Message, *, in_batches: bool = False) -> Outgoing:
            if message.campaign == "june":
                raise Unsendable("2,000 characters", "june/sms.j2")
            return written(self, message, in_batches=in_batches)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Composer, "outgoing", without_june)
            tally = made.send()
        assert tally.result() == {"accepted": 3, "withdrawn": 2}
        (line,) = tally.remarks
        assert line.startswith(
            "june: 2 messages could not be written and were withdrawn: "
            "templates/june/sms.j2: 2,000 characters."
        )


def test_a_rate_holds_for_requests_one_after_the_other(tmp_path: Path) -> None:
    account = Scripted(channel="sms", batch_size=1)
    settings = {"accounts": {"first": {"per_second": "40"}}}
    with scene(tmp_path, account, settings=settings, clock=clock_from(NOW)) as made:
        made.outbox.plan(41, channel="sms")
        made.outbox.release()
        began = made.outbox.project.clock()
        made.send()
        assert (made.outbox.project.clock() - began).total_seconds() >= 1.0
        assert made.states() == {"accepted": 41}


def test_an_hour_that_is_full_is_left_to_the_next_account_or_waited_for(tmp_path: Path) -> None:
    account = Scripted()
    with scene(tmp_path, account, settings={"accounts": {"first": {"per_hour": "100"}}}) as made:
        made.outbox.plan(250)
        made.outbox.release()
        tally = made.send()
        assert made.states() == {"accepted": 100, "planned": 150}
        assert any("whose hour or day is full" in line for line in tally.warnings)
        made.clock.now = NOW + 60 * MINUTE
        made.send()
        assert made.states() == {"accepted": 200, "planned": 50}


def test_a_new_sender_warms_up_by_the_day(tmp_path: Path) -> None:
    account = Scripted()
    warm_up = {"from": "2026-05-11", "per_day": ["10", "30"]}
    with scene(tmp_path, account, settings={"accounts": {"first": {"warm_up": warm_up}}}) as made:
        made.outbox.plan(100, expires_at=NOW + timedelta(days=3))
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 30, "planned": 70}
        made.clock.now = NOW + timedelta(days=1)
        made.send()
        assert made.states()["accepted"] == 100


def test_a_campaign_that_is_refused_too_often_is_paused_and_the_others_go_on(
    tmp_path: Path,
) -> None:
    account = Scripted(batch_size=1)

    def refuses_may(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        refused = answering(OutcomeKind.REFUSED, Blame.MESSAGE, "550")
        return (refused if batch[0].campaign == "may" else accepted)(batch, now)

    account.answer = refuses_may
    settings = {
        "dispatch": {"refused": "30%", "refused_of": "20"},
        "accounts": {"first": {"at_once": 5}},
    }
    with scene(tmp_path, account, settings=settings) as made:
        made.outbox.plan(600, campaign="may")
        made.outbox.plan(40, campaign="june", first=1_000, not_before=NOW - MINUTE)
        made.outbox.release()
        tally = made.send()
        assert any("campaign may is paused" in line for line in tally.warnings)
        states = made.states()
        assert states["accepted"] == 40
        assert 20 <= states["refused"] < 600
        assert states["planned"] == 600 - states["refused"]
        hold = made.outbox.project.ledger.holds.open()["may"]
        assert hold.source == "breaker"


def test_an_answer_is_written_down_when_the_ledger_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_thread, "FIRST_PAUSE", 0.01)
    record, failures = Messages.record, [LedgerError("disk is full")] * 3

    def fails_at_first(self: Messages, *arguments: Any) -> Any:
        if failures:
            raise failures.pop()
        return record(self, *arguments)

    monkeypatch.setattr(Messages, "record", fails_at_first)
    with scene(tmp_path, Scripted()) as made:
        made.outbox.plan(5)
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 5}


def test_a_ledger_that_stays_away_leaves_what_was_sent_to_be_found_in_doubt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_thread, "PATIENCE_SECONDS", 0.2)
    record = Messages.record

    def fails(self: Messages, *arguments: Any) -> Any:
        raise LedgerError("no connection")

    account = Scripted(batch_size=1)
    with scene(tmp_path, account) as made:
        made.outbox.plan(300)
        made.outbox.release()
        monkeypatch.setattr(Messages, "record", fails)
        with pytest.raises(LedgerError, match="no connection"):
            made.send()
        states = made.states()
        assert len(account.requests) <= states["sending"]
        monkeypatch.setattr(Messages, "record", record)
        made.clock.now = NOW + timedelta(hours=1)
        assert made.send().counts["senders_died"] == states["sending"]
        assert made.states()["in_doubt"] == states["sending"]
        assert len(set(account.sent)) == len(account.sent)


def test_sigterm_is_passed_on_after_what_was_under_way_is_written_down(tmp_path: Path) -> None:
    account = Scripted(batch_size=1, seconds=0.05)
    came: list[int] = []

    def interrupts(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        if len(account.requests) == 1:
            signal.raise_signal(signal.SIGTERM)
        return accepted(batch, now)

    account.answer = interrupts
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
            made.outbox.plan(50)
            made.outbox.release()
            made.send()
            states = made.states()
            assert states.keys() == {"accepted", "planned"}
            assert 1 <= states["accepted"] == len(account.requests) < 50
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture
def heeding_ctrl_c() -> Iterator[None]:
    """Also where the tests were started in the background, which shells let ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeding_ctrl_c")
def test_ctrl_c_lets_the_requests_under_way_be_answered(tmp_path: Path) -> None:
    account = Scripted(batch_size=1, seconds=0.05)

    def interrupts(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        if len(account.requests) == 1:
            signal.raise_signal(signal.SIGINT)
        return accepted(batch, now)

    account.answer = interrupts
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 1}}}) as made:
        made.outbox.plan(50)
        made.outbox.release()
        with pytest.raises(KeyboardInterrupt):
            made.send()
        states = made.states()
        assert states.keys() == {"accepted", "planned"}
        assert 1 <= states["accepted"] == len(account.requests) < 50


def _dies(made: Any, account: str = "first") -> list[str]:
    """What a sender of another process claimed before it was killed."""
    messages = made.outbox.project.ledger.messages
    (group,) = messages.due_groups("email", NOW)
    claimed = messages.claim(group, account, 10, NOW, "elsewhere/1/1", MINUTE)
    made.clock.now = NOW + 2 * MINUTE
    return [one.message_id for one in claimed]


def test_what_a_dead_sender_had_is_found_with_the_provider(tmp_path: Path) -> None:
    account = Scripted(look_up=LookUp.FOUND)
    account.found = lambda message: Outcome(message.message_id, OutcomeKind.ACCEPTED, "found", "x")
    with scene(tmp_path, account) as made:
        made.outbox.plan(3)
        made.outbox.release()
        _dies(made)
        assert made.send().result() == {"senders_died": 3, "found_sent": 3}
        assert made.states() == {"accepted": 3}
        assert account.requests == []


@pytest.mark.parametrize(
    ("then", "expected", "sent"),
    [
        ("wait", {"in_doubt": 3}, 0),
        ("sent", {"accepted": 3}, 0),
        ("again", {"accepted": 3}, 3),
    ],
)
def test_after_the_grace_doubts_are_settled_as_settings_say(
    tmp_path: Path, then: str, expected: dict[str, int], sent: int
) -> None:
    account = Scripted()
    settings = {"dispatch": {"in_doubt": {"grace": "1 day", "then": then}}}
    with scene(tmp_path, account, settings=settings) as made:
        made.outbox.plan(3, expires_at=NOW + timedelta(days=3))
        made.outbox.release()
        _dies(made)
        made.send()
        assert made.states() == {"in_doubt": 3}
        made.clock.now = NOW + timedelta(days=1, minutes=3)
        tally = made.send()
        assert made.states() == expected
        assert len(account.sent) == sent
        assert any("antiphon outbox settle" in one for one in tally.warnings) == (then == "wait")
