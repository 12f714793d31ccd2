"""What follows from what came back: at once, with its evidence, and undone as it may be."""

from datetime import datetime
from typing import Any

import orjson
import pytest
from back_office import DAY, HOUR, NOW, Office

from antiphon.collection import record
from antiphon.collection.inbox import parse
from antiphon.ledger import Arrival, Response
from antiphon.states import ResponseKind

PHONE = "+491701234567"


def on_a_page(
    office: Office, message: str, kind: ResponseKind, *, number: int = 1, **evidence: Any
) -> dict[str, int]:
    """What a person did on a page of ours that a message led to."""
    now = office.clock.now
    done = Response(
        f"page{number}", kind, now, now, "web", message_id=message, evidence=evidence or None
    )
    return record(office.project, [done])


@pytest.mark.parametrize(
    ("name", "fields", "reason"),
    [
        ("bounce", {"type": "bounce", "status": "5.1.1"}, "bounce"),
        ("spamreport", {}, "complaint"),
        ("unsubscribe", {}, "opt_out"),
        ("dropped", {"reason": "Bounced Address"}, "bounce"),
        ("dropped", {"reason": "Unsubscribed Address"}, "opt_out"),
        ("dropped", {"reason": "Spam Reporting Address"}, "complaint"),
    ],
)
def test_the_address_is_left_alone_and_what_waits_is_taken_back(
    office: Office, name: str, fields: dict[str, str], reason: str
) -> None:
    (sent,) = office.send("ann")
    waits, other = office.plan("ann", "bob")
    parsed = office.mailed(office.event(name, sent, **fields))
    assert office.is_suppressed("ann@example.com")
    assert not office.is_suppressed("bob@example.com")
    assert office.state(waits) == "withdrawn"
    assert office.reason(waits) == f"the address was suppressed: {reason}"
    assert office.state(other) == "planned"
    assert parsed.counts is not None
    assert (parsed.counts["suppressed"], parsed.counts["withdrawn"]) == (1, 1)
    ((channel, source, why, count, _),) = office.project.ledger.people.suppression_counts()
    assert (channel, source, why, count) == ("email", "sendgrid", reason, 1)


def test_what_a_provider_knew_before_is_no_answer_to_this_message(office: Office) -> None:
    (sent,) = office.send("ann")
    office.mailed(office.event("dropped", sent, reason="Spam Reporting Address"))
    (told,) = office.project.ledger.responses.of_customer("ann")
    assert (told.kind, told.message_id, told.campaign) == ("complaint", None, None)
    assert office.state(sent) == "bounced"


def test_a_message_dropped_for_itself_says_nothing_of_its_reader(office: Office) -> None:
    (sent,) = office.send("ann")
    office.mailed(office.event("dropped", sent, reason="Spam Content (if spam checker app)"))
    assert office.state(sent) == "bounced"
    assert not office.is_suppressed("ann@example.com")
    assert office.project.ledger.responses.of_customer("ann") == []


def test_a_blocked_message_suppresses_at_the_declared_number_only(either: Office) -> None:
    for _ in range(3):
        assert not either.is_suppressed("ann@example.com")
        (sent,) = either.send("ann")
        either.mailed(either.event("bounce", sent, type="blocked", status="5.7.1"))
        assert either.state(sent) == "bounced"
        either.clock.now += 9 * DAY
    assert either.is_suppressed("ann@example.com")


def test_soft_bounces_far_apart_suppress_nobody(office: Office) -> None:
    for _ in range(5):
        (sent,) = office.send("ann")
        office.mailed(office.event("bounce", sent, type="blocked"))
        office.clock.now += 16 * DAY
    assert not office.is_suppressed("ann@example.com")


def test_a_link_stops_the_category_and_nothing_else(office: Office) -> None:
    (sent,) = office.send("ann")
    waits, service = (office.plan("ann", category=name)[0] for name in ("promo", "service"))
    told = on_a_page(office, sent, ResponseKind.OPT_OUT, by="link", how="one-click")
    assert told == {"objected": 1, "withdrawn": 1, "opt_out": 1}
    assert office.objects("ann")
    assert not office.objects("ann", category="lifecycle")
    assert not office.is_suppressed("ann@example.com")
    assert office.reason(waits) == "the customer objected: link"
    assert office.state(service) == "planned"
    (act,) = office.project.ledger.people.acts_of("ann")
    assert (act.channel, act.category, act.source) == ("email", "promo", "link")
    assert act.evidence is not None
    assert act.evidence["message"] == sent


def test_the_preference_centre_says_which_channels_and_categories(office: Office) -> None:
    (sent,) = office.send("ann")
    waits, service = (office.plan("ann", category=name)[0] for name in ("lifecycle", "service"))
    out = {"by": "preferences", "channel": "*", "category": "*"}
    on_a_page(office, sent, ResponseKind.OPT_OUT, number=1, **out)
    assert office.state(waits) == "withdrawn"
    assert office.state(service) == "planned"  # it needs no consent
    assert office.objects("ann", "sms", "lifecycle")
    office.clock.now += HOUR
    back = {"by": "preferences", "channel": "sms", "category": "lifecycle"}
    assert on_a_page(office, sent, ResponseKind.OPT_IN, number=2, **back)["agreed"] == 1
    assert not office.objects("ann", "sms", "lifecycle")
    assert office.objects("ann", "email", "lifecycle")


def test_a_confirmation_is_an_agreement_that_was_confirmed(office: Office) -> None:
    (sent,) = office.send("ann")
    on_a_page(office, sent, ResponseKind.OPT_IN, by="confirmation", category="promo")
    (act,) = office.project.ledger.people.acts_of("ann")
    assert act.granted
    assert act.confirmed_at == act.acted_at == NOW


def test_the_person_may_undo_an_opt_out_but_no_complaint_and_no_bounce(office: Office) -> None:
    sent = dict(zip(("ann", "bob", "eve"), office.send("ann", "bob", "eve"), strict=True))
    office.mailed(
        office.event("unsubscribe", sent["ann"]),
        office.event("unsubscribe", sent["bob"]),
        office.event("spamreport", sent["bob"]),
        office.event("bounce", sent["eve"], type="bounce"),
    )
    office.clock.now += HOUR
    for number, message in enumerate(sent.values()):
        on_a_page(office, message, ResponseKind.OPT_IN, number=number, by="preferences")
    suppressed = [office.is_suppressed(f"{who}@example.com") for who in sent]
    assert suppressed == [False, True, True]


def test_an_opt_out_that_comes_late_does_not_undo_what_was_said_since(office: Office) -> None:
    (sent,) = office.send("ann")
    first, late = office.event("unsubscribe", sent), office.event("unsubscribe", sent)
    office.mailed(first)
    office.clock.now += HOUR
    on_a_page(office, sent, ResponseKind.OPT_IN, by="preferences")
    office.mailed(late)
    assert not office.is_suppressed("ann@example.com")
    office.mailed(office.event("unsubscribe", sent))
    assert office.is_suppressed("ann@example.com")


def test_groups_of_the_provider_are_categories(office: Office) -> None:
    (sent,) = office.send("ann")
    office.mailed(office.event("group_unsubscribe", sent, asm_group_id=13))
    assert office.objects("ann", category="lifecycle")
    assert not office.objects("ann", category="promo")
    assert not office.is_suppressed("ann@example.com")
    office.clock.now += HOUR
    office.mailed(office.event("group_resubscribe", sent, asm_group_id=13))
    assert not office.objects("ann", category="lifecycle")


@pytest.mark.parametrize(
    "text", ["STOP", "stop.", " Stop! ", "GENUG", "stopp", "unsubscribe", "“Stop”\n", "ＳＴＯＰ"]
)
def test_a_stop_word_alone_stops_sms(office: Office, text: str) -> None:
    office.send("ann", channel="sms", address=PHONE)
    (waits,) = office.plan("ann", channel="sms", address=PHONE)
    office.texted(PHONE, text)
    assert office.is_suppressed(PHONE, "sms")
    assert office.state(waits) == "withdrawn"
    assert not office.is_suppressed(PHONE, "email")


@pytest.mark.parametrize(
    "text", ["please stop", "stop it", "don't stop", "Abmelden", "stopped", "", "?!", "🛑"]
)
def test_a_text_that_is_no_stop_word_is_a_reply(office: Office, text: str) -> None:
    office.texted(PHONE, text)
    assert not office.is_suppressed(PHONE, "sms")
    (told,) = office.project.ledger.responses.unmatched(NOW, 10)
    assert told.kind == "reply"
    assert told.value is None
    assert text not in repr(told) or not text


def test_start_lifts_a_stop_and_nothing_graver(office: Office) -> None:
    office.texted(PHONE, "STOP")
    office.clock.now += HOUR
    office.texted(PHONE, "START")
    assert not office.is_suppressed(PHONE, "sms")
    (sent,) = office.send("ann", channel="sms", address=PHONE)
    office.called_back("SM1", "failed", "30005", message_id=sent)
    office.texted(PHONE, "Start")
    assert office.is_suppressed(PHONE, "sms")


def test_stop_and_start_read_together_count_in_their_order(office: Office) -> None:
    for words, suppressed in {("STOP", "START"): False, ("START", "STOP"): True}.items():
        for word in words:
            office.clock.now += HOUR
            form = f"MessageSid=SM{office.clock.now.timestamp()}&From=%2B4917&Body={word}"
            arrival = Arrival("twilio_inbound", office.clock.now, form.encode())
            office.project.ledger.inbox.put([arrival])
        parse(office.project)
        assert office.is_suppressed("+4917", "sms") is suppressed


def test_twilios_own_word_counts_before_ours(office: Office) -> None:
    office.texted(PHONE, "laat me met rust", OptOutType="STOP")
    assert office.is_suppressed(PHONE, "sms")
    parsed = office.texted(PHONE, "HELP", OptOutType="HELP")
    assert parsed.counts is not None
    assert parsed.counts["twilio_inbound help"] == 1


def test_nobody_is_written_to_of_whom_only_the_address_is_known(office: Office) -> None:
    (waits,) = office.plan("ann")
    office.mailed(office.event("bounce", type="bounce", email="Ann@Example.com", status="5.1.1"))
    assert office.is_suppressed("ann@example.com")
    assert office.state(waits) == "withdrawn"


class TestPauses:
    """`not for 30 days`: an objection now, and its end."""

    @staticmethod
    def pause(office: Office, message: str, until: datetime, category: str = "*") -> None:
        asked = {"by": "preferences", "channel": "*", "category": category}
        on_a_page(office, message, ResponseKind.OPT_OUT, **asked, until=until.isoformat())

    def test_it_ends_by_itself(self, office: Office) -> None:
        (sent,) = office.send("ann")
        office.project.ledger.people.consent_act(
            "ann", "email", "promo", granted=True, acted_at=NOW - DAY, source="form"
        )
        (waits,) = office.plan("ann")
        self.pause(office, sent, NOW + 30 * DAY)
        assert office.objects("ann")
        assert office.objects("ann", category="lifecycle")
        assert office.state(waits) == "withdrawn"
        office.clock.now += 30 * DAY
        assert not office.objects("ann")
        assert not office.objects("ann", category="lifecycle")

    def test_its_end_agrees_to_nothing_that_was_not_agreed_to(self, office: Office) -> None:
        (sent,) = office.send("ann")
        people = office.project.ledger.people
        people.consent_act(
            "ann", "*", "lifecycle", granted=False, acted_at=NOW - DAY, source="form"
        )
        self.pause(office, sent, NOW + 30 * DAY)
        granted = {(act.channel, act.category) for act in people.acts_of("ann") if act.granted}
        assert granted == {("email", "service"), ("sms", "service")}

    def test_an_objection_during_a_pause_lasts(self, office: Office) -> None:
        (sent,) = office.send("ann")
        people = office.project.ledger.people
        people.consent_act("ann", "*", "*", granted=True, acted_at=NOW - DAY, source="form")
        self.pause(office, sent, NOW + 30 * DAY)
        office.clock.now += 10 * DAY
        on_a_page(office, sent, ResponseKind.OPT_OUT, number=2, by="link")
        office.clock.now += 30 * DAY
        assert office.objects("ann", "email", "promo")
        assert not office.objects("ann", "sms", "promo")

    def test_a_longer_pause_replaces_a_shorter_one_and_ends_too(self, office: Office) -> None:
        (sent,) = office.send("ann")
        people = office.project.ledger.people
        people.consent_act("ann", "*", "*", granted=True, acted_at=NOW - DAY, source="form")
        self.pause(office, sent, NOW + 10 * DAY)
        office.clock.now += DAY
        asked = {"by": "preferences", "channel": "*", "category": "*"}
        until = (NOW + 40 * DAY).isoformat()
        on_a_page(office, sent, ResponseKind.OPT_OUT, number=2, **asked, until=until)
        office.clock.now = NOW + 39 * DAY
        assert office.objects("ann")
        office.clock.now = NOW + 40 * DAY
        assert not office.objects("ann")


def test_the_evidence_of_a_suppression_names_response_and_message(office: Office) -> None:
    (sent,) = office.send("ann")
    office.mailed(office.event("spamreport", sent))
    (answer,) = office.project.ledger.responses.of_customer("ann")
    with office.project.ledger._engine.connect() as connection:
        (evidence,) = connection.exec_driver_sql("SELECT evidence FROM suppressions").one()
    told = orjson.loads(evidence)
    assert (told["response"], told["message"]) == (answer.response_id, sent)
    assert "ann" not in evidence
