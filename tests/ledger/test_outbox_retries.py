"""What a dead sender had in flight: in doubt; tried again only where it certainly never left."""

from datetime import timedelta

import pyarrow as pa
from outbox_scene import MINUTE, NOW, claimed, rows, scene

from antiphon.ledger import Ledger
from antiphon.states import MessageState

S = MessageState
DAYS = timedelta(days=1)


def test_only_the_messages_of_dead_holders_are_recovered_before_their_claim_runs_out(
    ledger: Ledger,
) -> None:
    day = scene(ledger, rows(4))
    dead = claimed(ledger, 2, NOW, "dead", MINUTE)
    alive = claimed(ledger, 2, NOW, "alive", MINUTE)
    assert ledger.messages.holders() == {"dead", "alive"}
    assert ledger.messages.recover(NOW, ["dead"]) == 2
    doubtful = ledger.messages.in_doubt("email")
    assert [message.message_id for message in doubtful] == sorted(m.message_id for m in dead)
    assert ledger.messages.in_doubt("sms") == []
    assert ledger.messages.get(alive[0].message_id).state is S.SENDING  # type: ignore[union-attr]
    assert day.states() == {"in_doubt": 2, "sending": 2}


def test_a_new_attempt_is_the_same_message_again_and_may_leave_at_once(ledger: Ledger) -> None:
    scene(ledger, rows(1))
    (first,) = claimed(ledger, 9, NOW, "dead", MINUTE)
    ledger.messages.recover(NOW, ["dead"])
    ids = {first.message_id: "f" * 32}
    assert ledger.messages.try_again(ids, {"found": "nothing"}, NOW) == 1
    assert ledger.messages.get(first.message_id).state is S.REFUSED  # type: ignore[union-attr]
    (second,) = claimed(ledger, 9, NOW, "alive", MINUTE)
    assert (second.message_id, second.attempt) == ("f" * 32, first.attempt + 1)
    for name in ("occurrence_key", "customer_id", "values_json", "address", "run_id", "expires_at"):
        assert getattr(second, name) == getattr(first, name)
    assert [entry.state for entry in ledger.messages.log("f" * 32)] == [S.PLANNED, S.SENDING]
    assert ledger.messages.log(first.message_id)[-1].evidence == '{"found": "nothing"}'


def test_trying_again_twice_or_what_is_not_in_doubt_adds_nothing(ledger: Ledger) -> None:
    day = scene(ledger, rows(2))
    (first,) = claimed(ledger, 1, NOW, "dead", MINUTE)
    ledger.messages.recover(NOW, ["dead"])
    ids = {first.message_id: "f" * 32, "unknown": "e" * 32}
    assert ledger.messages.try_again(ids, {"found": "nothing"}, NOW) == 1
    assert ledger.messages.try_again(ids, {"found": "nothing"}, NOW) == 0
    assert ledger.messages.try_again({}, {}, NOW) == 0
    assert day.states() == {"planned": 2}


def test_a_message_tried_again_is_counted_once_by_its_latest_attempt(ledger: Ledger) -> None:
    scene(ledger, rows(2))
    first, _ = claimed(ledger, 9, NOW, "dead", MINUTE)
    ledger.messages.recover(NOW, ["dead"])
    ledger.messages.try_again({first.message_id: "f" * 32}, {"found": "nothing"}, NOW)
    counts = {count.state: count.messages for count in ledger.messages.counts()}
    assert counts == {S.PLANNED: 1, S.IN_DOUBT: 1}


def test_control_rows_go_with_the_messages_of_a_run_that_was_never_released(
    ledger: Ledger,
) -> None:
    table = pa.concat_tables([rows(["a", "b"]), rows(["c", "d"], state="control")])
    day = scene(ledger, table, released=False)
    assert ledger.runs.abandon(day.run_id, "wrong prices", NOW) == 2
    assert day.states() == {"withdrawn": 4}


def test_control_rows_of_a_run_never_released_expire_with_its_messages(ledger: Ledger) -> None:
    table = pa.concat_tables([rows(["a", "b"]), rows(["c", "d"], state="control")])
    day = scene(ledger, table, released=False)
    assert ledger.messages.expire(NOW + 90 * DAYS) == 2
    assert day.states() == {"expired": 4}


def test_control_rows_of_a_released_run_stay(ledger: Ledger) -> None:
    table = pa.concat_tables([rows(["a", "b"]), rows(["c", "d"], state="control")])
    day = scene(ledger, table)
    assert ledger.messages.expire(NOW + 90 * DAYS) == 2
    assert day.states() == {"control": 2, "expired": 2}
    ledger.runs.abandon(day.run_id, "late", NOW)
    assert day.states() == {"control": 2, "expired": 2}


def test_several_messages_are_read_at_once_and_unknown_ids_passed_over(ledger: Ledger) -> None:
    scene(ledger, rows(3))
    known = [message.message_id for message in claimed(ledger, 2, NOW, "a", MINUTE)]
    found = ledger.messages.several([*known, "unknown"])
    assert [message.message_id for message in found] == sorted(known)
    assert ledger.messages.several([]) == []
