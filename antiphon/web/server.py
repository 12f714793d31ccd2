"""The public server as a process (`serve`) or in a thread of this one (`running`)."""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import uvicorn

from antiphon.errors import AntiphonError
from antiphon.web.app import App
from antiphon.web.listening import WAITING, InProcess, ended_by_signals, listening, url_of

AT_ONCE = 1000  # connections; more are told to come back
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 20  # for answers under way, when told to end
CHORES_SECONDS, AGAIN_SECONDS = 1.0, 5.0
T = TypeVar("T")
log = logging.getLogger("antiphon.web")
Parse = Callable[[], bool]


def serve(
    app: App,
    host: str,
    port: int,
    *,
    parse: Parse | None = None,
    ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until the process is told to stop; answers under way are given first.

    `parse` is called in a thread of its own whenever something was kept, and again after some
    seconds where it says that somebody else is reading. `ready` is told the address.

    Raises UserFilesError where the port is taken.
    """
    with listening(host, port) as listener, _chores(app, parse):
        server = InProcess(_config(app))
        with ended_by_signals(server):
            ready(url_of(listener))
            server.run([listener])


@contextlib.contextmanager
def running(app: App, *, port: int = 0, parse: Parse | None = None) -> Iterator[str]:
    """The same in a thread of this process; its address."""
    with listening("127.0.0.1", port) as listener, _chores(app, parse):
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(
            target=server.run, args=([listener],), name="antiphon-web", daemon=True
        )
        thread.start()
        try:
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join(GRACE_SECONDS)


@contextlib.contextmanager
def _chores(app: App, parse: Parse | None) -> Iterator[None]:
    """Beside the requests: counts are written down, and what arrived is parsed."""
    ends, arrived = threading.Event(), threading.Event()

    def count() -> None:
        while not ends.wait(CHORES_SECONDS):
            _quietly(app.site.flush)

    def read() -> None:
        arrived.set()  # what waits since before
        while True:
            arrived.wait()
            arrived.clear()
            if ends.is_set():
                return
            if parse is not None and _quietly(parse) is not False and not ends.wait(AGAIN_SECONDS):
                arrived.set()

    threads = [threading.Thread(target=count, name="antiphon-counts", daemon=True)]
    if parse is not None:
        app.site.receiver.on_kept = arrived.set
        threads.append(threading.Thread(target=read, name="antiphon-parse", daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ends.set()
        arrived.set()
        for thread in threads:
            thread.join(GRACE_SECONDS)
        _quietly(app.site.flush)


def _quietly(chore: Callable[[], T]) -> T | None:
    """What it says; None where it failed. Nothing is lost then: it is done again."""
    try:
        return chore()
    except AntiphonError as error:
        log.warning("%s", error)
    except Exception as error:  # a server must not lose its threads; no values go to the log
        log.error("%s in the server's background", type(error).__name__)
    return None


def _config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,  # addresses of pages hold tokens
        server_header=False,
        proxy_headers=False,
        backlog=WAITING,
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
