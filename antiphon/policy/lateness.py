"""Messages that leave later than planned, judged again on the real time by the rules on contacts.

Only what depends on when a message leaves is asked again: repeats, the day's slot, sequences,
exclusions, caps, gaps, ratios, and times where they may have changed since it was planned.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import numpy as np
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Cap, Gap, Policy, Ratio, Times
from antiphon.policy.caps import CapRule
from antiphon.policy.columns import INSTANT, Indices, Instants, positions, texts
from antiphon.policy.contacts import Contacts
from antiphon.policy.exclusions import ExclusionRule
from antiphon.policy.kinds import Kind
from antiphon.policy.leaving import Departures, Place
from antiphon.policy.moment import EPOCH, MICROSECOND, Moment, microseconds
from antiphon.policy.past import Past
from antiphon.policy.periods import bounds
from antiphon.policy.ratios import RatioRule
from antiphon.policy.refusals import ContactRule
from antiphon.policy.sequences import SequenceRule
from antiphon.policy.setting import Setting
from antiphon.policy.spoken import Spoken
from antiphon.policy.times import forbidding, next_allowed

CONTACTS = pa.schema(
    [
        pa.field(name, pa.string(), nullable=False)
        for name in ("customer_id", "household_id", "unit", "campaign", "step", "anchor")
    ]
    + [pa.field(name, pa.string(), nullable=False) for name in ("channel", "category", "state")]
    + [pa.field("contact_at", INSTANT, nullable=False)]
)
"""What was said to the people concerned, or is planned; `household_id` is the customer's id where
nobody shares it."""

TRIES = 12  # moments that are tried before a message is given up
SECOND = 1_000_000


@dataclass(frozen=True)
class Verdict:
    """The rule that forbids a message now, by its title; `until`: from when on it may leave, None
    where that is never, or not before it is stale."""

    rule: str
    until: datetime | None


@dataclass(frozen=True)
class _At(Departures):
    """Departures at any moments, one by row of people."""

    moments: Instants

    @cached_property
    def at(self) -> Instants:
        """Those moments."""
        return self.moments

    def period(self, calendar: Calendar) -> tuple[Instants, Instants]:
        """The period of each one's own calendar that holds its moment."""
        ends = [
            bounds(calendar, _instant(at), self.places[place].zone)
            for at, place in zip(self.moments.tolist(), self.place.tolist(), strict=True)
        ]
        first, after = (np.array([end[side] for end in ends], np.int64) for side in (0, 1))
        return first, after


class Lateness:
    """Judges messages that are about to leave.

    `messages` has the columns of CONTACTS, a row for each message (`contact_at` plays no part), at
    most one of each customer, and of each household where a rule is on households; `timezone` and
    `country` (null: the business's), and `in:NAME`, `max:NAME` for personal rules. `contacts`:
    everything else that those people and their households were sent or will be, as CONTACTS.
    `campaigns`: all of the configuration. `asks_times`: whether rules on time are asked too.
    """

    def __init__(
        self,
        messages: pa.Table,
        contacts: pa.Table,
        policy: Policy,
        campaigns: Mapping[str, Campaign],
        moment: Moment,
        *,
        asks_times: bool = False,
    ) -> None:
        own = messages.select(CONTACTS.names).cast(CONTACTS)
        # our own are no history, but their kinds must be known
        self._every = pa.concat_tables([contacts.select(CONTACTS.names).cast(CONTACTS), own])
        self._messages, self._policy, self._campaigns = own, policy, campaigns
        self._moment, self._asks_times = moment, asks_times
        mine = self._past("customer_id")
        self._setting = Setting(messages, mine.kinds, policy, moment)
        names = (texts(own, name).to_pylist() for name in ("campaign", "channel", "category"))
        kinds = [mine.kinds.number(Kind(*kind)) for kind in zip(*names, strict=True)]
        self._kind: Indices = np.array(kinds, np.int32)
        self._rules = list(self._of_contacts(mine.contacts(policy, own.num_rows)))
        self._spoken = Spoken(self._every, own, campaigns, policy, moment.zone)

    def verdicts(self, expires: Instants) -> dict[int, Verdict]:
        """Row of messages → what forbids it now; rows that may leave are not in it.

        `expires`: when each is stale, microseconds since 1970.
        """
        at = np.full(len(self._kind), self._moment.planned_at, np.int64)
        first: dict[int, str] = {}
        found: dict[int, Verdict] = {}
        open_ = list(range(len(self._kind)))
        for _ in range(TRIES):
            refused = self._refused(at, open_)
            for row in open_:
                if row not in refused and row in first:
                    found[row] = Verdict(first[row], _instant(int(at[row])))
            open_ = []
            for row, (rule, next_) in refused.items():
                first.setdefault(row, rule)
                if next_ is None or next_ <= at[row] or next_ >= expires[row]:
                    found[row] = Verdict(first[row], None)
                else:
                    at[row] = next_
                    open_.append(row)
            if not open_:
                return found
        return found | {row: Verdict(first[row], None) for row in open_}

    def _past(self, holder: str) -> Past:
        """What was said, by the row of the message whose customer (household) it was said to."""
        own = len(self._messages)
        among = texts(self._messages, holder)
        of = positions(texts(self._every, holder), among)
        of[len(of) - own :] = -1
        return Past(self._every, of, (), self._campaigns)

    def _of_contacts(self, mine: Contacts) -> Iterator[ContactRule]:
        """The policy's rules on contacts that hold today."""
        setting, policy = self._setting, self._policy
        in_force = setting.in_force
        for sequence in in_force(policy.sequences):
            yield SequenceRule(sequence, setting, mine)
        for exclusion in in_force(policy.exclusions):
            yield ExclusionRule(exclusion, setting, mine)
        caps: list[Cap | Gap] = [*policy.caps, *policy.gaps]
        households: Contacts | None = None
        for cap in in_force(caps):
            if cap.of != "household":
                yield CapRule(cap, setting, mine)
                continue
            if households is None:
                past = self._past("household_id")
                households = past.contacts(policy, len(self._messages))
            yield CapRule(cap, setting, households)
        for ratio in in_force(policy.ratios):
            yield RatioRule(ratio, setting, mine)

    def _refused(self, at: Instants, rows: list[int]) -> dict[int, tuple[str, int | None]]:
        """Row → the first rule that forbids it at its moment, and when to try again."""
        found = self._spoken.refused(at, rows)
        departures = _At(*self._places, self._moment, at)
        asked = set(rows)
        for rule in self._rules:
            bound = self._setting.bound(rule.rule)
            for kind in np.unique(self._kind[rows]).tolist():
                key = rule.key(kind, False)
                if key is None:
                    continue
                refusals = rule.refused(key, departures)
                if bound is not None:
                    refusals = refusals.among(bound)
                places = [
                    place
                    for place, row in enumerate(refusals.customer.tolist())
                    if row in asked and row not in found and self._kind[row] == kind
                ]
                if not places:
                    continue
                told = refusals.counters(np.array(places, np.int64)).to_pylist()
                for place, text in zip(places, told, strict=True):
                    row = int(refusals.customer[place])
                    next_ = self._next(rule.rule, text, row, int(at[row]))
                    found[row] = rule.rule.title, next_
        if self._asks_times:
            found |= self._untimely(at, [row for row in rows if row not in found])
        return found

    def _next(self, rule: object, counters: str, row: int, at: int) -> int | None:
        """When to try again; counters are to the second, so a second later."""
        if isinstance(rule, Ratio):  # it says no time: something leaves its window then
            per = rule.per // MICROSECOND
            ends = (one + per for one in self._spoken.times(row))
            return min((end for end in ends if end > at), default=None)
        next_ = json.loads(counters).get("next")
        return microseconds(datetime.fromisoformat(next_)) + SECOND if next_ else None

    @cached_property
    def _places(self) -> tuple[Indices, tuple[Place, ...]]:
        people, zone = self._setting.people, self._moment.zone
        zones = texts(people, "timezone").to_pylist()
        countries = texts(people, "country").to_pylist()
        words = [
            Place(one or zone, country or "", ())
            for one, country in zip(zones, countries, strict=True)
        ]
        different = list(dict.fromkeys(words))
        number = {place: position for position, place in enumerate(different)}
        return np.array([number[word] for word in words], np.int32), tuple(different)

    def _untimely(self, at: Instants, rows: list[int]) -> dict[int, tuple[str, int | None]]:
        found: dict[int, tuple[str, int | None]] = {}
        times = [
            (rule, self._setting.kinds.in_scope(rule), self._setting.bound(rule))
            for rule in self._setting.in_force(self._policy.times)
        ]
        place, places = self._places
        for row in rows if times else ():
            mine: list[Times] = [
                rule
                for rule, in_scope, bound in times
                if in_scope[self._kind[row]] and (bound is None or bound[row])
            ]
            zone, country = places[place[row]].zone, places[place[row]].country
            moment = _instant(int(at[row]))
            rule = forbidding(moment, zone, country, mine)
            if rule is not None:
                next_ = next_allowed(moment, zone, country, mine)
                found[row] = rule.title, None if next_ is None else microseconds(next_)
        return found


def _instant(at: int) -> datetime:
    return EPOCH + at * MICROSECOND
