"""One change of the lake: merges, watermarks and files, all published at once or not at all."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import duckdb
from pydantic import JsonValue

from antiphon.entities import ENTITIES
from antiphon.lake import households
from antiphon.lake.failures import explained
from antiphon.lake.layout import Limits, Writer, compact
from antiphon.lake.manifest import STORES, Manifest, Snapshot, StoredFiles, publish, sync
from antiphon.lake.merge import Inputs, MergeCounts, merge


class Change:
    """Opened by `Lake.change`; publish once, at the end."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        before: Snapshot,
        *,
        limits: Limits,
        buckets: int | None,
        now: datetime,
        day: date,
    ) -> None:
        self.before = before
        self._writer = Writer(connection, before.root)
        self._draft: Manifest = before.manifest
        self._limits = limits
        self._buckets = buckets
        self._now = now
        self._day = day

    def merge(
        self,
        entity: str,
        files: Sequence[Path],
        *,
        full_source: str | None = None,
        present: Sequence[Path] = (),
    ) -> MergeCounts:
        """Merge staged files (in the order of their pull) into an entity; orders before lines.

        `full_source`: this source is complete, so its rows that are not in the files go;
        `present`: further files whose keys it has too (rows that went into quarantine).
        """
        inputs = Inputs(ENTITIES[entity], tuple(files), full_source, tuple(present))
        self._draft, counts = merge(self._writer, self._draft, inputs, self._buckets_for)
        return counts

    def set_watermark(self, source: str, watermark: JsonValue) -> None:
        """How far the source was pulled; published together with its rows."""
        watermarks = {**self._draft.watermarks, source: watermark}
        self._draft = replace(self._draft, watermarks=watermarks)

    def add_files(self, store: str, key: str, paths: Sequence[Path]) -> None:
        """Put a run's files under its key; a repeated run replaces what it left before.

        Files outside the store's folder are copied there; those in it belong to the caller.
        """
        if store not in STORES:
            raise ValueError(f"no store {store!r}; there are {', '.join(STORES)}")
        kept = tuple(self._taken_in(store, key, *numbered) for numbered in enumerate(paths))
        stored = StoredFiles(kept, self._now, self._day)
        runs = {k: v for k, v in self._draft.stores.get(store, {}).items() if k != key}
        self._draft = replace(
            self._draft, stores={**self._draft.stores, store: {**runs, key: stored}}
        )

    def publish(self) -> Snapshot:
        """Make everything visible at once, on disk to stay. Without any change: the snapshot of
        before."""
        if self._draft == self.before.manifest:
            return self.before
        draft = self._draft
        if draft.entities.get("customers") != self.before.manifest.entities.get("customers"):
            draft = households.derive(self._writer, draft, self._day)
        draft = compact(self._writer, draft, self._limits)
        draft = replace(draft, id=self.before.id + 1, published_at=self._now)
        with explained(self.before.root):
            made = [self.before.root / path for path in {*draft.paths()} & {*self._writer.made}]
            for path in {*made, *(path.parent for path in made)}:
                sync(path)
        publish(self.before.root, draft)
        self._draft = draft
        self.before = Snapshot(self.before.root, draft)
        return self.before

    def close(self) -> None:
        """Remove the files that were made and are not published."""
        needed = set(self.before.manifest.paths())
        with explained(self.before.root):
            self._writer.remove(path for path in self._writer.made if path not in needed)

    def _buckets_for(self, entity: str, rows: int) -> int:
        return self._buckets or self._limits.buckets_for(entity, rows)

    def _taken_in(self, store: str, key: str, number: int, path: Path) -> str:
        root = self.before.root
        folder = root / store
        whole = path.absolute()
        if not whole.is_relative_to(folder):
            target = folder / key / f"{self.before.id + 1:06d}-{number:03d}-{path.name}"
            with explained(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(whole, target)
            whole = target
            self._writer.made.append(target.relative_to(root).as_posix())
        return whole.relative_to(root).as_posix()
