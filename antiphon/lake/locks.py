"""Locks between processes that the kernel drops when their process dies (flock)."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from antiphon.errors import LakeError
from antiphon.lake.failures import explained


class LakeBusy(LakeError):
    """Another process is changing the lake."""


@contextmanager
def writing(root: Path, holder: str) -> Iterator[None]:
    """The one right to change the lake, or LakeBusy at once. A killed holder holds nothing."""
    path = root / "write.lock"
    with explained(path):
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.read(handle, 200).decode("utf-8", "replace").strip() or "another process"
            raise LakeBusy(
                f"{path}: {other} is changing the lake. Wait until it has ended and repeat; "
                "a killed process holds no lock, so nothing has to be removed."
            ) from None
        with explained(path):
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{holder} (process {os.getpid()})".encode(), 0)
        yield
    finally:
        os.close(handle)


@contextmanager
def pinning(root: Path, *, alone: bool) -> Iterator[None]:
    """Guards the moments of choosing and pinning a snapshot against the moments of cleaning."""
    path = root / "pins" / "lock"
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)
