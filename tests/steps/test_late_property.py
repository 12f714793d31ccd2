"""Whatever the delays, what really left keeps to every rule that what was planned kept to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, count, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from late_world import DAY, HOUR, NOW, Letter, World, make_world
from small_shop import campaign, make_shop

from antiphon.ledger import Message, Outcome
from antiphon.states import MessageState

POLICY = {
    "version": 1,
    "consent": {"promo": "none", "lifecycle": "none", "service": "none"},
    "winners_per_day": 1,
    "caps": [
        {"name": "two-a-week", "max": 2, "per": "7 days"},
        {"name": "one-promo", "max": 1, "per": "3 days", "category": "promo"},
    ],
    "gaps": [{"name": "apart", "at_least": "20 hours"}],
    "exclusions": [{"name": "either", "campaigns": ["news", "tips"], "per": "2 days"}],
}
CATEGORIES = {"news": "promo", "offer": "promo", "tips": "lifecycle"}
BERLIN = ZoneInfo("Europe/Berlin")
LIFE = 10 * DAY
Said = tuple[datetime, str]
numbers = count()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    campaigns = [
        campaign(name, category=category, repeat_after="1 hours", audience={"where": "true"})
        for name, category in CATEGORIES.items()
    ]
    return make_world(make_shop(tmp_path_factory.mktemp("late") / "shop"), POLICY, *campaigns)


def broken(said: Iterable[Said]) -> str:
    """The first rule that these contacts of one person break, '' where they break none."""
    found = sorted(said)
    times = [at for at, _ in found]
    promos = [at for at, name in found if CATEGORIES[name] == "promo"]
    if any(third - first < 7 * DAY for first, third in zip(times, times[2:], strict=False)):
        return "two-a-week"
    if any(second - first < 3 * DAY for first, second in pairwise(promos)):
        return "one-promo"
    if any(second - first < 20 * HOUR for first, second in pairwise(times)):
        return "apart"
    if any(
        {one[1], other[1]} == {"news", "tips"} and other[0] - one[0] < 2 * DAY
        for one, other in combinations(found, 2)
    ):
        return "either"
    days = [at.astimezone(BERLIN).date() for at in times]
    return "day" if len(set(days)) < len(days) else ""


@dataclass(frozen=True)
class Step:
    """Time goes on by `after`; then a run plans `wishes` (campaign, how much later) as far as the
    rules allow, or what is due leaves: not those whose number is in `fails`, which are tried later,
    and with `at_once` claims of all groups come before the first look."""

    after: timedelta
    wishes: Sequence[tuple[str, timedelta]] = ()
    fails: frozenset[int] = frozenset()
    at_once: bool = True


EDGES = [timedelta(0), 20 * HOUR, DAY, 2 * DAY, 3 * DAY, 7 * DAY]
waits = st.one_of(  # as long as a window, to which a little lateness makes all the difference
    st.sampled_from(EDGES),
    st.sampled_from([timedelta(seconds=40), timedelta(minutes=5), 5 * HOUR, 15 * HOUR]),
    st.integers(0, 2 * 86_400).map(lambda some: timedelta(seconds=some)),
)
wishes = st.lists(st.tuples(st.sampled_from(sorted(CATEGORIES)), waits), min_size=1, max_size=4)
steps = st.lists(
    st.one_of(
        st.builds(Step, after=waits, wishes=wishes),
        st.builds(Step, after=waits, fails=st.frozensets(st.integers(0, 3)), at_once=st.booleans()),
    ),
    min_size=4,
    max_size=14,
)


def _known(world: World, customer: str) -> list[Said]:
    mine = world.project.ledger.messages.by_customer(customer)
    gone = {MessageState.WITHDRAWN, MessageState.EXPIRED}
    return [(one.left_at or one.not_before, one.campaign) for one in mine if one.state not in gone]


def _plan(world: World, customer: str, step: Step, now: datetime) -> None:
    known, letters = _known(world, customer), []
    for name, later in step.wishes:
        if not broken([*known, (now + later, name)]):
            known.append((now + later, name))
            letters.append(Letter(customer, now + later, name, CATEGORIES[name], LIFE))
    world.plan(letters, now)


def _leave(world: World, step: Step, now: datetime) -> None:
    def look(claimed: Sequence[Message]) -> None:
        fails = {one for place, one in enumerate(claimed) if place in step.fails}
        stops = world.look([one for one in claimed if one not in fails], now)
        later = [
            Outcome(one.message_id, MessageState.PLANNED, not_before=now + HOUR) for one in fails
        ]
        world.project.ledger.messages.record(later, now, "test")
        assert not stops.keys() & {one.message_id for one in fails}

    if step.at_once:
        for claimed in world.claim(now):
            look(claimed)
        return
    messages = world.project.ledger.messages
    for group in messages.due_groups("email", now):
        look(messages.claim(group, "local", 1, now, "test", HOUR))


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=steps)
def test_whatever_the_delays_no_rule_is_broken_by_what_really_left(
    world: World, steps: Sequence[Step]
) -> None:
    now, customer = NOW + next(numbers) * 400 * DAY, f"c{next(numbers)}"
    for step in steps:
        now += step.after
        if step.wishes:
            _plan(world, customer, step, now)
        else:
            world.project.ledger.messages.expire(now)
            _leave(world, step, now)
    for more in range(16):
        world.project.ledger.messages.expire(now)
        _leave(world, Step(DAY, at_once=bool(more % 2)), now)
        now += timedelta(hours=17)
    mine = world.project.ledger.messages.by_customer(customer)
    left = [(one.left_at, one.campaign) for one in mine if one.left_at]
    assert broken((at, name) for at, name in left if at) == ""
    assert {one.state for one in mine} <= {
        MessageState.ACCEPTED,
        MessageState.WITHDRAWN,
        MessageState.EXPIRED,
    }
