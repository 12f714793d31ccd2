"""What DuckDB is to read: files as a SELECT whose rows keep their order."""
# ruff: noqa: S608 - paths and names are quoted by antiphon.quoting

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.campaigns.models import Source
from antiphon.errors import SourceError
from antiphon.quoting import literal
from antiphon.sources import csvfile

BATCH_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Relation:
    """A SELECT, the headers of its files, and the rows that break the format.

    `is_numbered`: the SELECT has the numbers of the rows, as `_row`. `broken`: a SELECT of _row,
    _problem and _line.
    """

    sql: str
    where: str
    headers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    is_numbered: bool = False
    broken: str | None = None

    def through(self, query: str) -> str:
        """The user's query over these rows, as a table named `source`."""
        hidden = " EXCLUDE (_row)" if self.is_numbered else ""
        return f"WITH source AS (SELECT *{hidden} FROM ({self.sql}))\nSELECT * FROM (\n{query}\n)"


def rows_of(path: Path, where: str) -> Relation:
    """The rows of one Parquet file of ours."""
    return Relation(f"SELECT * FROM read_parquet({literal(str(path))})", where)


def parquet(name: str, paths: Mapping[str, Path], where: str) -> Relation:
    """Parquet files; columns are matched by name. Raises SourceError for one that is not whole."""
    headers: dict[str, list[str]] = {}
    for label, path in paths.items():
        try:
            headers[label] = pq.read_schema(path).names
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(
                f"source {name}: {label} is not a whole Parquet file.\n"
                "  Run again when the export has finished."
            ) from error
        csvfile.check_names(headers[label], f"source {name}: {label}")
    listed = ", ".join(literal(str(path)) for path in paths.values())
    if len(paths) == 1:  # numbered by the reader, in parallel
        sql = (
            "SELECT file_row_number + 1 AS _row, * EXCLUDE (file_row_number) "
            f"FROM read_parquet([{listed}], file_row_number = true)"
        )
        return Relation(sql, where, headers, is_numbered=True)
    return Relation(f"SELECT * FROM read_parquet([{listed}], union_by_name = true)", where, headers)


def inspected(
    name: str, source: Source, paths: Mapping[str, Path], scratch: Path
) -> list[csvfile.CsvFile]:
    """The CSV files, each read through once; empty ones of an optional source are left out."""
    return [
        csvfile.inspect(
            path,
            source=name,
            label=label,
            encoding=source.encoding,
            delimiter=source.delimiter,
            scratch=scratch,
        )
        for label, path in paths.items()
        if not (source.optional and path.stat().st_size == 0)
    ]


def strict_csv(files: Sequence[csvfile.CsvFile], where: str) -> Relation:
    """DuckDB's reader, strict by RFC 4180: every column text, nothing guessed."""
    selects = []
    for file in files:
        columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in file.header)
        selects.append(
            f"SELECT * FROM read_csv({literal(str(file.path))}, auto_detect = false, "
            f"header = true, columns = {{{columns}}}, delim = {literal(file.delimiter)}, "
            "quote = '\"', escape = '\"', strict_mode = true, null_padding = false)"
        )
    sql = " UNION ALL BY NAME ".join(selects)
    return Relation(sql, where, {file.label: file.header for file in files})


def lenient_csv(name: str, files: Sequence[csvfile.CsvFile], where: str, scratch: Path) -> Relation:
    """The rows read record by record into one Parquet file, those that break the format apart."""
    names = list(dict.fromkeys(column for file in files for column in file.header))
    schema = pa.schema(
        [(column, pa.string()) for column in names]
        + [("_row", pa.int64()), ("_problem", pa.string()), ("_line", pa.string())]
    )
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / "lenient.parquet"
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(name, files):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
    rows = f"read_parquet({literal(str(path))})"
    return Relation(
        f"SELECT * EXCLUDE (_problem, _line) FROM {rows} WHERE _problem IS NULL",
        where,
        {file.label: file.header for file in files},
        is_numbered=True,
        broken=f"SELECT _row, _problem, _line FROM {rows} WHERE _problem IS NOT NULL",
    )


def _batches(
    name: str, files: Sequence[csvfile.CsvFile]
) -> Iterator[list[dict[str, str | int | None]]]:
    batch: list[dict[str, str | int | None]] = []
    number = 0
    for file in files:
        for row in csvfile.read_leniently(name, file):
            number += 1
            values = dict(zip(file.header, row.fields, strict=False))
            batch.append({**values, "_row": number, "_problem": row.problem, "_line": row.line})
            if len(batch) == BATCH_ROWS:
                yield batch
                batch = []
    yield batch
