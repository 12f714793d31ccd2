"""Codes of one's own are issued with their messages: one for each occurrence, each once."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from outbox_scene import MINUTE, NOW, Scene, rows, scene

from antiphon.keys import code_key
from antiphon.ledger import Issuing, Ledger
from antiphon.ledger import issuing as ledger_issuing
from antiphon.message.codes import is_well_formed, sample

TOUCH = ("winback", "")
ISSUING = Issuing("secret", "Europe/Berlin", {TOUCH: "WB"}, {TOUCH: sample("WB")})


def promising(customers: int | list[str], **keys: object) -> pa.Table:
    planned = rows(customers, **keys)  # type: ignore[arg-type]
    offer = {"code": sample("WB"), "discount": "15%", "gift": None, "valid_until": "2026-05-26"}
    values = json.dumps({"customer": {}, "offer": offer}, separators=(",", ":"))
    place = planned.schema.get_field_index("values_json")
    return planned.set_column(
        place, planned.schema.field(place), pa.array([values] * planned.num_rows)
    )


def plan(made: Scene, table: pa.Table) -> int:
    ledger = made.ledger
    return ledger.messages.plan(table, made.run_id, made.lease, NOW, ISSUING).inserted


def shown(ledger: Ledger, customer: str) -> str:
    (*_, message) = ledger.messages.by_customer(customer)
    return str(json.loads(message.values_json)["offer"]["code"])


def test_each_message_shows_the_code_that_its_customer_has(ledger: Ledger) -> None:
    made = scene(ledger, released=False)
    assert plan(made, promising(50)) == 50
    found = {}
    for number in range(50):
        customer = f"c{number:05}"
        (code,) = ledger.codes.of_customer(customer)
        assert code_key(shown(ledger, customer)) == code.code
        assert code.valid_until == datetime(2026, 5, 26, 22, tzinfo=UTC)  # its last day is over
        assert (code.discount, code.gift, code.campaign) == ("15%", None, "winback")
        assert code.code.startswith("WB")
        assert is_well_formed(code.code[2:])
        found[code.code] = customer
    assert len(found) == 50
    assert ledger.codes.issued(["winback"]) == {"winback": 50}


def test_planning_again_gives_nobody_a_second_code(ledger: Ledger) -> None:
    made = scene(ledger, released=False)
    plan(made, promising(10))
    before = [shown(ledger, f"c{number:05}") for number in range(10)]
    assert plan(made, promising(15)) == 5
    assert [shown(ledger, f"c{number:05}") for number in range(10)] == before
    assert ledger.codes.table_since(0).num_rows == 15


def test_a_message_that_was_there_before_gets_no_code_that_nobody_sees(ledger: Ledger) -> None:
    made = scene(ledger, rows(5), released=False)
    assert plan(made, promising(7)) == 2
    assert ledger.codes.table_since(0).num_rows == 2


def test_a_control_row_gets_no_code(ledger: Ledger) -> None:
    made = scene(ledger, released=False)
    plan(made, promising(5, state="control"))
    assert ledger.codes.table_since(0).num_rows == 0


def test_a_code_that_is_taken_is_given_to_nobody_else(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashes that meet: of a thousand occurrences all are drawn from 40 codes at first."""

    def narrow(key: bytes, occurrence: str, trial: int = 0) -> str:
        number = sum(occurrence.encode()) % 40 if trial < 3 else int(occurrence[-5:])
        return f"{trial}{number:05}"

    monkeypatch.setattr(ledger_issuing, "made", narrow)
    made = scene(ledger, released=False)
    plan(made, promising(300))
    table = ledger.codes.table_since(0)
    assert len(set(table["code"].to_pylist())) == 300
    for number in (0, 17, 299):
        customer = f"c{number:05}"
        (code,) = ledger.codes.of_customer(customer)
        assert code_key(shown(ledger, customer)) == code.code


def test_a_code_is_withdrawn_when_its_message_never_left(ledger: Ledger) -> None:
    made = scene(ledger, released=False)
    plan(made, promising(4))
    assert ledger.codes.follow(NOW) == 0
    ledger.messages.withdraw("held", NOW, ids=[promising(1)["message_id"][0].as_py()])
    mark = ledger.history.mark()
    assert ledger.codes.follow(NOW + MINUTE) == 1
    assert ledger.codes.follow(NOW + MINUTE) == 0
    (code,) = ledger.codes.of_customer("c00000")
    assert code.withdrawn_at == NOW + MINUTE
    assert ledger.codes.issued(["winback"]) == {"winback": 3}
    assert ledger.codes.table_since(mark)["code"].to_pylist() == [code.code]


def test_a_second_attempt_shows_the_code_of_the_first_and_puts_it_back(ledger: Ledger) -> None:
    made = scene(ledger, released=False)
    plan(made, promising(1))
    first = shown(ledger, "c00000")
    ledger.messages.withdraw("no address", NOW, campaign="winback")
    ledger.codes.follow(NOW)
    plan(made, promising(1, attempt=2))
    assert shown(ledger, "c00000") == first
    assert ledger.codes.follow(NOW) == 1
    (code,) = ledger.codes.of_customer("c00000")
    assert code.withdrawn_at is None


PLANNER = """
import sys
sys.path[:0] = sys.argv[3:4]
from test_promo_codes import ISSUING, NOW, MINUTE, promising
from antiphon.ledger import Lease, Ledger
with Ledger.open(sys.argv[1]) as ledger:
    lease = ledger.leases.holder("planner", NOW)
    table = promising(30_000)
    print("plans", flush=True)
    ledger.messages.plan(table, sys.argv[2], lease, NOW, ISSUING)
"""


def test_a_planner_that_is_killed_gives_no_code_to_two_and_no_two_to_one(tmp_path: Path) -> None:
    url = str(tmp_path / "ledger.db")
    with Ledger.open(url) as ledger:
        made = scene(ledger, released=False)
        command = [sys.executable, "-c", PLANNER, url, made.run_id, str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as planner:
            assert planner.stdout is not None
            assert planner.stdout.readline() == "plans\n"
            deadline = time.monotonic() + 60
            while not ledger.codes.issued(["winback"]) and time.monotonic() < deadline:
                time.sleep(0.005)  # the first transaction stands, the second is under way
            planner.kill()
        before = ledger.codes.issued(["winback"])["winback"]
        assert before % 10_000 == 0
        assert before == sum(one.messages for one in ledger.messages.counts())
        plan(made, promising(30_000))
        issued = ledger.codes.table_since(0)
        assert len(set(issued["code"].to_pylist())) == 30_000
        own = dict(zip(issued["customer_id"].to_pylist(), issued["code"].to_pylist(), strict=True))
        for message in ledger.messages.of_run(made.run_id)[::97]:
            code = json.loads(message.values_json)["offer"]["code"]
            assert code_key(code) == own[message.customer_id]
