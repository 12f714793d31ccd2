"""In which cell each candidate is met: of the cross that its campaign goes through."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.touches import Touch
from antiphon.policy.columns import Indices, texts

NO_CELL = ""


class Cells:
    """Cells by touch and customer; the column of each cross is in `people`, under its name."""

    def __init__(self, people: pa.Table, touches: Sequence[Touch]) -> None:
        crosses = [touch.campaign.for_each for touch in touches]
        place = {NO_CELL: 0}
        self._codes: dict[str, Indices] = {}
        for cross in sorted({cross for cross in crosses if cross is not None}):
            encoded = texts(people, cross).dictionary_encode()
            words = encoded.dictionary.to_pylist()
            code = np.array([*(place.setdefault(word, len(place)) for word in words), 0], np.int32)
            indices = pc.fill_null(encoded.indices, len(words))
            self._codes[cross] = code[indices.to_numpy(zero_copy_only=False)]
        self._words = pa.array(list(place), pa.string())
        numbers = {cross: number for number, cross in enumerate(self._codes)}
        self._cross = np.array([numbers[cross] if cross else -1 for cross in crosses], np.int16)

    def of(self, touch: npt.NDArray[np.int16], customer: Indices) -> pa.DictionaryArray:
        """The cell of each pair; '' where the campaign goes through no cross."""
        code = np.zeros(len(touch), np.int32)
        asked = self._cross[touch] if self._codes else code
        for number, codes in enumerate(self._codes.values()):
            mine = asked == number
            code[mine] = codes[customer[mine]]
        return pa.DictionaryArray.from_arrays(pa.array(code), self._words)
