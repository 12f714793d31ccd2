"""Groups to claim: who is served first, who is never claimed, and by which account."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pyarrow as pa
import pytest
import sqlalchemy as sa
from outbox_scene import HOUR, MINUTE, NOW, Scene, claimed, rows, scene

from antiphon.ledger import Ledger, Outcome
from antiphon.ledger.engine import connect, parse_url
from antiphon.states import MessageState

S = MessageState


def changed(table: pa.Table, **values: str | None) -> pa.Table:
    """The rows with other values in some columns."""
    for name, value in values.items():
        spot = table.schema.get_field_index(name)
        column = pa.array([value] * table.num_rows, pa.string())
        table = table.set_column(spot, table.schema.field(name), column)
    return table


def test_a_group_is_what_may_share_a_request(ledger: Ledger) -> None:
    day = scene(ledger, rows(["a"]), released=False)
    different: list[dict[str, str | None]] = [
        {"arm": "discount"},
        {"language": "en"},
        {"language": None},
        {"template_hash": "t2"},
        {"template_hash": None},
        {"channel": "sms"},
    ]
    for n, values in enumerate(different):
        day.plan(changed(rows([f"other {n}"]), **values))
    day.plan(rows(["b"], campaign="letter"))
    day.plan(rows(["c"]))
    day.release()
    groups = ledger.messages.due_groups("email", NOW)
    assert [group.messages for group in groups] == [2, 1, 1, 1, 1, 1, 1]
    assert len({group.group_id for group in groups}) == 7
    for group in groups:
        batch = ledger.messages.claim(group, "local", 100, NOW, "d", MINUTE)
        shared = {
            (one.campaign, one.template_hash or "", one.arm, one.language or "") for one in batch
        }
        assert shared == {(group.campaign, group.template_hash, group.arm, group.language)}
    assert [one.channel for one in ledger.messages.due_groups("sms", NOW)] == ["sms"]


def test_service_is_served_before_lifecycle_before_promo_and_then_the_earliest(
    ledger: Ledger,
) -> None:
    day = scene(ledger, released=False)
    for name, category, minutes in [
        ("late-promo", "promo", 5),
        ("promo", "promo", 9),
        ("lifecycle", "lifecycle", 2),
        ("service", "service", 1),
    ]:
        table = rows(3, campaign=name, not_before=NOW - minutes * MINUTE)
        day.plan(changed(table, category=category))
    day.plan(rows(["x"], campaign="late-promo", not_before=NOW))
    day.release()
    groups = ledger.messages.due_groups("email", NOW)
    order = [group.campaign for group in groups]
    assert order == ["service", "lifecycle", "promo", "late-promo"]
    last = groups[-1]
    assert (last.messages, last.first_at) == (4, NOW - 5 * MINUTE)
    times = [one.not_before for one in ledger.messages.claim(last, "l", 9, NOW, "d", MINUTE)]
    assert len(times) == 4
    assert all(one <= two for one, two in pairwise(times))


def test_a_group_whose_messages_may_not_leave_is_not_due(ledger: Ledger) -> None:
    day = scene(ledger, rows(["future"], not_before=NOW + HOUR), released=False)
    day.plan(rows(["stale"], campaign="stale", not_before=NOW - HOUR, expires_at=NOW))
    day.plan(rows(["held out"], campaign="control", state="control"))
    assert ledger.messages.next_due_at("email", NOW) is None
    day.release()
    assert ledger.messages.due_groups("email", NOW) == []
    assert ledger.messages.next_due_at("email", NOW) == NOW + HOUR
    assert ledger.messages.next_due_at("sms", NOW) is None
    assert claimed(ledger, now=NOW + HOUR)[0].customer_id == "future"


def test_a_stale_group_claims_nothing(ledger: Ledger) -> None:
    """Seen a moment ago, it may have been emptied, held or have expired since."""
    scene(ledger, rows(3, expires_at=NOW + MINUTE))
    (group,) = ledger.messages.due_groups("email", NOW)
    assert ledger.messages.claim(group, "a", 9, NOW + MINUTE, "d", MINUTE) == []
    assert len(ledger.messages.claim(group, "a", 9, NOW, "d", MINUTE)) == 3
    assert ledger.messages.claim(group, "a", 9, NOW, "d", MINUTE) == []


def test_messages_of_an_abandoned_run_stay(ledger: Ledger) -> None:
    day = scene(ledger, rows(2))
    ledger.runs.abandon(day.run_id, "wrong", NOW)
    assert ledger.messages.due_groups("email", NOW) == []


def test_a_claim_names_the_account_and_a_message_may_go_by_another(ledger: Ledger) -> None:
    scene(ledger, rows(3))
    (group,) = ledger.messages.due_groups("email", NOW)
    one, two, three = ledger.messages.claim(group, "sendgrid", 3, NOW, "d", MINUTE)
    assert {one.provider, two.provider, three.provider} == {"sendgrid"}
    before = ledger.history.mark()
    ids = [one.message_id, two.message_id, "unknown"]
    assert ledger.messages.reroute(ids, "local", "another") == 0
    assert ledger.messages.reroute(ids, "local", "d") == 2
    assert ledger.history.mark() == before
    ledger.messages.recover(NOW + HOUR)
    assert ledger.messages.reroute(ids, "sendgrid", "d") == 0
    named = {m.message_id: m.provider for m in ledger.messages.in_doubt("email")}
    assert named == {one.message_id: "local", two.message_id: "local", three.message_id: "sendgrid"}


def test_doubts_are_read_by_account_and_in_pages(ledger: Ledger) -> None:
    day = scene(ledger, rows(5), released=False)
    day.plan(rows(2, channel="sms", campaign="text"))
    day.release()
    (group,) = ledger.messages.due_groups("email", NOW)
    ledger.messages.claim(group, "sendgrid", 2, NOW, "d", MINUTE)
    ledger.messages.claim(group, "local", 3, NOW, "d", MINUTE)
    claimed(ledger, channel="sms")
    ledger.messages.recover(NOW + HOUR)
    everything = [one.message_id for one in ledger.messages.in_doubt("email")]
    assert everything == sorted(everything)
    assert len(everything) == 5
    assert len(ledger.messages.in_doubt("email", "sendgrid")) == 2
    first = ledger.messages.in_doubt("email", limit=3)
    rest = ledger.messages.in_doubt("email", limit=3, after=first[-1].message_id)
    assert [one.message_id for one in (*first, *rest)] == everything


def test_the_outbox_counts_by_state_and_age(ledger: Ledger) -> None:
    day = scene(ledger, rows(6), released=False)
    day.plan(rows(["later"], not_before=NOW + HOUR))
    day.plan(rows(2, channel="sms", campaign="text", state="control"))
    day.release()
    _leave(ledger, 4)
    counts = {
        (one.channel, one.campaign, one.state): (one.messages, one.oldest_at, one.due)
        for one in ledger.messages.outbox(NOW + HOUR)
    }
    assert counts == {
        ("email", "winback", S.PLANNED): (3, NOW, 3),
        ("email", "winback", S.SENDING): (1, NOW + MINUTE, 0),
        ("email", "winback", S.IN_DOUBT): (1, NOW + MINUTE, 0),
        ("email", "winback", S.ACCEPTED): (1, NOW + 2 * MINUTE, 0),
        ("email", "winback", S.REFUSED): (1, NOW + 2 * MINUTE, 0),
        ("sms", "text", S.CONTROL): (2, NOW, 0),
    }
    numbers = [n for one in ledger.messages.outbox(NOW) for n in (one.messages, one.due)]
    assert {type(n) for n in numbers} == {int}
    later = {one.state for one in ledger.messages.outbox(NOW + 48 * HOUR)}
    assert later == {S.PLANNED, S.SENDING, S.IN_DOUBT}
    (answers,) = ledger.messages.answers(NOW + HOUR)
    assert (answers.campaign, answers.answers, answers.refused) == ("winback", 2, 1)
    assert ledger.messages.answers(NOW + 48 * HOUR) == []


def _leave(ledger: Ledger, many: int) -> None:
    """One accepted, one refused, one in doubt, the others on their way."""
    one, two, three, *_ = claimed(ledger, many, NOW + MINUTE, "d")
    told = [
        Outcome(one.message_id, S.ACCEPTED),
        Outcome(two.message_id, S.REFUSED),
        Outcome(three.message_id, S.IN_DOUBT),
    ]
    ledger.messages.record(told, NOW + 2 * MINUTE, "d")


@pytest.mark.parametrize("again", [True, False])
def test_a_message_tried_again_stays_in_its_group(ledger: Ledger, again: bool) -> None:
    day: Scene = scene(ledger, rows(1))
    (group,) = ledger.messages.due_groups("email", NOW)
    (message,) = ledger.messages.claim(group, "a", 1, NOW, "d", MINUTE)
    ledger.messages.recover(NOW + HOUR)
    if again:
        ledger.messages.try_again({message.message_id: "next"}, {"found": "no"}, NOW + HOUR)
    found = ledger.messages.claim(group, "b", 1, NOW + HOUR, "d", MINUTE)
    assert [one.message_id for one in found] == (["next"] if again else [])
    assert sum(day.states().values()) == 1


@pytest.mark.postgres
def test_rows_that_another_dispatcher_is_claiming_are_passed_over(ledger: Ledger, url: str) -> None:
    """SQLite has one writer at a time: there the second waits for the first."""
    if url.startswith("sqlite"):
        pytest.skip("one writer at a time")
    scene(ledger, rows(5))
    (group,) = ledger.messages.due_groups("email", NOW)
    other = connect(parse_url(url))
    with other.begin() as connection, ThreadPoolExecutor(1) as pool:
        lock = "SELECT message_id FROM messages ORDER BY message_id LIMIT 2 FOR UPDATE"
        locked = set(connection.execute(sa.text(lock)).scalars())
        claim = pool.submit(ledger.messages.claim, group, "local", 9, NOW, "d", MINUTE)
        try:
            got = {one.message_id for one in claim.result(timeout=10)}
        finally:
            connection.rollback()  # or the thread would wait for ever where it waits at all
    other.dispose()
    assert len(got) == 3
    assert not got & locked
    assert {one.message_id for one in claimed(ledger)} == locked


def test_answers_are_those_of_the_time_asked_for(ledger: Ledger) -> None:
    """To the revision: the first that lies in it counts, the last before it does not."""
    scene(ledger, rows(6, expires_at=NOW + 99 * HOUR))
    for n, state in enumerate([S.REFUSED, S.ACCEPTED, S.REFUSED]):
        at = NOW + n * 24 * HOUR
        told = [Outcome(one.message_id, state) for one in claimed(ledger, n + 1, at)]
        ledger.messages.record(told, at, "dispatcher")
    now = NOW + 48 * HOUR
    counted = [
        [(one.answers, one.refused) for one in ledger.messages.answers(now, since)]
        for since in (HOUR, 24 * HOUR, 48 * HOUR - MINUTE, 48 * HOUR)
    ]
    assert counted == [[(3, 3)], [(5, 3)], [(5, 3)], [(6, 4)]]
