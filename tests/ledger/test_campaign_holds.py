"""Campaigns on hold: nothing of them is claimed, and past moments are known as they were."""

import json

import pytest
from outbox_scene import HOUR, MINUTE, NOW, claimed, rows, scene

from antiphon.ledger import HoldKind, Ledger, Outcome
from antiphon.states import MessageState


def test_a_paused_campaign_waits_and_goes_on(ledger: Ledger) -> None:
    day = scene(ledger, rows(3), released=False)
    day.plan(rows(2, campaign="letter"))
    day.release()
    (group, _) = ledger.messages.due_groups("email", NOW)
    held, other = group.campaign, {"winback": "letter", "letter": "winback"}[group.campaign]
    assert ledger.holds.hold(held, "paused", "wrong price", "anna", NOW)
    assert not ledger.holds.hold(held, "paused", "again", "ben", NOW)
    assert ledger.messages.claim(group, "local", 9, NOW, "d", MINUTE) == []
    assert [one.campaign for one in ledger.messages.due_groups("email", NOW)] == [other]
    assert ledger.messages.next_due_at("email", NOW - HOUR) == NOW
    assert {one.campaign for one in claimed(ledger)} == {other}
    ended = ledger.holds.end(held, NOW + MINUTE)
    assert ended is not None
    assert (ended.reason, ended.source, ended.ended_at) == ("wrong price", "anna", NOW + MINUTE)
    assert ledger.holds.end(held, NOW + MINUTE) is None
    assert {one.campaign for one in claimed(ledger)} == {held}


def test_a_pause_holds_at_once_whatever_the_dispatchers_clock_says(ledger: Ledger) -> None:
    scene(ledger, rows(1))
    ledger.holds.hold("winback", "paused", "r", "a", NOW + HOUR)
    assert claimed(ledger) == []
    assert ledger.holds.in_force(NOW) == {}
    assert set(ledger.holds.open()) == {"winback"}
    ended = ledger.holds.end("winback", NOW)
    assert ended is not None
    assert ended.ended_at == NOW + HOUR


def test_a_cancelled_campaign_is_withdrawn_also_from_a_run_under_way(ledger: Ledger) -> None:
    day = scene(ledger, rows(["before"]), released=False)
    day.plan(rows(["other"], campaign="letter"))
    day.plan(rows(["held out"], state="control"))
    assert ledger.holds.hold("winback", "cancelled", "offer over", "anna", NOW)
    assert day.states() == {"planned": 1, "withdrawn": 2}
    day.plan(rows(["after"]))
    day.plan(rows(["held out after"], state="control"))
    day.release()
    assert day.states() == {"planned": 1, "withdrawn": 4}
    log = ledger.messages.log(rows(["before"])["message_id"][0].as_py())
    assert json.loads(log[-1].evidence or "") == {"reason": "campaign cancelled: offer over"}
    assert [one.campaign for one in claimed(ledger)] == ["letter"]


def test_what_comes_back_to_a_cancelled_campaign_never_leaves(ledger: Ledger) -> None:
    day = scene(ledger, rows(2))
    one, two = claimed(ledger)
    ledger.holds.hold("winback", "cancelled", "over", "anna", NOW)
    later = [Outcome(m.message_id, MessageState.PLANNED, not_before=NOW) for m in (one, two)]
    assert ledger.messages.record(later, NOW, "dispatcher").moved == 2
    assert claimed(ledger) == []
    ledger.holds.end("winback", NOW + MINUTE)
    assert claimed(ledger, now=NOW + MINUTE) == []
    assert day.states() == {"withdrawn": 2}


def test_pausing_takes_nothing_from_a_cancellation_and_cancelling_ends_a_pause(
    ledger: Ledger,
) -> None:
    assert ledger.holds.hold("winback", "paused", "p", "a", NOW)
    assert ledger.holds.hold("winback", "cancelled", "c", "a", NOW + MINUTE)
    assert not ledger.holds.hold("winback", "paused", "p", "a", NOW + 2 * MINUTE)
    kinds = [(one.kind, one.held_at, one.ended_at) for one in ledger.holds.history("winback")]
    assert kinds == [
        (HoldKind.PAUSED, NOW, NOW + MINUTE),
        (HoldKind.CANCELLED, NOW + MINUTE, None),
    ]
    with pytest.raises(ValueError, match="stopped"):
        ledger.holds.hold("winback", "stopped", "", "", NOW)


def test_a_past_moment_is_under_the_hold_that_was_in_force(ledger: Ledger) -> None:
    ledger.holds.hold("a", "paused", "", "", NOW)
    ledger.holds.hold("b", "cancelled", "", "", NOW + MINUTE)
    ledger.holds.end("a", NOW + HOUR)
    at = {
        moment: {name: hold.kind.value for name, hold in ledger.holds.in_force(moment).items()}
        for moment in (NOW - MINUTE, NOW, NOW + MINUTE, NOW + HOUR)
    }
    assert at == {
        NOW - MINUTE: {},
        NOW: {"a": "paused"},
        NOW + MINUTE: {"a": "paused", "b": "cancelled"},
        NOW + HOUR: {"b": "cancelled"},
    }
