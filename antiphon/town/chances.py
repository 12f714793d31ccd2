"""Chance that is always the same: a number for each purpose and name, whoever asks and when."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from antiphon import keys

Floats: TypeAlias = npt.NDArray[np.float64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Chances: TypeAlias = Callable[[str], Floats]
"""A purpose in, numbers from 0 to 1 (excluded) out, one for each person asked about."""


def of_names(seed: int, names: Sequence[str]) -> Chances:
    """Numbers that hang on seed, purpose and name alone: the order of events changes nothing."""

    def draw(purpose: str) -> Floats:
        parts = (keys.number("town", str(seed), purpose, name) for name in names)
        return np.fromiter(parts, np.float64, len(names)) / float(keys.TWO_TO_64)

    return draw


def of_generator(random: np.random.Generator, count: int) -> Chances:
    """Numbers as they come, for trials that need millions of them."""
    return lambda _purpose: random.random(count)
