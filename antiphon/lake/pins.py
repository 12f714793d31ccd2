"""Pins: which snapshots somebody still needs.

A run's pin (`pins/run-<holder>`) outlives its process, as a killed run is resumed with what it had
pinned. A reader's pin (`pins/reader-<snapshot>-…`) is a locked file and dies with its process.
"""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from antiphon.keys import digest
from antiphon.lake.failures import explained
from antiphon.lake.locks import LakeBusy


def pin(root: Path, snapshot_id: int, holder: str) -> None:
    """Keep the snapshot until `unpin(holder)`; a holder has one pin, the latest."""
    path = _run_pin(root, holder)
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}")
        fresh.write_text(json.dumps({"holder": holder, "snapshot": snapshot_id}), encoding="utf-8")
        fresh.replace(path)


def unpin(root: Path, holder: str) -> None:
    """Give the holder's snapshot free; without a pin, nothing happens."""
    path = _run_pin(root, holder)
    with explained(path):
        path.unlink(missing_ok=True)


@contextmanager
def reader_pin(root: Path, snapshot_id: int) -> Iterator[None]:
    """Keep the snapshot for as long as this process reads."""
    folder = root / "pins"
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f"reader-{snapshot_id}-", dir=folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(handle)


def pinned(root: Path) -> set[int]:
    """Snapshots that a run or a living reader needs; pins of dead readers are removed."""
    found: set[int] = set()
    with explained(root / "pins"):
        for path in (root / "pins").glob("run-*"):
            found.add(int(json.loads(path.read_text(encoding="utf-8"))["snapshot"]))
        for path in (root / "pins").glob("reader-*"):
            if _is_held(path):
                found.add(int(path.name.split("-")[1]))
            else:
                path.unlink(missing_ok=True)
    return found


def wait_for_readers(root: Path, seconds: float = 60) -> None:
    """Until nobody reads who began before; new ones wait for the caller (locks.pinning).

    Raises LakeBusy when one is still reading after so many seconds.
    """
    patience = time.monotonic() + seconds
    while any(_is_held(path) for path in (root / "pins").glob("reader-*")):
        if time.monotonic() > patience:
            raise LakeBusy(
                f"{root}: somebody has been reading the lake for {seconds:.0f} seconds. "
                "Repeat when they have ended."
            )
        time.sleep(0.1)


def _run_pin(root: Path, holder: str) -> Path:
    return root / "pins" / f"run-{digest('pin', holder)}"


def _is_held(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
