"""Erasing a person from every snapshot: nothing else of any snapshot changes."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from staged_rows import day, merge, query, stage

from antiphon.keys import bucket_of
from antiphon.lake import Erased, Lake, LakeBusy, Limits, Whom
from antiphon.lake import pins as lake_pins

CUSTOMERS = [f"c{number}" for number in range(4)]
WHO, PSEUDONYM = "c1", "forgotten-x"
ENTITIES = ("customers", "orders", "order_lines", "consents", "contacts", "households")


def some_batch(chance: random.Random, *, anybody: bool = True) -> dict[str, list[dict[str, Any]]]:
    """Up to five rows of each entity, as they come."""
    people = CUSTOMERS if anybody else [one for one in CUSTOMERS if one != WHO]
    orders = [f"o{number}" for number in range(6)]
    return {
        "customers": [
            {
                "customer_id": chance.choice(people),
                "city": chance.choice(["Ulm", "Bonn"]),
                "email_address": chance.choice(["a@x.org", "b@x.org", None]),
                "updated_at": day(chance.randrange(4)),
                "is_deleted": chance.random() < 0.2,
            }
            for _ in range(chance.randrange(6))
        ],
        "orders": [
            {
                "order_id": chance.choice(orders),
                "customer_id": chance.choice(people),
                "ordered_at": day(chance.randrange(3)),
                "is_deleted": chance.random() < 0.3,
            }
            for _ in range(chance.randrange(6))
        ],
        "order_lines": [
            {
                "order_id": chance.choice(orders),
                "line_number": chance.randint(1, 2),
                "product_id": chance.choice(["p", "q"]),
            }
            for _ in range(chance.randrange(6) if anybody else 0)
        ],
        "contacts": [_contact(chance, chance.choice(people)) for _ in range(chance.randrange(6))],
    }


def _contact(chance: random.Random, customer: str) -> dict[str, Any]:
    unit = chance.choice([customer, "customer:c1", "household 7"])
    campaign = chance.choice(["spring", "winback"])
    texts = dict.fromkeys(("step", "cell", "arm", "channel", "category", "state", "run_id"), "x")
    return {
        **texts,
        "message_id": f"{campaign}-{customer}",
        "customer_id": customer,
        "unit": unit,
        "campaign": campaign,
        "anchor": "once",
        "attempt": 1,
        "occurrence_key": f"{campaign}||once|{unit}",
        "contact_at": day(1),
    }


def whom(lake: Lake, household: str = "customer:c0", *words: str) -> Whom:
    pseudonym = next(
        name
        for name in (f"{PSEUDONYM}{number}" for number in range(1000))
        if bucket_of(name, lake.current().buckets) == bucket_of(WHO, lake.current().buckets)
    )
    return Whom(WHO, pseudonym, household, "@ledger", words)


def publish(lake: Lake, batch: dict[str, list[dict[str, Any]]]) -> None:
    with lake.change("test") as change:
        for name in ("customers", "orders", "order_lines", "contacts"):
            if batch[name]:
                source = "@ledger" if name == "contacts" else "shop"
                path = stage(lake.path.parent / f"{name}.parquet", name, batch[name], source=source)
                change.merge(name, [path])
        change.publish()


def seen(lake: Lake, snapshot_id: int) -> dict[str, list[tuple[Any, ...]]]:
    """Every visible row of a snapshot, in an order of their own."""
    found = {}
    with lake.session(lake.snapshot(snapshot_id)) as session:
        for name in ENTITIES:
            columns = "customer_id, household_id" if name == "households" else "*"
            found[name] = sorted(session.rows(f"SELECT {columns} FROM {name}"), key=repr)
    return found


def without(
    rows: dict[str, list[tuple[Any, ...]]], pseudonym: str
) -> dict[str, list[tuple[Any, ...]]]:
    """What a snapshot should show afterwards."""
    left = {
        name: [row for row in every if WHO not in row]
        for name, every in rows.items()
        if name not in ("contacts", "households")
    }
    left["contacts"] = sorted((_renamed(row, pseudonym) for row in rows["contacts"]), key=repr)
    return left


def _renamed(row: tuple[Any, ...], pseudonym: str) -> tuple[Any, ...]:
    texts = {"c1": pseudonym, "customer:c1": "customer:c0"}
    changed = [texts.get(value, value) if isinstance(value, str) else value for value in row]
    return tuple(
        value.replace("|customer:c1", "|customer:c0").replace("|c1", f"|{pseudonym}")
        if isinstance(value, str)
        else value
        for value in changed
    )


@pytest.mark.parametrize("seed", range(3))
def test_every_snapshot_shows_the_same_without_the_person(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    limits = Limits(layers=2, customers=3, facts=6)
    lake = Lake(tmp_path / "lake", threads=1, limits=limits)
    for _ in range(3):
        publish(lake, some_batch(chance))
    ids = range(1, lake.current().id + 1)
    before = {number: seen(lake, number) for number in ids}
    copy = shutil.copytree(lake.path, tmp_path / "other")
    other = Lake(copy, threads=1, limits=limits)
    who = whom(lake)
    lake.erase(who)
    for number in ids:
        after = seen(lake, number)
        assert not any("c1" in row for row in after.pop("households"))
        assert after == without(before[number], who.pseudonym)
    batch = some_batch(chance, anybody=False)
    for one in (lake, other):
        publish(one, batch)
    expected = without(seen(other, other.current().id), who.pseudonym)
    merged = seen(lake, lake.current().id)
    assert {name: merged[name] for name in ("customers", "orders")} == {
        name: expected[name] for name in ("customers", "orders")
    }


@pytest.fixture
def peopled(lake: Lake) -> Lake:
    """Three customers, of whom c1 and c2 share an address; two snapshots."""
    shared = {"email_address": "both@x.org", "email": "both@x.org"}
    merge(
        lake,
        "customers",
        [
            {"customer_id": "c0", "first_name": "Zoe"},
            {"customer_id": "c1", "first_name": "Anna", **shared},
            {"customer_id": "c2", "first_name": "Ben", **shared},
        ],
    )
    merge(lake, "orders", [{"order_id": "o1", "customer_id": "c1", "ordered_at": day(0)}])
    return lake


def test_the_rest_of_a_household_is_called_after_the_next_one(peopled: Lake) -> None:
    assert peopled.known(WHO).heir == "c2"
    peopled.erase(whom(peopled, "customer:c2"))
    households = "SELECT customer_id, household_id FROM households ORDER BY 1"
    now, then = query(peopled, households), query(peopled, households, peopled.snapshot(1))
    assert now == then == [("c0", "customer:c0"), ("c2", "customer:c2")]


def test_it_is_known_who_somebody_was_and_what_others_share(peopled: Lake) -> None:
    merge(peopled, "customers", [{"customer_id": "c1", "first_name": "Anne", "phone": "0171 1"}])
    known = peopled.known(WHO)
    assert known.addresses == {("email", "both@x.org"), ("sms", "0171 1")}
    assert known.names == {("Anna", ""), ("Anne", "")}
    assert known.orders == ("o1",)
    assert peopled.shared(WHO, known).addresses == {("email", "both@x.org")}
    assert not peopled.known("c9").is_there


def test_what_runs_left_beside_the_snapshots_is_erased_too(peopled: Lake) -> None:
    with peopled.session() as session:
        everybody = """
            SELECT customer_id, customer_id AS unit, 'customer:c1' AS household_id,
                'not both@x.org' AS note FROM customers
        """
        quarantined = """
            SELECT 'orders' AS entity, to_json({'order_id': 'o1'})::VARCHAR AS row, NULL AS raw
            UNION ALL SELECT 'customers', to_json({'customer_id': 'c1', 'email': 7})::VARCHAR, NULL
            UNION ALL SELECT 'customers', NULL, 'c0;both@x.org'
            UNION ALL SELECT 'customers', to_json({'customer_id': 'c12'})::VARCHAR, 'c0;x@x.org'
        """
        for folder in ("decisions", "frames", "staging"):
            session.write(everybody, peopled.path / folder / "run" / "rows.parquet")
        session.write(quarantined, peopled.path / "quarantine" / "run" / "rows.parquet")
    who = Whom(WHO, "forgotten-y", "customer:c2", "@ledger", ("both@x.org",), ("o1",))
    erased = peopled.erase(who)

    def rows(folder: str, column: str) -> list[Any]:
        path = peopled.path / folder / "run" / "rows.parquet"
        sql = f"SELECT {column} FROM read_parquet('{path}') ORDER BY 1"
        return [value for (value,) in query(peopled, sql)]

    assert rows("decisions", "customer_id") == rows("decisions", "unit")
    assert rows("decisions", "customer_id") == ["c0", "c2", "forgotten-y"]
    assert rows("frames", "customer_id") == rows("staging", "customer_id") == ["c0", "c2"]
    assert set(rows("frames", "household_id")) == {"customer:c2"}
    assert set(rows("frames", "note")) == {"not erased"}
    assert rows("quarantine", "raw") == ["c0;x@x.org"]
    assert erased.gone["quarantine"] == 3
    assert peopled.find(WHO, ("anna",)) == {}
    assert [*peopled.find("c2", ())] != []


def test_nothing_is_erased_under_a_reader(peopled: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_pins.wait_for_readers, "__defaults__", (0.2,))
    with peopled.session() as session:
        with pytest.raises(LakeBusy, match="Repeat when they have ended"):
            peopled.erase(whom(peopled))
        assert session.rows("SELECT count(*) FROM customers WHERE customer_id = 'c1'") == [(1,)]


def test_erasing_again_changes_nothing(peopled: Lake) -> None:
    who = whom(peopled)
    assert peopled.erase(who).gone["customers"] == 1
    before = {path: path.read_bytes() for path in peopled.path.rglob("*") if path.is_file()}
    assert peopled.erase(who) == Erased()
    assert before == {path: path.read_bytes() for path in peopled.path.rglob("*") if path.is_file()}
