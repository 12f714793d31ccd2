"""What work takes, each piece in a process of its own: seconds, CPU seconds, memory, spill."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median_low
from typing import Any

from bench.company import CHECKOUT


@dataclass
class Measured:
    """What one piece of work took. `peak_mib`: of its process, or of it and its children
    together where that was more; `spill_mib`: most that the engine had on disk at a time."""

    work: str
    seconds: float
    cpu_seconds: float
    start_seconds: float
    peak_mib: float
    spill_mib: float
    counts: dict[str, int] = field(default_factory=dict)


def step(root: Path, work: str, now: datetime, *run_id: str) -> Measured:
    """One piece of work by bench.step, which times it without the process's own start."""
    command = [sys.executable, "-m", "bench.step", str(root), work, *run_id]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, env=_environment(now)) as process,
        _watched(process.pid, root / "var" / "lake" / "tmp") as seen,
    ):
        assert process.stdout is not None
        output = process.stdout.read()
        process.wait()
    if process.returncode:
        raise SystemExit(f"{work} failed")
    measured = Measured(work, **json.loads(output), spill_mib=seen["spill"])
    measured.peak_mib = max(measured.peak_mib, seen["memory"])
    return measured


def command(root: Path, work: str, now: datetime, *arguments: str) -> Measured:
    """One command of the command line as a person waits for it, the process's start included."""
    program = str(Path(sys.executable).with_name("antiphon"))
    began = time.perf_counter()
    with (
        subprocess.Popen(
            [program, *arguments], cwd=root, stdout=subprocess.DEVNULL, env=_environment(now)
        ) as process,
        _watched(process.pid, root / "var" / "lake" / "tmp") as seen,
    ):
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"antiphon {' '.join(arguments)} failed")
    cpu = usage.ru_utime + usage.ru_stime
    return Measured(work, seconds, cpu, 0.0, seen["memory"], seen["spill"])


def middle(runs: list[Measured]) -> Measured:
    """The run with the median time."""
    seconds = median_low(one.seconds for one in runs)
    return next(one for one in runs if one.seconds == seconds)


def _environment(now: datetime) -> dict[str, Any]:
    return {
        **{name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"},
        "ANTIPHON_AT": now.isoformat(),
        "PYTHONPATH": str(CHECKOUT),
        "PYTHONPYCACHEPREFIX": str(CHECKOUT / "var" / "bench" / "bytecode"),
    }


@contextmanager
def _watched(pid: int, spill: Path) -> Iterator[dict[str, float]]:
    """Most MiB that a process and its children had resident together, and that lay in `spill`."""
    seen = {"memory": 0.0, "spill": 0.0}
    stop = threading.Event()

    def look() -> None:
        while not stop.wait(0.05):
            seen["memory"] = max(seen["memory"], _resident_mib(pid))
            seen["spill"] = max(seen["spill"], _folder_mib(spill))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        stop.set()
        watcher.join()


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (OSError, IndexError):  # it has ended
        return 0.0
    own = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return own + sum(_resident_mib(int(child)) for child in children)


def _folder_mib(folder: Path) -> float:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_blocks * 512  # noqa: PTH116, PTH118
            except OSError:  # it has gone
                continue
    return total / 2**20
