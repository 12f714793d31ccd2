"""The manifest: what a snapshot consists of, and its one atomic, durable file.

`manifest.json` is the published snapshot; `manifests/<id>.json` are the ones before it. A new one
is written beside the old, synced and renamed over it, so a reader sees the one or the other.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from antiphon.entities import ENTITIES
from antiphon.errors import LakeError
from antiphon.lake.failures import explained

FORMAT = 1
MAX_BUCKETS = 65536
STORES = ("quarantine", "frames", "occasions", "history", "decisions")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One immutable Parquet file of facts. `number` is layer x MAX_BUCKETS + bucket, unique in
    its entity; `schema` is the index of its columns and types in `Manifest.schemas`."""

    path: str
    rows: int
    schema: int
    number: int


@dataclass(frozen=True, slots=True)
class HiddenFile:
    """Positions (`file` number, `row` in it) of rows that were replaced or removed."""

    path: str
    rows: int


@dataclass(frozen=True, slots=True)
class Bucket:
    """The layers of one bucket, oldest first: a base, deltas, and what they hide."""

    data: tuple[DataFile, ...] = ()
    hidden: tuple[HiddenFile, ...] = ()

    @property
    def rows(self) -> int:
        """Rows a reader sees."""
        return sum(file.rows for file in self.data) - sum(file.rows for file in self.hidden)


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """What one run left in a store: paths, when it was added, and of which business day."""

    paths: tuple[str, ...]
    added_at: datetime
    day: date


@dataclass(frozen=True, slots=True)
class Manifest:
    """All there is to know of one snapshot; paths are relative to the lake, with /."""

    format: int = FORMAT
    id: int = 0
    published_at: datetime | None = None
    next_layer: int = 1
    watermarks: Mapping[str, JsonValue] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schemas: tuple[Mapping[str, str], ...] = ()
    buckets: int = 1
    entities: Mapping[str, tuple[Bucket, ...]] = field(default_factory=dict)
    households: Mapping[int, DataFile] = field(default_factory=dict)
    stores: Mapping[str, Mapping[str, StoredFiles]] = field(default_factory=dict)
    decision_counts: str | None = None

    def of(self, entity: str) -> tuple[Bucket, ...]:
        """The entity's buckets; an entity not by customer has exactly one."""
        count = self.buckets if ENTITIES[entity].by_customer else 1
        return self.entities.get(entity) or (Bucket(),) * count

    def paths(self) -> Iterator[str]:
        """Every file the snapshot needs."""
        for buckets in self.entities.values():
            for bucket in buckets:
                yield from (file.path for file in bucket.data)
                yield from (file.path for file in bucket.hidden)
        yield from (file.path for file in self.households.values())
        for store in self.stores.values():
            for stored in store.values():
                yield from stored.paths
        if self.decision_counts:
            yield self.decision_counts


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One published state of the lake, which never changes."""

    root: Path
    manifest: Manifest

    @property
    def id(self) -> int:
        """Counts up from 1; 0 is the empty lake before the first."""
        return self.manifest.id

    @property
    def published_at(self) -> datetime | None:
        """When it was published; null for the empty lake."""
        return self.manifest.published_at

    @property
    def buckets(self) -> int:
        """Number of buckets by customer, a power of two."""
        return self.manifest.buckets

    @property
    def watermarks(self) -> dict[str, JsonValue]:
        """Source → how far it was pulled, as the pull wrote it."""
        return dict(self.manifest.watermarks)

    @property
    def attributes(self) -> dict[str, dict[str, str]]:
        """Entity → the user's own columns → their DuckDB types."""
        return {entity: dict(types) for entity, types in self.manifest.attributes.items()}

    def with_attributes(self, declared: Mapping[str, Mapping[str, str]]) -> "Snapshot":
        """The same with columns declared since; the type of those that have data stays."""
        held = self.manifest.attributes
        known = {name: {**types, **held.get(name, {})} for name, types in declared.items()}
        return replace(self, manifest=replace(self.manifest, attributes={**held, **known}))

    @property
    def rows(self) -> dict[str, int]:
        """Visible rows of every entity."""
        return {name: sum(b.rows for b in self.manifest.of(name)) for name in ENTITIES}

    def files(self, store: str, key: str | None = None) -> list[Path]:
        """Files of a store: of one run, or of all in the order of their runs' addition."""
        runs = self.manifest.stores.get(store, {})
        kept = runs.values() if key is None else [runs[key]] if key in runs else []
        return [self.root / path for stored in kept for path in stored.paths]


_ADAPTER = TypeAdapter(Manifest)


def read_current(root: Path) -> Manifest | None:
    """The published manifest, None where nothing was published yet."""
    return _read(root, root / "manifest.json")


def read_older(root: Path, snapshot_id: int) -> Manifest | None:
    """The manifest of a snapshot before the current one, None when it is gone."""
    return _read(root, older_path(root, snapshot_id))


def older_path(root: Path, snapshot_id: int) -> Path:
    """Where the manifest of a snapshot before the current one lies."""
    return root / "manifests" / f"{snapshot_id}.json"


def older_ids(root: Path) -> list[int]:
    """Ids of the snapshots before the current one that are still there, oldest first."""
    return sorted(int(path.stem) for path in (root / "manifests").glob("[0-9]*.json"))


def publish(root: Path, manifest: Manifest) -> None:
    """Make `manifest` the current one; the one before stays readable under its id."""
    with explained(root / "manifest.json"):
        current = root / "manifest.json"
        if current.exists():
            before = read_current(root)
            assert before is not None
            _replace(older_path(root, before.id), current.read_bytes())
        _replace(current, _ADAPTER.dump_json(manifest, indent=1))


def replace_manifest(path: Path, manifest: Manifest) -> None:
    """Put a manifest in the place of another one, whole or not at all; its id is its own."""
    with explained(path):
        _replace(path, _ADAPTER.dump_json(manifest, indent=1))


def _read(root: Path, path: Path) -> Manifest | None:
    with explained(path):
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        format_ = json.loads(text)["format"]
        if format_ == FORMAT:
            return _ADAPTER.validate_json(text)
    except (ValueError, TypeError, KeyError, ValidationError):
        raise LakeError(f"{path}: damaged, not a manifest. {_restore(root)}") from None
    if isinstance(format_, int) and format_ > FORMAT:
        raise LakeError(
            f"{path}: the lake has format {format_}, this Antiphon knows up to {FORMAT}. "
            "Install the newer Antiphon that wrote it."
        )
    raise LakeError(
        f"{path}: the lake has format {format_}, which this Antiphon no longer reads. "
        f"Move {root} aside and run `antiphon run`: it loads the sources anew."
    )


def _restore(root: Path) -> str:
    for snapshot_id in reversed(older_ids(root)):
        path = older_path(root, snapshot_id)
        return f"To go back to the snapshot before it: cp {path} {root / 'manifest.json'}"
    return f"Move {root} aside and run `antiphon run`: it loads the sources anew."


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
