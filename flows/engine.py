"""The workflow engine of `antiphon run`: a Prefect server that ends when its starter does.

Prefect's own temporary server outlives a starter that was killed. This one reads a pipe that only
its starter holds open, and goes when the pipe closes, whatever closed it.
"""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from antiphon.errors import AntiphonError

PATIENCE_SECONDS = 180  # a first start on a fresh database takes 18 to 33 s, on a busy machine more
FAREWELL_SECONDS = 10
MODE = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_UI_ENABLED": "0"}


@dataclass(frozen=True)
class Server:
    """A server on its way up: where it will answer, and where it says what went wrong."""

    process: subprocess.Popen[str]
    url: str
    log: Path


def start(root: Path, home: Path) -> Server:
    """Start the server and return at once; it ends with this process."""
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "flows.engine"],
            cwd=root,
            env={**os.environ, **MODE},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: the flow still has to report its end
        )
    # Prefect drains its events when threads end, which comes before this.
    atexit.register(_stop, process)
    return Server(process, _line(process), log)


def wait(server: Server, tick: Callable[[], None]) -> None:
    """Return when the server answers; `tick` is called every second until then."""
    answers: list[str] = []
    reader = threading.Thread(target=lambda: answers.append(_line(server.process)), daemon=True)
    reader.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while reader.is_alive() and time.monotonic() < deadline:
        reader.join(1)
        tick()
    if answers != ["ready"]:
        raise AntiphonError(
            f"the workflow engine did not start.\n  Why is in {server.log}; repeat the command, or "
            "start a server yourself and name it in PREFECT_API_URL."
        )


def settle_in_worker() -> None:
    """`settle` in a process that a worker started for one flow run; called as its flow loads."""
    if os.environ.get("PREFECT__FLOW_RUN_ID"):
        from prefect.logging.handlers import APILogWorker  # noqa: PLC0415 - as in `settle`

        APILogWorker.instance()
        settle()


def settle() -> None:
    """Let Prefect start its background threads now, outside of any flow.

    Born within a flow they keep its context, and through it every module the flow imported, beyond
    the end of the interpreter; DuckDB's bindings then report leaks on standard error.
    """
    from prefect.events import emit_event  # noqa: PLC0415 - the parent starts without Prefect

    emit_event("antiphon.run.started", resource={"prefect.resource.id": "antiphon.run"})


def _line(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip() if process.stdout else ""


def _stop(process: subprocess.Popen[str]) -> None:
    if process.stdin:
        process.stdin.close()
    try:
        process.wait(timeout=FAREWELL_SECONDS + 2)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve() -> None:
    """The server's process: says its address, then `ready`, and goes when its input ends."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    _say(f"http://127.0.0.1:{listening.getsockname()[1]}/api")
    import uvicorn  # noqa: PLC0415 - the address comes first

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                _say("ready")

    server = Announced(
        uvicorn.Config(
            "prefect.server.api.server:create_app",
            factory=True,
            log_level="error",
            lifespan="on",
            timeout_graceful_shutdown=3,
        )
    )

    def follow() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True
        time.sleep(FAREWELL_SECONDS)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    server.run(sockets=[listening])


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    serve()
