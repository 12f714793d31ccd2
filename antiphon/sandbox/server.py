"""The sandbox as a server on loopback: in a thread of this process (`running`), or serving it."""

import asyncio
import contextlib
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from antiphon.clock import Clock, system_clock
from antiphon.sandbox import journal
from antiphon.sandbox.app import create_app
from antiphon.sandbox.failing import TRANSPORT
from antiphon.sandbox.fates import Events
from antiphon.sandbox.faults import Faults, Script
from antiphon.sandbox.journal import Entry, Journal
from antiphon.sandbox.reporting import Reporter
from antiphon.sandbox.state import State
from antiphon.web.listening import WAITING, InProcess, ended_by_signals, listening, url_of

HOST = "127.0.0.1"
PORT = 8025  # where the `sandbox` account looks for it
KEEP_ALIVE_SECONDS = 75


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A sandbox that runs: its address, its folder, and its state where it is in this process."""

    url: str
    folder: Path
    state: State

    def entries(self) -> list[Entry]:
        """The journal so far."""
        return list(journal.read(self.folder))

    def accepted(self) -> Counter[str]:
        """Our message ids, and how many times each was accepted."""
        return journal.accepted(self.folder)

    def fail(self, *faults: dict[str, Any], seed: int = 1) -> None:
        """Play these faults from now on; none: all goes well again. Events stay as they are."""
        events = self.state.faults.script.events
        script = {"seed": seed, "faults": faults, "events": events}
        self.state.faults.load(Script.model_validate(script))


@contextlib.contextmanager
def running(
    folder: Path | None = None,
    *,
    port: int = 0,
    script: Script | None = None,
    events_to: str = "",
    keeps_requests: bool = True,
    shows_activity: bool = True,
    clock: Clock = system_clock,
) -> Iterator[Sandbox]:
    """A sandbox in a thread of this process, stopped on the way out.

    Without a folder its journal goes with it; `port` 0 takes a free one. `events_to`: a web server
    on this machine that is told what becomes of the messages.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
        kept = stack.enter_context(Journal(folder, keeps_requests=keeps_requests))
        state = State(kept, Faults(script), clock, shows_activity=shows_activity)
        listener = stack.enter_context(listening(HOST, port))
        stack.enter_context(_reporting(state, events_to))
        server = _InThread(_config(state), clock)
        thread = threading.Thread(
            target=server.run, args=([listener],), name="antiphon-sandbox", daemon=True
        )
        thread.start()
        try:
            yield Sandbox(url_of(listener), folder, state)
        finally:
            server.should_exit = server.force_exit = True
            thread.join(10)


def serve(
    folder: Path,
    *,
    port: int = PORT,
    script: Script | None = None,
    events_to: str = "",
    keeps_requests: bool = True,
    shows_activity: bool = True,
    sender: str = "news@example.com",
    clock: Clock = system_clock,
    is_fresh: bool = False,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until the process is told to stop; `ready` is told the address when it listens.

    `is_fresh`: what an earlier one noted is forgotten first. Raises UserFilesError where the port
    or the folder is taken.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(listening(HOST, port))
        kept = Journal(folder, keeps_requests=keeps_requests, is_fresh=is_fresh)
        stack.enter_context(kept)
        state = State(kept, Faults(script), clock, shows_activity, sender)
        stack.enter_context(_reporting(state, events_to))
        server = _InProcess(_config(state), clock)
        stack.enter_context(ended_by_signals(server))
        ready(url_of(listener))
        server.run([listener])


class _InThread(uvicorn.Server):
    """One whose Date is the sandbox's: who looks a message up reads its times against it."""

    def __init__(self, config: uvicorn.Config, clock: Clock) -> None:
        super().__init__(config)
        self._clock = clock

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        is_over = await super().on_tick(counter)
        date = format_datetime(self._clock(), usegmt=True).encode()
        self.server_state.default_headers = [(b"date", date)]
        return is_over


class _InProcess(_InThread, InProcess):
    """The same, ended with its process."""


@contextlib.contextmanager
def _reporting(state: State, url: str) -> Iterator[None]:
    """Fates are played meanwhile; an address to report to without shares of its own has the usual
    ones."""
    script = state.faults.script
    if url and script.events is None:
        state.faults.load(script.model_copy(update={"events": Events()}))
    reporter = Reporter(state, url)
    reporter.start()
    try:
        yield
    finally:
        reporter.stop()


class BreakableProtocol(H11Protocol):
    """HTTP whose application may break its connection: faults need it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Put the connection where the application finds it."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, TRANSPORT: transport}


def _config(state: State) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(state),
        http=BreakableProtocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        backlog=WAITING,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
