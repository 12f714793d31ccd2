"""Whether pandas and Antiphon computed the same: the frames compared, value by value."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from bench.plain import REACH

SAMPLE = 20_000  # customers, the first by id in every bucket


def compare(folder: Path) -> tuple[int, int]:
    """How many customers and features were compared; raises ValueError where one differs.

    Amounts may differ by a hundredth of a cent, as pandas sums floats.
    """
    frames = sorted((folder / "frames").glob("*.parquet"))
    ours = read(frames, SAMPLE // len(frames))
    theirs = read([folder / "pandas.parquet"]).reindex(ours.index)
    names = [name for name in theirs.columns if name in ours.columns and name not in REACH]
    for name in names:
        left, right = ours[name], theirs[name]
        if pd.api.types.is_numeric_dtype(left) and not pd.api.types.is_bool_dtype(left):
            left, right = left.astype(float), right.astype(float)
            same = ((left - right).abs() < 1e-4) | (left.isna() & right.isna())
        else:
            left, right = left.astype(object), right.astype(object)
            same = (left == right) | (left.isna() & right.isna())
        if not same.all():
            example = ours.index[~same][0]
            raise ValueError(
                f"{name} differs for {(~same).sum():,} of {len(ours):,} customers; {example}: "
                f"{ours[name][example]!r} and {theirs[name][example]!r}"
            )
    return len(ours), len(names)


def read(paths: Sequence[Path], rows: int | None = None) -> pd.DataFrame:
    """The first rows of each file (absent: all), amounts as floats, by customer_id."""
    tables = [pq.ParquetFile(path).read().slice(0, rows) for path in paths]
    table = pa.concat_tables(tables)
    schema = pa.schema(
        [
            (one.name, pa.float64() if pa.types.is_decimal(one.type) else one.type)
            for one in table.schema
        ]
    )
    return table.cast(schema).to_pandas().set_index("customer_id")
