"""A dispatch in earnest: live to a provider that reaches people, as far as the product can tell."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from small_shop import Shop, at, campaign, frozen_at, make_shop

from antiphon.guards import memory
from antiphon.guards.memory import LiveSendingRefused
from antiphon.ledger import RunState
from antiphon.sandbox.journal import read
from antiphon.sandbox.server import Sandbox, running
from antiphon.states import MessageState
from antiphon.steps.dispatch import dispatch_due

MONDAY = at("2026-05-11 10:00")
ALLOWED = "c1@example.com"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """What stands for SendGrid."""
    with running(clock=frozen_at(MONDAY)) as started:
        yield started


@pytest.fixture
def shop(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Three customers, and SendGrid at an address of this machine."""
    monkeypatch.setenv("SENDGRID_API_KEY", "SG.of-nobody")
    made = make_shop(tmp_path / "shop", campaign("welcome", audience={"where": "true"}))
    for number in range(3):
        made.customer(f"c{number}", at("2026-01-01"))
    path = made.root / "config" / "settings.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["accounts"] = {"sendgrid": {"url": sandbox.url}}
    settings["providers"] |= {"email": "sendgrid", "allow_list": [ALLOWED]}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return made


def become(shop: Shop, environment: str) -> None:
    path = shop.root / "config" / "settings.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    text = yaml.safe_dump(settings | {"environment": environment})
    path.write_text(text, encoding="utf-8")


def accepted(sandbox: Sandbox) -> int:
    return sum(len(entry.messages) for entry in read(sandbox.folder))


def local(shop: Shop) -> int:
    return len(list((shop.root / "var" / "outbox").rglob("*.eml")))


def test_a_rehearsal_reaches_the_allow_list_and_the_outbox_gets_the_rest(
    shop: Shop, sandbox: Sandbox
) -> None:
    shop.daily(MONDAY)
    assert (accepted(sandbox), local(shop)) == (1, 2)


def test_live_nothing_leaves_before_a_person_confirms_the_ledger(
    shop: Shop, sandbox: Sandbox
) -> None:
    become(shop, "live")
    with pytest.raises(LiveSendingRefused, match="antiphon confirm"):
        shop.daily(MONDAY)
    project = shop.project(MONDAY)
    assert project.ledger.runs.latest()[0].state is RunState.FAILED
    assert (accepted(sandbox), local(shop)) == (0, 0)
    with pytest.raises(LiveSendingRefused):
        dispatch_due(shop.root, frozen_at(MONDAY))
    memory.confirm(project)
    dispatch_due(shop.root, frozen_at(MONDAY))
    assert (accepted(sandbox), local(shop)) == (3, 0)
    states = {one.state for one in project.ledger.messages.counts()}
    assert states == {MessageState.ACCEPTED}
