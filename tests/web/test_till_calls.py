"""POST /redeem: tills redeem codes with a secret, once, and learn why one does not count."""

import json
from typing import Any

import pyarrow as pa
import pytest
from web_scene import DAY, NOW, Scene

from antiphon.ledger import PLAN_SCHEMA, Issuing
from antiphon.message.codes import sample, written

SECRET = "a-till-secret-of-32-characters!!"
HEADERS = {"authorization": f"Bearer {SECRET}"}


@pytest.fixture
def till(scene: Scene) -> Scene:
    """A company whose tills have a secret, and a code for Ada and one for Bob."""
    environment = {**scene.project.environment, "ANTIPHON_TILL_KEY": SECRET}
    object.__setattr__(scene.project, "environment", environment)
    ledger = scene.project.ledger
    offer = {
        "code": sample("AB"),
        "discount": "15%",
        "gift": "a cream",
        "valid_until": "2026-05-20",
    }
    rows = [
        scene._row(name, values_json=json.dumps({"offer": offer}, separators=(",", ":")))
        for name in ("ada", "bob")
    ]
    lease = ledger.leases.acquire("planning", "test", DAY, NOW)
    run = ledger.runs.begin("daily", NOW.date(), NOW, NOW, lease=lease)
    touch = ("letter", "")
    issuing = Issuing("secret", "Europe/Berlin", {touch: "AB"}, {touch: sample("AB")})
    table = pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)
    ledger.messages.plan(table, run.run_id, lease, NOW, issuing)
    ledger.messages.release(run.run_id, lease, NOW)
    scene.clock.now = NOW + DAY
    return scene


def code_of(scene: Scene, customer: str) -> str:
    (code,) = scene.project.ledger.codes.of_customer(customer)
    return written(code.code)


def ask(scene: Scene, **given: Any) -> tuple[int, dict[str, Any]]:
    answer = scene.post("/redeem", json=given, headers=HEADERS)
    return answer.status_code, answer.json()


def test_a_till_redeems_a_code_and_asks_again_when_its_line_broke(till: Scene) -> None:
    code = code_of(till, "ada").lower()
    accepted = {
        "accepted": True,
        "verdict": "counted",
        "campaign": "letter",
        "discount": "15%",
        "gift": "a cream",
    }
    assert ask(till, code=code, receipt="7", discount="4,50") == (200, accepted)
    assert ask(till, code=code, receipt="7", discount="4,50") == (200, accepted)
    status, answer = ask(till, code=code, receipt="8")
    assert (status, answer["accepted"], answer["verdict"]) == (200, False, "again")
    ledger = till.project.ledger
    assert ledger.codes.spent_e4(["letter"]) == {"letter": 45_000}
    (told,) = ledger.responses.of_customer("ada")
    assert (told.kind, told.campaign, told.provider) == ("redemption", "letter", "till")


def test_a_till_learns_why_a_code_does_not_count(till: Scene) -> None:
    code = code_of(till, "bob")
    for given, verdict in (
        ({"code": code, "customer_id": "ada"}, "other"),
        ({"code": "AB2222222222222"}, "unknown"),
    ):
        status, answer = ask(till, receipt="1", **given)
        assert (status, answer["accepted"], answer["verdict"]) == (200, False, verdict)
        assert answer["discount"] is None
    till.clock.now = NOW + 30 * DAY
    assert ask(till, code=code)[1]["verdict"] == "late"


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"authorization": "Bearer wrong"}, 401), ({"authorization": SECRET}, 401)],
)
def test_who_has_no_secret_learns_nothing(
    till: Scene, headers: dict[str, str], status: int
) -> None:
    answer = till.post("/redeem", json={"code": code_of(till, "ada")}, headers=headers)
    assert answer.status_code == status
    assert till.project.ledger.redemptions.counts() == {}
    assert till.refused()["tills: refused with 401"] == 1


def test_without_a_secret_in_the_environment_no_till_is_let_in(scene: Scene) -> None:
    answer = scene.post("/redeem", json={"code": "X"}, headers=HEADERS)
    assert answer.status_code == 503


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"code": ""}',
        b'{"code": ["A"]}',
        b'{"code": "A", "password": "x"}',
        b'{"code": "A", "discount": "much"}',
        b'{"code": "A", "discount": "1e99"}',
        b'{"code": "A", "redeemed_at": "yesterday"}',
        b'{"code": "A", "redeemed_at": "2036-01-01"}',
        b'{"code": "' + b"A" * 300 + b'"}',
        b'{"code": "\\u0000"}',
    ],
)
def test_a_call_that_makes_no_sense_is_answered_and_redeems_nothing(
    till: Scene, body: bytes
) -> None:
    answer = till.post("/redeem", content=body, headers=HEADERS)
    assert answer.status_code == 400
    assert answer.json()["why"]
    assert till.project.ledger.redemptions.counts() == {}


def test_a_gigantic_call_is_not_read(till: Scene) -> None:
    assert till.post("/redeem", content=b" " * 20_000, headers=HEADERS).status_code == 413
