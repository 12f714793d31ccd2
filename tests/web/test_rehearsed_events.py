"""The sandbox plays both providers: what it reports is checked, kept and read as theirs is."""

import asyncio
import time
from datetime import timedelta

import pytest
import web_scene
from web_scene import NOW, Scene

from antiphon import keys
from antiphon.collection.inbox import parse
from antiphon.message.content import Email, Sms
from antiphon.providers import OutcomeKind, Outgoing, registry
from antiphon.sandbox.faults import Script
from antiphon.sandbox.server import running as sandbox_running
from antiphon.states import MessageState
from antiphon.web.app import create_app
from antiphon.web.keys import SANDBOX_FOLDER
from antiphon.web.server import running

EVENTS = {"seconds": 0.01, "duplicates": 0.5, "out_of_order": 0.5, "failed": 0, "undelivered": 0}


@pytest.fixture
def rehearsing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """With the account `sandbox` for both channels, and its keys."""
    accounts = {"email": "sandbox", "sms": "sandbox"}
    monkeypatch.setitem(web_scene.SETTINGS, "providers", accounts)
    again = Scene.at(scene.project.root, scene.project.ledger)
    again.app = create_app(again.project)
    return again


def outgoing(scene: Scene, message_id: str, to: str, content: Email | Sms) -> Outgoing:
    company = scene.project.configuration.settings.company
    message = scene.message(message_id)
    return Outgoing(
        message_id,
        message.campaign,
        message.category,
        message.arm,
        NOW.date(),
        to,
        *company.sender(message.channel),
        content,
        NOW + timedelta(days=1),
    )


async def send(scene: Scene, channel: str, batch: list[Outgoing], url: str) -> None:
    project = scene.project
    environment = {"ANTIPHON_SANDBOX_URL": url}
    settings = project.configuration.settings
    opened = registry.open_account(settings, environment, "sandbox", channel, project.root)
    async with opened as provider:
        for one in batch:
            [outcome] = await provider.send([one], NOW)
            assert outcome.kind is OutcomeKind.ACCEPTED


def test_what_becomes_of_messages_comes_back_by_both_webhooks(rehearsing: Scene):
    scene = rehearsing
    mails = {fate: scene.send(fate) for fate in ("click", "bounce", "spamreport")}
    text = scene.send("stop", channel="sms")
    folder = scene.project.root / SANDBOX_FOLDER
    script = Script.model_validate({"seed": 1, "faults": [], "events": {**EVENTS, "stop": 1.0}})
    with (
        running(scene.app) as url,
        sandbox_running(folder, script=script, events_to=url, clock=scene.clock) as sandbox,
    ):
        letters = [
            outgoing(scene, one, f"ann+{fate}@example.org", Email("Hi", "<p>Hi</p>", "Hi\n"))
            for fate, one in mails.items()
        ]
        asyncio.run(send(scene, "email", letters, sandbox.url))
        sms = outgoing(scene, text, "+491701234567", Sms("Hi STOP"))
        asyncio.run(send(scene, "sms", [sms], sandbox.url))
        ends = time.monotonic() + 20
        wanted = {"click", "bounce", "complaint", "opt_out"}
        while not wanted <= set(scene.project.ledger.responses.counts(NOW - timedelta(days=1))):
            assert time.monotonic() < ends, scene.refused()
            time.sleep(0.05)
            parse(scene.project)
    assert not any(name.startswith("refused") for name in scene.refused())
    assert scene.message(mails["bounce"]).state is MessageState.BOUNCED
    key = keys.address_key("scene", "sms", "+491701234567")
    assert scene.project.ledger.people.suppressed_now("sms", [key])
