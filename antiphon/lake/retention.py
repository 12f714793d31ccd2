"""Cleaning: old snapshots and what each store has kept long enough go; what is needed stays."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import duckdb

from antiphon.lake import pins
from antiphon.lake.failures import explained
from antiphon.lake.layout import Writer
from antiphon.lake.manifest import (
    Manifest,
    Snapshot,
    older_ids,
    older_path,
    publish,
    read_older,
    sync,
)
from antiphon.lake.scans import read_files


class Retention(Protocol):
    """How long what is kept (`lake.retention` of settings.yaml). Frames go with the snapshots."""

    @property
    def snapshots(self) -> timedelta: ...
    @property
    def decisions(self) -> timedelta: ...
    @property
    def quarantine(self) -> timedelta: ...


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What cleaning removed: snapshots, files (with their bytes), runs' entries in stores."""

    snapshots: int = 0
    files: int = 0
    bytes: int = 0
    entries: int = 0


def clean(
    connection: duckdb.DuckDBPyConnection,
    current: Snapshot,
    now: datetime,
    retention: Retention,
    keep: Collection[int],
) -> Cleaned:
    """To be called alone: with the right to write and no reader between choosing and pinning."""
    root = current.root
    writer = Writer(connection, root)
    manifest, entries = _expire(writer, current.manifest, now, retention)
    if entries:
        with explained(root):
            for path in writer.made:
                sync(root / path)
        publish(root, manifest)
    needed = set(manifest.paths())
    wanted = pins.pinned(root) | set(keep)
    gone = 0
    for snapshot_id in older_ids(root):
        older = read_older(root, snapshot_id)
        if older is None or snapshot_id >= manifest.id:
            continue
        published = older.published_at
        if snapshot_id in wanted or (published and published >= now - retention.snapshots):
            needed.update(older.paths())
        else:
            with explained(root):
                older_path(root, snapshot_id).unlink(missing_ok=True)
            gone += 1
    files, size = _sweep(root, needed, now, retention)
    return Cleaned(gone, files, size, entries)


def _expire(
    writer: Writer, manifest: Manifest, now: datetime, retention: Retention
) -> tuple[Manifest, int]:
    """The manifest without the entries kept long enough; decisions become daily counts first."""
    periods = _periods(retention)
    stores, expired = {}, 0
    for store, runs in manifest.stores.items():
        old = {key for key, kept in runs.items() if kept.added_at < now - periods[store]}
        if old and store == "decisions":
            manifest = _fold(writer, manifest, old)
        stores[store] = {key: kept for key, kept in runs.items() if key not in old}
        expired += len(old)
    fresh = replace(manifest, stores=stores, id=manifest.id + 1, published_at=now)
    return (fresh, expired) if expired else (manifest, 0)


def _fold(writer: Writer, manifest: Manifest, keys: Collection[str]) -> Manifest:
    """Add the decisions of some runs to the counts that are kept for ever."""
    runs = manifest.stores["decisions"]
    parts = [
        f"SELECT DATE '{runs[key].day}' AS day, campaign, outcome, rule, 1::BIGINT AS decisions "
        f"FROM {read_files(writer.root, runs[key].paths)}"
        for key in sorted(keys)
        if runs[key].paths
    ]
    if manifest.decision_counts:
        parts.append(f"SELECT * FROM {read_files(writer.root, [manifest.decision_counts])}")
    path = f"decision_counts/{manifest.id + 1:06d}.parquet"
    writer.write(
        "SELECT day, campaign, outcome, rule, sum(decisions)::BIGINT AS decisions "
        f"FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL ORDER BY ALL",
        path,
    )
    return replace(manifest, decision_counts=path)


def _periods(retention: Retention) -> dict[str, timedelta]:
    return {
        "quarantine": retention.quarantine,
        "decisions": retention.decisions,
        "frames": retention.snapshots,
        "occasions": retention.snapshots,
        "history": retention.snapshots,
    }


def _sweep(
    root: Path, needed: Collection[str], now: datetime, retention: Retention
) -> tuple[int, int]:
    """Remove the files nobody needs. Only changes write below `clean`, and none is open now;
    stores and staging are also written by runs before they open theirs, so there only old
    files go."""
    count = size = 0
    with explained(root):
        for path in _garbage(root, now, retention):
            if path.relative_to(root).as_posix() in needed:
                continue
            size += path.stat().st_size
            count += 1
            path.unlink()
        for folder in (root / "staging", root / "tmp"):
            for left in folder.glob("*") if folder.exists() else ():
                if left.is_dir() and _is_older(left, now - retention.snapshots):
                    shutil.rmtree(left, ignore_errors=True)
    return count, size


def _garbage(root: Path, now: datetime, retention: Retention) -> Iterator[Path]:
    for folder in ("clean", "decision_counts"):
        yield from (path for path in (root / folder).rglob("*") if path.is_file())
    for store, period in _periods(retention).items():
        for path in (root / store).rglob("*"):
            if path.is_file() and _is_older(path, now - period):
                yield path


def _is_older(path: Path, moment: datetime) -> bool:
    return path.stat().st_mtime < moment.timestamp()
