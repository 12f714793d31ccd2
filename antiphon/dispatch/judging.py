"""The policy asked again on the real time, of messages that are about to leave.

Two messages for one person that are claimed at the same moment never both leave against a rule:
claims are committed before anybody looks, so at least one of them sees the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pyarrow as pa

from antiphon.clock import business_day
from antiphon.dispatch.disturbing import Disturbed, disturbed
from antiphon.dispatch.facts import people_of
from antiphon.ledger import Message, Neighbour
from antiphon.policy.lateness import CONTACTS, Lateness
from antiphon.policy.moment import Moment, microseconds
from antiphon.project import Project
from antiphon.states import MessageState

# Of several that are in each other's way the one with the least id is tried again at once, the
# others when it has surely left: two that are always claimed together would else never leave.
FIRST, LATER = timedelta(seconds=1), timedelta(hours=1)
MINUTE = timedelta(minutes=1)
ANOTHER = "another message to the same person is leaving"


@dataclass(frozen=True)
class Postponed:
    """A message that may not leave now. `until`: from when on it may; None: not any more."""

    rule: str
    until: datetime | None


def postponed(project: Project, claimed: Sequence[Message], now: datetime) -> dict[str, Postponed]:
    """Message → what the policy says of those that may not leave at this moment."""
    configuration = project.configuration
    asked = [one for one in claimed if one.category not in configuration.policy.exempt]
    if not asked:
        return {}
    zone = configuration.settings.business.timezone
    moment = Moment(now, business_day(now, zone), zone)
    found = disturbed(project, asked, moment)
    return _Judge(project, moment, found).judge() if found.messages else {}


@dataclass(frozen=True)
class _Judge:
    """Judges what is disturbed."""

    project: Project
    moment: Moment
    found: Disturbed

    def judge(self) -> dict[str, Postponed]:
        """See `postponed`. Of several to one household the first is judged; the others wait."""
        first: dict[str, Message] = {}
        waiting = []
        for message in self.found.messages:
            if first.setdefault(self.found.home(message.customer_id), message) is not message:
                waiting.append(message)
        judged = self._judged(list(first.values()), self._others(first))
        return judged | {one.message_id: self._later(one, ANOTHER, MINUTE) for one in waiting}

    def _judged(
        self, asked: Sequence[Message], others: Sequence[Neighbour]
    ) -> dict[str, Postponed]:
        configuration = self.project.configuration
        judge = Lateness(
            self._messages_table(asked),
            self._contacts_table(others),
            configuration.policy,
            configuration.campaigns,
            self.moment,
            asks_times=self.found.is_changed,
        )
        in_flight: dict[str, list[str]] = {}
        for one in others:
            if one.state is MessageState.SENDING:
                in_flight.setdefault(self.found.home(one.customer_id), []).append(one.message_id)
        expires = np.array([microseconds(message.expires_at) for message in asked], np.int64)
        found = {}
        for row, verdict in judge.verdicts(expires).items():
            message = asked[row]
            if rivals := in_flight.get(self.found.home(message.customer_id)):
                # nobody knows yet what becomes of these
                wait = FIRST if message.message_id < min(rivals) else LATER
                found[message.message_id] = self._later(message, verdict.rule, wait)
            else:
                found[message.message_id] = Postponed(verdict.rule, verdict.until)
        return found

    def _others(self, asked: Mapping[str, Message]) -> list[Neighbour]:
        """What else was said to these households and will be, as far as it counts."""
        moved = {message.message_id for message in self.found.messages}
        members = {message.customer_id for message in asked.values()}
        members |= {one for one, home in self.found.homes.items() if home in asked}
        return [
            one
            for one in self.project.ledger.neighbours.of(members, self.moment.as_of)
            if one.message_id not in moved
            # what is to come was planned beside a message on time, and gives way to it
            and (
                one.state is not MessageState.PLANNED
                or asked[self.found.home(one.customer_id)].message_id in self.found.late
            )
        ]

    def _later(self, message: Message, rule: str, wait: timedelta) -> Postponed:
        until = self.moment.as_of + wait
        return Postponed(rule, until if until < message.expires_at else None)

    def _messages_table(self, asked: Sequence[Message]) -> pa.Table:
        """As Lateness reads them; of whom nothing is known every rule holds, and no maximum
        allows anything."""
        needs = self.found.needs
        facts = people_of(self.project, {message.customer_id for message in asked}, needs)
        names = ("customer_id", "unit", "campaign", "step", "anchor", "channel", "category")
        columns: dict[str, pa.Array] = {
            name: pa.array([getattr(message, name) for message in asked], pa.string())
            for name in names
        }
        homes = [self.found.home(message.customer_id) for message in asked]
        columns["household_id"] = pa.array(homes, pa.string())
        columns["state"] = pa.array([message.state.value for message in asked], pa.string())
        times = [self.moment.as_of] * len(asked)
        columns["contact_at"] = pa.array(times, pa.timestamp("us", tz="UTC"))
        mine = [facts.get(message.customer_id, {}) for message in asked]
        for name in ("timezone", "country"):
            columns[name] = pa.array([one.get(name) for one in mine], pa.string())
        for name in (f"in:{rule}" for rule in needs.frame.scopes):
            columns[name] = pa.array([one.get(name, True) for one in mine], pa.bool_())
        for name in (f"max:{cap}" for cap in needs.frame.maxima):
            columns[name] = pa.array([one.get(name) for one in mine], pa.int64())
        return pa.table(columns)

    def _contacts_table(self, others: Sequence[Neighbour]) -> pa.Table:
        rows = [
            {
                "customer_id": one.customer_id,
                "household_id": self.found.home(one.customer_id),
                "unit": one.unit,
                "campaign": one.campaign,
                "step": one.step,
                "anchor": one.anchor,
                "channel": one.channel,
                "category": one.category,
                "state": one.state.value,
                "contact_at": one.contact_at,
            }
            for one in others
        ]
        return pa.Table.from_pylist(rows, schema=CONTACTS)
