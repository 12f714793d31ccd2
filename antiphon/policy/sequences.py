"""Sequence: a campaign speaks only to those who got another one before."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import Sequence
from antiphon.policy.columns import FOREVER, NEVER, instant_json, json_object
from antiphon.policy.contacts import Contacts
from antiphon.policy.leaving import Departures
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting


class SequenceRule:
    """A sequence facing what was sent before the run: what the run has chosen may not leave."""

    def __init__(self, rule: Sequence, setting: Setting, past: Contacts) -> None:
        self.rule = rule
        self._in_scope = setting.kinds.in_scope(rule)
        self._before = past.where(setting.kinds.of_campaigns(rule.after)[past.kind])

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """All messages in its scope are alike."""
        return True if self._in_scope[kind] else None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Who got none of the others in the time before their moment."""
        rule, before = self.rule, self._before
        planned, wait = departures.at, rule.wait // MICROSECOND
        since = (
            planned - rule.within // MICROSECOND if rule.within else np.full_like(planned, NEVER)
        )
        whose = before.customer
        fits = (before.at > since[whose]) & (before.at <= planned[whose] - wait)
        allowed = np.zeros(before.customers, np.bool_)
        allowed[whose[fits]] = True
        customer = np.flatnonzero(~allowed).astype(np.int32)

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            latest = np.full(before.customers, NEVER, np.int64)
            latest[whose] = before.at  # in order: the last one stays
            last = latest[customer[places]]
            ripe = np.where(last == NEVER, NEVER, last + wait)
            waits = (last != NEVER) & (ripe > planned[customer[places]])
            next_ = np.where(waits, ripe, FOREVER)
            return json_object(at=instant_json(last), next=instant_json(next_))

        return Refusals(customer, write)
