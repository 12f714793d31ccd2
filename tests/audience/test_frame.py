"""Claims on the frame and the scan: what they hold, and that buckets do not matter."""

from datetime import UTC, datetime, timedelta

import pytest

from antiphon.audience.conditions import Condition, parse
from antiphon.audience.dictionary import dictionary
from antiphon.audience.frame import BITS, PEOPLE_COLUMNS, PERSONAL, count_sql, frame_sql, scan_sql
from antiphon.campaigns.models import Sources
from antiphon.errors import ConfigError
from antiphon.files import ProjectFiles
from antiphon.keys import bucket_of, bucket_sql


def compiled(world, texts):
    found = {name: parse(text, world.features) for name, text in texts.items()}
    assert all(isinstance(condition, Condition) for condition in found.values()), found
    return found


def build(world):
    """The frame as a table of the engine, as a run would hold it."""
    sql = world.frame_select(set())
    world.connection.execute(f"CREATE OR REPLACE TEMP TABLE frame AS {sql}", world.parameters)


def scanned(world, conditions, source="frame"):
    cursor = world.connection.execute(scan_sql(list(conditions.values()), source))
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def populate(world, customers=200):
    """Deterministic people with orders, events and consents of all ages."""
    for number in range(customers):
        name = f"C{number:04}"
        world.add(
            "customers",
            customer_id=name,
            language="de" if number % 3 else "en",
            birthday="1980-01-01",
        )
        for each in range(number % 5):
            at = datetime(2026, 5, 1, tzinfo=UTC) - timedelta(days=number + 40 * each)
            world.add(
                "orders",
                order_id=f"{name}-{each}",
                customer_id=name,
                ordered_at=at,
                amount=number,
                category=("baby", "vitamins")[each % 2],
            )
        if number % 2:
            world.add("consents", customer_id=name, channel="*", category="*", granted=True)


def test_the_frame_holds_what_the_policy_and_the_dictionary_promise(world):
    world.add("customers", customer_id="a", timezone="Europe/Berlin", language="de")
    world.add("customers", customer_id="b", household_id="source's own")
    world.add("households", customer_id="a", household_id="h1")
    frame = world.frame()
    assert set(frame["a"]) == set(world.features) | {"unit"}
    assert set(PEOPLE_COLUMNS) <= set(frame["a"])
    assert (frame["a"]["unit"], frame["a"]["household_id"]) == ("a", "h1")
    assert frame["b"]["household_id"] == "b"


def test_who_a_person_is_enters_the_frame_only_where_a_condition_asks(world):
    build(world)
    columns = {row[0] for row in world.connection.execute("DESCRIBE frame").fetchall()}
    assert not columns & PERSONAL
    cursor = world.connection.execute(world.frame_select({"first_name"}), world.parameters)
    assert PERSONAL & {column[0] for column in cursor.description} == {"first_name"}


def test_attributes_of_the_user_are_in_the_frame(world):
    world.sources = Sources.model_validate(
        {
            "version": "1",
            "sources": {
                "crm": {
                    "entity": "customers",
                    "file": "c.csv",
                    "attributes": {"tier": {"type": "text"}},
                }
            },
        }
    )
    world.connection.execute("ALTER TABLE customers ADD COLUMN tier VARCHAR")
    world.add("customers", customer_id="a", tier="gold")
    assert world.frame()["a"]["tier"] == "gold"
    build(world)
    (person,) = scanned(world, compiled(world, {"x": "tier = 'gold'"}))
    assert person["mask_0"] == 1


def test_a_file_of_the_users_own_needs_no_parameter_and_may_end_in_a_comment(world):
    header = "-- feature visits integer times: visits\n-- reads: events\n"
    select = "SELECT customer_id, count(*) AS visits FROM events GROUP BY ALL"
    world.add("customers", customer_id="a")
    world.add("customers", customer_id="b")
    world.add("events", customer_id="a", event="store_visit", occurred_at="2026-05-01 10:00+02")
    for ending in ("", ";\n", " -- the end"):
        world.files = ProjectFiles({"sql/features/visits.sql": header + select + ending})
        frame = world.frame()
        assert (frame["a"]["visits"], frame["b"]["visits"]) == (1, 0)
        assert "order_count" not in frame["a"]


def test_a_frame_of_malformed_headers_is_refused(world):
    texts = {"sql/features/x.sql": "-- feature a\nSELECT 1"}
    with pytest.raises(ConfigError, match=r"sql/features/x.sql:1:1: malformed declaration"):
        frame_sql(ProjectFiles(texts), world.sources, set())


CONDITIONS = {
    "german": "language = 'de'",
    "buyers": "order_count > 0",
    "nobody": "order_count > 1000",
    "quiet": "days_since_order > 90 and consent_email_promo",
    "never": "days_since_order is null",
    "unknown": "days_since_order > 0 or not days_since_order > 0",
}


def test_a_bit_of_the_mask_is_set_exactly_where_the_condition_holds(world):
    populate(world)
    build(world)
    conditions = compiled(world, CONDITIONS)
    people = {person["customer_id"]: person for person in scanned(world, conditions)}
    assert list(next(iter(people.values()))) == [*PEOPLE_COLUMNS, "mask_0"]
    for bit, condition in enumerate(conditions.values()):
        wanted = world.connection.execute(
            f"SELECT customer_id FROM frame WHERE {condition.sql}"
        ).fetchall()
        found = {name for name, person in people.items() if person["mask_0"] >> bit & 1}
        assert found == {name for (name,) in wanted}, condition.text
    assert 0 not in {person["mask_0"] for person in people.values()}


def test_only_customers_of_some_audience_are_returned(world):
    populate(world, 20)
    build(world)
    found = scanned(world, compiled(world, {"one": "order_count = 4", "two": "order_count = 3"}))
    assert {int(person["customer_id"][1:]) % 5 for person in found} == {3, 4}
    assert scanned(world, compiled(world, {"none": "order_count < 0"})) == []
    assert scanned(world, {}) == []


@pytest.mark.parametrize("count", [1, BITS - 1, BITS, BITS + 1, 2 * BITS + 1])
def test_any_number_of_conditions_fits_into_masks_of_62_bits(world, count):
    world.add("customers", customer_id="a")
    build(world)
    texts = {f"c{k}": "order_count = 0" if k % 3 else "order_count = 1" for k in range(count)}
    texts[f"c{count - 1}"] = "order_count = 0"
    (person,) = scanned(world, compiled(world, texts))
    for k, text in enumerate(texts.values()):
        assert person[f"mask_{k // BITS}"] >> (k % BITS) & 1 == (text == "order_count = 0")
    assert f"mask_{(count - 1) // BITS + 1}" not in person


def test_counts_are_those_of_the_masks(world):
    populate(world)
    build(world)
    conditions = compiled(world, CONDITIONS)
    people = scanned(world, conditions)
    counts = ", ".join(map(count_sql, conditions.values()))
    row = world.connection.execute(f"SELECT count(*), {counts} FROM frame").fetchone()
    bits = [sum(person["mask_0"] >> k & 1 for person in people) for k in range(len(conditions))]
    assert list(row) == [200, *bits]
    assert row[1 + list(conditions).index("nobody")] == 0


@pytest.mark.parametrize("buckets", [2, 8])
def test_the_number_of_buckets_does_not_matter(world, buckets):
    populate(world)
    conditions = compiled(world, CONDITIONS)
    whole = world.frame()
    build(world)
    people = {person["customer_id"]: person for person in scanned(world, conditions)}
    tables = ("customers", "orders", "consents")
    for table in tables:
        world.connection.execute(f"ALTER TABLE {table} RENAME TO all_{table}")
    frame, chosen = {}, {}
    for bucket in range(buckets):
        for table in tables:
            world.connection.execute(
                f"CREATE OR REPLACE TEMP VIEW {table} AS SELECT * FROM all_{table} "
                f"WHERE {bucket_sql('customer_id', buckets)} = {bucket}"
            )
        part = world.frame()
        assert {bucket_of(name, buckets) for name in part} == {bucket}
        frame |= part
        build(world)
        chosen |= {person["customer_id"]: person for person in scanned(world, conditions)}
    assert frame == whole
    assert chosen == people


def test_the_dictionary_and_the_frame_agree_on_order_and_types(world):
    features, _ = dictionary(world.files, world.sources)
    build(world)
    types = {row[0]: row[1] for row in world.connection.execute("DESCRIBE frame").fetchall()}
    spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    for name, type_ in types.items():
        if name != "unit":
            assert spelled.get(type_, type_) == features[name].type.value
    order = [name for name in features if name in types and name != "household_id"]
    assert [name for name in types if name not in ("unit", "household_id")] == order
