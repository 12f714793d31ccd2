"""Merging a batch into the lake: what is new, changed, unchanged, older, deleted or gone."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from antiphon.entities import ColumnType, Entity
from antiphon.errors import LakeError
from antiphon.lake import batch, links
from antiphon.lake.failures import QueryError, explained
from antiphon.lake.layout import Writer, grow, write_layer
from antiphon.lake.manifest import Manifest
from antiphon.lake.scans import column_types, scan_sql
from antiphon.quoting import literal, quoted


@dataclass(frozen=True, slots=True)
class MergeCounts:
    """rows_in = clean + superseded + deleted. `unchanged` rows are among the clean ones.

    `removed`: rows of the lake whose full source no longer has them; they are no rows in.
    """

    rows_in: int
    clean: int
    unchanged: int
    superseded: int
    deleted: int
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Inputs:
    """What is merged: staged files, and the source that is complete, with all it had."""

    entity: Entity
    files: tuple[Path, ...]
    full_source: str | None
    present: tuple[Path, ...]


def merge(
    writer: Writer,
    manifest: Manifest,
    inputs: Inputs,
    buckets_for: Callable[[str, int], int],
) -> tuple[Manifest, MergeCounts]:
    """The manifest with the batch merged in, and the counts. Nothing changed: no new files.

    `buckets_for`: how many buckets that many rows of an entity need.
    """
    entity, files, connection = inputs.entity, inputs.files, writer.connection
    name = entity.name
    with explained(writer.root):
        rows_in = 0
        if files:
            manifest = _with_attributes(writer, manifest, entity, files)
            types = column_types(manifest, name)
            rows_in = batch.stage(connection, entity, files, types, _orders(writer, manifest, name))
        removed = _compare(writer, manifest, inputs)
        counts = _count(writer, rows_in, removed, inputs)
        fresh = counts.clean - counts.unchanged
        ((hidden,),) = connection.execute("SELECT count(*) FROM hidden").fetchall()
        if not fresh and not hidden:
            return manifest, counts
        rows = sum(bucket.rows for bucket in manifest.of(name)) + fresh
        wanted = buckets_for(name, rows)
        if entity.by_customer and wanted > manifest.buckets:
            manifest = grow(writer, manifest, wanted)
            _compare(writer, manifest, inputs)  # growing moved the rows of the lake
        if name == "orders":
            links.note_moved(writer, manifest, has_batch=bool(files))
        anything_kept = connection.execute("SELECT count(*) > 0 FROM kept").fetchall() == [(True,)]
        delta = _delta(manifest, inputs, anything_kept=anything_kept)
        manifest = write_layer(writer, manifest, entity, delta, hidden="hidden")
        if name == "orders":
            manifest = links.relink(writer, manifest, has_batch=bool(files))
        return manifest, counts


def _compare(writer: Writer, manifest: Manifest, inputs: Inputs) -> int:
    """Make `matched` (winners whose key the lake has, with a verdict), `kept` (positions that
    change nothing) and `hidden` (positions in the lake to be hidden); the rows removed as absent
    from their full source."""
    execute = writer.connection.execute
    if inputs.files and any(bucket.data for bucket in manifest.of(inputs.entity.name)):
        execute(_matched_sql(writer, manifest, inputs.entity))
        _find_equal(writer, manifest, inputs.entity)
    else:
        execute(
            "CREATE OR REPLACE TEMP TABLE matched "
            "(_position BIGINT, _file BIGINT, _row BIGINT, verdict VARCHAR)"
        )
    execute(
        "CREATE OR REPLACE TEMP TABLE kept AS "
        "SELECT _position FROM matched WHERE verdict IN ('older', 'equal')"
    )
    execute(
        "CREATE OR REPLACE TEMP TABLE hidden AS "
        "SELECT _file, _row FROM matched WHERE verdict IN ('changed', 'deleted')"
    )
    return _hide_absent(writer, manifest, inputs)


def _orders(writer: Writer, manifest: Manifest, name: str) -> str | None:
    if name != "order_lines":
        return None
    columns = ("order_id", "customer_id", "ordered_at")
    return scan_sql(writer.root, manifest, "orders", columns=columns)


def _with_attributes(
    writer: Writer, manifest: Manifest, entity: Entity, files: Sequence[Path]
) -> Manifest:
    """The manifest knowing the batch's own columns. A type may change where all values allow."""
    known = dict(manifest.attributes.get(entity.name, {}))
    staged = batch.staged_attributes(writer.connection, entity, files)
    for name, type_ in staged.items():
        if known.get(name, type_) != type_:
            _check_conversion(writer, manifest, entity, name, type_)
    if known | staged == known:
        return manifest
    attributes = {**manifest.attributes, entity.name: known | staged}
    return replace(manifest, attributes=attributes)


def _check_conversion(
    writer: Writer, manifest: Manifest, entity: Entity, name: str, type_: str
) -> None:
    old = scan_sql(writer.root, manifest, entity.name, columns=[name])
    try:
        with explained(writer.root):
            writer.connection.execute(
                f"SELECT count({quoted(name)}::{type_}) FROM ({old})"
            ).fetchall()
    except QueryError:
        before = manifest.attributes[entity.name][name]
        raise LakeError(
            f"{writer.root}: attribute {name!r} of {entity.name} was {before} and is now declared "
            f"{ColumnType(type_).name.lower()}, but values in the lake do not convert. "
            "Take its old type or another name in config/sources.yaml."
        ) from None


def _matched_sql(writer: Writer, manifest: Manifest, entity: Entity) -> str:
    dated = entity.column("updated_at") is not None
    columns = [*entity.key, *(["updated_at"] if dated else [])]
    lake = scan_sql(writer.root, manifest, entity.name, columns=columns, positions=True)
    deleted = "coalesce(w.is_deleted, false)" if entity.column("is_deleted") else "false"
    older = "l.updated_at > w.updated_at AND f._position IS NULL" if dated else "false"
    # The time of the change is a column like others: where it differs, so do the rows.
    newer = "l.updated_at IS DISTINCT FROM w.updated_at" if dated else "false"
    return f"""
        CREATE OR REPLACE TEMP TABLE matched AS
        SELECT w._position, l._file, l._row,
            CASE WHEN {older} THEN 'older' WHEN {deleted} THEN 'deleted'
                WHEN {newer} THEN 'changed' ELSE 'same key' END AS verdict
        FROM ({lake}) l JOIN winners w ON {batch.same_key(entity, "l", "w")}
        LEFT JOIN forced f ON f._position = w._position
        """


def _find_equal(writer: Writer, manifest: Manifest, entity: Entity) -> None:
    """Turn 'same key' into 'equal' or 'changed', reading only the files concerned."""
    execute = writer.connection.execute
    found = execute("SELECT DISTINCT _file FROM matched WHERE verdict = 'same key'").fetchall()
    if not found:
        return
    files = {int(row[0]) for row in found}
    lake = scan_sql(writer.root, manifest, entity.name, files=files, positions=True)
    equal = " AND ".join(
        f"l.{quoted(name)} IS NOT DISTINCT FROM w.{quoted(name)}"
        for name in column_types(manifest, entity.name)
        if name not in entity.key
    )
    execute(
        f"""
        CREATE OR REPLACE TEMP TABLE equals AS
        SELECT m._position
        FROM matched m
        JOIN ({lake}) l ON l._file = m._file AND l._row = m._row
        JOIN winners w ON w._position = m._position
        WHERE m.verdict = 'same key' AND {equal}
        """
    )
    execute(
        "UPDATE matched SET verdict = CASE WHEN _position IN (SELECT _position FROM equals) "
        "THEN 'equal' ELSE 'changed' END WHERE verdict = 'same key'"
    )


def _hide_absent(writer: Writer, manifest: Manifest, inputs: Inputs) -> int:
    """Hide the rows of a full source whose keys it no longer has; how many."""
    if inputs.full_source is None:
        return 0
    entity = inputs.entity
    columns = [*entity.key, "_source"]
    lake = scan_sql(writer.root, manifest, entity.name, columns=columns, positions=True)
    absent = ""
    if pulled := [*inputs.files, *inputs.present]:
        absent = (
            f"ANTI JOIN (SELECT * FROM {batch.files_sql(pulled)}) p "
            f"ON {batch.same_key(entity, 'l', 'p')}"
        )
    ((removed,),) = writer.connection.execute(
        f"INSERT INTO hidden SELECT l._file, l._row FROM ({lake}) l {absent} "
        f"WHERE l._source = {literal(inputs.full_source)}"
    ).fetchall()
    return int(removed)


def _count(writer: Writer, rows_in: int, removed: int, inputs: Inputs) -> MergeCounts:
    if not inputs.files:
        return MergeCounts(0, 0, 0, 0, 0, removed)
    execute = writer.connection.execute
    ((lost, older, unchanged),) = execute(
        "SELECT (SELECT count(*) FROM losers), count(*) FILTER (verdict = 'older'), "
        "count(*) FILTER (verdict = 'equal') FROM matched"
    ).fetchall()
    deleted = 0
    if inputs.entity.column("is_deleted"):
        ((deleted,),) = execute(
            "SELECT count(*) FROM winners w WHERE w.is_deleted AND w._position NOT IN "
            "(SELECT _position FROM matched WHERE verdict = 'older')"
        ).fetchall()
    superseded = lost + older
    return MergeCounts(
        rows_in, rows_in - superseded - deleted, unchanged, superseded, deleted, removed
    )


def _delta(manifest: Manifest, inputs: Inputs, *, anything_kept: bool) -> str:
    """The rows to write: winners that are new or changed and not deleted."""
    entity = inputs.entity
    names = [*column_types(manifest, entity.name), "_source"]
    if not inputs.files:
        nulls = ", ".join(f"NULL AS {quoted(name)}" for name in names)
        return f"SELECT {nulls} WHERE false"
    alive = "WHERE NOT coalesce(w.is_deleted, false)" if entity.column("is_deleted") else ""
    columns = ", ".join(f"w.{quoted(name)}" for name in names)
    fresh = "ANTI JOIN kept USING (_position)" if anything_kept else ""
    return f"SELECT {columns} FROM winners w {fresh} {alive}"
