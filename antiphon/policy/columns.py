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
NEVER = np.iinfo(np.int64).min
FOREVER = 2**62  # later than every instant, and so far from the last number that sums fit


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


def nullable_instants(table: pa.Table, name: str) -> Instants:
    """The column of instants; nulls are NEVER."""
    column = _one_piece(table.column(name).cast(INSTANT)).cast(pa.int64())
    return _numpy(pc.fill_null(column, NEVER))


def nullable_numbers(table: pa.Table, name: str, *, null: float) -> npt.NDArray[np.float64]:
    """The column of numbers; nulls, and what is no number, count as `null`."""
    column = _one_piece(table.column(name).cast(pa.float64()))
    values = _numpy(pc.fill_null(column, null)).astype(np.float64)
    return np.where(np.isnan(values), null, values)


def nullable_wholes(table: pa.Table, name: str, *, null: int) -> npt.NDArray[np.int64]:
    """The column of whole numbers; nulls count as `null`."""
    column = _one_piece(table.column(name).cast(pa.int64()))
    return _numpy(pc.fill_null(column, null)).astype(np.int64)


def instant_json(times: Instants) -> pa.Array:
    """Instants as JSON; NEVER and FOREVER are null."""
    is_known = (times != NEVER) & (times < FOREVER)
    known = instant_texts(np.where(is_known, times, 0))
    return pc.if_else(pa.array(is_known), text_json(known), "null")


def instants_json(counts: npt.NDArray[Any], times: Instants) -> pa.Array:
    """JSON lists of instants: the first counts[0] of them, then the next counts[1], …"""
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), instant_json(times))
    return pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")


def text_json(words: pa.Array) -> pa.Array:
    """Names (no quotation marks in them) as JSON."""
    return pc.binary_join_element_wise('"', words, '"', "")


def json_object(**fields: pa.Array | str) -> pa.Array:
    """JSON objects; each field's JSON by row, or one for all (at least one by row)."""
    parts: list[pa.Array | str] = []
    for place, (name, value) in enumerate(fields.items()):
        parts += [f'{"," if place else "{"}"{name}":', value]
    return pc.binary_join_element_wise(*parts, "}", "")


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


def numbered(codes: npt.NDArray[Any], below: int) -> tuple[npt.NDArray[np.intp], Indices]:
    """The different codes (0 ≤ code < `below`), rising, and the place of each row's among them."""
    if below > 16 * len(codes) + 65_536:
        found, place = np.unique(codes, return_inverse=True)
        return found, place.astype(np.int32)
    is_there = np.bincount(codes, minlength=1) > 0
    place_of = np.cumsum(is_there, dtype=np.int32) - np.int32(1)
    return np.flatnonzero(is_there), place_of[codes]


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
