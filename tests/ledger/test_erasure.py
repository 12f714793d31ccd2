"""Erasing a person from the ledger, on both databases."""

import re
from datetime import timedelta

import pyarrow as pa
import pytest
import sqlalchemy as sa
from outbox_scene import NOW, rows, scene

from antiphon.keys import address_key
from antiphon.ledger import Arrival, Ledger, Response
from antiphon.ledger.erasure import Changed, Person
from antiphon.ledger.response_schema import inbox
from antiphon.privacy.terms import terms_of

WHO, OTHER = "c00001", "c00002"
ADDRESS = "anna+1@example.org"
KEY = address_key("salt", "email", ADDRESS)
TERMS = terms_of(WHO, [ADDRESS], [("Änne", "Müller")])
PERSON = Person(WHO, "forgotten-7", "customer:c00002", frozenset({KEY}), TERMS.pattern, TERMS.words)
EVENTS = (
    b'[{"email": "anna+1@example.org", "event": "open"}, '
    b'{"email": "ben@example.org", "event": "open"}]'
)
FORM = b"From=anna%2B1%40example.org&Body=%C3%84nne+M%C3%BCller"


def with_columns(table: pa.Table, columns: dict[str, list[str]]) -> pa.Table:
    for name, values in columns.items():
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(name), [values])
    return table


@pytest.fixture
def peopled(ledger: Ledger) -> Ledger:
    """Two people with messages; one of them answered, agreed, told something, and was written of
    in what came in."""
    table = rows([WHO, OTHER])
    named = {
        "unit": ["customer:c00001"] * 2,
        "anchor": ["first", "once"],
        "occurrence_key": ["winback||first|customer:c00001", "winback||once|customer:c00001"],
    }
    scene(ledger, with_columns(table, named))
    mine, theirs = (ledger.messages.by_customer(who)[0].message_id for who in (WHO, OTHER))
    for number, (who, message) in enumerate([(WHO, mine), (OTHER, theirs)]):
        ledger.responses.insert(
            [
                Response(
                    f"r{number}",
                    "click",
                    NOW,
                    NOW,
                    "sendgrid",
                    message_id=message,
                    customer_id=who,
                    address_key=KEY if who == WHO else "k",
                    value="3",
                )
            ]
        )
        ledger.people.consent_act(who, "email", "promo", granted=True, acted_at=NOW, source="shop")
    ledger.inbox.put([Arrival("sendgrid", NOW, EVENTS), Arrival("twilio", NOW, FORM)])
    ledger.people.suppress("email", KEY, reason="bounce", at=NOW, source="sendgrid")
    return ledger


def bodies(ledger: Ledger) -> list[bytes]:
    with ledger._engine.connect() as connection:
        return list(connection.execute(sa.select(inbox.c.body).order_by("inbox_id")).scalars())


def test_rows_of_the_person_go_or_are_counted_on_under_the_pseudonym(peopled: Ledger) -> None:
    before = peopled.messages.counts()
    changed = peopled.erasure.erase(PERSON)
    assert peopled.messages.counts() == before
    assert changed.gone["consents"] == 1
    assert changed.renamed == {"messages": 1, "responses": 1, "codes": 0, "redemptions": 0}
    assert peopled.messages.by_customer(WHO) == []
    [message] = peopled.messages.by_customer("forgotten-7")
    assert (message.address, message.values_json) == (None, "{}")
    assert peopled.erasure.find(PERSON) == {}


def test_others_keep_what_is_theirs(peopled: Ledger) -> None:
    peopled.erasure.erase(PERSON)
    [message] = peopled.messages.by_customer(OTHER)
    assert message.address == "somebody@example.org"
    assert len(peopled.people.consents_since(0)) == 1
    assert set(peopled.holdings.of(OTHER, frozenset())) == {
        "messages",
        "message_log",
        "responses",
        "consents",
    }


def test_a_household_called_after_the_person_is_called_after_the_next(peopled: Ledger) -> None:
    peopled.erasure.erase(PERSON)
    [message] = peopled.messages.by_customer(OTHER)
    assert message.unit == "customer:c00002"
    assert message.occurrence_key == "winback||once|customer:c00002"


def test_requests_are_blanked_where_they_name_the_person(peopled: Ledger) -> None:
    before = bodies(peopled)
    peopled.erasure.erase(PERSON)
    events, form = bodies(peopled)
    assert [len(one) for one in before] == [len(events), len(form)]
    assert b"anna" not in events + form
    assert b"M%C3%BCller" not in form
    assert b"ben@example.org" in events


def test_a_suppression_stays(peopled: Ledger) -> None:
    peopled.erasure.erase(PERSON)
    assert peopled.people.suppressed_now("email", [KEY]) == {KEY}


def test_erasing_again_finds_nothing(peopled: Ledger) -> None:
    peopled.erasure.erase(PERSON)
    assert +peopled.erasure.erase(PERSON).gone == {}
    assert +peopled.erasure.erase(PERSON).renamed == {}
    assert peopled.erasure.erase(PERSON).blanked == Changed().blanked


def test_a_name_that_is_taken_is_not_given_twice(peopled: Ledger) -> None:
    """The household spoke under both names: its keys stay unique."""
    named = {
        "unit": ["customer:c00002"],
        "occurrence_key": ["winback||once|customer:c00002"],
        "message_id": ["f" * 32],
    }
    table = with_columns(rows([OTHER]), named)
    lease = peopled.leases.holder("planner", NOW)
    assert lease is not None
    peopled.leases.release(lease)
    scene(peopled, table)
    peopled.erasure.erase(PERSON)
    units = sorted(one.unit for one in peopled.messages.by_customer(OTHER))
    assert units == ["customer:c00002", "customer:forgotten-7"]


def test_compacting_leaves_the_rest_as_it_was(peopled: Ledger) -> None:
    peopled.erasure.erase(PERSON)
    peopled.erasure.compact()
    assert len(peopled.messages.by_customer("forgotten-7")) == 1
    if peopled.database is not None:
        data = peopled.database.read_bytes()
        assert re.search(rb"anna\+1@|c00001", data) is None


def test_tombstones_stay_as_they_were_put(ledger: Ledger) -> None:
    ledger.tombstones.put("customer", ["h1", "h1", "h2"], NOW)
    ledger.tombstones.put("customer", ["h1"], NOW + timedelta(days=1))
    ledger.tombstones.put("order", ["h3"], NOW)
    assert ledger.tombstones.forgotten_at("h1") == NOW
    assert ledger.tombstones.forgotten_at("h9") is None
    assert sorted(ledger.tombstones.table("customer")["key_hash"].to_pylist()) == ["h1", "h2"]
