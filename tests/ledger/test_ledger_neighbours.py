"""What else people were sent or will be, as the last look asks for it."""

from outbox_scene import HOUR, MINUTE, NOW, claimed, rows, scene

from antiphon.ledger import Ledger, Outcome
from antiphon.states import MessageState


def test_what_left_since_is_found_without_what_is_claimed_now(ledger: Ledger) -> None:
    them = scene(ledger, rows(["a", "b", "c"]), released=False)
    them.plan(rows(["a"], campaign="later", not_before=NOW + HOUR))
    them.release()
    first = claimed(ledger, limit=2)
    ledger.messages.record(
        [Outcome(one.message_id, MessageState.ACCEPTED) for one in first], NOW, "dispatcher"
    )
    now = NOW + HOUR
    rest = claimed(ledger, now=now)
    assert len(rest) == 2
    found = ledger.neighbours.since(
        ["a", "b", "c"], NOW - MINUTE, NOW - HOUR, {one.revision for one in rest}
    )
    assert {(one.message_id, one.left_at) for one in found} == {
        (one.message_id, NOW) for one in first
    }
    assert ledger.neighbours.since(["a"], NOW, NOW - HOUR, {one.revision for one in rest}) == []


def test_what_is_overdue_or_of_no_released_run_does_not_count(ledger: Ledger) -> None:
    them = scene(ledger, rows(["a", "b"]), released=False)
    them.plan(rows(["a"], campaign="later", not_before=NOW + 2 * HOUR))
    assert ledger.neighbours.of(["a", "b"], NOW) == []
    them.release()
    (found,) = ledger.neighbours.of(["a", "b"], NOW)
    assert (found.campaign, found.contact_at, found.left_at) == ("later", NOW + 2 * HOUR, None)
    (message,) = claimed(ledger, limit=1)
    there = {one.state for one in ledger.neighbours.of([message.customer_id], NOW)}
    assert MessageState.SENDING in there


def test_all_that_waits_is_read_at_once_with_the_moment_it_waits_for(ledger: Ledger) -> None:
    them = scene(ledger, rows(3), released=False)
    them.plan(rows(["a"], campaign="later", not_before=NOW + HOUR, state="control"))
    them.release()
    claimed(ledger, limit=1)
    waiting = ledger.neighbours.waiting()
    assert waiting.num_rows == 2
    assert set(waiting["contact_at"].to_pylist()) == {NOW}
