"""A forgotten person is found nowhere, is counted on, and stays forgotten."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from privacy_scene import DAY_TWO, MAIL, NEXT, PARTNER, PHONE, WHO, letters, traces
from small_shop import Shop, at, frozen_at

from antiphon import keys
from antiphon.errors import RunBusy, UserFilesError
from antiphon.guards.backup import back_up, restore
from antiphon.privacy.export import as_text, export
from antiphon.privacy.forget import Forgotten, forget, to_repeat
from antiphon.privacy.tombstones import PREFIX
from antiphon.steps import daily
from antiphon.steps.replaying import replay, runs_of
from antiphon.steps.run import LEASE

UNSHARED = (WHO, MAIL)  # the telephone number is the partner's too


def forgotten(shop: Shop) -> Forgotten:
    return forget(shop.project(NEXT), WHO)


def states(shop: Shop) -> Counter[tuple[str, str]]:
    return Counter((row["campaign"], row["state"]) for row in shop.contacts())


def test_the_person_is_found_nowhere_below_var(lived: Path, erased: tuple[Shop, Forgotten]) -> None:
    shop, done = erased
    assert len(traces(lived, UNSHARED)) > 15
    assert traces(shop.root, UNSHARED) == []
    assert done.proof.is_clean
    assert done.proof.sources == ("data/customers.csv", "data/events.csv", "data/orders.csv")
    assert done.lake.gone["customers"] == done.lake.gone["events"] == 1
    assert done.lake.gone["quarantine"] == 1


def test_what_is_counted_is_counted_as_before(lived: Path, erased: tuple[Shop, Forgotten]) -> None:
    shop, _ = erased
    decisions = [len(_decisions(Shop(lived), who)) for who in (WHO, PARTNER)]
    assert states(shop) == states(Shop(lived))
    ledger = shop.project(NEXT).ledger
    [pseudonym] = {
        row["customer_id"] for row in shop.contacts() if row["customer_id"].startswith(PREFIX)
    }
    assert [len(_decisions(shop, who)) for who in (pseudonym, PARTNER)] == decisions
    assert [one.address for one in ledger.messages.by_customer(pseudonym)] == [None, None]
    assert ledger.responses.known(["r1"]) == {"r1"}


def _decisions(shop: Shop, customer_id: str) -> list[object]:
    project = shop.project(NEXT)
    with project.lake.session() as session:
        found = []
        for path in project.lake.current().files("decisions"):
            found += session.rows(
                f"SELECT * FROM read_parquet('{path}') WHERE customer_id = $1",
                [customer_id],
            )
        return found


def test_others_keep_what_they_share(erased: tuple[Shop, Forgotten]) -> None:
    shop, done = erased
    project = shop.project(NEXT)
    assert done.shared == 1  # the number, however it is written
    assert done.suppressed == 1
    assert project.lake.known(PARTNER).addresses >= {("sms", PHONE)}
    key = keys.address_key("shop", "sms", PHONE)
    assert project.ledger.people.suppressed_now("sms", [key]) == set()
    [task] = (shop.root / "var" / "tasks" / "2026-05.csv").read_text().splitlines()[1:]
    assert task.startswith(PARTNER)


def test_past_days_are_still_replayed(erased: tuple[Shop, Forgotten]) -> None:
    shop, _ = erased
    project = shop.project(NEXT)
    for day in ("2026-05-12", "2026-05-13"):
        [record] = runs_of(project, date.fromisoformat(day))
        found = replay(project, record).comparison
        assert found.is_equal
        assert found.erased_customers == 1


def test_later_pulls_leave_the_person_out_whatever_the_id(shop: Shop) -> None:
    """Somebody who registers with the address is new, and is written to after an agreement."""
    forgotten(shop)
    shop.order(WHO, at("2026-05-14T09:00"))
    shop.customer("KU20001", NEXT, email=MAIL)
    shop.write(*letters("third"))
    run_id = shop.daily(NEXT)
    project = shop.project(NEXT)
    [step] = [one for one in project.ledger.runs.steps(run_id) if one.step == "pull"]
    assert step.counts["forgotten"] == 4  # the customer, two orders that were there, a new one
    assert traces(shop.root, [WHO]) == []
    assert not project.lake.known(WHO).is_there
    assert {"KU20001", WHO}.isdisjoint(written_to(shop, "third"))
    assert PARTNER in written_to(shop, "third")
    _agree(shop, "KU20001", at("2026-05-15T09:00"))
    shop.daily(at("2026-05-15T10:00"))
    assert "KU20001" in written_to(shop, "third")


def written_to(shop: Shop, name: str) -> set[str]:
    return {row["customer_id"] for row in shop.contacts() if row["campaign"] == name}


def _agree(shop: Shop, customer_id: str, when: datetime) -> None:
    people = shop.project(NEXT).ledger.people
    people.consent_act(
        customer_id,
        "email",
        "*",
        granted=True,
        acted_at=when,
        source="web",  # type: ignore[arg-type]
    )


def test_an_unfinished_run_goes_on_without_the_person(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> dict[str, int]:
        raise KeyboardInterrupt

    shop.write(*letters("third"))
    with monkeypatch.context() as patched:
        patched.setattr(daily, "DECIDING", (*daily.DECIDING[:3], die))
        with pytest.raises(KeyboardInterrupt):
            shop.daily(NEXT)
    forgotten(shop)
    assert traces(shop.root, UNSHARED) == []
    shop.daily(NEXT)
    assert len(written_to(shop, "third")) == 5
    assert traces(shop.root, UNSHARED) == []


KILLED = """
import os, signal, sys
from datetime import datetime
from pathlib import Path
sys.path[:0] = [{tests!r}, {steps!r}]
from small_shop import frozen_at
from antiphon.lake import erasure
from antiphon.privacy.forget import forget
from antiphon.project import open_project

replace = erasure.replace_manifest
def die(*given):
    replace(*given)
    os.kill(os.getpid(), signal.SIGKILL)
erasure.replace_manifest = die
forget(open_project(Path({root!r}), frozen_at(datetime.fromisoformat({now!r}))), {who!r})
"""


def test_killed_between_two_snapshots_it_is_ended_by_repeating_it(shop: Shop) -> None:
    tests = Path(__file__).parents[1]
    places = {"tests": str(tests), "steps": str(tests / "steps"), "root": str(shop.root)}
    script = KILLED.format(**places, now=NEXT.isoformat(), who=WHO)
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    before = states(shop)
    assert to_repeat(shop.project(NEXT)) == [WHO]
    assert forgotten(shop).proof.is_clean
    assert traces(shop.root, UNSHARED) == []
    assert states(shop) == before


@pytest.mark.parametrize("stage", ["prove", "_compacted"])
def test_wherever_it_ends_repeating_it_ends_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"antiphon.privacy.forget.{stage}", die)
        with pytest.raises(KeyboardInterrupt):
            forgotten(shop)
    assert to_repeat(shop.project(NEXT)) == ([] if stage == "_compacted" else [WHO])
    assert forgotten(shop).proof.is_clean
    assert traces(shop.root, UNSHARED) == []
    assert not [one for one in _facts(shop) if one.startswith("forgetting ")]


def test_nothing_is_erased_while_a_run_is_at_work(shop: Shop) -> None:
    ledger = shop.project(NEXT).ledger
    ledger.leases.acquire(LEASE, "elsewhere/1/1", timedelta(minutes=1), datetime.now(UTC))
    with pytest.raises(RunBusy):
        forgotten(shop)
    assert ledger.erasure.identities(WHO).rows


def test_an_id_that_nobody_has_is_refused(shop: Shop) -> None:
    with pytest.raises(UserFilesError, match="nothing is known of a customer 'KU9'"):
        forget(shop.project(NEXT), "KU9")
    assert shop.project(NEXT).ledger.tombstones.all() == []


def test_who_comes_back_with_a_backup_is_known_and_forgotten_again(shop: Shop) -> None:
    copy = shop.root.parent / "old.tar.gz"
    back_up(shop.project(NEXT), copy)
    forgotten(shop)
    assert to_repeat(shop.project(NEXT)) == []
    restore(shop.root, copy, frozen_at(NEXT), force=True)
    assert to_repeat(shop.project(NEXT)) == [WHO]
    done = forgotten(shop)
    assert done.proof.left == {}
    assert to_repeat(shop.project(NEXT)) == []


def test_what_cannot_be_erased_is_named(shop: Shop) -> None:
    """Packed copies, and facts of others in which sources name the person."""
    back_up(shop.project(NEXT), shop.root / "var" / "backups" / "old.tar.gz")
    shop.event(PARTNER, "invited", at("2026-05-14T08:00"), value=WHO)
    shop.write(*letters("first"))
    shop.daily(NEXT)
    done = forgotten(shop)
    assert done.proof.is_clean
    assert done.proof.copies == ("var/backups/old.tar.gz",)
    assert "events of other customers name the person" in done.proof.sources
    (shop.root / "var" / "late.txt").write_text(f"{WHO} wrote", encoding="utf-8")
    assert forgotten(shop).files == {"blanked": 1, "left": 1}


def test_the_proof_finds_what_an_erasure_left(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would: the search shares no code with the erasing of files."""
    monkeypatch.setattr("antiphon.privacy.forget._clean_files", lambda *_: Counter())
    done = forgotten(shop)
    assert not done.proof.is_clean
    assert "var/tasks/2026-05.csv" in done.proof.left
    note = [one for one in _facts(shop) if one.startswith("forgetting ")]
    assert len(note) == 1
    monkeypatch.undo()
    assert forgotten(shop).proof.is_clean
    assert not [one for one in _facts(shop) if one.startswith("forgetting ")]


def _facts(shop: Shop) -> list[str]:
    with sqlite3.connect(shop.root / "var" / "ledger.db") as connection:
        return [name for (name,) in connection.execute("SELECT name FROM facts")]


def test_an_export_holds_everything_and_says_where_it_came_from(shop: Shop) -> None:
    document = json.loads(as_text(export(shop.project(DAY_TWO), WHO)))
    assert {row["source"] for rows in document["facts"].values() for row in rows} >= {
        "customers",
        "orders",
        "events",
        "@ledger",
    }
    assert [one["email"] for one in document["facts"]["customers"]] == [MAIL]
    assert [one["campaign"] for one in document["messages"]] == ["first", "second"]
    assert "Hello Anna" in document["messages"][0]["written"]["text"]
    assert set(document["ledger"]) >= {"responses", "consents", "message_log"}
    assert [row["entity"] for row in document["quarantine"]] == ["orders"]
    [received] = document["received"]
    assert [one["email"] for one in received["content"]] == [MAIL.upper()]
    assert "ben@example.com" not in as_text(document)
    assert document["derived"]["features"]["first_name"] == "Anna"
    assert document["about"]["recipients"] == {"email": ["local"], "sms": ["local"]}


def test_of_a_forgotten_person_there_is_nothing_to_export(erased: tuple[Shop, Forgotten]) -> None:
    shop, _ = erased
    with pytest.raises(UserFilesError, match="was forgotten on 2026-05-14: nothing is held"):
        export(shop.project(NEXT), WHO)
