"""What the model does not reach: attributes, other entities, households, several sources."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from staged_rows import day, files, merge, query, stage

from antiphon.entities import ENTITIES
from antiphon.errors import LakeError
from antiphon.keys import bucket_of
from antiphon.lake import Lake, MergeCounts, QueryError
from antiphon.lake.households import components


def test_an_empty_lake_has_typed_empty_views(lake: Lake) -> None:
    with lake.session() as session:
        for name, entity in ENTITIES.items():
            assert session.rows(f"SELECT * FROM {name}") == []
            types = dict(row[:2] for row in session.rows(f"DESCRIBE {name}"))
            assert list(types) == [column.name for column in entity.columns]
        assert session.rows("SELECT customer_id, household_id FROM households") == []
        assert session.rows("SELECT typeof(any_value(amount)) FROM orders") == [("DECIMAL(18,4)",)]
    assert lake.current().id == 0


def test_attributes_added_later_are_null_in_older_rows(lake: Lake) -> None:
    merge(lake, "customers", [{"customer_id": "a"}, {"customer_id": "b"}])
    tier = {"attributes": {"tier": "VARCHAR"}}
    merge(lake, "customers", [{"customer_id": "b", "tier": "gold"}], **tier)
    rows = query(lake, "SELECT customer_id, tier FROM customers ORDER BY 1")
    assert rows == [("a", None), ("b", "gold")]
    assert lake.current().attributes == {"customers": {"tier": "VARCHAR"}}


def test_an_attribute_without_any_value_is_a_column_all_the_same(lake: Lake) -> None:
    merge(lake, "customers", [{"customer_id": "a"}])
    merge(lake, "customers", [{"customer_id": "a"}], attributes={"tier": "VARCHAR"})
    assert query(lake, "SELECT tier FROM customers") == [(None,)]


def test_an_attribute_changes_its_type_only_where_all_values_allow(lake: Lake) -> None:
    merge(lake, "customers", [{"customer_id": "a", "x": "7"}], attributes={"x": "VARCHAR"})
    merge(lake, "customers", [{"customer_id": "b", "x": 8}], attributes={"x": "BIGINT"})
    assert query(lake, "SELECT x FROM customers ORDER BY 1") == [(7,), (8,)]
    merge(lake, "customers", [{"customer_id": "c", "x": "much"}], attributes={"x": "VARCHAR"})
    with pytest.raises(
        LakeError, match=r"attribute 'x' of customers was VARCHAR.*integer"
    ) as error:
        merge(lake, "customers", [{"customer_id": "d", "x": 9}], attributes={"x": "BIGINT"})
    assert "much" not in str(error.value)
    assert query(lake, "SELECT x FROM customers ORDER BY 1") == [("7",), ("8",), ("much",)]


def test_unchanged_rows_make_no_files_and_no_snapshot(lake: Lake) -> None:
    rows = [{"order_id": "1", "customer_id": "a", "ordered_at": day(0), "amount": Decimal("1.5")}]
    merge(lake, "orders", rows)
    before, on_disk = lake.current(), files(lake)
    assert merge(lake, "orders", rows) == MergeCounts(1, 1, 1, 0, 0)
    assert lake.current() == before
    assert files(lake) == on_disk


def test_consents_without_a_date_or_source_are_one_act(lake: Lake) -> None:
    act = {"customer_id": "a", "channel": "email", "category": "*", "granted": True}
    merge(lake, "consents", [act, {**act, "acted_at": day(0), "source": "web"}])
    counts = merge(lake, "consents", [act, {**act, "granted": False}])
    assert counts == MergeCounts(2, 1, 0, 1, 0)
    rows = query(lake, "SELECT acted_at, granted FROM consents ORDER BY 1 NULLS FIRST")
    assert rows == [(None, False), (day(0), True)]


def test_products_are_one_unbucketed_table_in_every_bucket(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", threads=1, buckets=4)
    merge(lake, "products", [{"product_id": "p"}, {"product_id": "q", "is_deleted": True}])
    for bucket in range(4):
        with lake.session(bucket=bucket) as session:
            assert session.rows("SELECT product_id FROM products") == [("p",)]


def test_responses_lie_in_their_customers_bucket_and_notices_in_every_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake", threads=1, buckets=4)
    responses = [
        {"response_id": f"r{number}", "customer_id": f"c{number}", "kind": "open",
         "occurred_at": day(number)}
        for number in range(20)
    ]  # fmt: skip
    merge(lake, "responses", responses)
    for state in ({}, {"is_deleted": True}):
        notices = [
            {"notice_id": "n1", "notice": "incident", "occurred_at": day(0)},
            {"notice_id": "n2", "notice": "incident", "occurred_at": day(1), **state},
        ]
        merge(lake, "notices", notices)
    for bucket in range(4):
        with lake.session(bucket=bucket) as session:
            found = {name for (name,) in session.rows("SELECT customer_id FROM responses")}
            assert found == {f"c{n}" for n in range(20) if bucket_of(f"c{n}", 4) == bucket}
            assert session.rows("SELECT notice_id FROM notices") == [("n1",)]


def test_a_response_that_comes_again_is_one(lake: Lake) -> None:
    response = {"response_id": "r", "customer_id": "c", "kind": "survey", "occurred_at": day(0)}
    merge(lake, "responses", [response])
    assert merge(lake, "responses", [{**response, "value": "4"}]).unchanged == 0
    assert query(lake, "SELECT value FROM responses") == [("4",)]


def test_a_full_source_removes_its_own_rows_only(lake: Lake, tmp_path: Path) -> None:
    merge(lake, "products", [{"product_id": "a"}, {"product_id": "b"}, {"product_id": "q"}])
    merge(lake, "products", [{"product_id": "z"}], source="other")
    pulled = stage(tmp_path / "1.parquet", "products", [{"product_id": "a"}])
    quarantined = stage(tmp_path / "2.parquet", "products", [{"product_id": "q"}])
    with lake.change("test") as change:
        counts = change.merge("products", [pulled], full_source="shop", present=[quarantined])
        change.publish()
    assert counts == MergeCounts(1, 1, 1, 0, 0, removed=1)
    assert query(lake, "SELECT product_id FROM products ORDER BY 1") == [("a",), ("q",), ("z",)]


def test_of_two_sources_the_one_pulled_later_wins(lake: Lake, tmp_path: Path) -> None:
    first = stage(tmp_path / "1.parquet", "products", [{"product_id": "p", "name": "old"}] * 3)
    second = stage(tmp_path / "2.parquet", "products", [{"product_id": "p"}], source="crm")
    with lake.change("test") as change:
        assert change.merge("products", [second, first]) == MergeCounts(4, 1, 0, 3, 0)
        change.publish()
    assert query(lake, "SELECT name FROM products") == [("old",)]


def test_lines_find_the_orders_of_the_same_change(lake: Lake, tmp_path: Path) -> None:
    order = {"order_id": "1", "customer_id": "a", "ordered_at": day(0)}
    with lake.change("test") as change:
        change.merge("orders", [stage(tmp_path / "o.parquet", "orders", [order])])
        line = {"order_id": "1", "line_number": 1}
        change.merge("order_lines", [stage(tmp_path / "l.parquet", "order_lines", [line])])
        change.publish()
    assert query(lake, "SELECT customer_id, ordered_at FROM order_lines") == [("a", day(0))]


HOUSEHOLDS = "SELECT customer_id, household_id FROM households ORDER BY 1"


def test_people_who_share_an_address_or_a_phone_are_a_household(lake: Lake) -> None:
    people = [
        {"customer_id": "a", "email_address": "x"},
        {"customer_id": "b", "email_address": "x", "phone_e164": "+1"},
        {"customer_id": "c", "phone_e164": "+1"},
        {"customer_id": "d", "phone_e164": "x"},
        {"customer_id": "e", "household_id": "E", "email_address": "y"},
        {"customer_id": "f", "email_address": "y"},
        {"customer_id": "g", "household_id": "G", "email_address": "x"},
    ]
    merge(lake, "customers", people[:5])
    assert query(lake, HOUSEHOLDS) == [
        ("a", "customer:a"),
        ("b", "customer:a"),
        ("c", "customer:a"),
        ("d", "customer:d"),
        ("e", "E"),
    ]
    merge(lake, "customers", people[5:])
    assert query(lake, HOUSEHOLDS) == [
        (name, "EEG"[i // 3] if i > 3 else "G") for i, name in enumerate("abc")
    ] + [
        ("d", "customer:d"),
        ("e", "E"),
        ("f", "E"),
        ("g", "G"),
    ]


def test_a_household_keeps_the_day_it_was_first_known(lake: Lake, tmp_path: Path) -> None:
    people = [
        {"customer_id": "a", "email_address": "x"},
        {"customer_id": "b", "email_address": "x"},
    ]
    for number, rows in enumerate([people, [{"customer_id": "c", "email_address": "x"}]]):
        path = stage(tmp_path / "c.parquet", "customers", rows)
        with lake.change("test", day=day(number).date()) as change:
            change.merge("customers", [path])
            change.publish()
    assert query(lake, "SELECT customer_id, since_day FROM households ORDER BY 1") == [
        ("a", day(0).date()),
        ("b", day(0).date()),
        ("c", day(1).date()),
    ]


def test_a_long_chain_of_shared_addresses_is_one_component() -> None:
    count = 3000
    pairs = sorted(
        (f"c{(i * 997) % count:05d}", f"address {i + step}")
        for i in range(count)
        for step in (0, 1)
    )
    table = components(
        pa.table({"customer_id": [p[0] for p in pairs], "address": [p[1] for p in pairs]})
    )
    assert set(table["smallest_id"].to_pylist()) == {"c00000"}
    assert table.num_rows == count


def test_a_session_takes_parameters_and_tables_and_writes_files(lake: Lake, tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2, 3]})
    with lake.session(tables={"numbers": table}) as session:
        sql = "SELECT n FROM numbers WHERE n > $least"
        assert session.arrow(sql, {"least": 1}).to_pydict() == {"n": [2, 3]}
        assert session.write(sql, tmp_path / "new" / "n.parquet", {"least": 2}) == 1
        assert [b.num_rows for b in session.batches("SELECT * FROM numbers")] == [3]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["n.parquet"]


def test_errors_of_the_engine_never_show_values_of_rows(lake: Lake) -> None:
    with lake.session(tables={"t": pa.table({"x": ["anna@example.org"]})}) as session:
        with pytest.raises(QueryError) as error:
            session.rows("SELECT x::INTEGER FROM t")
        assert error.value.kind == "ConversionException"
        assert "anna" not in str(error.value)
        assert error.value.__suppress_context__
        with pytest.raises(QueryError, match=r"nope"):
            session.rows("SELECT nope FROM t")
