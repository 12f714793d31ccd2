"""Whom each touch asks for: those for whom its condition holds, as the scan's masks say."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.touches import Touch
from antiphon.policy.columns import Bools, Indices, masks, texts

BITS = 62  # of a mask


@dataclass(frozen=True)
class Asked:
    """The customers of a bucket and what the day could tell them.

    `people`: one row per customer; the touch at place k is bit k % BITS of its mask_{k // BITS}.
    """

    people: pa.Table
    touches: Sequence[Touch]

    @cached_property
    def customers(self) -> pa.Array:
        """Their ids."""
        return texts(self.people, "customer_id")

    @cached_property
    def units(self) -> pa.Array:
        """What is randomised."""
        return texts(self.people, "unit")

    @cached_property
    def _words(self) -> list[npt.NDArray[np.uint64]]:
        count = (len(self.touches) + BITS - 1) // BITS
        return [masks(self.people, f"mask_{word}") for word in range(count)]

    def holds(self, touch: int) -> Bools:
        """Whether the touch's condition holds, by row of people."""
        bit: Bools = (self._words[touch // BITS] & np.uint64(1 << touch % BITS)) != 0
        return bit

    def rows(self, touch: int) -> Indices:
        """Those for whom it holds."""
        return np.flatnonzero(self.holds(touch)).astype(np.int32)

    @cached_property
    def names(self) -> list[str]:
        """The campaigns, each once, in the order of their touches."""
        return list(dict.fromkeys(touch.name for touch in self.touches))

    @cached_property
    def owner(self) -> npt.NDArray[np.int16]:
        """For each touch the position of its campaign in `names`."""
        place = {name: position for position, name in enumerate(self.names)}
        return np.array([place[touch.name] for touch in self.touches], np.int16)
