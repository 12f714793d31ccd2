"""The sandbox as a process of its own, for tests and measurements: it has a core for itself."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from antiphon.errors import AntiphonError


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """A sandbox elsewhere on this machine; its journal is read from `folder`."""

    url: str
    folder: Path
    process: "subprocess.Popen[str]"


@contextlib.contextmanager
def started(folder: Path, *arguments: str) -> Iterator[SandboxProcess]:
    """A sandbox in a process, ready; ended on the way out. `arguments`: of `antiphon sandbox`."""
    process = start(folder, arguments)
    try:
        yield process
    finally:
        process.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.process.wait(5)
        process.process.kill()
        process.process.wait()


def start(folder: Path, arguments: Sequence[str] = ()) -> SandboxProcess:
    """Start one and wait until it listens; whoever starts it ends it."""
    command = [sys.executable, "-m", "antiphon.sandbox", "--folder", str(folder)]
    if "--port" not in arguments:
        command += ["--port", "0"]
    process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True)  # noqa: S603
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise AntiphonError(f"The sandbox did not start (exit code {process.wait()}).")
    return SandboxProcess(json.loads(line)["url"], folder, process)
