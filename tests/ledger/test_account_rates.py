"""Accounts: one rate for everybody who sends by them, pauses that everybody obeys."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outbox_scene import DAY, HOUR, MINUTE, NOW

from antiphon.ledger import Ledger, Reservation

SECOND = timedelta(seconds=1)


def test_reservations_follow_one_another_at_the_rate(ledger: Ledger) -> None:
    def reserve(n: int, now: datetime) -> Reservation:
        return ledger.accounts.reserve("a", n, now, per_second=10)

    assert reserve(5, NOW) == Reservation(5, NOW, SECOND / 10)
    assert reserve(20, NOW) == Reservation(20, NOW + SECOND / 2, SECOND / 10)
    assert reserve(1, NOW + SECOND).start_at == NOW + 2.5 * SECOND
    assert reserve(1, NOW + MINUTE).start_at == NOW + MINUTE
    assert ledger.accounts.reserve("b", 7, NOW) == Reservation(7, NOW, timedelta(0))


def test_an_hour_and_a_day_have_their_allowance(ledger: Ledger) -> None:
    def reserve(n: int, now: datetime, day: date = DAY) -> tuple[int, datetime]:
        given = ledger.accounts.reserve("a", n, now, per_hour=100, day=day, per_day=150)
        return given.granted, given.start_at

    assert reserve(80, NOW + MINUTE) == (80, NOW + MINUTE)
    assert reserve(80, NOW + MINUTE) == (20, NOW + MINUTE)
    assert reserve(80, NOW + MINUTE) == (0, NOW + HOUR)
    ledger.accounts.give_back("a", 5, NOW + MINUTE)
    assert reserve(80, NOW + 2 * MINUTE) == (5, NOW + 2 * MINUTE)
    assert reserve(80, NOW + HOUR) == (50, NOW + HOUR)
    assert reserve(80, NOW + HOUR) == (0, NOW + 2 * HOUR)
    assert reserve(80, NOW + 2 * HOUR, DAY + timedelta(days=1)) == (80, NOW + 2 * HOUR)
    (standing,) = ledger.accounts.standing()
    assert (standing.hour_used, standing.day_used) == (80, 80)


def test_a_clock_a_little_behind_begins_no_second_allowance(ledger: Ledger) -> None:
    assert ledger.accounts.reserve("a", 100, NOW, per_hour=100).granted == 100
    behind = ledger.accounts.reserve("a", 100, NOW - SECOND, per_hour=100)
    assert behind.granted == 0
    assert ledger.accounts.reserve("a", 9, NOW + SECOND, per_hour=100).granted == 0


def test_a_clock_that_was_wrong_by_days_holds_nobody_up(ledger: Ledger) -> None:
    ahead = NOW + timedelta(days=3)
    ledger.accounts.reserve("a", 9, ahead, per_second=1, per_hour=9, day=ahead.date(), per_day=9)
    mine = ledger.accounts.reserve("a", 9, NOW, per_second=1, per_hour=9, day=DAY, per_day=9)
    assert mine == Reservation(9, NOW, SECOND)


@pytest.fixture(scope="module")
def one_ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(str(tmp_path_factory.mktemp("rates") / "ledger.db")) as opened:
        yield opened


@settings(max_examples=20, deadline=None)
@given(
    asked=st.lists(st.tuples(st.integers(1, 40), st.floats(0, 900)), max_size=12),
    per_second=st.sampled_from([0.5, 3, 100]),
    per_hour=st.sampled_from([10, 100]),
)
def test_no_second_and_no_hour_has_more_than_allowed(
    one_ledger: Ledger, asked: list[tuple[int, float]], per_second: float, per_hour: int
) -> None:
    """Whatever dispatchers ask for at whatever moments, message by message."""
    name = uuid4().hex
    sent: list[datetime] = []
    granted: dict[datetime, int] = {}
    now = NOW
    for n, wait in asked:
        now += timedelta(seconds=wait)
        got = one_ledger.accounts.reserve(name, n, now, per_second=per_second, per_hour=per_hour)
        assert got.granted <= n
        if not got.granted:
            assert got.start_at > now
            continue
        sent += [got.start_at + k * got.spacing for k in range(got.granted)]
        hour = now.replace(minute=0, second=0, microsecond=0)
        granted[hour] = granted.get(hour, 0) + got.granted
    assert sent == sorted(sent)
    least = timedelta(seconds=1 / per_second) - timedelta(microseconds=1)
    assert all(two - one >= least for one, two in pairwise(sent))
    assert all(many <= per_hour for many in granted.values())


def test_dispatchers_at_once_share_one_rate(ledger: Ledger) -> None:
    def reserve(_: int) -> Reservation:
        return ledger.accounts.reserve("a", 5, NOW, per_second=10)

    with ThreadPoolExecutor(4) as pool:
        starts = sorted(given.start_at for given in pool.map(reserve, range(12)))
    assert starts == [NOW + n * SECOND / 2 for n in range(12)]


def test_a_pause_holds_until_its_end_and_the_longer_one_counts(ledger: Ledger) -> None:
    accounts = ledger.accounts
    assert accounts.admit("a", NOW, MINUTE)
    assert accounts.pause("a", NOW + HOUR, "429", "busy", NOW)
    assert not accounts.pause("a", NOW + MINUTE, "429 again", "busy", NOW)
    standing = accounts.get("a")
    assert standing is not None
    assert (standing.paused_until, standing.pause_reason) == (NOW + HOUR, "429")
    accounts.succeeded("a", NOW)
    assert not accounts.admit("a", NOW + HOUR - SECOND, MINUTE)
    assert accounts.admit("a", NOW + HOUR, MINUTE)
    assert accounts.admit("a", NOW + HOUR, MINUTE)
    assert accounts.resume("a", NOW)
    assert not accounts.resume("a", NOW)
    assert accounts.admit("a", NOW, MINUTE)


def test_failures_are_counted_in_a_row_and_one_request_tries_after_the_pause(
    ledger: Ledger,
) -> None:
    accounts = ledger.accounts
    assert [accounts.failed("a", NOW) for _ in range(3)] == [1, 2, 3]
    accounts.succeeded("a", NOW)
    assert accounts.failed("a", NOW) == 1
    accounts.pause("a", NOW + MINUTE, "5 failures", "network", NOW)
    after = NOW + MINUTE
    assert [accounts.admit("a", after, MINUTE) for _ in range(3)] == [True, False, False]
    assert accounts.admit("a", after + MINUTE, MINUTE)
    assert not accounts.admit("a", after + MINUTE, MINUTE)
    accounts.succeeded("a", after + MINUTE)
    assert accounts.admit("a", after + MINUTE, MINUTE)
    assert accounts.admit("a", after + MINUTE, MINUTE)
    standing = accounts.get("a")
    assert standing is not None
    assert (standing.failures, standing.pause_kind, standing.paused_until) == (0, "", None)


def test_a_good_answer_costs_no_writing_where_nothing_was_wrong(ledger: Ledger) -> None:
    ledger.accounts.reserve("a", 1, NOW, per_second=1)
    before = ledger.accounts.get("a")
    ledger.accounts.succeeded("a", NOW + HOUR)
    ledger.accounts.succeeded("unknown", NOW)
    assert ledger.accounts.standing() == [before]
