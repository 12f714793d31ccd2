"""Arrow tables as the DataFrames that Great Expectations judges, exact in every type.

| our type | what pandas gets |
|---|---|
| text | str |
| integer | int64; with nulls float64 where exact, else Int64 |
| money | integer ten-thousandths, as above (floats would blur cents) |
| number | float64 |
| boolean | boolean |
| day, instant | datetime64[us, UTC]; a day is its midnight |
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.entities import ColumnType
from antiphon.validation.arguments import EXACT, Scalar

MONEY_UNITS = 10_000


def frame(table: pa.Table, types: Mapping[str, ColumnType]) -> pd.DataFrame:
    """The columns of `types` as a DataFrame whose index is 0 … rows − 1."""
    columns = {name: series(table.column(name), type_) for name, type_ in types.items()}
    return pd.DataFrame(columns, index=pd.RangeIndex(table.num_rows))


def series(column: pa.ChunkedArray, type_: ColumnType) -> Any:
    """One column as a pandas Series in the representation of its type."""
    if type_ is ColumnType.TEXT:
        return column.cast(pa.large_string()).to_pandas().astype("str")
    if type_ is ColumnType.BOOLEAN:
        return column.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if type_ is ColumnType.MONEY:
        units = pc.multiply(column, pa.scalar(Decimal(MONEY_UNITS), pa.decimal128(5, 0)))
        return _integers(units.cast(pa.int64()))
    if type_ is ColumnType.INTEGER:
        return _integers(column.cast(pa.int64()))
    if type_ is ColumnType.NUMBER:
        return column.cast(pa.float64()).to_pandas()
    instants = column.cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    return instants.to_pandas().astype("datetime64[us, UTC]")


def _integers(column: pa.ChunkedArray) -> Any:
    if column.null_count == 0:
        return column.to_pandas().astype("int64")
    extremes = pc.min_max(column).as_py()
    if all(abs(extreme or 0) < EXACT for extreme in extremes.values()):
        return column.to_pandas().astype("float64")
    return column.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def encoded(value: Scalar, type_: ColumnType) -> Scalar:
    """A value of an argument in the representation its column has in `frame`."""
    if type_ is ColumnType.MONEY:
        assert isinstance(value, Decimal)
        return (
            int(value * MONEY_UNITS) if value * MONEY_UNITS % 1 == 0 else float(value * MONEY_UNITS)
        )
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return float(value) if isinstance(value, Decimal) else value
