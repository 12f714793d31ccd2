"""A code that comes back is judged once: counted, again, late, other, unknown, returned."""

import json
import threading
from dataclasses import replace
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from outbox_scene import MINUTE, NOW, Scene, claimed, rows, scene

from antiphon.keys import code_key
from antiphon.ledger import Issuing, Ledger, Outcome
from antiphon.message.codes import sample
from antiphon.response.redemptions import Told
from antiphon.states import MessageState
from antiphon.states import RedemptionVerdict as V

ZONE = "Europe/Berlin"
DAY = timedelta(days=1)
ANNE, BERT = "c00000", "c00001"
OWN = Issuing("secret", ZONE, {("winback", ""): "WB"}, {("winback", ""): sample("WB")})
SHARED = Issuing("", ZONE, shared=frozenset({("winback", "")}))


def plan(ledger: Ledger, issuing: Issuing, code: str, customers: int = 3) -> Scene:
    made = scene(ledger, released=False)
    table = rows(customers)
    offer = {"code": code, "discount": "15%", "valid_until": "2026-05-26"}
    values = [json.dumps({"offer": offer}, separators=(",", ":"))] * customers
    at = table.schema.get_field_index("values_json")
    table = table.set_column(at, table.schema.field(at), pa.array(values))
    ledger.messages.plan(table, made.run_id, made.lease, NOW, issuing)
    made.release()
    return made


def send(ledger: Ledger) -> None:
    sent = [
        Outcome(one.message_id, MessageState.ACCEPTED) for one in claimed(ledger, now=NOW + MINUTE)
    ]
    ledger.messages.record(sent, NOW + MINUTE, holder="dispatcher")


@pytest.fixture
def own(ledger: Ledger) -> str:
    """Anne's code."""
    plan(ledger, OWN, sample("WB"))
    send(ledger)
    (code,) = ledger.codes.of_customer(ANNE)
    return code.code


def used(code: str, customer: str | None = ANNE, after: timedelta = DAY, **more: object) -> Told:
    return Told(code, NOW + after, "file", customer, **more)  # type: ignore[arg-type]


def verdicts(ledger: Ledger, *told: Told) -> list[V]:
    return [one.verdict for one in ledger.redemptions.redeem(told, ZONE)]


def test_a_code_counts_once(ledger: Ledger, own: str) -> None:
    assert verdicts(ledger, used(own, reference="a"), used(own, reference="b")) == [
        V.COUNTED,
        V.AGAIN,
    ]
    assert verdicts(ledger, used(own, reference="c")) == [V.AGAIN]


def test_the_same_use_told_again_changes_nothing(ledger: Ledger, own: str) -> None:
    told = used(own, order_id="O1")
    assert verdicts(ledger, told) == [V.COUNTED]
    mark = ledger.history.mark()
    (again,) = ledger.redemptions.redeem([told], ZONE)
    assert (again.verdict, again.is_new) == (V.COUNTED, False)
    assert ledger.history.mark() == mark
    assert len(ledger.redemptions.of_code(own)) == 1


def test_nobody_redeems_the_code_of_somebody_else_nor_uses_it_up(ledger: Ledger, own: str) -> None:
    assert verdicts(ledger, used(own, BERT)) == [V.OTHER]
    assert verdicts(ledger, used(own, ANNE)) == [V.COUNTED]


def test_who_shows_no_customer_number_is_taken_for_the_owner(ledger: Ledger, own: str) -> None:
    (one,) = ledger.redemptions.redeem([used(own, None)], ZONE)
    assert (one.verdict, one.customer_id, one.campaign) == (V.COUNTED, ANNE, "winback")


def test_a_code_is_late_when_its_last_day_is_over(ledger: Ledger, own: str) -> None:
    (code,) = ledger.codes.of_customer(ANNE)
    assert code.valid_until is not None
    over = code.valid_until - NOW
    assert verdicts(ledger, used(own, after=over)) == [V.LATE]
    assert verdicts(ledger, used(own, after=over - timedelta(microseconds=1))) == [V.COUNTED]


def test_a_code_that_nobody_issued_is_unknown(ledger: Ledger, own: str) -> None:
    assert verdicts(ledger, used("WB" + "2" * 13)) == [V.UNKNOWN]
    assert ledger.redemptions.counts() == {("", "unknown"): 1}


def test_a_code_whose_message_never_left_is_not_valid(ledger: Ledger) -> None:
    plan(ledger, OWN, sample("WB"))
    (code,) = ledger.codes.of_customer(ANNE)
    ledger.messages.withdraw("held", NOW, campaign="winback")
    ledger.codes.follow(NOW)
    assert verdicts(ledger, used(code.code)) == [V.LATE]


def test_an_order_given_back_no_longer_counts_and_frees_the_code(ledger: Ledger, own: str) -> None:
    told = used(own, order_id="O1", amount_e4=12_000)
    assert verdicts(ledger, told) == [V.COUNTED]
    assert ledger.codes.spent_e4(["winback"]) == {"winback": 12_000}
    mark = ledger.history.mark()
    assert verdicts(ledger, replace(told, is_returned=True)) == [V.RETURNED]
    assert ledger.codes.spent_e4(["winback"]) == {}
    changed = ledger.codes.table_since(mark)
    assert changed["redeemed_at"].to_pylist() == [None]
    assert verdicts(ledger, used(own, order_id="O2")) == [V.COUNTED]
    assert verdicts(ledger, told) == [V.AGAIN]  # it was not given back after all: too late


def test_the_lake_hears_that_a_code_was_redeemed(ledger: Ledger, own: str) -> None:
    mark = ledger.history.mark()
    verdicts(ledger, used(own))
    (row,) = ledger.codes.table_since(mark).to_pylist()
    assert (row["code"], row["redeemed_at"]) == (own, NOW + DAY)


def test_a_till_and_the_order_that_comes_later_are_one_use(ledger: Ledger, own: str) -> None:
    till = Told(own, NOW + DAY, "till", None, None, "receipt 7")
    order = Told(own, NOW + DAY + MINUTE, "order", ANNE, "O1", amount_e4=5_000)
    assert verdicts(ledger, till, order) == [V.COUNTED, V.COUNTED]
    (one,) = ledger.redemptions.of_code(own)
    assert (one.order_id, one.amount_e4, one.source) == ("O1", 5_000, "till")
    assert verdicts(ledger, replace(order, order_id="O2")) == [V.AGAIN]


def test_a_shared_code_counts_for_whom_it_was_promised(ledger: Ledger) -> None:
    plan(ledger, SHARED, "COME-BACK 15", customers=2)
    key = code_key("come-back 15")
    assert verdicts(ledger, used(key, order_id="early")) == [V.OTHER]  # it has not left yet
    send(ledger)
    told = [
        used(key, ANNE, order_id="O1"),
        used(key, ANNE, order_id="O2"),
        used(key, "stranger", order_id="O3"),
        used(key, BERT, 30 * DAY, order_id="O4"),
        used(key, None, order_id="O5"),
    ]
    found = {one.order_id: one for one in ledger.redemptions.redeem(told, ZONE)}
    judged = {name: one.verdict for name, one in found.items()}
    assert judged == {
        "O1": V.COUNTED,
        "O2": V.COUNTED,
        "O3": V.OTHER,
        "O4": V.LATE,
        "O5": V.COUNTED,
    }
    assert found["O1"].occurrence_key == "winback||once|c00000"
    assert (found["O5"].campaign, found["O5"].customer_id) == ("winback", None)
    assert ledger.codes.table_since(0).num_rows == 0  # it is nobody's own


def test_what_counts_names_the_message_that_brought_the_code(ledger: Ledger, own: str) -> None:
    verdicts(ledger, used(own, reference="a"), used(own, reference="b"))
    (one,) = ledger.redemptions.counted_since(0)
    (message,) = ledger.messages.by_customer(ANNE)
    assert (one.message_id, one.channel) == (message.message_id, "email")
    assert ledger.redemptions.counted_since(ledger.history.mark()) == []


def test_of_tills_that_redeem_a_code_at_one_moment_one_succeeds(url: str) -> None:
    with Ledger.open(url) as ledger:
        plan(ledger, OWN, sample("WB"))
        (code,) = ledger.codes.of_customer(ANNE)
        judged: list[V] = []
        together = threading.Barrier(6)

        def till(number: int) -> None:
            told = Told(code.code, NOW + DAY, "till", None, None, f"receipt {number}")
            together.wait()
            judged.extend(verdicts(ledger, told))

        threads = [threading.Thread(target=till, args=(number,)) for number in range(6)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert sorted(judged) == [V.AGAIN] * 5 + [V.COUNTED]


def test_at_a_code_used_before_it_was_issued_nobody_wonders(ledger: Ledger, own: str) -> None:
    """Clocks of tills differ: only the end of a code is asked for."""
    early = datetime(2026, 5, 12, 7, 59, tzinfo=NOW.tzinfo)
    assert verdicts(ledger, Told(own, early, "till")) == [V.COUNTED]
