"""Bodies of requests: read up to a limit each, and up to another one all together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request

MOST_AT_ONCE = 256 * 2**20  # bytes in memory, of all requests under way


class TooLarge(Exception):
    """One body is larger than anything its sender has to say."""


class TooMany(Exception):
    """All bodies under way are more than memory is set apart for: try again later."""


class Bodies:
    """Counts the bytes of all bodies that are held."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._most, self._held = most, 0

    @asynccontextmanager
    async def read(self, request: Request, most: int) -> AsyncIterator[bytes]:
        """The body, held within the context; raises TooLarge and TooMany.

        What is announced as too large is not read at all.
        """
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            raise TooLarge
        size, parts = 0, []
        try:
            async for part in request.stream():
                size += len(part)
                self._held += len(part)
                if size > most:
                    raise TooLarge
                if self._held > self._most:
                    raise TooMany
                parts.append(part)
            yield b"".join(parts)
        finally:
            self._held -= size
