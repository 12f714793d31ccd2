"""Tasks for staff: lines of var/tasks/2026-05.csv, each written exactly once.

The ledger knows each task before its line is written, and that it is written afterwards; a line
whose writer died in between is found by its id. Staff may take lines and files away.
"""

import csv
import fcntl
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from antiphon.ledger import StaffTask
from antiphon.project import Project

HEADER = (
    "task_id",
    "since",
    "customer_id",
    "task",
    "survey",
    "touchpoint",
    "product_id",
    "score",
    "confirmed",
    "campaign",
    "message_id",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_tasks(project: Project, now: datetime) -> int:
    """Writes the tasks that no file has yet; how many. Safe to kill, and beside others."""
    waiting = project.ledger.surveys.unwritten_tasks()
    if not waiting:
        return 0
    zone = ZoneInfo(project.configuration.settings.business.timezone)
    files: dict[str, list[StaffTask]] = {}
    for task in waiting:
        files.setdefault(f"{task.made_at.astimezone(zone):%Y-%m}.csv", []).append(task)
    folder = project.var / "tasks"
    for name, tasks in sorted(files.items()):
        _append(folder / name, tasks, zone)
        project.ledger.surveys.tasks_written([task.task_id for task in tasks], now)
    return len(waiting)


def _append(path: Path, tasks: Sequence[StaffTask], zone: ZoneInfo) -> None:
    """Those tasks that the file does not have, durably."""
    with _alone(path) as handle:
        found = os.pread(handle, os.fstat(handle).st_size, 0)
        whole = found[: found.rfind(b"\n") + 1]  # without a line whose writer died
        os.ftruncate(handle, len(whole))
        there = {line.partition(b",")[0].strip(b'"') for line in whole.splitlines()}
        written = io.StringIO()
        lines = csv.writer(written, lineterminator="\n")
        if not whole:
            lines.writerow(HEADER)
        for task in tasks:
            if task.task_id.encode() not in there:
                lines.writerow(_line(task, zone))
        os.lseek(handle, 0, os.SEEK_END)
        left = written.getvalue().encode("utf-8")
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """The open file, locked until its process lets go or dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)


def _line(task: StaffTask, zone: ZoneInfo) -> list[str]:
    cells = (
        task.task_id,
        task.made_at.astimezone(zone).isoformat(sep=" ", timespec="minutes"),
        task.customer_id,
        task.task,
        task.survey,
        task.touchpoint,
        task.product_id or "",
        str(task.score),
        "yes" if task.is_confirmed else "no",
        task.campaign,
        task.message_id,
    )
    # a spreadsheet would calculate what begins like a formula
    return [f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells]
