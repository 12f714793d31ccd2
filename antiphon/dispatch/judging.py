"""The policy asked again on the real time: what leaves later than planned, and what that disturbs.

What leaves on time was judged when it was planned, and again only where something else for the same
person (or household, where a rule counts by it) left since, on another time than its run knew. One
query of the ledger tells. Two messages for one person that are about to leave at the same moment
never both pass: each sees the other's claim, which was committed first.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

import numpy as np
import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.clock import business_day
from antiphon.dispatch.facts import needs_of, people_of
from antiphon.dispatch.households import households
from antiphon.keys import number
from antiphon.ledger import Message, Neighbour, Run
from antiphon.policy.lateness import CONTACTS, Lateness, Verdict
from antiphon.policy.moment import MICROSECOND, Moment, microseconds
from antiphon.project import Project
from antiphon.states import MessageState

ON_TIME = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)  # wherever a day begins, a quarter of an hour of UTC does
CLOCKS_DIFFER = timedelta(minutes=10)
LONGEST_LIFE = timedelta(days=14)  # of a message; longer where a campaign says so
SOON = (30, 90)  # seconds until a message is tried again that another one was in the way of
ANOTHER = "another message to the same person is leaving"
POLICY = ("config/policy.yaml", "config/packs/")
NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Postponed:
    """A message that may not leave now. `until`: from when on it may; None: not any more."""

    rule: str
    until: datetime | None


def postponed(project: Project, claimed: Sequence[Message], now: datetime) -> dict[str, Postponed]:
    """Message → what the policy says of those that may not leave at this moment."""
    exempt = project.configuration.policy.exempt
    asked = [message for message in claimed if message.category not in exempt]
    return _Look(project, now).judge(asked) if asked else {}


@dataclass(frozen=True, slots=True)
class _Near:
    """Something else for the same household: when it was meant to leave, and when it did or is
    to."""

    message_id: str
    run_id: str
    campaign: str
    planned_at: datetime
    at: datetime
    is_to_come: bool = False


class _Look:
    """One look at messages claimed together."""

    def __init__(self, project: Project, now: datetime) -> None:
        self._project, self._now = project, now
        self._policy = project.configuration.policy
        zone = project.configuration.settings.business.timezone
        self._moment = Moment(now, business_day(now, zone), zone)

    def judge(self, claimed: Sequence[Message]) -> dict[str, Postponed]:
        """See `postponed`."""
        runs = {run_id: _run(self._project, run_id) for run_id in {m.run_id for m in claimed}}
        late = {m.message_id for m in claimed if self._is_late(m)}
        changed = {
            run_id
            for run_id in {m.run_id for m in claimed if m.message_id in late}
            if not _same_policy(self._project, run_id)
        }
        needs = needs_of(self._project, self._moment, asks_times=bool(changed))
        people = {message.customer_id for message in claimed}
        is_shared = needs.households or any(m.unit != m.customer_id for m in claimed)
        homes = households(self._project).of(people) if is_shared else {}
        near = self._near(claimed, runs, people | set(homes), homes)
        asked = [
            message
            for message in claimed
            if self._is_disturbed(message, late, runs, near[_home(message.customer_id, homes)])
            or (
                message.message_id in late
                and (message.run_id in changed or self._is_bounded(message))
            )
        ]
        if not asked:
            return {}
        first, waiting = _one_each(asked, homes)
        facts = people_of(self._project, {message.customer_id for message in first}, needs)
        refused = self._refused(first, late, homes, facts, asks_times=bool(changed))
        return refused | {
            m.message_id: self._soon(m, "another message is leaving") for m in waiting
        }

    def _is_late(self, message: Message) -> bool:
        """By more than a minute, or on what may be another day on somebody's clock."""
        planned = message.planned_at
        is_other_day = _quarter(self._now) != _quarter(planned)
        return self._now - planned > ON_TIME or (self._now > planned and is_other_day)

    def _is_bounded(self, message: Message) -> bool:
        """Whether to leave late may be wrong by itself: at most so long after another campaign."""
        day = self._moment.business_day
        campaign = self._project.configuration.campaigns.get(message.campaign)
        return any(
            rule.within and rule.holds_on(day) and (campaign is None or rule.concerns(campaign))
            for rule in self._policy.sequences
        )

    def _near(
        self,
        claimed: Sequence[Message],
        runs: Mapping[str, Run],
        people: Collection[str],
        homes: Mapping[str, str],
    ) -> Mapping[str, list[_Near]]:
        """Household → what these people were sent since the first of the runs, or will be."""
        lives = [one.expires_after for one in self._project.configuration.campaigns.values()]
        since = min(run.as_of for run in runs.values()) - CLOCKS_DIFFER
        found: dict[str, list[_Near]] = {}
        for one in claimed:
            beside = found.setdefault(_home(one.customer_id, homes), [])
            beside.append(
                _Near(one.message_id, one.run_id, one.campaign, one.planned_at, self._now)
            )
        for other in self._project.ledger.neighbours.since(
            people, since, since - max([LONGEST_LIFE, *lives]), {one.revision for one in claimed}
        ):
            mates = found.get(_home(other.customer_id, homes))
            if mates is not None:
                mates.append(
                    _Near(
                        other.message_id,
                        other.run_id,
                        other.campaign,
                        other.planned_at,
                        other.contact_at,
                        is_to_come=other.left_at is None,
                    )
                )
        return found

    def _is_disturbed(
        self,
        message: Message,
        late: Collection[str],
        runs: Mapping[str, Run],
        near: Sequence[_Near],
    ) -> bool:
        """Whether there is something beside which this moment of it was not judged."""
        if len(near) == 1:  # itself
            return False
        known = runs[message.run_id].as_of - CLOCKS_DIFFER
        is_late = message.message_id in late
        return any(
            self._is_new_beside(one, message, runs[message.run_id], is_late=is_late)
            for one in near
            if one.message_id != message.message_id
            and one.at > known
            and (is_late or not one.is_to_come)
        )

    def _is_new_beside(self, one: _Near, message: Message, run: Run, *, is_late: bool) -> bool:
        """Whether the two stand to each other otherwise than any run has judged them.

        Of too many in one window, the last to leave is either the last by plan, and so has come
        nearer to the first than the window is long; or it has changed places with the last.
        """
        if message.not_before > message.planned_at:  # it was moved: nobody knows what runs saw
            return True
        if is_late and one.run_id != message.run_id:
            other = _run(self._project, one.run_id)
            if other.as_of >= run.as_of:  # what is exempt is planned whatever there is
                return True
        planned, real = message.planned_at - one.planned_at, self._now - one.at
        if (planned > NO_TIME) != (real > NO_TIME) and planned:
            return True
        if any((abs(planned) < per) != (abs(real) < per) for per in self._windows(message, one)):
            return True
        moved = ((message.planned_at, self._now), (one.planned_at, one.at))
        return any(self._is_other_day(before, after) for before, after in moved)

    def _windows(self, message: Message, one: _Near) -> Iterator[timedelta]:
        yield from self._lengths
        campaign = self._project.configuration.campaigns.get(message.campaign)
        if campaign and campaign.repeat_after and one.campaign == message.campaign:
            yield campaign.repeat_after

    @cached_property
    def _lengths(self) -> tuple[timedelta, ...]:
        """Of all rolling windows that the policy has today."""
        policy, day = self._policy, self._moment.business_day
        lengths = [
            *((cap, cap.per) for cap in policy.caps),
            *((gap, gap.at_least) for gap in policy.gaps),
            *((ratio, ratio.per) for ratio in policy.ratios),
            *((exclusion, exclusion.per) for exclusion in policy.exclusions),
            *((sequence, sequence.wait) for sequence in policy.sequences),
            *((sequence, sequence.within) for sequence in policy.sequences),
        ]
        found = {per for rule, per in lengths if isinstance(per, timedelta) and rule.holds_on(day)}
        return tuple(sorted(found))

    @cached_property
    def _follows_calendars(self) -> bool:
        day = self._moment.business_day
        return any(isinstance(cap.per, Calendar) and cap.holds_on(day) for cap in self._policy.caps)

    def _is_other_day(self, planned: datetime, real: datetime) -> bool:
        """Whether it may be another day now: of the business or, where a rule goes by these, on
        the calendar of whoever."""
        if self._follows_calendars and _quarter(planned) != _quarter(real):
            return True
        return business_day(planned, self._moment.zone) != business_day(real, self._moment.zone)

    def _refused(
        self,
        asked: Sequence[Message],
        late: Collection[str],
        homes: Mapping[str, str],
        facts: Mapping[str, Mapping[str, object]],
        *,
        asks_times: bool,
    ) -> dict[str, Postponed]:
        houses = {_home(message.customer_id, homes): message for message in asked}
        members = {message.customer_id for message in asked}
        members |= {one for one, home in homes.items() if home in houses}
        own = {message.message_id for message in asked}
        others = [
            one
            for one in self._project.ledger.neighbours.of(members, self._now)
            if one.message_id not in own
            # what is to come was planned beside a message on time, and gives way to it
            and (
                one.state is not MessageState.PLANNED
                or houses[_home(one.customer_id, homes)].message_id in late
            )
        ]
        judge = Lateness(
            _messages_table(asked, homes, facts, self._now),
            _contacts_table(others, homes),
            self._policy,
            self._project.configuration.campaigns,
            self._moment,
            asks_times=asks_times,
        )
        expires = np.array([microseconds(message.expires_at) for message in asked], np.int64)
        in_flight = {
            _home(one.customer_id, homes) for one in others if one.state is MessageState.SENDING
        }
        found = {}
        for row, verdict in judge.verdicts(expires).items():
            message = asked[row]
            if (
                _home(message.customer_id, homes) in in_flight
            ):  # what becomes of it is not known yet
                found[message.message_id] = self._soon(message, verdict.rule)
            else:
                found[message.message_id] = _postponed(verdict)
        return found

    def _soon(self, message: Message, rule: str) -> Postponed:
        """Tried again in a moment that differs from message to message."""
        first, last = SOON
        seconds = first + number("soon", message.message_id) % (last - first)
        until = self._now + timedelta(seconds=seconds)
        return Postponed(rule, until if until < message.expires_at else None)


@lru_cache(maxsize=512)
def _run(project: Project, run_id: str) -> Run:
    run = project.ledger.runs.get(run_id)
    assert run is not None, "a message's run is in the ledger: a foreign key"
    return run


@lru_cache(maxsize=512)
def _same_policy(project: Project, run_id: str) -> bool:
    """Whether the run decided by the rules that there are now."""
    then = project.ledger.contents.files(_run(project, run_id).files_hash or "").texts
    now = project.configuration.files.texts
    return _rules(then) == _rules(now)


def _rules(texts: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in texts.items() if path.startswith(POLICY)}


def _home(customer_id: str, homes: Mapping[str, str]) -> str:
    """The household; a customer who lives alone is one (as the lake names it)."""
    return homes.get(customer_id, f"customer:{customer_id}")


def _one_each(
    asked: Sequence[Message], homes: Mapping[str, str]
) -> tuple[list[Message], list[Message]]:
    """The first message of each household, and the others, which wait for it."""
    first: dict[str, Message] = {}
    waiting = []
    for message in asked:
        if first.setdefault(_home(message.customer_id, homes), message) is not message:
            waiting.append(message)
    return list(first.values()), waiting


def _quarter(moment: datetime) -> int:
    return microseconds(moment) // (QUARTER // MICROSECOND)


def _postponed(verdict: Verdict) -> Postponed:
    return Postponed(verdict.rule, verdict.until)


def _messages_table(
    asked: Sequence[Message],
    homes: Mapping[str, str],
    facts: Mapping[str, Mapping[str, object]],
    now: datetime,
) -> pa.Table:
    """As Lateness reads them."""
    names = ("customer_id", "unit", "campaign", "step", "anchor", "channel", "category")
    columns: dict[str, pa.Array] = {
        name: pa.array([getattr(message, name) for message in asked], pa.string()) for name in names
    }
    columns["household_id"] = pa.array([_home(m.customer_id, homes) for m in asked], pa.string())
    columns["state"] = pa.array([m.state.value for m in asked], pa.string())
    columns["contact_at"] = pa.array([now] * len(asked), pa.timestamp("us", tz="UTC"))
    mine = [facts.get(message.customer_id, {}) for message in asked]
    for name in ("timezone", "country"):
        columns[name] = pa.array([one.get(name) for one in mine], pa.string())
    return pa.table(columns)


def _contacts_table(others: Sequence[Neighbour], homes: Mapping[str, str]) -> pa.Table:
    rows = [
        {
            "customer_id": one.customer_id,
            "household_id": _home(one.customer_id, homes),
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
