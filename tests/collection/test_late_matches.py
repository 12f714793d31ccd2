"""Responses without our id find their owners by the provider's id and by the address."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from back_office import DAY, HOUR, NOW, SALT, Office

from antiphon import keys
from antiphon.collection.matching import match_late
from antiphon.entities import CUSTOMERS

ARROW = {"BOOLEAN": pa.bool_(), "DATE": pa.date32(), "TIMESTAMPTZ": pa.timestamp("us", "UTC")}
PHONE = "+491701234567"


def known(office: Office, **addresses: str) -> None:
    """These customers are in the lake, with an address each: a number begins with +."""
    names = [
        (column.name, ARROW.get(column.type.value, pa.string())) for column in CUSTOMERS.columns
    ]
    schema = pa.schema([*names, ("_source", pa.string()), ("_row", pa.int64())])
    rows = [_customer(number, *one) for number, one in enumerate(addresses.items(), start=1)]
    path = Path(office.project.root) / "staged.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    with office.project.lake.change("test") as change:
        change.merge("customers", [path])
        change.publish()


def _customer(number: int, name: str, address: str) -> dict[str, Any]:
    is_phone = address.startswith("+")
    channel, prefix = ("sms", "phone") if is_phone else ("email", "email")
    return {
        "customer_id": name,
        f"{prefix}_key": keys.address_key(SALT, channel, address),
        f"{prefix}_valid": True,
        "_source": "shop",
        "_row": number,
    }


def test_a_bounce_without_our_id_finds_the_last_message_to_the_address(office: Office) -> None:
    known(office, ann="ann@example.com", bob="bob@example.com")
    office.send("ann", "bob")
    office.clock.now += HOUR
    last, *_ = office.send("ann")
    office.clock.now += HOUR
    late = office.event("bounce", type="bounce", email="ann@example.com", sg_message_id="")
    office.mailed(late)
    office.clock.now += HOUR
    office.send("ann")  # it cannot be about this one, which left later
    assert match_late(office.project, office.clock.now) == 1
    assert match_late(office.project, office.clock.now) == 0
    (told,) = office.project.ledger.responses.of_customer("ann")
    assert (told.message_id, told.campaign) == (last, "letter")


def test_the_providers_id_tells_which_of_two_messages(office: Office) -> None:
    known(office, ann="ann@example.com")
    first, *_ = office.send("ann", provider_id="Lli-03HcQ5")
    office.clock.now += HOUR
    office.send("ann", provider_id="another")
    named = office.event(
        "open", email="ann@example.com", sg_message_id="Lli-03HcQ5.filter0077p1las1.21536.57.0"
    )
    office.mailed(named)
    match_late(office.project, office.clock.now)
    (told,) = office.project.ledger.responses.of_customer("ann")
    assert told.message_id == first


def test_of_two_who_share_a_number_it_is_whom_we_wrote_to_last(office: Office) -> None:
    known(office, ann=PHONE, bob=PHONE)
    office.send("bob", channel="sms", address=PHONE)
    office.clock.now += HOUR
    office.send("ann", channel="sms", address=PHONE)
    office.clock.now += HOUR
    office.texted(PHONE, "danke!")
    match_late(office.project, office.clock.now)
    assert [one.kind for one in office.project.ledger.responses.of_customer("ann")] == ["reply"]


def test_of_two_who_share_an_address_nobody_is_guessed_without_a_message(office: Office) -> None:
    known(office, ann=PHONE, bob=PHONE, eve="eve@example.com")
    office.texted(PHONE, "hallo")
    office.mailed(office.event("spamreport", email="eve@example.com"))
    assert match_late(office.project, NOW) == 1
    (told,) = office.project.ledger.responses.of_customer("eve")
    assert told.message_id is None


@pytest.mark.parametrize("days", [6, 8])
def test_strangers_are_looked_for_a_week(office: Office, days: int) -> None:
    office.texted(PHONE, "hallo")
    known(office, ann=PHONE)
    office.clock.now += days * DAY
    assert match_late(office.project, office.clock.now) == (1 if days < 7 else 0)
