"""The ledger's calls of one dispatcher: in order, off the event loop, and patient."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from antiphon.errors import LedgerError

PATIENCE_SECONDS = 300.0  # of one call: as long as a claim lasts
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
Result = TypeVar("Result")
log = logging.getLogger("antiphon.dispatch")


@dataclass
class LedgerThread:
    """One thread that calls the ledger; a call that fails for a while is tried again.

    One after the other, in the order they were asked for. That matters when the database went
    away: an answer whose writing may or may not have been committed is written again before the
    next claim is made, so it can never undo a claim that came after it.
    """

    waited_seconds: float = 0.0
    _pool: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="ledger")
    )
    _giving_up: threading.Event = field(default_factory=threading.Event)

    async def call(self, work: Callable[[], Result], *, insist: bool = False) -> Result:
        """What `work` returns. Raises LedgerError when it still fails after five minutes, or at
        once where waiting is no use; with `insist` nothing is no use (a disk may be emptied)."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self.patiently, work, insist)

    def close(self) -> None:
        """Ends the thread when what was asked for is done."""
        self._giving_up.set()
        self._pool.shutdown(wait=True)

    def patiently(self, work: Callable[[], Result], insist: bool = False) -> Result:
        """The same from a thread of the caller's: for what only reads, and may overtake."""
        began, pause = time.monotonic(), FIRST_PAUSE
        waited = False
        while True:
            try:
                result = work()
            except LedgerError as error:
                over = time.monotonic() - began > PATIENCE_SECONDS
                if over:  # then the next call need not wait as long
                    self._giving_up.set()
                if self._giving_up.is_set() or not (insist or error.is_temporary):
                    raise
                if not waited:
                    log.warning("dispatch waits for the ledger: %s", error)
                waited = True
                self._giving_up.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                if waited:
                    seconds = time.monotonic() - began
                    self.waited_seconds += seconds
                    log.warning("the ledger answers again after %.0f s", seconds)
                return result
