"""What every rule on contacts answers: whom it refuses a message, and the counters it saw."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from antiphon.campaigns.rules import PolicyRule
from antiphon.policy.columns import Bools, Indices
from antiphon.policy.counters import Write
from antiphon.policy.leaving import Departures


@dataclass(frozen=True)
class Refusals:
    """Customers whom a rule refuses, each once; `counters` writes the texts of some of them."""

    customer: Indices
    counters: Write

    def among(self, bound: Bools) -> "Refusals":
        """Only those of the customers whom the rule concerns."""
        kept = np.flatnonzero(bound[self.customer])
        return Refusals(self.customer[kept], lambda places: self.counters(kept[places]))


class ContactRule(Protocol):
    """A rule facing the contacts there are: it answers for all customers at once.

    Messages of one `key` that leave together are alike to it, so that it is asked once for them.
    """

    @property
    def rule(self) -> PolicyRule:
        """The rule itself."""

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """What it tells apart among messages of this kind (`begins`: the message would be the
        first of a chain); None: it does not concern them."""

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Whom it refuses a message that leaves then."""
