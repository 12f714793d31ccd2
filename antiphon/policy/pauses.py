"""Rests: after something the customer did, and when the last messages were all ignored."""

from collections.abc import Hashable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import CoolDown, Pause
from antiphon.policy.columns import NEVER, instant_json, json_object, nullable_instants
from antiphon.policy.contacts import Contacts
from antiphon.policy.leaving import Departures
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.refusals import Refusals
from antiphon.policy.setting import Setting


class PauseRule:
    """A rest after an order, a complaint, an event (column `pause:NAME`: the latest)."""

    def __init__(self, rule: Pause, setting: Setting) -> None:
        self.rule = rule
        self._in_scope = setting.kinds.in_scope(rule)
        self._last = nullable_instants(setting.people, f"pause:{rule.name}")

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """All messages in its scope are alike."""
        return True if self._in_scope[kind] else None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Who is still resting at their moment."""
        rest = self.rule.rest // MICROSECOND
        happened = np.flatnonzero(self._last != NEVER)
        over = self._last[happened] + rest
        resting = departures.at[happened] < over
        customer, over = happened[resting].astype(np.int32), over[resting]
        after = self.rule.after.replace("\\", "\\\\").replace('"', '\\"')

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            at = instant_json(self._last[customer[places]])
            return json_object(after=f'"{after}"', at=at, next=instant_json(over[places]))

        return Refusals(customer, write)


class CoolDownRule:
    """A rest when the last messages had no answer (column `last_answer`: the latest answer).

    It looks at what was sent before the run only: what this run has chosen may not leave after all.
    """

    def __init__(self, rule: CoolDown, setting: Setting, past: Contacts) -> None:
        self.rule = rule
        self._in_scope = setting.kinds.in_scope(rule)
        self._as_of = setting.moment.planned_at
        self._answered = nullable_instants(setting.people, "last_answer")
        is_recent = past.at > self._as_of - rule.within // MICROSECOND
        self._contacts = past.where(self._in_scope[past.kind] & is_recent)

    def key(self, kind: int, begins: bool) -> Hashable | None:
        """All messages in its scope are alike."""
        return True if self._in_scope[kind] else None

    def refused(self, key: Hashable, departures: Departures) -> Refusals:
        """Whose last messages before their moment were all ignored, and not long enough ago."""
        contacts, rule = self._contacts, self.rule
        sent = contacts.at <= departures.at[contacts.customer]
        counts = np.bincount(contacts.customer[sent], minlength=contacts.customers)
        customer = np.flatnonzero(counts >= rule.ignored)
        last = contacts.starts[customer] + counts[customer] - 1
        since = contacts.at[last - rule.ignored + 1]
        planned, ended = departures.at[customer], contacts.at[last]
        over = ended + rule.rest // MICROSECOND
        resting = (
            (since > planned - rule.within // MICROSECOND)
            & (ended < self._as_of)
            & (self._answered[customer] < since)
            & (planned < over)
        )
        customer, ended, over = customer[resting].astype(np.int32), ended[resting], over[resting]

        def write(places: npt.NDArray[np.int64]) -> pa.Array:
            return json_object(
                ignored=str(rule.ignored),
                last=instant_json(ended[places]),
                next=instant_json(over[places]),
            )

        return Refusals(customer, write)
