"""What became of messages, written down as it comes; answers that come together go together."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from antiphon.clock import Clock
from antiphon.dispatch.ledger_thread import LedgerThread
from antiphon.dispatch.tally import Tally
from antiphon.ledger import Ledger, Outcome

AT_A_TIME = 5_000
FEW = 250  # are not worth a transaction of their own, for so long:
A_MOMENT_SECONDS = 0.03


@dataclass
class Recorder:
    """Collects outcomes of one holder's messages while the ledger writes those before them."""

    ledger: Ledger
    thread: LedgerThread
    clock: Clock
    holder: str
    tally: Tally
    failure: BaseException | None = None
    _waiting: list[Outcome] = field(default_factory=list)
    _writing: asyncio.Task[None] | None = None

    def put(self, outcomes: Sequence[Outcome]) -> None:
        """They will be written; `failure` says if not."""
        if not outcomes:
            return
        self._waiting.extend(outcomes)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def drained(self) -> None:
        """Returns when all is written; raises what kept it from being."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        if self.failure is not None:
            raise self.failure

    async def _write(self) -> None:
        while self._waiting:
            if len(self._waiting) < FEW:
                await asyncio.sleep(A_MOMENT_SECONDS)
            part, self._waiting = self._waiting[:AT_A_TIME], self._waiting[AT_A_TIME:]
            try:
                await self.thread.call(self._recording(part), insist=True)
            except Exception as error:  # these stay `sending`: in doubt when their claim runs out
                self.failure = self.failure or error
                continue
            self.tally.moved(part)

    def _recording(self, part: list[Outcome]) -> Callable[[], object]:
        return lambda: self.ledger.messages.record(part, self.clock(), self.holder)
