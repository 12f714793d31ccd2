"""Exclusion: who got a message of one group gets none of another's, ever or for a while."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import Exclusion
from antiphon.policy.columns import FOREVER, instant_json, json_object, text_json
from antiphon.policy.contacts import Contacts, last_of_each
from antiphon.policy.leaving import Departures
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting


class ExclusionRule:
    """An exclusion facing the contacts there are.

    A campaign may be in several groups. Two that are not in exactly the same ones exclude each
    other, whichever of them speaks first.
    """

    def __init__(self, rule: Exclusion, setting: Setting, contacts: Contacts) -> None:
        self.rule = rule
        self._setting = setting
        kinds = setting.kinds
        groups = [kinds.of_campaigns([name]) for name in rule.campaigns]
        groups += [kinds.tagged([tag]) for tag in rule.tags]
        in_scope = kinds.in_scope(rule)
        self._groups = [
            frozenset(
                number for number, group in enumerate(groups) if group[kind] and in_scope[kind]
            )
            for kind in range(len(kinds.all))
        ]
        grouped = np.array([bool(mine) for mine in self._groups], np.bool_)
        self._contacts = contacts.where(grouped[contacts.kind])

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """The groups of the campaign."""
        return self._groups[kind] or None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Who has a contact of other groups near their moment."""
        contacts = self._contacts
        others = np.array([bool(mine) and mine != key for mine in self._groups], np.bool_)
        is_near = others[contacts.kind]
        per = None if self.rule.per is None else self.rule.per // MICROSECOND
        if per is not None:
            is_near &= np.abs(contacts.at - departures.at[contacts.customer]) < per
        near = contacts.where(is_near)
        last = last_of_each(near.customer)
        names = pa.array([kind.campaign for kind in self._setting.kinds.all], pa.string())

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            chosen = last[places]
            at = near.at[chosen]
            name = names.take(pa.array(near.kind[chosen]))
            return json_object(
                campaign=text_json(name),
                at=instant_json(at),
                next=instant_json(at + per if per is not None else np.full(len(at), FOREVER)),
            )

        return Refusals(near.customer[last], write)
