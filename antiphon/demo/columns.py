"""Columns of the demo company's files: text as a shop system exports it, gaps, uneven choices."""

from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Values = npt.NDArray[Any]

DAY = date(2026, 5, 12)
YEARS = 3


def text(values: Values) -> pa.Array:
    """Local wall-clock instants (or days) as ISO text, the way a shop system exports them."""
    return pa.array(values.astype(str))


def with_gaps(values: Values, missing: Values) -> pa.Array:
    """The values as text, null where `missing`."""
    return pa.array(values.tolist(), pa.string(), mask=missing)


def choose(random: np.random.Generator, words: list[str], count: int) -> Values:
    """`count` of the words; the first ones are the commoner ones, as in life."""
    weights = 1 / np.arange(1.0, len(words) + 1) ** 0.6
    return random.choice(np.array(words), size=count, p=weights / weights.sum())


def strings(table: pa.Table, name: str) -> Values:
    """A column of text as numpy has it."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False))


def instants(table: pa.Table, name: str) -> Values:
    """A column of wall-clock instants, to the second."""
    return np.asarray(table[name].to_numpy(zero_copy_only=False).astype("datetime64[s]"))
