"""The commands of a person on duty: what they print, and what they leave in the ledger."""

import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from demo_project import FEW
from outbox_scene import HOUR, MINUTE, NOW, Scene, claimed, rows, scene

from antiphon import cli
from antiphon.keys import message_id
from antiphon.ledger import Ledger, Outcome
from antiphon.project import find_root
from antiphon.states import MessageState

CAMPAIGN, OTHER = "vip-thanks", "may-letter"
LATER = NOW + 3 * HOUR


@dataclass(frozen=True)
class Shop:
    """The shipped configuration over a ledger of five messages, of which two are in doubt."""

    folder: Path
    day: Scene
    doubtful: tuple[str, str]

    @property
    def ledger(self) -> Ledger:
        return self.day.ledger

    def ask(self, *arguments: str, code: int = 0) -> str:
        """What the command prints."""
        printed, said = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("ANTIPHON_AT", LATER.isoformat())
            with redirect_stdout(printed), redirect_stderr(said):
                found = cli.exit_code(["--project", str(self.folder), *arguments])
        assert found == code, said.getvalue()
        return said.getvalue() if code else printed.getvalue()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    root = find_root(Path(__file__).parent)
    shutil.copytree(root / "config", tmp_path / "config")
    with Ledger.open(str(tmp_path / "var" / "ledger.db")) as ledger:
        day = scene(ledger, rows(3, campaign=CAMPAIGN), released=False)
        day.plan(rows(["x"], campaign=OTHER, not_before=NOW + 9 * HOUR))
        day.plan(rows(["y"], campaign=CAMPAIGN, channel="sms"))
        day.release()
        one, two = claimed(ledger, 2, account="sendgrid")
        doubts = [
            Outcome(m.message_id, MessageState.IN_DOUBT, {"evidence": "read timeout"})
            for m in (one, two)
        ]
        ledger.messages.record(doubts, NOW + MINUTE, "dispatcher")
        yield Shop(tmp_path, day, (one.message_id, two.message_id))


def test_the_outbox_tells_what_waits_since_when_and_what_is_held(shop: Shop) -> None:
    shop.ledger.accounts.pause("sendgrid", LATER + HOUR, "401 Unauthorized", "account", NOW)
    shop.ask("pause", CAMPAIGN, "--reason", "wrong price")
    told = json.loads(shop.ask("outbox", "--json"))
    counts = {(m["channel"], m["campaign"], m["state"]): m for m in told["messages"]}
    assert {key: (m["messages"], m["due"]) for key, m in counts.items()} == {
        ("email", CAMPAIGN, "planned"): (1, 1),
        ("email", CAMPAIGN, "in_doubt"): (2, 0),
        ("email", OTHER, "planned"): (1, 0),
        ("sms", CAMPAIGN, "planned"): (1, 1),
    }
    assert [(one["campaign"], one["kind"]) for one in told["holds"]] == [(CAMPAIGN, "paused")]
    printed = shop.ask("outbox")
    assert "in 5 h" in printed
    assert "3 h" in printed
    assert f"Campaign {CAMPAIGN} is paused" in printed
    assert "wrong price" in printed
    assert "Account sendgrid is paused until 2026-05-12 12:00:00 UTC (account): 401" in printed
    assert "2 messages in doubt" in printed


def test_an_empty_outbox_says_so(shop: Shop) -> None:
    shop.ledger.close()
    (shop.folder / "var" / "ledger.db").unlink()
    assert "outbox is empty" in shop.ask("outbox")
    assert shop.ask("outbox", "settle") == "Nothing is in doubt.\n"


def test_a_paused_campaign_is_left_alone_until_it_is_resumed(shop: Shop) -> None:
    assert "2 planned messages will wait" in shop.ask("pause", CAMPAIGN)
    assert "was paused already since 2026-05-12 11:00" in shop.ask("pause", CAMPAIGN)
    assert shop.ledger.messages.due_groups("email", LATER) == []
    answer = shop.ask("resume", CAMPAIGN)
    assert "goes on (paused since" in answer
    assert "2 planned messages may leave" in answer
    assert "was not held" in shop.ask("resume", CAMPAIGN)
    assert len(claimed(shop.ledger, now=LATER)) == 1


def test_a_cancelled_campaign_takes_its_messages_back(shop: Shop) -> None:
    assert "2 messages withdrawn" in shop.ask("cancel", CAMPAIGN, "--yes", "--reason", "over")
    assert "was cancelled already" in shop.ask("cancel", CAMPAIGN)
    assert "was cancelled already" in shop.ask("pause", CAMPAIGN)
    assert shop.day.states() == {"in_doubt": 2, "planned": 1, "withdrawn": 2}


def test_only_what_is_there_is_held(shop: Shop) -> None:
    answer = shop.ask("pause", "vip-thank", code=1)
    assert "no campaign 'vip-thank'" in answer
    assert "vip-thanks" in answer
    answer = shop.ask("pause", "sendgird", "--account", code=1)
    assert "no account 'sendgird'" in answer
    (shop.folder / "config" / "campaigns" / f"{CAMPAIGN}.yaml").unlink()
    assert "is paused" in shop.ask("pause", CAMPAIGN)


def test_an_account_is_paused_for_good_and_resumed(shop: Shop) -> None:
    assert "Nothing leaves by local" in shop.ask("pause", "local", "--account")
    assert not shop.ledger.accounts.admit("local", LATER + 9_000 * HOUR, HOUR)
    assert "Account local is paused (person): by hand" in shop.ask("outbox")
    assert "may be used again" in shop.ask("resume", "local", "--account")
    assert shop.ledger.accounts.admit("local", LATER, HOUR)


def test_doubts_are_listed_with_what_is_known(shop: Shop) -> None:
    listed = json.loads(shop.ask("outbox", "settle", "--json"))
    assert {one["message"] for one in listed} == set(shop.doubtful)
    assert {one["what is known"] for one in listed} == {"read timeout"}
    assert "In doubt: 2 messages" in shop.ask("outbox", "settle", "--account", "sendgrid")
    assert "Nothing is in doubt" in shop.ask("outbox", "settle", "--channel", "sms")


def test_a_person_settles_by_word_and_the_word_is_kept(shop: Shop) -> None:
    one, two = shop.doubtful
    assert "Say how you know" in shop.ask("outbox", "settle", one, "--sent", code=2)
    told = shop.ask("outbox", "settle", one, "--sent", "--reason", "their log", "--yes")
    assert told == "1 message settled: sent.\n"
    kept = shop.ledger.messages.get(one)
    assert kept is not None
    assert kept.state is MessageState.ACCEPTED
    assert kept.left_at == NOW
    evidence = json.loads(kept.evidence or "")
    assert (evidence["settled"], evidence["reason"]) == ("sent", "their log")
    assert evidence["by"]
    shop.ask("outbox", "settle", "--campaign", CAMPAIGN, "--not-sent", "--reason", "r", "--yes")
    kept = shop.ledger.messages.get(two)
    assert kept is not None
    assert (kept.state, kept.left_at) == (MessageState.REFUSED, None)
    again = shop.ask("outbox", "settle", two, "--again", "--reason", "r", "--yes")
    assert again == "Nothing of that is in doubt.\n"


def test_a_message_sent_again_is_a_new_attempt_while_it_is_wanted(shop: Shop) -> None:
    one, two = shop.doubtful
    told = shop.ask("outbox", "settle", one, "--again", "--reason", "r", "--yes")
    assert told == "1 message settled: again.\n"
    first = shop.ledger.messages.get(one)
    assert first is not None
    salt_free = [m.message_id for m in shop.ledger.messages.by_customer(first.customer_id)]
    assert len(salt_free) == 2
    assert message_id("salt", first.occurrence_key, 2) not in salt_free  # keyed by the shop's own
    assert len(claimed(shop.ledger, now=LATER)) == 2
    shop.ledger.messages.recover(NOW + 30 * HOUR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("test_duty_commands.LATER", NOW + 30 * HOUR)
        told = shop.ask("outbox", "settle", two, "--again", "--reason", "r", "--yes")
    assert "1 message left as found: expired" in told


def test_doubts_past_their_grace_are_settled_by_policy_without_sending(shop: Shop) -> None:
    assert "--ask concerns all doubts" in shop.ask("outbox", "settle", "--ask", "--sent", code=2)
    root = find_root(Path(__file__).parent)
    for name in ("templates", "sql"):
        shutil.copytree(root / name, shop.folder / name)
    for path in (shop.folder / "config" / "campaigns").glob("*.yaml"):
        if path.stem not in FEW:
            path.unlink()
    rule = "\ndispatch: {in_doubt: {grace: 2 hours, then: sent}}\n"
    with (shop.folder / "config" / "settings.yaml").open("a", encoding="utf-8") as file:
        file.write(rule)
    before = shop.day.states()
    assert "taken for sent 2" in shop.ask("outbox", "settle", "--ask")
    assert shop.day.states() == {"planned": before["planned"], "accepted": 2}
    assert not (shop.folder / "var" / "outbox").exists()


def test_doubts_are_settled_by_one_word_for_what_is_known(shop: Shop) -> None:
    both = ("outbox", "settle", "--reason", "their log", "--yes")
    assert "sent or not sent" in shop.ask(*both, "--sent", "--not-sent", code=2)
    assert "no message 'nonsense'" in shop.ask(*both, "--sent", "nonsense", code=1)
    said = shop.ask(*both, "--sent", "--campaign", "vip-thank", code=1)
    assert "no campaign 'vip-thank'" in said
    assert CAMPAIGN in said
    assert {shop.ledger.messages.get(one).state for one in shop.doubtful} == {"in_doubt"}
