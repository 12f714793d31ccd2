"""Where webhooks cannot reach, the providers are asked; what is told twice is known once."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from back_office import HOUR, NOW, SALT, Office
from twilio.rest import Client

from antiphon import keys
from antiphon.collection.polling import _tell, _texts, poll
from antiphon.providers import Told
from antiphon.providers.sandbox import ACCOUNT_SID, AUTH_TOKEN
from antiphon.sandbox.server import Sandbox, running


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as found:
        yield found


@pytest.fixture
def polling(office: Office, sandbox: Sandbox) -> Office:
    """An office whose sandbox account is asked."""
    configuration = office.project.configuration
    settings = configuration.settings
    asked = settings.model_copy(
        update={"responses": settings.responses.model_copy(update={"poll": ("sandbox",)})}
    )
    project = replace(
        office.project,
        configuration=replace(configuration, settings=asked),
        environment={"ANTIPHON_SANDBOX_URL": sandbox.url},
    )
    project.__dict__["ledger"] = office.project.ledger
    return Office(project, office.clock)


def listed(polled: Any) -> tuple[int, int]:
    """How many addresses the lists held, and how many of them were suppressed now."""
    assert polled.troubles == []
    return polled.counts["listed"], polled.counts["suppressed"]


def test_the_lists_of_a_provider_become_suppressions_once(
    polling: Office, sandbox: Sandbox
) -> None:
    for kind, who in {
        "bounces": "dead",
        "invalid_emails": "odd",
        "spam_reports": "angry",
        "unsubscribes": "gone",
        "blocks": "full",
    }.items():
        sandbox.state.suppress(kind, f"{who}@example.com")
    polling.clock.now = sandbox.state.clock() + HOUR
    (waits,) = polling.plan("gone")
    assert listed(poll(polling.project)) == (4, 4)
    assert not polling.is_suppressed("full@example.com")
    reasons = {
        reason: count
        for _, _, reason, count, _ in polling.project.ledger.people.suppression_counts()
    }
    assert reasons == {"bounce": 2, "complaint": 1, "opt_out": 1}
    assert polling.state(waits) == "withdrawn"
    assert listed(poll(polling.project)) == (4, 0)
    assert sum(polling.project.ledger.responses.counts(polling.clock.now).values()) == 4


def test_a_later_look_asks_for_what_is_new(polling: Office, sandbox: Sandbox) -> None:
    sandbox.state.suppress("bounces", "long-ago@example.com")
    polling.clock.now = sandbox.state.clock() + HOUR
    assert listed(poll(polling.project))[0] >= 1
    polling.clock.now += 3 * HOUR
    poll(polling.project)
    assert listed(poll(polling.project)) == (0, 0)


def test_more_than_a_page_is_read_to_its_end(polling: Office, sandbox: Sandbox) -> None:
    for number in range(501):
        sandbox.state.suppress("unsubscribes", f"person{number}@example.com")
    polling.clock.now = sandbox.state.clock() + HOUR
    poll(polling.project)
    assert polling.is_suppressed("person500@example.com")


def test_what_the_webhook_told_is_not_counted_again(polling: Office, sandbox: Sandbox) -> None:
    (sent,) = polling.send("twice")
    polling.mailed(polling.event("spamreport", sent))
    sandbox.state.suppress("spam_reports", "twice@example.com")
    polling.clock.now = sandbox.state.clock() + HOUR
    poll(polling.project)
    key = keys.address_key(SALT, "email", "twice@example.com")
    strangers = polling.project.ledger.responses.unmatched(NOW, 1000)
    assert key not in {one.address_key for one in strangers}


def test_states_of_sms_are_asked_for(polling: Office, sandbox: Sandbox) -> None:
    client = Client(ACCOUNT_SID, AUTH_TOKEN)
    client.api.base_url = sandbox.url
    sids = [
        client.messages.create(to=f"+49170123456{n}", from_="+15005550006", body="Hi").sid
        for n in range(3)
    ]
    polling.clock.now = sandbox.state.clock()
    messages = [
        polling.send(f"c{n}", channel="sms", address=f"+49170123456{n}", provider_id=sid)[0]
        for n, sid in enumerate(sids)
    ]
    sandbox.state.texts[str(sids[0])] = ("delivered", None)
    sandbox.state.texts[str(sids[1])] = ("failed", 30006)
    polled = poll(polling.project)
    assert polled.troubles == []
    assert [polling.state(one) for one in messages] == ["delivered", "bounced", "accepted"]
    assert polling.is_suppressed("+491701234561", "sms")
    assert poll(polling.project).counts["moved"] == 0


def test_texts_that_people_sent_are_read_in_their_order(polling: Office) -> None:
    number, now = "+491701234567", polling.clock.now
    told = [
        Told("SMb", "received", "", number, "Start", is_inbound=True, at=now + HOUR),
        Told("SMa", "received", "", number, "stop", is_inbound=True, at=now),
    ]
    _tell(polling.project, "twilio", _texts(polling.project, told[1:]), now)
    assert polling.is_suppressed(number, "sms")
    _tell(polling.project, "twilio", _texts(polling.project, told), now + HOUR)
    assert not polling.is_suppressed(number, "sms")
    polling.texted(number, "stop", MessageSid="SMa")
    assert not polling.is_suppressed(number, "sms")


def test_an_account_that_fails_is_named_and_others_are_asked(
    polling: Office, sandbox: Sandbox
) -> None:
    sandbox.fail({"do": "fail", "on": "other", "status": 403})
    try:
        (trouble,) = poll(polling.project).troubles
    finally:
        sandbox.fail()
    assert trouble.startswith("sandbox: SendGrid does not show its lists (403")
    assert polling.project.ledger.facts.get("poll:sandbox:lists") is None
