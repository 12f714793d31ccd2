"""SQL text that reads a snapshot: typed, without hidden rows, empty where there is no data."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from antiphon.entities import ENTITIES
from antiphon.lake.manifest import Bucket, DataFile, HiddenFile, Manifest
from antiphon.quoting import literal, quoted

POSITION = ("_file", "_row")


def read_files(root: Path, paths: Iterable[str]) -> str:
    """A table function over Parquet files of the lake."""
    return f"read_parquet([{', '.join(literal(str(root / path)) for path in paths)}])"


def column_types(manifest: Manifest, entity: str) -> dict[str, str]:
    """Column → DuckDB type: the declared ones, then the user's attributes."""
    declared = {column.name: column.type.value for column in ENTITIES[entity].columns}
    return declared | dict(manifest.attributes.get(entity, {}))


def scan_sql(
    root: Path,
    manifest: Manifest,
    entity: str,
    *,
    buckets: Collection[int] | None = None,
    columns: Collection[str] | None = None,
    files: Collection[int] | None = None,
    positions: bool = False,
) -> str:
    """One SELECT over the entity's visible rows.

    `buckets`, `files` (numbers): only these. `columns`: only these, `_source` allowed.
    `positions`: also `_file` (its number) and `_row`, by which a row can be hidden.
    """
    types = {"_source": "VARCHAR"} | column_types(manifest, entity)
    names = list(columns) if columns is not None else [name for name in types if name != "_source"]
    wanted = {name: types[name] for name in names}
    groups: dict[tuple[int, bool], list[DataFile]] = defaultdict(list)
    hidden: list[HiddenFile] = []
    for index, bucket in enumerate(manifest.of(entity)):
        if buckets is not None and ENTITIES[entity].by_customer and index not in buckets:
            continue
        chosen = [file for file in bucket.data if files is None or file.number in files]
        for file in chosen:
            groups[file.schema, bool(bucket.hidden)].append(file)
        hidden += bucket.hidden if chosen else ()
    branches = [
        _branch(
            root,
            manifest.schemas[schema],
            group,
            hidden if hides else [],
            wanted,
            positions=positions,
        )
        for (schema, hides), group in groups.items()
    ]
    return " UNION ALL ".join(branches) or _empty(wanted, positions)


def bucket_sql(root: Path, manifest: Manifest, entity: str, index: int) -> str:
    """All columns to write again when a bucket is rewritten: the declared ones and `_source`."""
    names = [*column_types(manifest, entity), "_source"]
    return scan_sql(root, manifest, entity, buckets=[index], columns=names)


def households_sql(root: Path, manifest: Manifest, bucket: int | None, customers: str) -> str:
    """Every customer with the household: the source's own, the derived one, else alone."""
    files = [f for index, f in manifest.households.items() if bucket is None or index == bucket]
    derived = derived_households_sql(root, files)
    return (
        "SELECT c.customer_id, "
        "coalesce(h.household_id, 'customer:' || c.customer_id) AS household_id, h.since_day "
        f"FROM {customers} c LEFT JOIN ({derived}) h ON h.customer_id = c.customer_id"
    )


def derived_households_sql(root: Path, files: Collection[DataFile]) -> str:
    """The stored map of those who share a household: customer_id, household_id, since_day."""
    if files:
        return f"SELECT * FROM {read_files(root, (file.path for file in files))}"
    return (
        "SELECT NULL::VARCHAR AS customer_id, NULL::VARCHAR AS household_id, "
        "NULL::DATE AS since_day WHERE false"
    )


def _empty(wanted: Mapping[str, str], positions: bool) -> str:
    nulls = [f"NULL::{type_} AS {quoted(name)}" for name, type_ in wanted.items()]
    nulls += [f"NULL::BIGINT AS {name}" for name in POSITION] if positions else []
    return f"SELECT {', '.join(nulls)} WHERE false"


def _branch(
    root: Path,
    schema: Collection[str],
    files: list[DataFile],
    hidden: list[HiddenFile],
    wanted: Mapping[str, str],
    *,
    positions: bool,
) -> str:
    values = [
        f"{'d.' + quoted(name) if name in schema else 'NULL'}::{type_} AS {quoted(name)}"
        for name, type_ in wanted.items()
    ]
    if positions:
        numbers = ", ".join(str(file.number) for file in files)
        values += [
            f"list_extract([{numbers}]::BIGINT[], d.file_index::BIGINT + 1) AS _file",
            "d.file_row_number::BIGINT AS _row",
        ]
    sql = f"SELECT {', '.join(values)} FROM {read_files(root, (f.path for f in files))} d"
    if not hidden:
        return sql
    order = ", ".join(f"({file.number}, {index})" for index, file in enumerate(files))
    return sql + (
        f" ANTI JOIN (SELECT m.place, h.row FROM {read_files(root, (f.path for f in hidden))} h"
        f" JOIN (VALUES {order}) m(file, place) ON m.file = h.file) x"
        " ON x.place = d.file_index AND x.row = d.file_row_number"
    )


def delta_rows(bucket: Bucket) -> int:
    """Rows a reader must merge with the base: of later layers, and hidden ones."""
    return sum(f.rows for f in bucket.data[1:]) + sum(f.rows for f in bucket.hidden)
