"""Ratio: of all messages to a customer at most a share may be of one tag.

A tagged message that leaves at p is refused when, of the contacts in (p − per, p] and itself, more
than max(free, ⌊share × all⌋) would be tagged; or when it would break this for a later tagged one
that is already planned. Messages without the tag that this run has chosen do not count as `all`:
a limit may yet take them back, and with them the room for the tagged one.
"""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import Ratio
from antiphon.policy.columns import Bools, Indices, json_object
from antiphon.policy.contacts import Contacts
from antiphon.policy.leaving import Departures
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting

_ROUNDING = 1e-9  # a third of three is one, whatever a share of 0.333… makes of it
Wholes = npt.NDArray[np.int64]


class RatioRule:
    """A ratio facing the contacts there are."""

    def __init__(self, rule: Ratio, setting: Setting, contacts: Contacts) -> None:
        self.rule = rule
        in_scope = setting.kinds.in_scope(rule)
        self._tagged = in_scope & setting.kinds.tagged(rule.of)
        counts = in_scope[contacts.kind] & (~contacts.is_new | self._tagged[contacts.kind])
        counts &= contacts.at > setting.moment.planned_at - self._per
        self._contacts = contacts.where(counts)
        self._is_tagged = self._tagged[self._contacts.kind]

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """Messages with the tag are all alike; the others are never refused."""
        return True if self._tagged[kind] else None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Whose share would be too large, at their moment or at a later one."""
        contacts = self._contacts
        planned = departures.at[contacts.customer]
        before = (contacts.at <= planned) & (contacts.at > planned - self._per)
        among = np.bincount(contacts.customer[before], minlength=contacts.customers)
        tagged = np.bincount(
            contacts.customer[before & self._is_tagged], minlength=contacts.customers
        )
        is_refused = self._is_too_much(tagged, among)
        after = (contacts.at > planned) & (contacts.at < planned + self._per) & self._is_tagged
        is_refused[self._broken_later(np.flatnonzero(after))] = True
        customer = np.flatnonzero(is_refused).astype(np.int32)

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            whose = customer[places]
            of, all_ = (pa.array(counts[whose]).cast(pa.string()) for counts in (tagged, among))
            return json_object(share=f"{self.rule.share:.6g}", of=of, all=all_)

        return Refusals(customer, write)

    @property
    def _per(self) -> int:
        return self.rule.per // MICROSECOND

    def _is_too_much(self, tagged: Wholes, among: Wholes) -> Bools:
        """Whether one tagged message more would be."""
        share = np.floor(self.rule.share * (among + 1) + _ROUNDING)
        too_much: Bools = tagged + 1 > np.maximum(self.rule.free, share)
        return too_much

    def _broken_later(self, later: npt.NDArray[np.intp]) -> Indices:
        """Customers one of whose later tagged contacts (at these positions) it would break."""
        contacts = self._contacts
        near, counts = contacts.of(contacts.customer[later])
        which = np.repeat(np.arange(len(later)), counts)
        at = contacts.at[later][which]
        before = (contacts.at[near] <= at) & (contacts.at[near] > at - self._per)
        among = np.bincount(which[before], minlength=len(later))
        tagged = np.bincount(which[before & self._is_tagged[near]], minlength=len(later))
        broken = self._is_too_much(tagged, among)
        customers: Indices = contacts.customer[later[broken]]
        return customers
