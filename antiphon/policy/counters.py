"""Counters of held candidates: JSON of what the binding rule saw, written only where it is read."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.policy.columns import Indices

Write = Callable[[npt.NDArray[np.int64]], pa.Array]
"""Texts at some places (rising, each once)."""
NO_COUNTER = -1


class Counters:
    """Places of texts, and of each candidate the place of its own (`place`); a text is written
    when a candidate that bears it is."""

    def __init__(self) -> None:
        self.place: Indices = np.zeros(0, np.int32)
        self._writers: list[tuple[int, int, Write]] = []
        self._reserved = 0

    def reserve(self, count: int, write: Write) -> int:
        """Room for so many texts, which `write` writes where they are asked; the first place."""
        first = self._reserved
        self._writers.append((first, count, write))
        self._reserved += count
        return first

    def put(self, texts: Sequence[str]) -> int:
        """Room for texts that are known; the first place."""
        return self.put_array(pa.array(texts, pa.string()))

    def put_array(self, texts: pa.Array) -> int:
        """Room for texts that are known; the first place."""
        return self.reserve(len(texts), lambda places: texts.take(pa.array(places)))

    def column(self, rows: npt.NDArray[np.intp]) -> pa.DictionaryArray:
        """The counters of some candidates, null where there are none."""
        place = self.place[rows]
        known = place >= 0
        asked = np.zeros(self._reserved, np.bool_)
        asked[place[known]] = True
        texts = [pa.array([], pa.string())]
        for first, count, write in self._writers:
            mine = np.flatnonzero(asked[first : first + count])
            if len(mine):
                texts.append(write(mine).cast(pa.string()))
        code = np.cumsum(asked, dtype=np.int32) - np.int32(1)
        indices = np.where(known, code[place], np.int32(0)) if len(code) else place
        return pa.DictionaryArray.from_arrays(
            pa.array(indices, pa.int32(), mask=~known), pa.concat_arrays(texts)
        )
