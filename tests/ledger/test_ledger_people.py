"""Suppressions hold for an address, consents for a person; contacts go to the lake whole."""

import sqlite3
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from outbox_scene import HOUR, MINUTE, NOW, claimed, rows, scene

from antiphon import entities
from antiphon.errors import LedgerError
from antiphon.ledger import Ledger, Outcome
from antiphon.ledger.engine import next_revision, writing
from antiphon.ledger.history import CONTACTS
from antiphon.ledger.people import CONSENTED
from antiphon.ledger.responses import RESPONDED
from antiphon.ledger.statements import STATED
from antiphon.states import MessageState


def consent(
    ledger: Ledger, who: str, channel: str, category: str, granted: bool, at: datetime = NOW
) -> None:
    ledger.people.consent_act(who, channel, category, granted=granted, acted_at=at, source="web")


def test_the_bulk_tables_have_the_columns_of_the_lake() -> None:
    assert CONTACTS.names == [column.name for column in entities.CONTACTS.columns]
    assert CONSENTED.names == [column.name for column in entities.CONSENTS.columns]
    assert RESPONDED.names == [column.name for column in entities.RESPONSES.columns]
    assert STATED.names == [column.name for column in entities.STATEMENTS.columns]


def test_a_suppressed_address_stays_so_until_lifted(ledger: Ledger) -> None:
    people = ledger.people
    assert people.suppressions_table(NOW + HOUR).num_rows == 0
    assert people.suppress("email", "k", reason="bounce", at=NOW, source="sendgrid")
    assert not people.suppress("email", "k", reason="complaint", at=NOW, source="page")
    assert people.suppress("sms", "k", reason="STOP", at=NOW, source="twilio")
    assert people.suppressed_now("email", ["k", "other"]) == {"k"}
    assert people.lift("email", "k", "new mailbox", NOW + HOUR)
    assert not people.lift("email", "k", "again", NOW + HOUR)
    sms, email = ({"channel": channel, "address_key": "k"} for channel in ("sms", "email"))
    assert people.suppressions_table(NOW + HOUR).to_pylist() == [sms]
    then = people.suppressions_table(NOW + MINUTE).sort_by("channel")
    assert then.to_pylist() == [email, sms]
    assert people.suppressions_table(NOW - MINUTE).num_rows == 0
    assert people.suppress("email", "k", reason="bounce", at=NOW + HOUR, source="sendgrid")
    assert people.suppressed_now("email", ["k"]) == {"k"}


def test_the_latest_act_of_a_person_wins(ledger: Ledger) -> None:
    consent(ledger, "a", "*", "promo", False)
    consent(ledger, "a", "email", "promo", True, NOW + MINUTE)
    consent(ledger, "b", "email", "promo", True)
    consent(ledger, "b", "*", "*", False, NOW + MINUTE)
    consent(ledger, "c", "sms", "promo", False)
    customers = ["a", "b", "c", "d"]
    assert ledger.people.objections_now(customers, "email", "promo", NOW + HOUR) == {"b"}
    assert ledger.people.objections_now(customers, "sms", "promo", NOW + HOUR) == {"a", "b", "c"}
    assert ledger.people.objections_now(customers, "email", "promo", NOW) == {"a"}
    assert ledger.people.objections_now(["a"], "sms", "service", NOW + HOUR) == set()


def test_of_opposite_acts_of_one_instant_the_objection_stands(ledger: Ledger) -> None:
    for who, acts in {"a": (True, False), "b": (False, True)}.items():
        for granted in acts:
            consent(ledger, who, "email", "promo", granted)
    assert ledger.people.objections_now(["a", "b"], "email", "promo", NOW) == {"a", "b"}
    assert ledger.people.consents_since(0)["granted"].to_pylist() == [False, False]


def test_consents_are_told_once_from_a_mark_on(ledger: Ledger) -> None:
    consent(ledger, "a", "email", "promo", True)
    mark = ledger.history.mark()
    consent(ledger, "b", "email", "promo", True)
    consent(ledger, "a", "email", "promo", True)
    assert ledger.people.consents_since(mark)["customer_id"].to_pylist() == ["b"]
    assert ledger.people.consents_since(0).schema == CONSENTED


def test_an_act_keeps_what_proves_it(ledger: Ledger) -> None:
    consent(ledger, "a", "email", "promo", True)
    ledger.people.consent_act(
        "b",
        "email",
        "promo",
        granted=True,
        acted_at=NOW,
        source="confirmation",
        confirmed_at=NOW + MINUTE,
        evidence={"message": "m"},
        separate=True,
    )
    plain, proved = ledger.people.consents_since(0).sort_by("customer_id").to_pylist()
    assert [plain[name] for name in ("confirmed_at", "evidence", "separate")] == [None] * 3
    assert proved["confirmed_at"] == NOW + MINUTE
    assert (proved["evidence"], proved["separate"]) == ('{"message": "m"}', True)


def test_contacts_since_a_mark_are_what_changed_since(ledger: Ledger) -> None:
    day = scene(ledger, rows(3))
    mark = ledger.history.mark()
    with ledger.history.contacts_since(mark) as reader:
        assert reader.read_all().num_rows == 0
    message = claimed(ledger, 1, NOW + HOUR, "a", MINUTE)[0]
    ledger.messages.record([Outcome(message.message_id, MessageState.ACCEPTED)], NOW + HOUR, "a")
    with ledger.history.contacts_since(mark) as reader:
        (contact,) = reader.read_all().to_pylist()
    assert contact["message_id"] == message.message_id
    assert (contact["state"], contact["contact_at"]) == ("accepted", NOW + HOUR)
    assert (contact["attempt"], contact["run_id"]) == (1, day.run_id)
    with ledger.history.contacts_since(0) as reader:
        assert reader.schema == CONTACTS
        everything = reader.read_all()
    assert sorted(everything["contact_at"].to_pylist()) == [NOW, NOW, NOW + HOUR]


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_the_mark_waits_for_writers_that_took_a_number_before_it(url: str) -> None:
    """A late commit with a small number would be missed by the lake for ever."""
    with Ledger.open(url) as ledger, Ledger.open(url) as other:
        marks: list[int] = []
        with writing(ledger._engine) as slow:
            number = next_revision(slow)
            thread = threading.Thread(target=lambda: marks.append(other.history.mark()))
            thread.start()
            thread.join(0.5)
            assert marks == []
        thread.join(30)
        assert marks == [number]


def test_reading_in_bulk_does_not_drop_the_lock_of_a_writer_here(tmp_path: Path) -> None:
    """Two SQLite libraries in one process on one file would (see ledger/bulk.py)."""
    path = str(tmp_path / "ledger.db")
    code = (
        "import sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None)\n"
        "c.execute('BEGIN IMMEDIATE')"
    )
    with Ledger.open(path) as ledger:
        scene(ledger, rows(3))
        with writing(ledger._engine) as writer:
            writer.execute(sa.text("DELETE FROM contents"))
            with ledger.history.contacts_since(0) as reader:
                assert reader.read_all().num_rows == 3
            intruder = [sys.executable, "-c", code, path]
            said = subprocess.run(intruder, capture_output=True, text=True, check=False).stderr
    assert "database is locked" in said


def test_errors_of_the_database_show_no_values(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with Ledger.open(str(path)) as ledger:
        with sqlite3.connect(path) as connection:
            connection.execute("DROP TABLE suppressions")
        connection.close()
        with pytest.raises(LedgerError, match="no such table") as caught:
            ledger.people.suppress("email", "secret-key", reason="x", at=NOW, source="y")
    assert "secret-key" not in str(caught.value)
