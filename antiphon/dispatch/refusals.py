"""The breaker of a campaign: too many refusals in a day, and it is paused until a person looks."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.tally import Tally
from antiphon.project import Project
from antiphon.providers import Outcome, OutcomeKind

ONE_DAY = timedelta(days=1)
BREAKER = "breaker"  # who holds a campaign, where nobody did
AT_MOST_EVERY_SECONDS = 5.0  # counting a day's answers takes the ledger a while


@dataclass
class Refusals:
    """Watches what campaigns are refused, and asks the ledger when it becomes suspicious."""

    project: Project
    thread: LedgerThread
    tally: Tally
    _refused: Counter[str] = field(default_factory=Counter)  # since the ledger was asked
    _asked_at: float = float("-inf")

    async def note(self, campaign: str, answers: Sequence[Outcome], now: datetime) -> None:
        """Some more answers; pauses the campaign where they are too many refusals."""
        refused = sum(one.kind is OutcomeKind.REFUSED for one in answers)
        if not refused:
            return
        self._refused[campaign] += refused
        rules = self.project.configuration.settings.dispatch
        enough = max(1, int(rules.refused_of * rules.refused / 2))
        waited = time.monotonic() - self._asked_at > AT_MOST_EVERY_SECONDS
        if self._refused[campaign] >= enough and waited:
            await self.check(now)

    async def check(self, now: datetime) -> None:
        """Pause every campaign that is refused too often; asked at the end of a pass too."""
        if not self._refused:
            return
        suspects = set(self._refused)
        self._refused.clear()
        for campaign in suspects:
            await self._check(campaign, now)
        self._asked_at = time.monotonic()

    async def _check(self, campaign: str, now: datetime) -> None:
        """Of the last day; where a person ended a pause in it, of the time since then."""
        ledger, rules = self.project.ledger, self.project.configuration.settings.dispatch
        history = await self.thread.call(lambda: ledger.holds.history(campaign))
        ended = [one.ended_at for one in history if one.ended_at is not None]
        since = min(ONE_DAY, now - max(ended)) if ended else ONE_DAY
        mine = await self.thread.call(lambda: ledger.messages.answers(now, since, campaign))
        answered, refused = sum(one.answers for one in mine), sum(one.refused for one in mine)
        if answered < rules.refused_of or refused <= rules.refused * answered:
            return
        reason = f"{refused:,} of {answered:,} messages were refused"
        if await self.thread.call(
            lambda: ledger.holds.hold(campaign, "paused", reason, BREAKER, now)
        ):
            self.tally.warn(
                f"campaign {campaign} is paused: {reason}. "
                f"Look at `antiphon outbox`, then antiphon resume {campaign}."
            )
