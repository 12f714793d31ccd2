"""Files below var/ that name a person: found by their bytes, removed or blanked.

What was made for one reader (a rendered message, a preview) goes as a file; of what many people
share (logs, the sandbox's journal, lists of tasks) only the person's part goes.
"""

import csv
import gzip
import json
import re
import tarfile
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

CHUNK = 1 << 22
OVERLAP = 4096  # more than the longest word
_BASE64 = re.compile(rb"base64\r?\n\r?\n([A-Za-z0-9+/=\r\n]+)")
_PACKED = (".gz", ".tgz")
_DATABASES = (".db", ".db-wal", ".db-shm", ".sqlite")
REQUESTS = "requests.jsonl"  # of the sandbox: a text may name nobody and still be the person's
_ONE_READER = (".eml", ".html")
TASKS = "tasks"  # folder of lists for staff, a line each
PROJECT = "config/settings.yaml"
_LINES = (".jsonl",)
_NOBODY = {"to": [{"email": "erased@invalid"}]}


class Done(StrEnum):
    """What became of a file."""

    REMOVED = "removed"
    BLANKED = "blanked"
    LEFT = "left"  # a packed copy or a database of others: it is not changed inside


@dataclass(frozen=True)
class Marks:
    """What a person is found by in bytes: words, and the ids of their messages. `customer_id` is
    looked for in cells of lists, however short it is."""

    customer_id: str
    pattern: re.Pattern[bytes] | None
    message_ids: frozenset[str]

    def is_in(self, data: bytes) -> bool:
        """Whether the bytes name the person."""
        return self.pattern is not None and self.pattern.search(data) is not None

    def is_in_row(self, line: bytes) -> bool:
        """Whether a line of a list does."""
        cells = next(csv.reader([line.decode("utf-8", "replace")]), [])
        return self.is_in(line) or self.customer_id in cells


def names_them(path: Path, marks: Marks) -> bool:
    """Whether a file names the person: in its bytes, packed ones too, or as their message."""
    if path.suffix in (".eml", ".txt") and path.stem in marks.message_ids:
        return True
    if path.suffix == ".csv" and path.parent.name == TASKS:
        return any(marks.is_in_row(line) for line in path.read_bytes().splitlines())
    if marks.pattern is None:
        return False
    if path.suffix in _PACKED:
        return any(marks.is_in(part) for part in _unpacked(path))
    if path.suffix == ".eml":
        return any(marks.is_in(part) for part in _read_mail(path))
    with path.open("rb") as file:
        return any(marks.is_in(part) for part in _chunks(file))


def others(folder: Path, skipped: Collection[Path] = ()) -> Iterator[Path]:
    """Files below the folder but for Parquet files, those in `skipped`, and other projects."""
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_symlink() or entry in skipped:
            continue
        if entry.is_dir():
            if not (entry / PROJECT).exists():  # a town has a var/ of its own
                yield from others(entry, skipped)
        elif entry.suffix != ".parquet":
            yield entry


def is_packed(path: Path) -> bool:
    """Whether it is a copy that cannot be changed inside."""
    return path.suffix in _PACKED


def clean(path: Path, marks: Marks) -> Done:
    """Take the person out of a file that names them."""
    if path.suffix in (*_PACKED, *_DATABASES):
        return Done.LEFT
    is_message = path.stem in marks.message_ids
    if path.suffix in _ONE_READER or is_message:
        path.unlink()
        return Done.REMOVED
    if path.suffix == ".csv" and path.parent.name == TASKS:
        _without_lines(path, marks)
    elif path.suffix in _LINES:
        _blank_lines(path, marks)
    else:
        _blank_all(path, marks)
    return Done.BLANKED


def _chunks(file: Any) -> Iterator[bytes]:
    """The content in pieces that overlap."""
    tail = b""
    while piece := file.read(CHUNK):
        yield tail + piece
        tail = (tail + piece)[-OVERLAP:]


def _unpacked(path: Path) -> Iterator[bytes]:
    """What is in an archive; one that is damaged holds nothing that could be read."""
    try:
        if path.suffix == ".tgz" or path.name.endswith(".tar.gz"):
            with tarfile.open(path) as archive:
                for member in archive:
                    if content := archive.extractfile(member):
                        yield from _chunks(content)
        else:
            with gzip.open(path) as unpacked:
                yield from _chunks(unpacked)
    except (OSError, EOFError, tarfile.TarError):
        return


def _read_mail(path: Path) -> Iterator[bytes]:
    data = path.read_bytes()
    yield data
    for found in _BASE64.finditer(data):
        try:
            yield b64decode(found[1])
        except NotBase64:
            continue


def _replace(path: Path, data: bytes) -> None:
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(data)
    fresh.chmod(path.stat().st_mode)
    fresh.replace(path)


def _without_lines(path: Path, marks: Marks) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    _replace(path, b"".join(line for line in lines if not marks.is_in_row(line)))


def _blank_all(path: Path, marks: Marks) -> None:
    """Overwrite by as many characters, in place: somebody may be appending."""
    if marks.pattern is None:
        return
    with path.open("r+b") as file:
        data = file.read()
        for hit in marks.pattern.finditer(data):
            file.seek(hit.start())
            file.write(b"x" * len(hit[0]))


def _blank_lines(path: Path, marks: Marks) -> None:
    """Requests and events, a line of JSON each: the person's part becomes spaces, in place, as
    other files know where a line begins."""
    with path.open("r+b") as file:
        start = 0
        for line in iter(file.readline, b""):
            end = file.tell()
            if _concerns(line, marks):
                file.seek(start)
                file.write(_blanked(line, marks))
                file.seek(end)
            start = end


def _concerns(line: bytes, marks: Marks) -> bool:
    return marks.is_in(line) or any(one.encode() in line for one in marks.message_ids)


def _blanked(line: bytes, marks: Marks) -> bytes:
    """A line of the same length without the person."""
    body = line.rstrip(b"\n")
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if isinstance(document, dict):
        _empty_out(document, marks)
        short = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        if len(short) <= len(body):
            body = short.ljust(len(body))
    if marks.pattern is not None:
        body = marks.pattern.sub(lambda hit: b"x" * len(hit[0]), body)
    return body.ljust(len(line) - line.endswith(b"\n")) + (b"\n" if line.endswith(b"\n") else b"")


def _empty_out(document: dict[str, Any], marks: Marks) -> None:
    people = document.get("personalizations")
    if isinstance(people, list):
        for place, one in enumerate(people):
            if _concerns(json.dumps(one, ensure_ascii=False).encode(), marks):
                people[place] = dict(_NOBODY)
    elif "Body" in document and "To" in document:  # an SMS has one reader
        document.update({"To": "", "Body": ""})
