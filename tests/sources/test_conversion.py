"""Conversion never coerces silently: what is not of the type is a problem, and a null."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_project import EmptyLake, Project, rows

from antiphon.entities import ColumnType
from antiphon.quoting import literal
from antiphon.sources.conversion import Format, convert_sql, present_sql

BERLIN = Format("Europe/Berlin")
T = ColumnType


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with EmptyLake(tmp_path_factory.mktemp("lake")).session() as session:
        yield session


def convert(engine: Any, text: str, type_: ColumnType, style: Format = BERLIN) -> tuple[Any, bool]:
    """The value, and whether it is a problem."""
    given = literal(text)
    value = convert_sql(given, "VARCHAR", type_, style)
    present = present_sql(given, "VARCHAR", type_)
    [row] = engine.arrow(f"SELECT {value} AS value, {present} AS present").to_pylist()
    return row["value"], row["present"] and row["value"] is None


@pytest.mark.parametrize(
    ("type_", "text", "value"),
    [
        (T.TEXT, " keep me ", " keep me "),
        (T.TEXT, "", None),
        (T.MONEY, "5", Decimal("5")),
        (T.MONEY, "-0.10", Decimal("-0.1")),
        (T.MONEY, " 12.3400000 ", Decimal("12.34")),
        (T.MONEY, "99999999999999.9999", Decimal("99999999999999.9999")),
        (T.INTEGER, "-12", -12),
        (T.INTEGER, "5.0", 5),
        (T.NUMBER, "1e-3", 0.001),
        (T.BOOLEAN, "Yes", True),
        (T.BOOLEAN, "f", False),
        (T.DAY, "2024-02-29", date(2024, 2, 29)),
        (T.DAY, "2024-02-29T00:00:00", date(2024, 2, 29)),
        (T.INSTANT, "2026-05-01", datetime(2026, 4, 30, 22, tzinfo=UTC)),
        (T.INSTANT, "2026-05-01 10:00", datetime(2026, 5, 1, 8, tzinfo=UTC)),
        (T.INSTANT, "2026-05-01T10:00:00.5Z", datetime(2026, 5, 1, 10, 0, 0, 500000, UTC)),
        (T.INSTANT, "2026-05-01T10:00:00-05:30", datetime(2026, 5, 1, 15, 30, tzinfo=UTC)),
        # the hour that spring skips is an hour later, the one that autumn repeats the second
        (T.INSTANT, "2026-03-29 02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
        (T.INSTANT, "2026-10-25 02:30", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
    ],
)
def test_a_value_of_the_type_is_exact(
    engine: Any, type_: ColumnType, text: str, value: Any
) -> None:
    assert convert(engine, text, type_) == (value, False)


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        *((T.MONEY, text) for text in ("€ 5", "1e5", "1.234,50", "1,5", "5 EUR", "NaN", "1.00001")),
        *((T.MONEY, text) for text in ("100000000000000", ".", "--1", "1_000", "0x10")),
        *((T.INTEGER, text) for text in ("5.5", "1e3", "9223372036854775808", "five", "inf")),
        *((T.NUMBER, text) for text in ("NaN", "inf", "-Infinity", "1e999", "1,5", "1_0")),
        *((T.BOOLEAN, text) for text in ("ja", "2", "on", "nope")),
        *((T.DAY, text) for text in ("01.02.2026", "02/01/2026", "2026-02-30", "2026-2-1")),
        *((T.DAY, text) for text in ("20260201", "2026-02-01 10:00", "0000-01-01", "infinity")),
        *((T.INSTANT, text) for text in ("01.02.2026 10:00", "2026-05-01 25:00", "10:00", "now")),
        *((T.INSTANT, text) for text in ("2026-05-01 10:00 Europe/Berlin", "1770000000", "today")),
    ],
)
def test_a_value_of_another_type_is_a_problem(engine: Any, type_: ColumnType, text: str) -> None:
    assert convert(engine, text, type_) == (None, True)


@pytest.mark.parametrize("type_", [type_ for type_ in ColumnType if type_ is not T.TEXT])
def test_nothing_but_spaces_is_nothing(engine: Any, type_: ColumnType) -> None:
    assert convert(engine, " \t ", type_) == (None, False)


def test_a_declared_format_is_tried_before_iso(engine: Any) -> None:
    german = Format("Europe/Berlin", date_format="%d.%m.%Y")
    assert convert(engine, "03.02.2026", T.DAY, german) == (date(2026, 2, 3), False)
    assert convert(engine, "2026-02-03", T.DAY, german) == (date(2026, 2, 3), False)
    assert convert(engine, "02/03/2026", T.DAY, german) == (None, True)
    noon = datetime(2026, 2, 2, 23, tzinfo=UTC)
    assert convert(engine, "03.02.2026", T.INSTANT, german) == (noon, False)


def test_a_declared_format_that_looks_like_iso_stands_alone(engine: Any) -> None:
    odd = Format("Europe/Berlin", date_format="%Y-%d-%m")
    assert convert(engine, "2026-03-02", T.DAY, odd) == (date(2026, 2, 3), False)
    assert convert(engine, "2026-02-13", T.DAY, odd) == (None, True)


def test_a_declared_format_with_offset_gives_the_instant(engine: Any) -> None:
    style = Format("Europe/Berlin", date_format="%d.%m.%Y %H:%M %z")
    expected = datetime(2026, 2, 3, 8, tzinfo=UTC)
    assert convert(engine, "03.02.2026 10:00 +0200", T.INSTANT, style) == (expected, False)


@given(st.decimals(min_value=-(10**14) + 1, max_value=10**14 - 1, places=4))
@settings(max_examples=50, deadline=None)
def test_money_is_exact_in_both_notations(engine: Any, amount: Decimal) -> None:
    assert convert(engine, format(amount, "f"), T.MONEY) == (amount, False)
    comma = Format("Europe/Berlin", decimal=",")
    assert convert(engine, format(amount, "f").replace(".", ","), T.MONEY, comma) == (amount, False)


@given(
    st.integers(-(2**31), 2**33),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
@settings(max_examples=50, deadline=None)
def test_an_instant_with_an_offset_is_itself(engine: Any, seconds: int, zone: timezone) -> None:
    aware = datetime.fromtimestamp(seconds, zone)
    assert convert(engine, aware.isoformat(), T.INSTANT) == (aware, False)


@given(
    st.text(max_size=12), st.sampled_from([type_ for type_ in ColumnType if type_ is not T.TEXT])
)
@settings(max_examples=150, deadline=None)
def test_no_text_breaks_a_conversion(engine: Any, text: str, type_: ColumnType) -> None:
    value, is_problem = convert(engine, text.replace("\x00", ""), type_)
    assert value is None or not is_problem


def test_typed_columns_of_parquet_convert_without_loss(project: Project) -> None:
    naive = datetime.fromisoformat("2026-05-01 10:00")
    table = pa.table(
        {
            "order_id": pa.array([1, 2, 3], pa.int64()),
            "customer_id": pa.array([17850.0, 12.5, None], pa.float64()),
            "ordered_at": pa.array([naive] * 3, pa.timestamp("ns")),
            "amount": pa.array([2.55, 0.12345, 0.1 + 0.2], pa.float64()),
            "discount": pa.array([Decimal("1.5"), Decimal("1.123456"), None], pa.decimal128(12, 6)),
            "promo_code": pa.array([True, False, None]),
            "is_deleted": pa.array([0, 1, 2], pa.int8()),
        }
    )
    pq.write_table(table, project.root / "o.parquet")
    first, second, third = rows(project.pull("orders", "o.parquet"))
    assert (first["order_id"], first["customer_id"], first["promo_code"]) == ("1", "17850", "true")
    assert first["ordered_at"] == datetime(2026, 5, 1, 8, tzinfo=UTC)
    assert (first["amount"], first["discount"]) == (Decimal("2.55"), Decimal("1.5"))
    assert second["customer_id"] == "12.5"
    assert second["_problems"] == [
        "amount: not an amount of money",
        "discount: not an amount of money",
    ]
    assert third["amount"] == Decimal("0.3")
    assert third["_problems"] == ["is_deleted: not a yes or no", "customer_id: missing"]


def test_aware_instants_and_days_of_parquet_keep_their_meaning(project: Project) -> None:
    late = datetime(2026, 4, 30, 22, tzinfo=UTC)
    table = pa.table(
        {
            "customer_id": ["a", "b"],
            "registered_at": pa.array([date(2026, 5, 1)] * 2, pa.date32()),
            "updated_at": pa.array([late] * 2, pa.timestamp("us", "UTC")),
            "birthday": pa.array([late, late + timedelta(hours=1)], pa.timestamp("us", "UTC")),
        }
    )
    pq.write_table(table, project.root / "c.parquet")
    first, second = rows(project.pull("customers", "c.parquet"))
    assert (first["registered_at"], first["updated_at"]) == (late, late)
    assert (first["birthday"], first["_problems"]) == (date(2026, 5, 1), [])
    assert (second["birthday"], second["_problems"]) == (None, ["birthday: not a day"])


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=20))
def test_a_float_of_parquet_is_money_only_where_it_is_one(
    project: Project, values: list[float]
) -> None:
    table = pa.table({"product_id": [str(n) for n in range(len(values))], "price": values})
    pq.write_table(table, project.root / "p.parquet")
    for value, row in zip(values, rows(project.pull("products", "p.parquet")), strict=True):
        assert row["_problems"] == [] or row["price"] is None
        assert row["price"] is None or abs(float(row["price"]) - value) < 1e-6
