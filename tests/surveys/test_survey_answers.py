"""What counts as an answer: the page's button always, a tap where it stays the only one."""

from datetime import timedelta

import pytest
from survey_world import DAY, HOUR, MINUTE, NOW, World

from antiphon.ledger.erasure import Person
from antiphon.surveys import settle


def test_a_single_tap_counts_after_a_while(world: World) -> None:
    message = world.message()
    assert "checked" in world.tap(message, "9").text
    assert settle(world.project, NOW + MINUTE) == {}
    assert world.answers() == []
    assert settle(world.project, NOW + HOUR) == {"answered": 1}
    assert world.answers() == [("survey", "recommend", "9")]
    assert settle(world.project, NOW + 2 * HOUR) == {}
    (answer,) = world.ledger.responses.of_customer("C1")
    assert answer.occurred_at == NOW
    assert (answer.survey, answer.touchpoint, answer.product_id) == ("purchase", "purchase", "P-7")
    assert answer.evidence == {"confirmed": False}
    assert (answer.message_id, answer.campaign) == (message, "purchase-survey")


def test_a_program_that_follows_every_link_answers_nothing(world: World) -> None:
    message = world.message()
    for score in range(11):
        assert world.tap(message, str(score)).status_code == 200
    assert settle(world.project, NOW + HOUR) == {"unclear": 1}
    assert world.answers() == []
    assert world.tasks() == []


def test_what_is_sent_counts_though_a_program_followed_every_link(world: World) -> None:
    message = world.message()
    for score in range(11):
        world.tap(message, str(score))
    assert "Thank you" in world.send(message, recommend="8").text
    settle(world.project, NOW + HOUR)
    assert world.answers() == [("survey", "recommend", "8")]


def test_a_program_that_comes_after_the_tap_settled_takes_nothing_back(world: World) -> None:
    message = world.message()
    world.tap(message, "9")
    settle(world.project, NOW + HOUR)
    world.clock.now = NOW + DAY
    for score in range(11):
        world.tap(message, str(score))
    settle(world.project, NOW + 2 * DAY)
    assert world.answers() == [("survey", "recommend", "9")]


def test_a_slow_program_is_waited_for(world: World) -> None:
    message = world.message()
    for score in range(11):
        world.clock.now = NOW + score * 9 * MINUTE
        world.tap(message, str(score))
        assert settle(world.project, world.clock.now) == {}
    assert settle(world.project, NOW + DAY) == {"unclear": 1}
    assert world.answers() == []


@pytest.mark.parametrize(
    "headers", [{"sec-purpose": "prefetch;prerender"}, {"purpose": "prefetch"}]
)
def test_a_browser_that_looks_ahead_taps_nothing(world: World, headers: dict[str, str]) -> None:
    message = world.message()
    world.tap(message, "3", **headers)
    world.browser.head(f"{world.path(message)}/3")
    assert settle(world.project, NOW + HOUR) == {}
    assert world.answers() == []


def test_answering_twice_keeps_both_and_the_latest_counts(world: World) -> None:
    message = world.message()
    world.send(message, recommend="9")
    world.clock.now = NOW + HOUR
    world.send(message, recommend="4")
    assert world.answers() == [("survey", "recommend", "9"), ("survey", "recommend", "4")]


def test_a_button_pressed_twice_is_one_answer(world: World) -> None:
    message = world.message()
    for minute in range(3):
        world.clock.now = NOW + minute * MINUTE
        world.send(message, recommend="9", disappointed_by="price", remark="All fine")
    assert sorted(world.answers()) == [
        ("answer", "disappointed-by", "price"),
        ("answer", "remark", None),
        ("survey", "recommend", "9"),
    ]
    assert len(world.ledger.surveys.comments()) == 1


def test_a_tap_that_was_sent_too_is_one_answer_and_sure(world: World) -> None:
    message = world.message()
    world.tap(message, "9")
    world.send(message, recommend="9")
    settle(world.project, NOW + HOUR)
    (answer,) = world.ledger.responses.of_customer("C1")
    assert answer.evidence == {"confirmed": True}


def test_an_answer_sets_what_the_survey_says(world: World) -> None:
    message = world.message()
    world.send(message, recommend="5", disappointed_by="delivery", interest="vitamins")
    latest = world.ledger.statements.latest
    assert latest("disappointed_by", ["C1"]) == {"C1": "delivery"}
    assert latest("interest", ["C1"]) == {"C1": "vitamins"}


def test_answers_that_are_not_offered_are_not_taken(world: World) -> None:
    message = world.message()
    page = world.send(message, recommend="11", interest="gold", language="en", customer_id="C2")
    assert page.status_code == 422
    assert "Please answer a question first" in page.text
    assert world.answers() == []
    assert world.tap(message, "11").status_code == 200
    assert settle(world.project, NOW + HOUR) == {}


def test_a_comment_stays_in_the_ledger_alone(world: World) -> None:
    message = world.message()
    world.send(message, remark="  My name is Ada\r\n\x07call me " + "x" * 3000)
    (kept,) = world.ledger.surveys.comments(customer_id="C1")
    assert kept.comment.startswith("My name is Ada\n call me")
    assert len(kept.comment) <= 2000
    assert world.answers() == [("answer", "remark", None)]
    assert "Ada" not in str(world.ledger.responses.of_customer("C1"))
    assert all("Ada" not in one for one in map(str, world.ledger.statements.of_customer("C1")))


def test_nobody_answers_after_the_survey_closed(world: World) -> None:
    message = world.message()
    world.tap(message, "2")
    world.clock.now = NOW + timedelta(days=91)
    assert world.tap(message, "9").status_code == 410
    page = world.send(message, recommend="9")
    assert page.status_code == 410
    assert "closed" in page.text
    settle(world.project, world.clock.now)
    assert world.answers() == [("survey", "recommend", "2")]  # tapped in time


def test_a_message_without_a_survey_asks_nothing(world: World) -> None:
    message = world.message(campaign="birthday-wishes")
    assert world.tap(message, "9").status_code == 410


def test_links_of_others_open_nothing(world: World) -> None:
    message = world.message()
    path = world.path(message)
    for wrong in (path[:-1], path.replace("/s/", "/s/x"), path + "x"):
        assert world.browser.get(wrong + "/9").status_code == 404
        assert world.browser.post(wrong, data={"recommend": "9"}).status_code == 404
    assert settle(world.project, NOW + HOUR) == {}


def test_who_is_forgotten_leaves_no_comment_and_is_asked_no_more(world: World) -> None:
    message, other = world.message(), world.message("C2")
    for one in (message, other):
        world.tap(one, "2")
        world.send(one, recommend="2", remark="It hurt")
    world.ledger.erasure.erase(Person("C1", "gone", "gone"))
    left = world.ledger.surveys
    assert [one.customer_id for one in left.comments()] == ["C2"]
    assert world.ledger.erasure.find(Person("C1", "gone", "gone")) == {}
    page = world.send(message, recommend="1", remark="Still here")
    assert page.status_code == 410
    assert [one.customer_id for one in left.comments()] == ["C2"]
