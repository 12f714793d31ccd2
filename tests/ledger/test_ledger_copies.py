"""A copy of the whole ledger goes from either database into either."""

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from outbox_scene import HOUR, MINUTE, NOW, rows, scene

from antiphon.errors import LedgerError
from antiphon.ledger import Ledger
from antiphon.ledger.copying import counts_of
from antiphon.states import MessageState

ACCOUNTS = {"email": "sendgrid", "sms": "twilio"}
EVIDENCE = {"reason": "restored"}


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger on SQLite with a past of its own."""
    with Ledger.open(f"sqlite:///{tmp_path / 'another.db'}") as opened:
        filled(opened)
        yield opened


def filled(ledger: Ledger) -> None:
    """Rows in many tables: messages planned and waiting, contents, opt-outs, facts."""
    made = scene(ledger, rows(4), released=False)
    made.plan(rows(["later"], campaign="later", not_before=NOW + HOUR))
    made.plan(rows(["held out"], campaign="control", state="control"))
    made.release()
    ledger.contents.put(b"\x00text")
    ledger.people.suppress_all({("email", "key")}, reason="asked", at=NOW, source="test")
    ledger.facts.put("confirmed_at", "then", NOW)


def restored(into: Ledger, path: Path, seen: int = 0) -> int:
    return into.restore(path, ACCOUNTS, EVIDENCE, NOW + MINUTE, seen=seen)


def test_a_copy_holds_every_row_and_nobody_has_to_stop(ledger: Ledger, tmp_path: Path) -> None:
    filled(ledger)
    counts = ledger.copy_to(tmp_path / "copy.db")
    assert counts["messages"] == 6
    assert counts["suppressions"] == counts["runs"] == counts["contents"] == 1
    assert list(tmp_path.glob("copy.db-*")) == []
    with Ledger.open(f"sqlite:///{tmp_path / 'copy.db'}") as copy:
        assert copy.messages.counts() == ledger.messages.counts()
        assert copy.facts.ledger_id == ledger.facts.ledger_id
        one = copy.messages.by_customer("c00001")[0]
        assert ledger.messages.get(one.message_id) == one


def test_a_copy_of_either_database_is_restored_into_either(
    ledger: Ledger, another: Ledger, tmp_path: Path
) -> None:
    another.copy_to(tmp_path / "copy.db")
    scene(ledger, rows(["gone"], campaign="gone"))
    restored(ledger, tmp_path / "copy.db")
    assert ledger.messages.by_customer("gone") == []
    assert ledger.facts.ledger_id == another.facts.ledger_id
    assert len(ledger.messages.by_customer("later")) == 1
    back = tmp_path / "back.db"
    ledger.copy_to(back)
    assert counts_of(back)["messages"] == 6


def test_what_may_have_left_since_the_copy_is_in_doubt_and_nothing_else(
    ledger: Ledger, tmp_path: Path
) -> None:
    filled(ledger)
    ledger.copy_to(tmp_path / "copy.db")
    assert restored(ledger, tmp_path / "copy.db") == 4
    states = {
        name: ledger.messages.by_customer(name)[0].state for name in ("c00000", "later", "held out")
    }
    assert states == {
        "c00000": MessageState.IN_DOUBT,
        "later": MessageState.PLANNED,
        "held out": MessageState.CONTROL,
    }
    doubtful = ledger.messages.in_doubt("email", "sendgrid")
    assert [one.left_at for one in doubtful] == [NOW] * 4
    log = [entry.state for entry in ledger.messages.log(doubtful[0].message_id)]
    assert log == [MessageState.PLANNED, MessageState.SENDING, MessageState.IN_DOUBT]


def test_the_next_change_is_newer_than_all_the_lake_has_seen(
    ledger: Ledger, tmp_path: Path
) -> None:
    filled(ledger)
    ledger.copy_to(tmp_path / "copy.db")
    restored(ledger, tmp_path / "copy.db", seen=5_000)
    assert all(one.revision > 5_000 for one in ledger.messages.in_doubt("email"))
    ledger.people.suppress_all({("email", "more")}, reason="asked", at=NOW, source="test")
    scene_ = ledger.runs.begin("daily", NOW.date() + timedelta(days=1), NOW, NOW)
    assert scene_.run_id.endswith("-1")
    assert ledger.history.mark() > 5_000


def test_a_file_that_is_no_ledger_leaves_the_ledger_as_it_was(
    ledger: Ledger, tmp_path: Path
) -> None:
    filled(ledger)
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"not a database, for certain" * 100)
    with pytest.raises(LedgerError):
        restored(ledger, broken)
    newer = tmp_path / "newer.db"
    ledger.copy_to(newer)
    with sqlite3.connect(newer) as copy:
        copy.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(LedgerError, match="newer than this program"):
        restored(ledger, newer)
    assert len(ledger.messages.by_customer("c00000")) == 1
