"""CSV files: is it whole, in which encoding, with what header; and the lenient way to read one.

DuckDB reads the rows, strictly by RFC 4180. A file it refuses is read here, record by record, so
that each row that breaks the format is kept, with its problem, and the others go on.
"""

import codecs
import csv
import gzip
import io
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from antiphon.errors import SourceError

CHUNK_BYTES = 1 << 20
_UTF8 = ("utf-8", "utf-8-sig", "ascii")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A file that has been read through once and is whole UTF-8 text at `path`.

    `is_uniform`: one kind of line ending throughout, so that DuckDB can read it.
    """

    path: Path
    label: str
    header: tuple[str, ...]
    delimiter: str
    is_uniform: bool
    ends_with_newline: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One record: its fields, or the problem and the first line as it stands in the file."""

    fields: Sequence[str]
    problem: str | None = None
    line: str | None = None


def inspect(
    path: Path, *, source: str, label: str, encoding: str, delimiter: str, scratch: Path
) -> CsvFile:
    """Read the file through once; other encodings are written to `scratch` as UTF-8.

    Raises SourceError for a wrong encoding, NUL bytes, a torn archive, and a header
    that is absent or names a column twice.
    """
    codec = codecs.lookup(encoding)
    is_utf8 = codec.name in _UTF8
    scan = _Scan(f"source {source}: {label}", encoding, codec)
    target = path if is_utf8 else scratch / f"{source}-{path.name}.utf8.csv"
    with open_bytes(path, scan.where) as stream:
        if is_utf8:
            for _ in scan.texts(stream):
                pass
        else:
            scratch.mkdir(parents=True, exist_ok=True)
            with target.open("w", encoding="utf-8", newline="") as copy:
                copy.writelines(scan.texts(stream))
    scan.check_mojibake()
    header = _header(target, scan.where, delimiter)
    return CsvFile(target, label, header, delimiter, scan.is_uniform, scan.last in "\r\n")


@contextmanager
def open_bytes(path: Path, where: str) -> Iterator[BinaryIO]:
    """The decompressed bytes of a plain, .gz or .zst file; SourceError where it ends early."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path) as stream:
                yield cast(BinaryIO, stream)
        elif path.suffix == ".zst":
            with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, "zstd") as stream:
                yield cast(BinaryIO, stream)
        else:
            with path.open("rb") as stream:
                yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise _half_written(where) from error
    except OSError as error:
        if error.errno is None:  # Arrow's own: the archive is torn
            raise _half_written(where) from error
        raise SourceError(f"{where} cannot be read: {error.strerror}") from error


def _half_written(where: str) -> SourceError:
    return SourceError(
        f"{where} is half written: the compressed file ends early or is damaged.\n"
        "  Run again when the export has finished."
    )


class _Scan:
    """One pass over the bytes: decodes them, and notes what only the whole file can tell."""

    def __init__(self, where: str, encoding: str, codec: codecs.CodecInfo) -> None:
        self.where = where
        self.encoding = encoding
        self.is_utf8 = codec.name in _UTF8
        self.decoder = codec.incrementaldecoder()
        self.last = ""
        self.lines = 0
        self.crlf = self.lf = self.cr = 0
        # A file in a single-byte encoding that is valid UTF-8 throughout is UTF-8.
        self.second_look: codecs.IncrementalDecoder | None = None
        if not codec.name.startswith(("utf", *_UTF8)):
            self.second_look = codecs.getincrementaldecoder("utf-8")()
        self.has_high_bytes = False

    @property
    def is_uniform(self) -> bool:
        return self.cr == 0 or self.lf == 0 or self.crlf == self.lf == self.cr

    def texts(self, stream: BinaryIO) -> Iterator[str]:
        offset = 0
        while True:
            chunk = stream.read(CHUNK_BYTES)
            try:
                text = self.decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                raise self._wrong_encoding(error, offset + len(chunk)) from None
            self._look_again(chunk)
            if text:
                self._count(text)
                yield text.removeprefix("\ufeff") if offset == 0 else text
            if not chunk:
                return
            offset += len(chunk)

    def _count(self, text: str) -> None:
        if "\x00" in text:
            line = self.lines + text[: text.index("\x00")].count("\n") + 1
            raise SourceError(
                f"{self.where}: NUL byte in line {line}: half written, or in another encoding.\n"
                f"  It was read as {self.encoding}; a file in UTF-16 needs 'encoding: utf-16'."
            )
        self.crlf += text.count("\r\n") + (self.last == "\r" and text[0] == "\n")
        self.lf += text.count("\n")
        self.cr += text.count("\r")
        self.lines += text.count("\n")
        self.last = text[-1]

    def _look_again(self, chunk: bytes) -> None:
        self.has_high_bytes = self.has_high_bytes or not chunk.isascii()
        if self.second_look is not None:
            try:
                self.second_look.decode(chunk, final=not chunk)
            except UnicodeDecodeError:
                self.second_look = None

    def check_mojibake(self) -> None:
        """Stop where the text would reach customers garbled."""
        if self.second_look is not None and self.has_high_bytes:
            raise SourceError(
                f"{self.where} is UTF-8, though it is declared as {self.encoding}.\n"
                "  Write 'encoding: utf-8', or leave the line out."
            )

    def _wrong_encoding(self, error: UnicodeDecodeError, end: int) -> SourceError:
        data = bytes(error.object)
        line = self.lines + data[: error.start].count(b"\n") + 1
        byte = end - len(data) + error.start  # the object may begin before this chunk
        return SourceError(
            f"{self.where}: line {line} is not {self.encoding} (byte {byte}).\n"
            f"  It looks like {guess_encoding(data)}: if it is, write "
            f"'encoding: {guess_encoding(data)}' in config/sources.yaml."
        )


def guess_encoding(data: bytes) -> str:
    """A guess for the next step: in Cyrillic text most letters lie beyond ASCII, side by side."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = sum(1 for left, right in pairwise(data) if left >= 0xC0 and right >= 0xC0)
    high = sum(1 for byte in data if byte >= 0x80)
    return "cp1251" if pairs * 2 > high else "cp1252"


def _header(path: Path, where: str, delimiter: str) -> tuple[str, ...]:
    with _open_text(path, where) as stream:
        row = next(records(stream, 0, delimiter), None)
    if row is None:
        raise SourceError(f"{where} is empty: not even a header")
    if row.problem:
        raise SourceError(f"{where}: the header cannot be read: {row.problem}")
    names = [name.strip() or f"column{at}" for at, name in enumerate(row.fields, 1)]
    check_names(names, where)
    return tuple(names)


def check_names(names: Sequence[str], where: str) -> None:
    """Raise SourceError where two columns have one name (case does not tell them apart)."""
    lowered = [name.lower() for name in names]
    if twice := sorted({name for name in names if lowered.count(name.lower()) > 1}):
        raise SourceError(
            f"{where}: two columns of the same name: {', '.join(twice)}.\n"
            "  Rename one in the export: which of them is meant cannot be known."
        )


@contextmanager
def _open_text(path: Path, where: str) -> Iterator[io.TextIOWrapper]:
    with (
        open_bytes(path, where) as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text,
    ):
        yield text


class _Lines:
    """Lines of a stream; those pushed back come again."""

    def __init__(self, stream: Iterator[str]) -> None:
        self.stream = stream
        self.waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.waiting.popleft() if self.waiting else next(self.stream)
        self.taken.append(line)
        self.number += 1
        return line

    def push_back(self) -> str:
        """Give back all lines of the record but its first, which is returned."""
        first, *rest = self.taken
        self.waiting.extendleft(reversed(rest))
        self.number -= len(rest)
        return first


def records(stream: Iterator[str], width: int, delimiter: str) -> Iterator[Row]:
    """Every record of the text, the header included; empty lines are no records.

    A record of other than `width` fields (0: any), or whose quotes do not pair, has a problem.
    After bad quotes reading goes on with the next line.
    """
    lines = _Lines(stream)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        lines.taken.clear()
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            line = lines.push_back()
            why = "a field is too long" if "limit" in str(error) else "quotes do not pair"
            yield Row((), f"line {lines.number}: {why}", line)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            continue
        if not fields and width != 1:
            continue
        fields = fields or [""]
        if width and len(fields) == width + 1 and not fields[-1]:
            fields.pop()  # a delimiter at the end of the line
        if width in (0, len(fields)):
            yield Row(fields)
        else:
            start = lines.number - len(lines.taken) + 1
            problem = f"line {start}: {len(fields)} fields instead of {width}"
            yield Row((), problem, "".join(lines.taken))


def read_leniently(source: str, file: CsvFile) -> Iterator[Row]:
    """Every record but the header, those that break the format with their problem.

    Raises SourceError where the last one was cut off: the file is half written.
    """
    where = f"source {source}: {file.label}"
    with _open_text(file.path, where) as stream:
        rows = records(stream, len(file.header), file.delimiter)
        next(rows)
        row = None
        for row in rows:
            yield row
        if row is not None and row.problem and not file.ends_with_newline:
            raise SourceError(
                f"{where} is half written: the last line is cut off ({row.problem}).\n"
                "  Run again when the export has finished."
            )
