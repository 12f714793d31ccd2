"""Which messages that are about to leave must be judged again: late ones, and what they disturb.

A message on time was judged when it was planned. It is judged again only where something else for
the same person (or household, where a rule counts by it) left since, otherwise than any run knew; a
late one where it now stands otherwise to something else. One query of the ledger tells.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache

from antiphon.campaigns.conversions import Calendar
from antiphon.clock import business_day
from antiphon.dispatch.facts import Needs, needs_of
from antiphon.dispatch.households import households
from antiphon.errors import LedgerError
from antiphon.ledger import Message, Run
from antiphon.policy.moment import MICROSECOND, Moment, microseconds
from antiphon.project import Project

ON_TIME = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)  # wherever a day begins, a quarter of an hour of UTC does
CLOCKS_DIFFER = timedelta(minutes=10)
LONGEST_LIFE = timedelta(days=14)  # of a message; longer where a campaign says so
POLICY = ("config/policy.yaml", "config/packs/")
NO_TIME = timedelta(0)


@dataclass(frozen=True)
class Disturbed:
    """Messages to be judged now. `late`: ids of those among all that leave late; `homes`: see
    Households.of; `is_changed`: the policy is another than that of their runs."""

    messages: Sequence[Message]
    late: Collection[str]
    homes: Mapping[str, str]
    needs: Needs
    is_changed: bool

    def home(self, customer_id: str) -> str:
        """The household; a customer who lives alone is one (as the lake names it)."""
        return home_of(customer_id, self.homes)


def home_of(customer_id: str, homes: Mapping[str, str]) -> str:
    """See Disturbed.home."""
    return homes.get(customer_id, f"customer:{customer_id}")


def disturbed(project: Project, claimed: Sequence[Message], moment: Moment) -> Disturbed:
    """Those of the messages, which are claimed and leave at this moment, that must be judged."""
    look = _Look(project, moment)
    late = {message.message_id for message in claimed if look.is_late(message)}
    runs = {run_id: _run(project, run_id) for run_id in {one.run_id for one in claimed}}
    late_runs = {message.run_id for message in claimed if message.message_id in late}
    changed = {run_id for run_id in late_runs if not _same_policy(project, run_id)}
    needs = needs_of(project, moment.business_day, asks_times=bool(changed))
    people = {message.customer_id for message in claimed}
    is_shared = needs.households or any(one.unit != one.customer_id for one in claimed)
    homes = households(project).of(people) if is_shared else {}
    near = look.near(claimed, runs, people | set(homes), homes)

    def is_asked(message: Message) -> bool:
        is_late = message.message_id in late
        if is_late and (message.run_id in changed or look.is_bounded(message)):
            return True
        mates = near.get(home_of(message.customer_id, homes))
        if not mates:
            return False
        return look.is_disturbed(message, runs[message.run_id], mates, is_late=is_late)

    asked = [message for message in claimed if is_asked(message)]
    return Disturbed(asked, late, homes, needs, bool(changed))


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

    def __init__(self, project: Project, moment: Moment) -> None:
        self._project, self._moment, self._now = project, moment, moment.as_of
        self._policy = project.configuration.policy

    def is_late(self, message: Message) -> bool:
        """By more than a minute, or on what may be another day on somebody's clock."""
        late = self._now - message.planned_at
        if late > ON_TIME or late <= NO_TIME:
            return late > ON_TIME
        return _quarter(self._now) != _quarter(message.planned_at)

    def is_bounded(self, message: Message) -> bool:
        """Whether to leave late may be wrong by itself: at most so long after another campaign."""
        day = self._moment.business_day
        campaign = self._project.configuration.campaigns.get(message.campaign)
        return any(
            rule.within and rule.holds_on(day) and (campaign is None or rule.concerns(campaign))
            for rule in self._policy.sequences
        )

    def near(
        self,
        claimed: Sequence[Message],
        runs: Mapping[str, Run],
        people: Collection[str],
        homes: Mapping[str, str],
    ) -> Mapping[str, list[_Near]]:
        """Household → what these people were sent since the first of the runs, or will be, where
        that is more than one of the claimed messages."""
        lives = [one.expires_after for one in self._project.configuration.campaigns.values()]
        since = min(run.as_of for run in runs.values()) - CLOCKS_DIFFER
        found: dict[str, list[_Near]] = {}
        for other in self._project.ledger.neighbours.since(
            people, since, since - max([LONGEST_LIFE, *lives]), {one.revision for one in claimed}
        ):
            found.setdefault(home_of(other.customer_id, homes), []).append(
                _Near(
                    other.message_id,
                    other.run_id,
                    other.campaign,
                    other.planned_at,
                    other.contact_at,
                    is_to_come=other.left_at is None,
                )
            )
        own = [home_of(one.customer_id, homes) for one in claimed]
        together = Counter(own)
        for one, home in zip(claimed, own, strict=True):
            if together[home] > 1 or home in found:
                found.setdefault(home, []).append(
                    _Near(one.message_id, one.run_id, one.campaign, one.planned_at, self._now)
                )
        return found

    def is_disturbed(
        self,
        message: Message,
        run: Run,
        near: Sequence[_Near],
        *,
        is_late: bool,
    ) -> bool:
        """Whether there is something beside which this moment of it was not judged."""
        known = run.as_of - CLOCKS_DIFFER
        return any(
            self._is_new_beside(one, message, run, is_late=is_late)
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


@lru_cache(maxsize=512)
def _run(project: Project, run_id: str) -> Run:
    run = project.ledger.runs.get(run_id)
    assert run is not None, "a message's run is in the ledger: a foreign key"
    return run


@lru_cache(maxsize=512)
def _same_policy(project: Project, run_id: str) -> bool:
    """Whether the run decided by the rules that there are now, as far as its files are known."""
    try:
        then = project.ledger.contents.files(_run(project, run_id).files_hash or "").texts
    except LedgerError:
        return True
    now = project.configuration.files.texts
    return _rules(then) == _rules(now)


def _rules(texts: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in texts.items() if path.startswith(POLICY)}


def _quarter(moment: datetime) -> int:
    return microseconds(moment) // (QUARTER // MICROSECOND)
