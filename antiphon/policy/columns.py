"""Columns of Arrow tables as numpy arrays, and small texts as dictionaries."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int32]
Instants = npt.NDArray[np.int64]
"""Microseconds since 1970, UTC."""

INSTANT = pa.timestamp("us", tz="UTC")


def texts(table: pa.Table, name: str) -> pa.Array:
    """The column in one piece, as plain strings."""
    return _one_piece(table.column(name).cast(pa.string()))


def flags(table: pa.Table, name: str, *, null: bool) -> Bools:
    """The boolean column; nulls count as `null`."""
    return _numpy(pc.fill_null(_one_piece(table.column(name)), null)).astype(np.bool_)


def masks(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    """The bit masks; nulls hold no bit."""
    filled = pc.fill_null(_one_piece(table.column(name).cast(pa.uint64())), 0)
    return _numpy(filled).astype(np.uint64)


def whole_numbers(table: pa.Table, name: str) -> npt.NDArray[np.int64]:
    """The column of whole numbers (no nulls)."""
    return _numpy(_one_piece(table.column(name).cast(pa.int64()))).astype(np.int64)


def instants(table: pa.Table, name: str) -> Instants:
    """The column of instants (no nulls)."""
    return _numpy(_one_piece(table.column(name).cast(INSTANT)).cast(pa.int64()))


def instant_texts(times: Instants) -> pa.Array:
    """ISO 8601 to the second, UTC: 2026-05-03T08:00:00Z."""
    seconds = pa.array(times // 1_000_000, pa.int64()).cast(pa.timestamp("s"))
    text = pc.replace_substring(seconds.cast(pa.string()), pattern=" ", replacement="T")
    return pc.binary_join_element_wise(text, "Z", "")


def positions(values: pa.Array, among: pa.Array | Sequence[str]) -> Indices:
    """Where each value stands in `among` (the first place), −1 where it does not."""
    value_set = among if isinstance(among, pa.Array) else pa.array(among, pa.string())
    found = pc.fill_null(pc.index_in(values, value_set=value_set), -1)
    return _numpy(found).astype(np.int32)


def one_of(codes: npt.NDArray[Any], words: Sequence[str], index: pa.DataType) -> pa.DictionaryArray:
    """Dictionary-encoded words by their positions; null where the position is −1."""
    indices = pa.array(codes, index, mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array(words, pa.string()))


def same(word: str, length: int) -> pa.DictionaryArray:
    """One word, `length` times."""
    return one_of(np.zeros(length, np.int16), [word], pa.int16())


def _one_piece(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()
    if isinstance(combined, pa.ChunkedArray):
        return combined.chunk(0) if combined.num_chunks else pa.array([], column.type)
    return combined


def _numpy(array: pa.Array) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = array.to_numpy(zero_copy_only=False)
    return values
