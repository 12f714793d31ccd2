"""Doubts are looked up at the provider: in good order, and no faster than it allows."""

import asyncio
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dispatch_scene import Scene, Scripted, scene, silent

from antiphon.dispatch.doubts import settle_doubts
from antiphon.providers import LookUp, Outcome, OutcomeKind, Outgoing
from bench.outbox import NOW

MINUTE = timedelta(minutes=1)


@dataclass
class Asked(Scripted):
    """A provider that takes its time to be asked, and knows nothing."""

    look_up: LookUp = LookUp.FOUND
    takes: float = 0.0
    signals: bool = False  # SIGTERM at the first question
    looked_up: int = 0
    most_asked_at_once: int = 0
    _asked: int = 0

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """After a while."""
        self.looked_up += 1
        if self.signals and self.looked_up == 1:
            signal.raise_signal(signal.SIGTERM)
        self._asked += 1
        self.most_asked_at_once = max(self.most_asked_at_once, self._asked)
        await asyncio.sleep(self.takes)
        self._asked -= 1
        return self.found(message)


def doubt(made: Scene, account: Scripted, messages: int, **plan: Any) -> list[str]:
    """So many messages whose request was never answered."""
    answer, account.answer = account.answer, silent
    ids = made.outbox.plan(messages, **plan)
    made.outbox.release()
    made.send()
    account.answer = answer
    assert made.states()["in_doubt"] == messages
    return ids


def test_what_was_not_found_is_asked_about_less_and_less_often(tmp_path: Path) -> None:
    account = Asked()
    with scene(tmp_path, account) as made:
        doubt(made, account, 3, expires_at=NOW + timedelta(days=3))
        asked = []
        for minutes in (0, 0, 0.9, 1, 1.1, 5, 6, 30, 100, 180, 359, 360):
            made.clock.now = NOW + minutes * MINUTE
            account.looked_up = 0
            made.send()
            asked.append(account.looked_up)
        assert asked == [3, 0, 0, 3, 0, 3, 0, 3, 0, 3, 0, 3]
        account.looked_up = 0
        settle_doubts(made.outbox.project)
        assert account.looked_up == 3, "who asks by hand is answered"


def test_look_ups_of_a_stopped_dispatch_end_at_once(tmp_path: Path) -> None:
    account = Asked(takes=60)
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        with scene(tmp_path, account) as made:
            doubt(made, account, 20)
            account.signals = True
            began = time.monotonic()
            made.send()
            assert time.monotonic() - began < 30
        assert came == [signal.SIGTERM]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_pass_that_lasts_long_enough_asks_no_more(tmp_path: Path) -> None:
    from antiphon.dispatch.dispatcher import send_due

    account = Asked(takes=60)
    with scene(tmp_path, account) as made:
        doubt(made, account, 20)
        began = time.monotonic()
        send_due(made.outbox.project, longest=timedelta(seconds=0.5))
        assert time.monotonic() - began < 30
        account.takes = 0
        account.looked_up = 0
        made.send()
        assert account.looked_up == 20, "whose look-up was broken off is asked about again"


def test_several_doubts_are_looked_up_at_a_time_but_not_more_than_the_account_takes(
    tmp_path: Path,
) -> None:
    account = Asked(takes=0.02)
    with scene(tmp_path, account, settings={"accounts": {"first": {"at_once": 3}}}) as made:
        doubt(made, account, 30)
        made.send()
        assert account.looked_up == 30
        assert account.most_asked_at_once == 3


def test_look_ups_keep_to_the_accounts_pace(tmp_path: Path) -> None:
    account = Asked()
    settings = {"accounts": {"first": {"at_once": 8, "per_second": 20}}}
    with scene(tmp_path, account, settings=settings) as made:
        (group,) = _planned(made, 10)
        made.outbox.project.ledger.messages.claim(group, "first", 10, NOW, "gone/1/1", MINUTE)
        made.clock.now = NOW + 2 * MINUTE
        began = time.monotonic()
        made.send()
        assert account.looked_up == 10
        assert time.monotonic() - began >= 9 / 20


def _planned(made: Scene, messages: int) -> Sequence[Any]:
    made.outbox.plan(messages)
    made.outbox.release()
    return made.outbox.project.ledger.messages.due_groups("email", NOW)


def test_what_one_person_got_does_not_tell_that_another_of_the_same_number_did(
    tmp_path: Path,
) -> None:
    account = Asked(channel="sms", batch_size=1)
    account.found = lambda one: Outcome(one.message_id, OutcomeKind.ACCEPTED, "found", "SM1")

    def half(batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        return [
            Outcome(one.message_id, OutcomeKind.ACCEPTED, "201", "SM1")
            if one.message_id == ids[0]
            else silent([one], now)[0]
            for one in batch
        ]

    account.answer = half
    with scene(tmp_path, account) as made:
        shared = ["+491511234567"] * 2
        ids = made.outbox.plan(2, channel="sms", addresses=shared)
        made.outbox.release()
        made.send()
        assert made.states() == {"accepted": 1, "in_doubt": 1}
        settle_doubts(made.outbox.project)
        assert made.states() == {"accepted": 1, "in_doubt": 1}


def test_of_two_doubts_about_the_same_words_one_sms_settles_one(tmp_path: Path) -> None:
    account = Asked(channel="sms", batch_size=1)
    account.found = lambda one: Outcome(one.message_id, OutcomeKind.ACCEPTED, "found", "SM1")
    with scene(tmp_path, account) as made:
        doubt(made, account, 2, channel="sms", addresses=["+491511234567"] * 2)
        settle_doubts(made.outbox.project)
        assert made.states() == {"accepted": 1, "in_doubt": 1}
