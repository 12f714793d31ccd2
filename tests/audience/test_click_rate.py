"""Claims on what is counted for rates of groups: messages that were read, or could have been."""

from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)


@pytest.fixture
def letters(world):
    world.only("click_rate")
    world.add("customers", customer_id="a")
    return world


def contact(world, message, ago=10.0, state="delivered", campaign="spring"):
    world.add("contacts", message_id=message, customer_id="a", channel="email", campaign=campaign,
              state=state, contact_at=NOW - timedelta(ago))  # fmt: skip


def answer(world, kind, ago=9.0, **more):
    number = world.connection.execute("SELECT count(*) FROM responses").fetchone()[0]
    world.add("responses", response_id=f"r{number}", customer_id="a", kind=kind,
              occurred_at=NOW - timedelta(ago), **more)  # fmt: skip


def counted(world):
    found = world.frame()["a"]
    return found["clicked_count_365d"], found["clickable_count_365d"]


def test_a_message_counts_once_however_often_it_is_clicked(letters):
    contact(letters, "m1")
    contact(letters, "m2")
    for _ in range(3):
        answer(letters, "click", message_id="m1")
    answer(letters, "reply", message_id="m1")
    assert counted(letters) == (1, 2)


@pytest.mark.parametrize("state", ["bounced", "planned", "control", "refused", "withdrawn"])
def test_what_reached_nobody_could_not_be_clicked(letters, state):
    contact(letters, "m1", state=state)
    assert counted(letters) == (0, 0)


def test_the_last_three_days_do_not_count_yet_and_a_year_ago_no_more(letters):
    for ago in (0, 2, 3, 364, 365):
        contact(letters, f"m{ago}", ago)
    assert counted(letters) == (0, 2)


@pytest.mark.parametrize(
    ("kind", "more"), [("open", {}), ("click", {"is_machine": True}), ("complaint", {})]
)
def test_openings_and_the_clicks_of_programs_are_no_clicks(letters, kind, more):
    contact(letters, "m1")
    answer(letters, kind, message_id="m1", **more)
    assert counted(letters) == (0, 1)


def test_a_click_that_names_the_campaign_alone_is_the_last_messages_before_it(letters):
    contact(letters, "m1", 60)
    contact(letters, "m2", 20)
    contact(letters, "m3", 20, campaign="autumn")
    answer(letters, "click", 10, campaign="spring")
    assert counted(letters) == (1, 3)
    answer(letters, "click", 25, campaign="spring")  # 35 days after the first
    assert counted(letters) == (1, 3)


def test_what_is_known_later_does_not_count(letters):
    contact(letters, "m1")
    answer(letters, "click", -1, message_id="m1")
    assert counted(letters) == (0, 1)
