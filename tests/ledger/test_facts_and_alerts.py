"""What the ledger knows of itself, and what a person is told once."""

from pathlib import Path

import sqlalchemy as sa
from outbox_scene import HOUR, MINUTE, NOW, claimed
from test_ledger_opening import at_version

from antiphon.ledger import Ledger


def test_every_ledger_has_an_id_of_its_own_that_stays(url: str, tmp_path: Path) -> None:
    with Ledger.open(url) as ledger:
        own = ledger.facts.ledger_id
    with Ledger.open(url) as again, Ledger.open(str(tmp_path / "other.db")) as other:
        assert again.facts.ledger_id == own
        assert other.facts.ledger_id != own
        assert len(own) == 36


def test_a_fact_is_the_last_thing_put(ledger: Ledger) -> None:
    assert ledger.facts.get("confirmed_at") is None
    ledger.facts.put("confirmed_at", "one", NOW)
    ledger.facts.put("confirmed_at", "two", NOW + HOUR)
    fact = ledger.facts.fact("confirmed_at")
    assert fact is not None
    assert (fact.value, fact.at) == ("two", NOW + HOUR)
    assert ledger.facts.forget("confirmed_at")
    assert not ledger.facts.forget("confirmed_at")
    assert ledger.facts.get("confirmed_at") is None


def test_an_alert_is_raised_once_and_told_once(ledger: Ledger) -> None:
    alerts = ledger.alerts
    assert alerts.raise_once("failed", "run-1", "disk full", NOW)
    assert not alerts.raise_once("failed", "run-1", "disk full again", NOW + MINUTE)
    assert alerts.raise_once("failed", "run-2", "", NOW)
    assert alerts.raise_once("late", "run-1", "", NOW)
    first, second, third = alerts.open()
    assert (first.subject, first.detail, first.raised_at) == ("run-1", "disk full", NOW)
    assert alerts.mark_sent(first.alert_id, NOW)
    assert not alerts.mark_sent(first.alert_id, NOW)
    assert alerts.open() == [second, third]
    assert not alerts.raise_once("failed", "run-1", "", NOW + HOUR)
    assert [one.alert_id for one in alerts.latest(2)] == [third.alert_id, second.alert_id]
    assert alerts.settle("failed", "run-1")
    assert alerts.raise_once("failed", "run-1", "", NOW + HOUR)


MESSAGE = """
INSERT INTO messages (message_id, occurrence_key, attempt, run_id, campaign, step, cell,
    customer_id, unit, anchor, arm, channel, category, address, values_json, template_hash,
    language, state, not_before, expires_at, planned_at, updated_at, revision)
VALUES (:id, :id, 1, 'r', 'winback', '', '', 'c', 'c', 'once', 'gift', 'email', 'promo', 'a@b.c',
    '{}', :template, NULL, :state, :at, :until, :at, :at, 0)"""


def test_messages_that_waited_in_an_older_ledger_are_claimed(empty_url: str) -> None:
    engine = at_version(empty_url, "0003")
    is_lite = engine.dialect.name == "sqlite"
    at, until = NOW, NOW + HOUR
    stored = [int(x.timestamp() * 1_000_000) if is_lite else x for x in (at, until)]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO runs (run_id, flow, business_day, ordinal, as_of, dry_run, parameters,"
                " state, started_at, released_at, verdict) VALUES ('r', 'daily', '2026-05-12', 1,"
                " :at, false, '{}', 'finished', :at, :at, '')"
            ),
            {"at": stored[0]},
        )
        for n, (state, template) in enumerate(
            [("planned", "t"), ("planned", None), ("in_doubt", "t"), ("accepted", "t")]
        ):
            row = {"id": f"m{n}", "template": template, "state": state}
            connection.execute(sa.text(MESSAGE), {**row, "at": stored[0], "until": stored[1]})
    engine.dispose()
    with Ledger.open(empty_url) as ledger:
        assert ledger.messages.try_again({"m2": "m2-again"}, {"found": "no"}, NOW) == 1
        groups = ledger.messages.due_groups("email", NOW)
        assert {one.template_hash: one.messages for one in groups} == {"t": 2, "": 1}
        assert {one.message_id for one in claimed(ledger)} == {"m0", "m1", "m2-again"}
