"""Claims on contacts, responses, surveys and events: windows, channels, rates."""

from datetime import UTC, date, datetime, timedelta

import pytest

from antiphon.states import CONTACT_STATES, MessageState

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)


@pytest.fixture
def letters(world):
    world.only("contact", "response", "response_rate", "event", "interest")
    world.add("customers", customer_id="a")
    return world


def contact(world, message, ago=10, channel="email", campaign="spring", state="delivered"):
    world.add("contacts", message_id=message, customer_id="a", channel=channel, campaign=campaign,
              state=state, contact_at=NOW - timedelta(ago))  # fmt: skip


def response(world, kind, ago=9, **more):
    number = world.connection.execute("SELECT count(*) FROM responses").fetchone()[0]
    world.add("responses", response_id=f"r{number}", customer_id="a", kind=kind,
              occurred_at=NOW - timedelta(ago), **more)  # fmt: skip


def event(world, name, ago=1, **more):
    number = world.connection.execute("SELECT count(*) FROM events").fetchone()[0]
    world.add("events", event_id=f"e{number}", customer_id="a", event=name,
              occurred_at=NOW - timedelta(ago), **more)  # fmt: skip


def row(world):
    return world.frame()["a"]


def rates(world):
    found = row(world)
    return tuple(found[f"response_rate{ending}"] for ending in ("", "_email", "_sms"))


# ------------------------------------------------------------ counts in windows


def test_contacts_are_counted_by_window_and_channel(letters):
    for number, (ago, channel) in enumerate(
        [(0, "email"), (29, "sms"), (30, "sms"), (364, "email"), (365, "email")]
    ):
        contact(letters, f"m{number}", ago, channel)
    found = row(letters)
    names = ("", "_email", "_sms")
    assert found["contact_count"] == 5
    assert [found[f"contact_count{name}_30d"] for name in names] == [2, 1, 1]
    assert [found[f"contact_count{name}_365d"] for name in names] == [4, 2, 2]


@pytest.mark.parametrize("kind", ["click", "reply", "conversion", "complaint"])
def test_responses_are_counted_by_kind_window_and_channel(letters, kind):
    for ago, channel in [(0, "email"), (29, "sms"), (30, None), (364, "email"), (365, "email")]:
        response(letters, kind, ago, channel=channel)
    response(letters, "bounce", 0, channel="email")
    found = row(letters)
    assert (found[f"{kind}_count_30d"], found[f"{kind}_count_365d"]) == (2, 4)
    assert (found[f"{kind}_count_email_365d"], found[f"{kind}_count_sms_365d"]) == (2, 1)
    others = {"open", "click", "reply", "conversion", "complaint"} - {kind}
    assert not any(found[f"{other}_count_365d"] for other in others)


def test_openings_are_counted_in_windows(letters):
    for ago in (29, 30, 364, 365):
        response(letters, "open", ago, channel="email")
    found = row(letters)
    assert (found["open_count_30d"], found["open_count_365d"]) == (1, 3)


def test_days_since_an_answer_are_those_of_answers_alone(letters):
    for kind in ("complaint", "bounce", "opt_out", "our own word"):
        response(letters, kind, 1, channel="email")
    assert row(letters)["days_since_response"] is None
    response(letters, "click", 20, channel="sms")
    response(letters, "survey", 8)
    response(letters, "open", 40, channel="email")
    found = row(letters)
    days = [found[f"days_since_response{ending}"] for ending in ("", "_email", "_sms")]
    assert days == [8, 40, 20]


# ------------------------------------------------------------ response rate


def test_without_contacts_there_is_no_rate(letters):
    response(letters, "click", message_id="unknown")
    contact(letters, "m1", state="refused")
    assert rates(letters) == (None, None, None)


@pytest.mark.parametrize("kind", ["open", "click", "reply", "conversion", "survey"])
def test_the_rate_is_the_share_of_messages_that_got_an_answer(letters, kind):
    for number in range(3):
        contact(letters, f"mail{number}")
    contact(letters, "text", channel="sms")
    assert rates(letters) == (0, 0, 0)
    response(letters, kind, message_id="mail1")
    response(letters, "open", message_id="mail1")  # a second answer to the same message
    assert rates(letters) == (1 / 4, 1 / 3, 0)
    response(letters, "reply", message_id="text")
    assert rates(letters) == (2 / 4, 1 / 3, 1)
    assert row(letters)["answered_count"] == 2


@pytest.mark.parametrize("kind", ["complaint", "bounce", "opt_out"])
def test_a_complaint_is_no_answer(letters, kind):
    contact(letters, "m1")
    response(letters, kind, message_id="m1")
    assert rates(letters)[0] == 0


@pytest.mark.parametrize(
    ("ago", "campaign", "answered"),
    [
        (10, "spring", True),  # at the same moment
        (9.9, "spring", True),
        (10.1, "spring", False),  # before it was sent
        (9.9, "summer", False),
        (9.9, None, False),
    ],
)
def test_an_answer_that_names_the_campaign_alone_counts_for_its_last_message(
    letters, ago, campaign, answered
):
    contact(letters, "m1", 10)
    response(letters, "reply", ago, campaign=campaign)
    assert rates(letters)[0] == (1 if answered else 0)


def test_such_an_answer_counts_for_one_message_of_the_last_30_days(letters):
    contact(letters, "m1", 60)
    contact(letters, "m2", 40)
    response(letters, "reply", 10, campaign="spring")  # to the day too late
    assert rates(letters)[0] == 0
    response(letters, "reply", 10.001, campaign="spring")
    assert rates(letters)[0] == 1 / 2


def test_exactly_the_contact_states_are_in_the_rate(letters):
    for state in MessageState:
        contact(letters, state.value, state=state.value)
    response(letters, "click", message_id="delivered")
    assert rates(letters)[0] == 1 / len(CONTACT_STATES)


# ------------------------------------------------------------ surveys


@pytest.mark.parametrize(
    ("answers", "score", "days"),
    [
        ([], None, None),
        ([(5, "4")], 4, 5),
        ([(5, "4"), (3, "2.5")], 2.5, 3),
        ([(5, "4"), (3, "very good")], 4, 3),
        ([(5, "4"), (3, None)], 4, 3),
        ([(5, "nan"), (3, "inf")], None, 3),
        ([(5, "4"), (5, "1")], 1, 5),  # of one instant, the later by id
    ],
)
def test_the_last_score_is_that_of_the_last_survey_answered_with_a_number(
    letters, answers, score, days
):
    for ago, value in answers:
        response(letters, "survey", ago, value=value)
    response(letters, "conversion", 1, value="99")
    found = row(letters)
    assert (found["last_survey_score"], found["days_since_survey"]) == (score, days)


# ------------------------------------------------------------ events


def test_the_programme_and_the_app_count_from_the_first_time(letters):
    found = row(letters)
    assert (found["joined_programme_day"], found["days_since_joined"]) == (None, None)
    assert (found["app_installed"], found["days_since_app_installed"]) == (False, None)
    for ago in (100, 20):
        event(letters, "joined_programme", ago)
        event(letters, "app_installed", ago + 1)
    found = row(letters)
    assert found["joined_programme_day"] == date(2026, 2, 1)
    assert found["days_since_joined"] == 100
    assert (found["app_installed"], found["days_since_app_installed"]) == (True, 101)


def test_an_app_installed_tomorrow_is_not_installed(letters):
    event(letters, "app_installed", -1)
    assert row(letters)["app_installed"] is False


@pytest.mark.parametrize(
    ("stated", "interest", "count"),
    [
        ([], None, 0),
        ([(9, "baby")], "baby", 1),
        ([(9, "baby"), (3, " sport ")], "sport", 2),
        ([(9, "baby"), (3, "sport"), (1, "baby")], "baby", 2),
        ([(9, "baby"), (3, ""), (2, " "), (1, None)], "baby", 1),
        ([(9, "baby"), (-1, "sport")], "baby", 1),
        ([(9, "sport"), (9, "baby")], "sport", 2),
    ],
)
def test_the_interest_is_the_one_stated_last(letters, stated, interest, count):
    for ago, value in stated:
        event(letters, "interest_stated", ago, value=value)
    event(letters, "store_visit", 0.1, value="Berlin")
    found = row(letters)
    assert (found["interest"], found["interest_count"]) == (interest, count)


def test_the_local_day_is_the_date_where_the_customer_lives(world):
    world.only("person")
    world.as_of = datetime(2028, 2, 29, 23, 30, tzinfo=UTC)  # 1 March 0:30 in Berlin
    world.business_day = date(2028, 3, 1)
    for zone in ("America/New_York", "Asia/Tokyo", None, "Mars/Olympus"):
        world.add("customers", customer_id=str(zone), timezone=zone,
                  registered_at="2026-03-28 23:30+00")  # fmt: skip
    frame = world.frame()
    assert frame["America/New_York"]["local_day"] == date(2028, 2, 29)
    assert {frame[zone]["local_day"] for zone in ("Asia/Tokyo", "None", "Mars/Olympus")} == {
        date(2028, 3, 1)
    }
    assert frame["None"]["registration_day"] == date(2026, 3, 29)


# ------------------------------------------------------------ the best channel


def letters_on(world, channel, answered, unanswered):
    for number in range(answered + unanswered):
        contact(world, f"{channel}{number}", 20 + number, channel)
        if number < answered:
            response(world, "click", 15, message_id=f"{channel}{number}")


@pytest.mark.parametrize(
    ("email", "sms", "best"),
    [
        ((8, 2), (3, 7), "email"),
        ((3, 7), (8, 2), "sms"),
        ((2, 0), (3, 7), "sms"),  # two messages say nothing
        ((3, 0), (16, 4), "sms"),  # three of three are less sure than sixteen of twenty
        ((2, 2), (2, 2), "email"),
        ((0, 5), (1, 9), "sms"),
        ((0, 5), (0, 5), None),
        ((0, 0), (0, 0), None),
    ],
)
def test_the_best_channel_is_where_answers_are_surest(letters, email, sms, best):
    letters_on(letters, "email", *email)
    letters_on(letters, "sms", *sms)
    assert row(letters)["best_channel"] == best


def test_what_a_mail_program_does_by_itself_is_no_answer(letters):
    contact(letters, "mail1", 5, "email")
    for kind in ("open", "click"):
        response(letters, kind, 1, channel="email", message_id="mail1", is_machine=True)
    found = row(letters)
    assert (found["open_count_365d"], found["click_count_365d"]) == (0, 0)
    assert (found["days_since_response"], found["answered_count"]) == (None, 0)
    response(letters, "open", 1, channel="email", message_id="mail1", is_machine=False)
    found = row(letters)
    assert (found["open_count_365d"], found["answered_count"]) == (1, 1)
