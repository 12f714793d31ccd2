"""The outbox: planned once, claimed once, moved forward only."""

import json

import pyarrow as pa
import pytest
from outbox_scene import DAY, HOUR, MINUTE, NOW, claimed, rows, scene

from antiphon.errors import LeaseLost, LedgerError
from antiphon.ledger import Ledger, Outcome, Planned, RunState
from antiphon.states import MessageState

S = MessageState


def test_planning_twice_adds_nothing(ledger: Ledger) -> None:
    day = scene(ledger)
    with pytest.raises(LedgerError, match="unaudited"):
        day.plan(rows(3))
    other = ledger.runs.begin("daily", DAY, NOW, NOW, lease=day.lease)
    plan = ledger.messages.plan
    assert plan(rows(3), other.run_id, day.lease, NOW) == Planned(3, 0)
    assert plan(rows(5), other.run_id, day.lease, NOW) == Planned(2, 3)
    assert plan(rows(0), other.run_id, day.lease, NOW) == Planned(0, 0)


def test_a_row_of_another_run_is_counted_and_not_changed(ledger: Ledger) -> None:
    first = scene(ledger, rows(2), released=False)
    second = ledger.runs.begin("daily", DAY, NOW, NOW, lease=first.lease)
    changed = rows(2, not_before=NOW + HOUR)
    assert ledger.messages.plan(changed, second.run_id, first.lease, NOW) == Planned(0, 2)
    assert {message.run_id for message in ledger.messages.by_customer("c00000")} == {first.run_id}
    assert ledger.messages.of_run(first.run_id)[0].not_before == NOW


def test_nothing_joins_a_released_run_but_repeating_it_is_fine(ledger: Ledger) -> None:
    day = scene(ledger, rows(2))
    assert day.plan(rows(2)) == Planned(0, 2)
    with pytest.raises(LedgerError, match="released: 1 new"):
        day.plan(rows(3))
    assert day.states() == {"planned": 2}


def test_rows_out_of_shape_are_refused_whole(ledger: Ledger) -> None:
    day = scene(ledger, released=False)
    good = rows(2)
    with pytest.raises(LedgerError, match="lack the columns anchor"):
        day.plan(good.drop_columns(["anchor"]))
    spot = good.schema.get_field_index("unit")
    with pytest.raises(LedgerError, match="nulls in unit"):
        day.plan(good.set_column(spot, "unit", pa.array(["a", None])))
    spot = good.schema.get_field_index("attempt")
    with pytest.raises(LedgerError, match="attempt string"):
        day.plan(good.set_column(spot, "attempt", pa.array(["one", "two"])))
    with pytest.raises(LedgerError, match="not planned as sending"):
        day.plan(rows(2, state="sending"))
    assert day.states() == {}


def test_a_planner_without_its_lease_writes_nothing(ledger: Ledger) -> None:
    day = scene(ledger, released=False)
    ledger.leases.acquire("planner", "other", MINUTE, NOW + HOUR)
    with pytest.raises(LeaseLost, match="other holds it"):
        day.plan(rows(3))
    with pytest.raises(LeaseLost):
        day.release()
    assert day.states() == {}


def test_only_a_running_real_run_plans_and_is_released(ledger: Ledger) -> None:
    day = scene(ledger, released=False)
    dry = ledger.runs.begin("daily", DAY, NOW, NOW, dry_run=True, lease=day.lease)
    with pytest.raises(LedgerError, match="a dry run"):
        ledger.messages.plan(rows(1), dry.run_id, day.lease, NOW)
    with pytest.raises(LedgerError, match="a dry run"):
        ledger.messages.release(dry.run_id, day.lease, NOW)
    ledger.runs.finish(day.run_id, RunState.HELD, "audit", NOW)
    with pytest.raises(LedgerError, match="is held"):
        day.plan(rows(1))
    with pytest.raises(LedgerError, match="is held"):
        day.release()


def test_the_first_release_counts(ledger: Ledger) -> None:
    day = scene(ledger)
    again = ledger.messages.release(day.run_id, day.lease, NOW + MINUTE)
    assert again == NOW
    run = ledger.runs.get(day.run_id)
    assert run is not None
    assert run.released_at == NOW


def test_only_due_messages_of_released_runs_are_claimed_earliest_first(ledger: Ledger) -> None:
    day = scene(ledger, rows(["late"], not_before=NOW + 1 * MINUTE), released=False)
    day.plan(rows(["early"], not_before=NOW - HOUR))
    day.plan(rows(["future"], not_before=NOW + HOUR))
    day.plan(rows(["stale"], not_before=NOW - HOUR, expires_at=NOW + MINUTE))
    day.plan(rows(["short"], channel="sms"))
    day.plan(rows(["held out"], state="control"))
    assert claimed(ledger, now=NOW + MINUTE) == []
    day.release()
    names = [message.customer_id for message in claimed(ledger, now=NOW + MINUTE)]
    assert names == ["early", "late"]
    assert claimed(ledger, now=NOW + MINUTE) == []


def test_a_look_that_finds_nothing_leaves_no_trace(ledger: Ledger) -> None:
    scene(ledger)
    before = ledger.history.mark()
    assert claimed(ledger) == []
    assert ledger.messages.expire(NOW) == ledger.messages.recover(NOW) == 0
    assert ledger.history.mark() == before


def test_a_claim_is_the_holders_and_marks_the_moment(ledger: Ledger) -> None:
    scene(ledger, rows(3))
    first = claimed(ledger, 2)
    assert len(first) == 2
    for message in first:
        assert message.state is S.SENDING
        assert message.claim_holder == "dispatcher"
        assert (message.left_at, message.claim_expires_at) == (NOW, NOW + MINUTE)
        assert json.loads(message.values_json) == {"first_name": "Änne"}
        assert ledger.messages.get(message.message_id) == message
    refused = ledger.messages.record([Outcome(first[0].message_id, S.ACCEPTED)], NOW, "another")
    assert (refused.moved, refused.unmoved) == (0, (first[0].message_id,))


def test_an_accepted_message_keeps_its_evidence_and_its_log(ledger: Ledger) -> None:
    scene(ledger, rows(1))
    message = claimed(ledger)[0]
    accepted = Outcome(message.message_id, S.ACCEPTED, {"status": 202}, "local", "p-1")
    done = ledger.messages.record([accepted], NOW + MINUTE, "dispatcher")
    assert (done.moved, done.unmoved) == (1, ())
    ledger.messages.record([Outcome(message.message_id, S.BOUNCED, {"why": "ß"})], NOW + HOUR)
    kept = ledger.messages.get(message.message_id)
    assert kept is not None
    assert (kept.state, kept.provider, kept.provider_id) == (S.BOUNCED, "local", "p-1")
    assert (kept.left_at, kept.claim_expires_at) == (NOW, None)
    log = ledger.messages.log(message.message_id)
    assert [(entry.state, entry.at, entry.holder, entry.evidence) for entry in log] == [
        (S.PLANNED, NOW, None, None),
        (S.SENDING, NOW, "dispatcher", None),
        (S.ACCEPTED, NOW + MINUTE, "dispatcher", '{"status": 202}'),
        (S.BOUNCED, NOW + HOUR, "dispatcher", '{"why": "ß"}'),
    ]


def test_try_later_returns_the_message_to_the_outbox(ledger: Ledger) -> None:
    scene(ledger, rows(1))
    message = claimed(ledger)[0]
    later = Outcome(message.message_id, S.PLANNED, {"status": 429}, not_before=NOW + HOUR)
    ledger.messages.record([later], NOW, "dispatcher")
    assert claimed(ledger, now=NOW + HOUR - MINUTE) == []
    waiting = ledger.messages.get(message.message_id)
    assert waiting is not None
    assert waiting.left_at is None
    again = claimed(ledger, now=NOW + HOUR)
    assert [message.message_id for message in again] == [message.message_id]
    with pytest.raises(ValueError, match="not_before"):
        Outcome(message.message_id, S.PLANNED)


def test_one_batch_may_tell_several_things_of_one_message(ledger: Ledger) -> None:
    scene(ledger, rows(2))
    one, two = claimed(ledger)
    told = [
        Outcome(one.message_id, S.ACCEPTED),
        Outcome("nobody", S.ACCEPTED),
        Outcome(one.message_id, S.DELIVERED),
        Outcome(two.message_id, S.IN_DOUBT),
        Outcome(one.message_id, S.ACCEPTED),
    ]
    done = ledger.messages.record(told, NOW, "dispatcher")
    assert done.moved == 3
    assert sorted(done.unmoved) == sorted(["nobody", one.message_id])
    assert [entry.state for entry in ledger.messages.log(one.message_id)][2:] == [
        S.ACCEPTED,
        S.DELIVERED,
    ]


def test_a_claim_that_ran_out_is_in_doubt_and_settled_by_evidence_alone(ledger: Ledger) -> None:
    scene(ledger, rows(2))
    one, two = claimed(ledger)
    assert ledger.messages.recover(NOW + MINUTE - MINUTE / 60) == 0
    assert ledger.messages.recover(NOW + MINUTE) == 2
    assert claimed(ledger, now=NOW + 2 * MINUTE) == []
    late = [
        Outcome(one.message_id, S.ACCEPTED, {"status": 202}),
        Outcome(two.message_id, S.PLANNED, not_before=NOW),
    ]
    done = ledger.messages.record(late, NOW + HOUR, "dispatcher")
    assert done.unmoved == (two.message_id,)


def test_an_event_may_overtake_the_answer_but_not_release_a_claim(ledger: Ledger) -> None:
    scene(ledger, rows(2))
    one, two = claimed(ledger)
    events = [Outcome(one.message_id, S.DELIVERED), Outcome(two.message_id, S.WITHDRAWN)]
    assert ledger.messages.record(events, NOW).unmoved == (two.message_id,)
    answer = ledger.messages.record([Outcome(one.message_id, S.ACCEPTED)], NOW, "dispatcher")
    assert answer.moved == 0


def test_stale_messages_expire(ledger: Ledger) -> None:
    day = scene(ledger, rows(2, expires_at=NOW + HOUR))
    assert ledger.messages.expire(NOW + HOUR - MINUTE) == 0
    assert ledger.messages.expire(NOW + HOUR) == 2
    assert day.states() == {"expired": 2}


def test_withdrawing_takes_back_only_what_has_not_left(ledger: Ledger) -> None:
    day = scene(ledger, rows(4), released=False)
    day.plan(rows(2, campaign="letter"))
    day.release()
    gone = claimed(ledger, 1)[0]
    with pytest.raises(ValueError, match="which"):
        ledger.messages.withdraw("no reason", NOW)
    campaign = "letter" if gone.campaign == "winback" else "winback"
    whole = ledger.messages.withdraw("by hand", NOW, campaign=campaign, run_id=day.run_id)
    assert whole == (2 if campaign == "letter" else 4)
    assert ledger.messages.withdraw("by hand", NOW, ids=[gone.message_id, "unknown"]) == 0
    assert ledger.messages.withdraw("by hand", NOW, run_id=day.run_id) == 5 - whole
    assert day.states() == {"sending": 1, "withdrawn": 5}


def test_an_abandoned_run_takes_its_messages_back(ledger: Ledger) -> None:
    day = scene(ledger, rows(3), released=False)
    assert ledger.runs.abandon(day.run_id, "wrong prices", NOW) == 3
    assert day.states() == {"withdrawn": 3}
    entry = ledger.messages.log(rows(1)["message_id"][0].as_py())[-1]
    assert json.loads(entry.evidence or "") == {"reason": "run abandoned: wrong prices"}


def test_counts_are_by_campaign_channel_and_state(ledger: Ledger) -> None:
    day = scene(ledger, rows(2), released=False)
    day.plan(rows(3, campaign="letter", channel="sms", state="control"))
    counts = [
        tuple(getattr(c, n) for n in ("campaign", "channel", "state", "messages"))
        for c in ledger.messages.counts(day.run_id)
    ]
    assert counts == [("letter", "sms", S.CONTROL, 3), ("winback", "email", S.PLANNED, 2)]
    assert ledger.messages.counts("another") == []
