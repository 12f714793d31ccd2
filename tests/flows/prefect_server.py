"""A real Prefect server and worker for tests, in a home of their own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx

Found = TypeVar("Found")
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}


@dataclass(frozen=True)
class Server:
    """Where a server answers, and the environment of those who speak to it."""

    url: str
    environment: Mapping[str, str]

    def ask(self, path: str, **body: Any) -> Any:
        """POST to the API (its filters are POSTs); the answer."""
        answer = httpx.post(f"{self.url}/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return answer.json()


def clean_environment() -> dict[str, str]:
    """Ours, but for what would lead a test to somebody's server or project."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT", "ANTIPHON"))
    }


@contextmanager
def prefect_server(home: Path) -> Iterator[Server]:
    """A server on a free port with an empty SQLite database, stopped at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/api"
    environment = {
        **clean_environment(),
        **QUIET,
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": url,
    }
    command = ["server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with background(command, environment, home / "server.log"):
        within(180, lambda: _answers(url), "the server to answer")
        yield Server(url, environment)


@contextmanager
def background(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[None]:
    """`prefect <command>` while the body works."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *command],
            env=environment,
            cwd=log.parent,
            stdout=output,
            stderr=output,
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def within(seconds: float, find: Callable[[], Found], what: str) -> Found:
    """What `find` finds as soon as it is true; fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := find()):
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.5)
    return found


def processes_with(variable: str) -> list[int]:
    """Ids of processes whose environment holds `NAME=value`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False
