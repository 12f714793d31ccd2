"""How facts lie on the disk: rows to sorted files per bucket, compaction, growth by doubling."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from antiphon.entities import ENTITIES, Entity
from antiphon.keys import bucket_sql as bucket_expression
from antiphon.lake.failures import explained
from antiphon.lake.manifest import MAX_BUCKETS, Bucket, DataFile, HiddenFile, Manifest
from antiphon.lake.scans import bucket_sql, column_types, delta_rows
from antiphon.lake.session import PARQUET
from antiphon.quoting import literal, quoted


@dataclass(frozen=True, slots=True)
class Limits:
    """When a bucket is compacted, and when all buckets are doubled.

    A bucket is compacted when it has more than `layers` files, or its deltas and hidden rows are
    more than `delta_share` of its base.
    """

    layers: int = 8
    delta_share: float = 0.25
    customers: int = 500_000
    facts: int = 4_000_000

    def buckets_for(self, entity: str, rows: int) -> int:
        """The smallest power of two that keeps the rows of a bucket within the limit."""
        limit = self.customers if entity == "customers" else self.facts
        return min(MAX_BUCKETS, 1 << max(0, -(-rows // limit) - 1).bit_length())


class Writer:
    """Writes the immutable files of one change and knows which it made."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, root: Path) -> None:
        self.connection = connection
        self.root = root
        self.made: list[str] = []

    def write(self, sql: str, path: str) -> int:
        """Write a query's rows to `path` (relative to the lake); returns how many."""
        self.made.append(path)
        target = self.root / path
        with explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = f"COPY ({sql}) TO {literal(str(target))} ({PARQUET})"
            ((rows,),) = self.connection.execute(copy).fetchall()
        return int(rows)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files that no snapshot names."""
        for path in paths:
            (self.root / path).unlink(missing_ok=True)


def file_path(entity: str, bucket: int, layer: int, kind: str) -> str:
    """Where a file of a layer lies; `kind` is base, delta or hidden."""
    return f"clean/{entity}/b{bucket:03d}/{layer:06d}-{kind}.parquet"


def order_by(entity: Entity) -> str:
    """Sorted by customer, then time: a customer's facts lie together."""
    names = ("customer_id", entity.time) if entity.by_customer else ()
    return ", ".join(dict.fromkeys(quoted(name) for name in (*names, *entity.key) if name))


def schema_index(manifest: Manifest, types: dict[str, str]) -> tuple[Manifest, int]:
    """The index of a file's columns with their types, added to the manifest when new."""
    if types in manifest.schemas:
        return manifest, manifest.schemas.index(types)
    return replace(manifest, schemas=(*manifest.schemas, types)), len(manifest.schemas)


def bucketed(sql: str, buckets: int) -> str:
    """The rows of a query with their `_bucket`."""
    number = bucket_expression("coalesce(customer_id, '')", buckets)
    return f"SELECT *, {number} AS _bucket FROM ({sql})"


def write_layer(
    writer: Writer,
    manifest: Manifest,
    entity: Entity,
    sql: str,
    *,
    hidden: str | None = None,
    bucket: int | None = None,
) -> Manifest:
    """Add a layer: the rows of `sql` (declared columns and `_source`), sorted, to their buckets.

    `hidden`: a table of positions (`_file`, `_row`) of the rows they replace.
    `bucket`: the one bucket all rows belong to, where that is known.
    """
    types = column_types(manifest, entity.name) | {"_source": "VARCHAR"}
    manifest, schema = schema_index(manifest, types)
    buckets = list(manifest.of(entity.name))
    layer = manifest.next_layer
    known = 0 if len(buckets) == 1 else bucket
    parts = _parts(writer, sql, len(buckets)) if known is None else [(known, f"({sql})")]
    for index, source in parts:
        kind = "delta" if buckets[index].data else "base"
        path = file_path(entity.name, index, layer, kind)
        columns = ", ".join(map(quoted, types))
        rows = writer.write(f"SELECT {columns} FROM {source} ORDER BY {order_by(entity)}", path)
        file = DataFile(path, rows, schema, layer * MAX_BUCKETS + index)
        if rows:
            buckets[index] = replace(buckets[index], data=(*buckets[index].data, file))
    for index, rows in _hidden_counts(writer, hidden):
        path = file_path(entity.name, index, layer, "hidden")
        positions = (
            f"SELECT _file AS file, _row AS row FROM {hidden} "
            f"WHERE _file % {MAX_BUCKETS} = {index} ORDER BY ALL"
        )
        file_of = HiddenFile(path, writer.write(positions, path))
        assert file_of.rows == rows
        buckets[index] = replace(buckets[index], hidden=(*buckets[index].hidden, file_of))
    entities = {**manifest.entities, entity.name: tuple(buckets)}
    return replace(manifest, entities=entities, next_layer=layer + 1)


def _parts(writer: Writer, sql: str, count: int) -> list[tuple[int, str]]:
    """Each bucket with rows, and the source of its rows; one pass over `sql` for all of them."""
    with explained(writer.root):
        writer.connection.execute(f"CREATE OR REPLACE TEMP TABLE parts AS {bucketed(sql, count)}")
        found = writer.connection.execute("SELECT DISTINCT _bucket FROM parts ORDER BY 1")
        return [(i, f"(SELECT * FROM parts WHERE _bucket = {i})") for (i,) in found.fetchall()]


def _hidden_counts(writer: Writer, hidden: str | None) -> list[tuple[int, int]]:
    if hidden is None:
        return []
    with explained(writer.root):
        return writer.connection.execute(
            f"SELECT _file % {MAX_BUCKETS}, count(*) FROM {hidden} GROUP BY 1 ORDER BY 1"
        ).fetchall()


def rewrite(
    writer: Writer, manifest: Manifest, name: str, chosen: Iterable[int], count: int
) -> Manifest:
    """Write the chosen buckets anew as one base each, cut into `count` buckets.

    With `count` larger than now, all must be chosen: bucket b becomes b, b + now, b + 2 now, …
    """
    entity = ENTITIES[name]
    old = manifest.of(name)
    empty = (Bucket(),) * count
    target = replace(manifest, buckets=count if entity.by_customer else manifest.buckets)
    target = replace(target, entities={**target.entities, name: empty})
    rewritten = set(chosen)
    for index in sorted(rewritten):
        if old[index].data:
            rows = bucket_sql(writer.root, manifest, name, index)
            known = index if count == len(old) else None
            target = write_layer(writer, target, entity, rows, bucket=known)
    made = target.of(name)
    kept = [made[i] if i in rewritten or count > len(old) else old[i] for i in range(count)]
    entities = {**target.entities, name: tuple(kept)}
    return replace(target, entities=entities)


def grow(writer: Writer, manifest: Manifest, count: int) -> Manifest:
    """Double until there are `count` buckets; households are derived anew at publication."""
    by_customer = [name for name, entity in ENTITIES.items() if entity.by_customer]
    grown = manifest
    for name in by_customer:
        part = replace(manifest, next_layer=grown.next_layer, schemas=grown.schemas)
        part = rewrite(writer, part, name, range(manifest.buckets), count)
        entities = {**grown.entities, name: part.of(name)}
        grown = replace(grown, entities=entities, next_layer=part.next_layer, schemas=part.schemas)
    return replace(grown, buckets=count, households={})


def compact(writer: Writer, manifest: Manifest, limits: Limits) -> Manifest:
    """Rewrite the worst of the buckets beyond the limits: a share of them at one publication,
    so that the work is spread over the days instead of falling on one."""
    for name in ENTITIES:
        buckets = manifest.of(name)
        due = [i for i, bucket in enumerate(buckets) if _is_due(bucket, limits)]
        due.sort(key=lambda i: (-len(buckets[i].data), -delta_rows(buckets[i]), i))
        if worst := due[: -(-len(buckets) // limits.layers)]:
            manifest = rewrite(writer, manifest, name, worst, len(buckets))
    return manifest


def _is_due(bucket: Bucket, limits: Limits) -> bool:
    if not bucket.data:
        return False
    layers = max(len(bucket.data), len(bucket.hidden))
    return layers > limits.layers or delta_rows(bucket) > limits.delta_share * bucket.data[0].rows
