"""What earlier runs wrote to a bucket's customers: their contacts, and the slots they took."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.columns import Bools, Indices, instants, numbered, positions, texts
from antiphon.policy.contacts import Contacts, in_order
from antiphon.policy.kinds import Kind, Kinds
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES, MessageState

_STATES = [state.value for state in MessageState]


class Past:
    """History by customer; `customer`: of each of its rows the row of people, −1 for none."""

    def __init__(
        self,
        history: pa.Table,
        customer: Indices,
        touches: Sequence[Touch],
        campaigns: Mapping[str, Campaign],
    ) -> None:
        self.customer, self.at = customer, instants(history, "contact_at")
        state = positions(texts(history, "state"), _STATES)
        self._is_contact = _are(CONTACT_STATES)[state]
        self.is_occurrence = _are(OCCURRENCE_STATES)[state]
        words = [
            texts(history, name).dictionary_encode() for name in ("campaign", "channel", "category")
        ]
        code, below = np.zeros(len(customer), np.int64), 1
        for column in words:
            code *= max(len(column.dictionary), 1)
            code += column.indices.to_numpy(zero_copy_only=False)
            below *= max(len(column.dictionary), 1)
        found, kind = numbered(code, below)
        kinds = [self._kind(int(each), words) for each in found]
        ours = [
            Kind(touch.name, channel, touch.campaign.category)
            for touch in touches
            for channel in touch.channels
        ]
        self.kinds = Kinds([*kinds, *ours], campaigns)
        numbers = np.array([self.kinds.number(each) for each in kinds], np.int32)
        self.kind: Indices = numbers[kind] if len(numbers) else kind

    def campaign(self, names: Sequence[str]) -> Indices:
        """Of each row the position of its campaign among the names, −1 where it is none of them."""
        place = {name: position for position, name in enumerate(names)}
        places = [place.get(kind.campaign, -1) for kind in self.kinds.all]
        return np.array(places, np.int32)[self.kind]

    def contacts(self, policy: Policy, customers: int) -> Contacts:
        """Those that count in rules."""
        counted = self._is_contact & (self.customer >= 0) & ~self._of(policy.uncounted)
        new = np.zeros(int(counted.sum()), np.bool_)
        return in_order(
            self.customer[counted], self.at[counted], self.kind[counted], new, customers
        )

    def takes_slot(self, policy: Policy) -> Bools:
        """Which rows take a slot of their customer's day: control rows too, exempt ones not."""
        takes: Bools = self.is_occurrence & (self.customer >= 0) & ~self._of(policy.exempt)
        return takes

    def _of(self, categories: Sequence[str]) -> Bools:
        chosen = np.array([kind.category in categories for kind in self.kinds.all], np.bool_)
        return chosen[self.kind]

    @staticmethod
    def _kind(code: int, words: Sequence[pa.DictionaryArray]) -> Kind:
        found = []
        for column in reversed(words):
            code, place = divmod(code, len(column.dictionary))
            found.append(column.dictionary[place].as_py())
        return Kind(*reversed(found))


def _are(states: frozenset[MessageState]) -> Bools:
    """By position among the states; the last is for a word that is none."""
    return np.array([*(state in states for state in MessageState), False], np.bool_)
