"""What arrives is durable before it is answered; requests that arrive together are one commit."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from threading import Lock

from antiphon.ledger import Arrival

MOST_BYTES = 64 * 2**20  # of one commit


class Receiver:
    """Hands arrivals to the ledger, all that wait at a time.

    One commit costs a sync of the disk; while it lasts, the next requests gather.
    """

    def __init__(self, put: Callable[[Sequence[Arrival]], None]) -> None:
        self._put = put
        self._waiting: deque[tuple[Arrival, asyncio.Future[None]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self.on_kept: Callable[[], None] = lambda: None

    async def keep(self, arrival: Arrival) -> None:
        """Return once it is durable; raises what the ledger raised, and then nothing was kept."""
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, kept))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        await kept

    async def _write(self) -> None:
        while self._waiting:
            taken, size = [self._waiting.popleft()], 0
            size = len(taken[0][0].body)
            while self._waiting and size + len(self._waiting[0][0].body) <= MOST_BYTES:
                taken.append(self._waiting.popleft())
                size += len(taken[-1][0].body)
            try:
                await asyncio.to_thread(self._put, [arrival for arrival, _ in taken])
            except Exception as error:  # every one of them is told, and asks again
                self._tell(taken, error)
            else:
                self._tell(taken, None)
                self.on_kept()

    @staticmethod
    def _tell(
        taken: Sequence[tuple[Arrival, "asyncio.Future[None]"]], error: Exception | None
    ) -> None:
        for _, kept in taken:
            if kept.done():  # whoever waited has gone
                continue
            if error is None:
                kept.set_result(None)
            else:
                kept.set_exception(error)


class Counts:
    """What is only counted, gathered here: a flood of refused requests costs no commit each."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = Lock()

    def add(self, name: str, count: int = 1) -> None:
        """Count one more."""
        with self._lock:
            self._counts[name] += count

    def flush(self, keep: Callable[[Counter[str]], None]) -> None:
        """Hand over what gathered; it stays here where that fails."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            keep(counts)
        except BaseException:
            with self._lock:
                self._counts.update(counts)
            raise
