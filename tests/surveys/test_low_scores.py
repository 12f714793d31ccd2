"""What follows a low score: a task for staff, once; promotion rests at once."""

import fcntl
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from survey_world import DAY, HOUR, NOW, World

from antiphon.collection.collecting import collect
from antiphon.ledger import StaffTask
from antiphon.states import MessageState
from antiphon.surveys import settle
from antiphon.surveys.tasks import write_tasks


def test_a_low_score_is_a_task_for_staff_written_once(world: World) -> None:
    message = world.message()
    world.tap(message, "3")
    world.clock.now = NOW + HOUR
    collect(world.project)
    world.send(message, recommend="2", remark="Bring flowers")
    settle(world.project, NOW + DAY)
    write_tasks(world.project, NOW + DAY)
    (task,) = world.tasks()
    assert (task["customer_id"], task["score"], task["confirmed"]) == ("C1", "3", "no")
    assert (task["task"], task["product_id"]) == ("Call and put it right", "P-7")
    assert task["since"] == "2026-05-12 10:00+02:00"
    assert "flowers" not in str(world.tasks())


def test_a_good_score_is_none(world: World) -> None:
    world.send(world.message(), recommend="7")
    assert world.tasks() == []
    assert not (world.folder / "var" / "tasks").exists()


def test_a_low_score_withdraws_planned_promotion_and_nothing_else(world: World) -> None:
    promo = world.message(campaign="winback-lost-loyal", category="promo")
    others = [
        world.message(campaign="bonus-expires", category="lifecycle"),
        world.message(customer="C2", campaign="winback-lost-loyal", category="promo"),
    ]
    survey = world.message()
    world.send(survey, recommend="7")
    assert world.ledger.messages.get(promo).state == MessageState.PLANNED
    world.send(survey, recommend="6")
    withdrawn = world.ledger.messages.get(promo)
    assert withdrawn.state == MessageState.WITHDRAWN
    assert withdrawn.evidence == '{"reason": "low survey score"}'
    assert {world.ledger.messages.get(one).state for one in others} == {MessageState.PLANNED}


def test_a_score_given_long_ago_withdraws_nothing(world: World) -> None:
    survey = world.message()
    world.tap(survey, "1")
    world.clock.now = NOW + timedelta(days=100)
    promo = world.message(campaign="winback-lost-loyal", category="promo")
    settle(world.project, world.clock.now)
    assert world.answers() == [("survey", "recommend", "1")]
    assert world.ledger.messages.get(promo).state == MessageState.PLANNED


def test_a_line_whose_writer_died_is_written_whole(world: World) -> None:
    first, second = (task(number) for number in (1, 2))
    world.ledger.surveys.give(first)
    world.ledger.surveys.give(second)
    assert write_tasks(world.project, NOW) == 2
    file = world.folder / "var" / "tasks" / "2026-05.csv"
    whole = file.read_bytes()
    # killed while it wrote the second line, and before the ledger knew of the first
    file.write_bytes(whole[:-20])
    forget_that_they_are_written(world)
    assert write_tasks(world.project, NOW) == 2
    assert file.read_bytes() == whole


def test_a_task_that_staff_took_away_does_not_come_back(world: World) -> None:
    world.ledger.surveys.give(task(1))
    write_tasks(world.project, NOW)
    (world.folder / "var" / "tasks" / "2026-05.csv").unlink()
    assert write_tasks(world.project, NOW) == 0
    assert world.tasks() == []


def test_a_writer_waits_for_another_and_then_sees_its_lines(world: World) -> None:
    first, second = task(1), task(2)
    world.ledger.surveys.give(first)
    write_tasks(world.project, NOW)
    file = world.folder / "var" / "tasks" / "2026-05.csv"
    header, line = file.read_text().splitlines()
    world.ledger.surveys.give(second)
    with file.open("a") as other, ThreadPoolExecutor(1) as writers:
        fcntl.flock(other, fcntl.LOCK_EX)  # as another process that writes just now
        waiting = writers.submit(write_tasks, world.project, NOW)
        with pytest.raises(TimeoutError):
            waiting.result(0.3)
        other.write(line.replace("task-1", "task-2") + "\n")
        other.flush()
        fcntl.flock(other, fcntl.LOCK_UN)
        assert waiting.result(5) == 1
    assert [one["task_id"] for one in world.tasks()] == ["task-1", "task-2"]
    assert file.read_text().startswith(header)


def test_what_begins_like_a_formula_is_text_to_a_spreadsheet(world: World) -> None:
    world.ledger.surveys.give(task(1, customer_id="=cmd()"))
    write_tasks(world.project, NOW)
    (line,) = world.tasks()
    assert line["customer_id"] == "'=cmd()"


def task(number: int, customer_id: str = "C1") -> StaffTask:
    return StaffTask(
        f"task-{number}",
        customer_id,
        f"m{number}",
        "purchase-survey",
        "purchase",
        "purchase",
        None,
        number % 7,
        True,
        "Call, and put it right",
        NOW,
    )


def forget_that_they_are_written(world: World) -> None:
    with sqlite3.connect(world.folder / "var" / "ledger.db") as ledger:
        ledger.execute("UPDATE staff_tasks SET written_at = NULL")
