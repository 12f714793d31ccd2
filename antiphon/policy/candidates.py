"""The candidates of one bucket: (touch, customer) pairs, and what was decided of each so far."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from antiphon.campaigns.rules import Policy
from antiphon.policy.asked import Asked
from antiphon.policy.columns import Bools, Codes, Indices, Instants
from antiphon.policy.counters import Counters
from antiphon.policy.rules import Rule

Chosen = npt.NDArray[np.intp]
OPEN = -1


class RuleNames:
    """Every rule that may hold a candidate back, by the number that candidates bear."""

    def __init__(self, policy: Policy) -> None:
        self.all = [*(rule.value for rule in Rule), *(rule.title for rule in policy.rules())]
        self._number = {name: number for number, name in enumerate(self.all)}

    def number(self, name: str) -> int:
        """The rule's number, by its title."""
        return self._number[name]


@dataclass
class Candidates:
    """Arrays by candidate, touch by touch in descending priority of their campaigns.

    `touch`: position among the touches; `customer`: row of people; `planned`: when the message
    would leave; `channel`: position in CHANNELS (−1: none); `rule`: number among the rules' names
    (OPEN: nothing binds so far); `lost_to`: the campaign that won (−1: none); `ordinal` and
    `attempt` of the occurrence a message would be; `occasion`: position among the occasions (−1:
    it needs none); `begins`: the message would be the first of a chain (None: nobody asks).
    `bounds`: position of each touch's candidates, as (touch, first, after the last).
    """

    asked: Asked
    bounds: tuple[tuple[int, int, int], ...]
    touch: npt.NDArray[np.int16]
    customer: Indices
    occasion: Indices
    planned: Instants
    channel: Codes
    rule: npt.NDArray[np.int16]
    lost_to: npt.NDArray[np.int16]
    ordinal: Indices
    attempt: Indices
    counters: Counters
    begins: Bools | None = field(default=None)

    def open(self, chosen: Bools | None = None) -> Chosen:
        """Positions of the candidates that no rule holds (and whose touch is `chosen`)."""
        is_open = self.rule == OPEN
        return np.flatnonzero(is_open if chosen is None else is_open & chosen[self.touch])

    def owner(self, rows: Chosen) -> npt.NDArray[np.int16]:
        """Positions of their campaigns among the campaigns."""
        return self.asked.owner[self.touch[rows]]

    def priority(self, rows: Chosen) -> Indices:
        """The priority of their campaigns."""
        return self._priorities[self.touch[rows]]

    def are_exempt(self, policy: Policy) -> Bools:
        """Which touches pass all rules but consent and address, by position of the touch."""
        touches = self.asked.touches
        return np.array([each.campaign.category in policy.exempt for each in touches], np.bool_)

    def by_touch(self, rows: Chosen) -> list[tuple[int, Chosen]]:
        """Candidates (rising) touch by touch."""
        firsts = [first for _, first, _ in self.bounds]
        ends = np.append(np.searchsorted(rows, firsts), len(rows)).tolist()
        return [
            (touch, rows[begin:end])
            for (touch, _, _), begin, end in zip(self.bounds, ends, ends[1:], strict=False)
            if begin < end
        ]

    @cached_property
    def _priorities(self) -> Indices:
        touches = self.asked.touches
        return np.array([each.campaign.priority for each in touches], np.int32)
