"""What the sandbox accepted: one line for each request, on disk before the answer leaves.

The journal is the truth that a ledger is compared with: what is in it was sent, what is not was
not. `journal.jsonl` holds ids only; the requests themselves are in `requests.jsonl` beside it.
"""

import errno
import fcntl
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

from antiphon.errors import UserFilesError

JOURNAL = "journal.jsonl"
REQUESTS = "requests.jsonl"
EVENTS = "events.jsonl"


class Kind(StrEnum):
    """What a line says."""

    ACCEPTED = "accepted"  # the messages are on their way to people
    CHECKED = "checked"  # looked at only (SendGrid's sandbox mode)
    CANCELLED = "cancelled"  # withdrawn before they left; `messages` are those


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `messages` are our own ids in the order of the request, '' where it had none.

    `provider_id` is what the answer said: X-Message-Id or the SID. `body_at` and `body_length` say
    where in requests.jsonl the request is (length 0: it was not kept).
    """

    number: int
    at: datetime
    api: str
    kind: Kind
    provider_id: str
    messages: tuple[str, ...]
    body_at: int = 0
    body_length: int = 0


class Journal:
    """Appends; one process writes, others may read at any time.

    What a killed one left half written is cut off when it is opened again. `is_fresh`: what was
    noted before is forgotten. Raises UserFilesError where another process writes to it already.
    """

    def __init__(
        self, folder: Path, *, keeps_requests: bool = True, is_fresh: bool = False
    ) -> None:
        self.folder = folder
        self.keeps_requests = keeps_requests
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(folder)
        for name in (JOURNAL, REQUESTS, EVENTS) if is_fresh else ():
            (folder / name).unlink(missing_ok=True)
        self._lines = _appending(folder / JOURNAL)
        self._requests = _appending(folder / REQUESTS)
        self.written = sum(1 for _ in (folder / JOURNAL).open("rb"))

    def write(
        self,
        at: datetime,
        api: str,
        provider_id: str,
        messages: Sequence[str],
        request: bytes = b"",
        *,
        kind: Kind = Kind.ACCEPTED,
    ) -> Entry:
        """Note a request; returns when the operating system has it. `request`: JSON, one line.

        Raises OSError where the disk is full; then nothing of it stands in the journal.
        """
        body_at = length = 0
        if self.keeps_requests and request:
            body_at, length = _append(self._requests, request + b"\n"), len(request)
        entry = Entry(self.written, at, api, kind, provider_id, tuple(messages), body_at, length)
        line = {
            "n": entry.number,
            "at": at,
            "api": api,
            "kind": kind,
            "id": provider_id,
            "messages": entry.messages,
            "body": [body_at, length],
        }
        _append(self._lines, orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
        self.written += 1
        return entry

    def close(self) -> None:
        """Let go of the files."""
        self._lines.close()
        self._requests.close()
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read(folder: Path, skip: int = 0) -> Iterator[Entry]:
    """Every whole line from number `skip` on, in the order of acceptance; of no folder: none."""
    path = folder / JOURNAL
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number >= skip and line.endswith(b"\n"):
                yield _entry(orjson.loads(line))


def request_of(folder: Path, entry: Entry) -> dict[str, Any] | None:
    """What was asked: SendGrid's JSON, or Twilio's form by name; None where it was not kept."""
    if not entry.body_length:
        return None
    with (folder / REQUESTS).open("rb") as file:
        file.seek(entry.body_at)
        found: dict[str, Any] = orjson.loads(file.read(entry.body_length))
    return found


def accepted(folder: Path) -> Counter[str]:
    """Our message ids and how many times each was accepted and not cancelled.

    More than once is a message sent twice. Requests without an id of ours are left out.
    """
    count: Counter[str] = Counter()
    for entry in read(folder):
        if entry.kind is Kind.ACCEPTED:
            count.update(entry.messages)
        elif entry.kind is Kind.CANCELLED:
            count.subtract(entry.messages)
    del count[""]
    return +count


def _entry(line: dict[str, Any]) -> Entry:
    return Entry(
        number=line["n"],
        at=datetime.fromisoformat(line["at"]),
        api=line["api"],
        kind=Kind(line["kind"]),
        provider_id=line["id"],
        messages=tuple(line["messages"]),
        body_at=line["body"][0],
        body_length=line["body"][1],
    )


def _locked(folder: Path) -> BinaryIO:
    """An open file that other processes cannot lock. Not by flock, which children would keep."""
    file: BinaryIO = (folder / "writer.lock").open("wb")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise UserFilesError(
            f"Another sandbox writes to {folder}.\n  Stop it, or name another one with --folder."
        ) from None
    return file


def _append(file: BinaryIO, line: bytes) -> int:
    """Where the line begins that is written at the end, as a whole or not at all."""
    at = file.seek(0, os.SEEK_END)
    if file.write(line) != len(line):
        file.truncate(at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return at


def _appending(path: Path) -> BinaryIO:
    """The file, open at its end and written through at once; a torn last line is cut off."""
    path.touch()
    with path.open("r+b") as file:
        end = file.seek(0, 2)
        if end:
            file.truncate(_end_of_last_line(file, end))
    found: BinaryIO = path.open("ab", buffering=0)
    return found


def _end_of_last_line(file: BinaryIO, end: int, step: int = 65536) -> int:
    while end > 0:
        start = max(0, end - step)
        file.seek(start)
        found = file.read(end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
