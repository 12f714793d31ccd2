"""What surveys keep in the ledger, on both databases: taps, comments, tasks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from antiphon.ledger import Comment, Ledger, StaffTask

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_taps_are_told_once_they_are_quiet_and_until_they_are_settled(ledger: Ledger) -> None:
    taps = ledger.surveys
    assert taps.tap("m1", "c1", "9", NOW)
    assert not taps.tap("m1", "c1", "9", NOW + HOUR)  # the first time counts
    assert taps.tap("m2", "c2", "0", NOW)
    assert taps.tap("m2", "c2", "1", NOW + 2 * HOUR)
    assert taps.tapped(NOW - HOUR, 10) == {}
    assert taps.tapped(NOW + HOUR, 10) == {"m1": [("9", NOW)]}
    both = {"m1": [("9", NOW)], "m2": [("0", NOW), ("1", NOW + 2 * HOUR)]}
    assert taps.tapped(NOW + 2 * HOUR, 10) == both
    assert len(taps.tapped(NOW + 2 * HOUR, 1)) == 1
    taps.settle(both, NOW + 3 * HOUR)
    taps.settle([], NOW + 3 * HOUR)
    assert taps.tapped(NOW + 9 * HOUR, 10) == {}
    assert taps.tap("m1", "c1", "3", NOW + 4 * HOUR)  # tapped anew: both are looked at again
    assert taps.tapped(NOW + 9 * HOUR, 10) == {"m1": [("3", NOW + 4 * HOUR), ("9", NOW)]}


def test_comments_are_kept_once_and_told_newest_first(ledger: Ledger) -> None:
    first = Comment("1", "c1", "m1", "purchase", "remark", "Größe, 'quoted'\n☂", NOW)
    later = replace(first, comment_id="2", customer_id="c2", told_at=NOW + HOUR)
    other = replace(first, comment_id="3", survey="service", told_at=NOW - HOUR)
    assert [ledger.surveys.comment(one) for one in (first, first, later, other)] == [
        *(True, False, True, True)
    ]
    assert ledger.surveys.comments() == [later, first, other]
    assert ledger.surveys.comments(customer_id="c1", survey="purchase") == [first]
    assert ledger.surveys.comments(limit=1) == [later]


def test_a_message_gives_one_task_and_it_is_written_once(ledger: Ledger) -> None:
    task = StaffTask(
        "t1", "c1", "m1", "letter", "purchase", "shop", None, 3, is_confirmed=False,
        task="Call", made_at=NOW,
    )  # fmt: skip
    assert ledger.surveys.give(task)
    assert not ledger.surveys.give(replace(task, score=0))
    assert ledger.surveys.unwritten_tasks() == [task]
    ledger.surveys.tasks_written(["t1"], NOW)
    ledger.surveys.tasks_written([], NOW)
    assert ledger.surveys.unwritten_tasks() == []
