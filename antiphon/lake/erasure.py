"""Erasing one person from every snapshot: files are written anew, manifests name the new ones.

What is only counted afterwards (contacts, responses, codes, enrolments, decisions) stays under a
pseudonym; everything else of the person goes. Snapshots keep their ids, so that past days can still
be replayed. A kill leaves every snapshot whole, with the person or without: erasing again ends it.
"""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

import re
import secrets
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from antiphon.entities import ENTITIES
from antiphon.keys import bucket_of
from antiphon.lake import households
from antiphon.lake.failures import explained
from antiphon.lake.layout import Writer
from antiphon.lake.manifest import (
    Bucket,
    DataFile,
    HiddenFile,
    Manifest,
    older_ids,
    older_path,
    read_current,
    read_older,
    replace_manifest,
    sync,
)
from antiphon.lake.scans import read_files
from antiphon.lake.session import PARQUET
from antiphon.quoting import literal, quoted

OWN = ("contacts", "responses", "codes", "enrolments")  # of these, rows of our own are kept
COUNTED = ("decisions", "history")  # stores whose rows are kept
DROPPED = ("quarantine", "frames", "occasions", "staging")  # folders whose rows go
MAP = {"customer_id": "VARCHAR", "household_id": "VARCHAR", "since_day": "DATE"}
OPAQUE = ("message_id", "run_id", "configuration", "address_key", "email_key", "phone_key")
ALONE = "customer:"  # a household of ours is named after a customer


@dataclass(frozen=True)
class Whom:
    """Who is erased. `own_source`: what `_source` says of rows of our own. `words`: addresses and
    the like, blanked where they stand in rows that stay. `orders`: their orders. `household`: what
    a household called after them is called from now on."""

    customer_id: str
    pseudonym: str
    household: str
    own_source: str
    words: tuple[str, ...]
    orders: tuple[str, ...] = ()


@dataclass
class Erased:
    """Rows that went and rows that stay under the pseudonym, each by entity or store, versions in
    old files too; files written anew."""

    gone: Counter[str] = field(default_factory=Counter)
    renamed: Counter[str] = field(default_factory=Counter)
    files: int = 0


@dataclass(frozen=True)
class _New:
    """What became of a data file. `gone`: positions of rows in the old one."""

    path: str
    rows: int
    gone: tuple[int, ...]


def erase(writer: Writer, whom: Whom, day: date) -> Erased:
    """To be called alone: with the right to write, and no reader."""
    work = _Work(writer, whom, day)
    with explained(writer.root):
        work.snapshots()
        work.stores()
    return work.erased


def words_sql(column: str, words: Collection[str]) -> str:
    """SQL: whether a text holds one of the words as a whole."""
    return f"regexp_matches({column}, {literal(_whole(words))}, 'i')" if words else "false"


def _whole(words: Collection[str]) -> str:
    """RE2 has no look-behind: what stands before and after the word is part of the match."""
    listed = "|".join(re.escape(word).replace("\\ ", " ") for word in sorted(words))
    return f"(^|[^0-9A-Za-z])({listed})($|[^0-9A-Za-z])"


class _Work:
    def __init__(self, writer: Writer, whom: Whom, day: date) -> None:
        self.writer, self.root, self.whom, self.day = writer, writer.root, whom, day
        self.erased = Erased()
        self._token = secrets.token_hex(4)
        self._done: dict[str, _New | None] = {}
        self._shifted: dict[str, HiddenFile] = {}

    # ------------------------------------------------------------ snapshots

    def snapshots(self) -> None:
        """Every manifest names files without the person, the current one last."""
        current = read_current(self.root)
        if current is None:
            return
        for snapshot_id in older_ids(self.root):
            older = read_older(self.root, snapshot_id)
            if older is not None and snapshot_id != current.id:
                self._replace(older_path(self.root, snapshot_id), older, self._without(older))
        fresh = self._without(current)
        if fresh != current:  # the others of a household may have another name for it now
            fresh = households.derive(self.writer, fresh, self.day)
        self._replace(self.root / "manifest.json", current, fresh)
        self._sweep()

    def _replace(self, path: Path, before: Manifest, after: Manifest) -> None:
        if after == before:
            return
        for name in {*self.writer.made} & {*after.paths()}:
            sync(self.root / name)
        replace_manifest(path, after)

    def _without(self, manifest: Manifest) -> Manifest:
        entities = dict(manifest.entities)
        for name, buckets in manifest.entities.items():
            if ENTITIES[name].by_customer:
                home = bucket_of(self.whom.customer_id, len(buckets))
                entities[name] = tuple(
                    self._bucket(manifest, name, bucket) if index == home or name in OWN else bucket
                    for index, bucket in enumerate(buckets)
                )
        maps = {
            index: kept
            for index, file in manifest.households.items()
            if (kept := self._file(manifest, "households", file))
        }
        return replace(manifest, entities=entities, households=maps)

    def _bucket(self, manifest: Manifest, name: str, bucket: Bucket) -> Bucket:
        data, gone = [], {}
        for file in bucket.data:
            kept = self._file(manifest, name, file)
            new = self._done.get(file.path)
            if new is not None:
                gone[file.number] = new.gone
            if kept is not None:
                data.append(kept)
        hidden = tuple(self._hidden(name, file, gone) for file in bucket.hidden)
        return Bucket(tuple(data), tuple(file for file in hidden if file.rows))

    def _file(self, manifest: Manifest, name: str, file: DataFile) -> DataFile | None:
        """The file to read instead; None where nothing is left of it."""
        if file.path not in self._done:
            columns = MAP if name == "households" else manifest.schemas[file.schema]
            self._done[file.path] = self._written(name, file, columns)
        new = self._done[file.path]
        if new is None:
            return file
        return replace(file, path=new.path, rows=new.rows) if new.rows else None

    def _written(self, name: str, file: DataFile, columns: Mapping[str, str]) -> _New | None:
        """The new file; None where the person is not in the old one."""
        source = read_files(self.root, [file.path])
        drop, names = self._drop(name, columns), self._names(columns, only_mine=True)
        change = _differs(names)
        numbered = source.removesuffix(")") + ", file_row_number = true)"
        gone = self._rows(f"SELECT file_row_number FROM {numbered} WHERE {drop} ORDER BY 1")
        ((renamed,),) = self._rows(
            f"SELECT count(*) FROM {source} WHERE NOT ({drop}) AND ({change})"
        )
        if not gone and not renamed:
            return None
        old = Path(file.path)
        stem = "-".join(old.stem.split("-")[:2])
        path = (old.parent / f"{stem}-{self._token}.parquet").as_posix()
        rows = self.writer.write(
            f"SELECT {_renamed(columns, names)} FROM {source} WHERE NOT ({drop})", path
        )
        self._count(name, len(gone), 0 if name == "households" else renamed)
        return _New(path, rows, tuple(int(row[0]) for row in gone))

    def _hidden(self, name: str, file: HiddenFile, gone: Mapping[int, Sequence[int]]) -> HiddenFile:
        """Positions count on from rows that are no longer before them."""
        pairs = [f"({number}, {row})" for number, rows in gone.items() for row in rows]
        if not pairs:
            return file
        if file.path not in self._shifted:
            old = Path(file.path)
            stem = "-".join(old.stem.split("-")[:2])
            path = (old.parent / f"{stem}-{self._token}.parquet").as_posix()
            rows = self.writer.write(
                f"WITH gone(file, row) AS (VALUES {', '.join(pairs)}), "
                f"kept AS (SELECT * FROM {read_files(self.root, [file.path])} "
                "ANTI JOIN gone USING (file, row)) "
                "SELECT file, row - (SELECT count(*) FROM gone g "
                "WHERE g.file = kept.file AND g.row < kept.row) AS row FROM kept ORDER BY ALL",
                path,
            )
            self._shifted[file.path] = HiddenFile(path, rows)
        return self._shifted[file.path]

    def _sweep(self) -> None:
        """Remove the files that no snapshot names: the right to write is ours."""
        needed: set[str] = set()
        for manifest in self._manifests():
            needed.update(manifest.paths())
        for path in (self.root / "clean").rglob("*.parquet"):
            if path.relative_to(self.root).as_posix() not in needed:
                path.unlink()

    def _manifests(self) -> Iterator[Manifest]:
        found = [read_current(self.root)]
        found += [read_older(self.root, one) for one in older_ids(self.root)]
        yield from (one for one in found if one is not None)

    # ------------------------------------------------------------ stores and staged files

    def stores(self) -> None:
        """What runs left beside the snapshots: each file is replaced as a whole."""
        for folder in (*COUNTED, *DROPPED):
            for path in sorted((self.root / folder).rglob("*.parquet")):
                self._store(folder, path)

    def _store(self, folder: str, path: Path) -> None:
        source = f"read_parquet({literal(str(path))})"
        types = {
            str(name): str(type_)
            for name, type_, *_ in self._rows(f"DESCRIBE SELECT * FROM {source}")
        }
        names = self._names(types, only_mine=False)
        change = _differs(names)
        drop = "false"
        if folder in DROPPED:
            whose = (self._is_theirs(types), self._of_orders(types), self._in_quarantine(folder))
            drop = " OR ".join(f"({one})" for one in whose)
        ((gone, renamed),) = self._rows(
            f"SELECT count(*) FILTER ({drop}), count(*) FILTER (({change}) AND NOT ({drop})) "
            f"FROM {source}"
        )
        if not gone and not renamed:
            return
        fresh = path.with_name(f".{path.name}.{self._token}.new")
        rows = f"SELECT {_renamed(types, names)} FROM {source} WHERE NOT ({drop})"
        self.writer.connection.execute(f"COPY ({rows}) TO {literal(str(fresh))} ({PARQUET})")
        sync(fresh)
        fresh.replace(path)
        sync(path.parent)
        self._count(folder, gone, renamed if folder in COUNTED else 0)

    def _is_theirs(self, columns: Mapping[str, str]) -> str:
        """Rows of the person, and rows of nobody that name them; others' only lose the name."""
        texts = [name for name, type_ in columns.items() if type_ == "VARCHAR"]
        named = " OR ".join(
            words_sql(quoted(name), self.whom.words) for name in texts if name not in OPAQUE
        )
        named = f"coalesce({named or 'false'}, false)"
        if "customer_id" not in columns:
            return named
        mine = f"coalesce(customer_id = {literal(self.whom.customer_id)}, false)"
        return f"{mine} OR (customer_id IS NULL AND {named})"

    def _of_orders(self, columns: Collection[str]) -> str:
        """Staged order lines do not say whose they are."""
        if "order_id" not in columns or not self.whom.orders:
            return "false"
        return f"coalesce(order_id IN ({', '.join(map(literal, self.whom.orders))}), false)"

    def _in_quarantine(self, folder: str) -> str:
        if folder != "quarantine":
            return "false"
        return (
            "coalesce(json_extract_string(row, '$.customer_id') = "
            f"{literal(self.whom.customer_id)}, false) OR "
            f"coalesce({self._of_order_json()}, false)"
        )

    def _of_order_json(self) -> str:
        listed = ", ".join(map(literal, self.whom.orders))
        return f"json_extract_string(row, '$.order_id') IN ({listed})" if listed else "false"

    # ------------------------------------------------------------ conditions

    def _drop(self, name: str, columns: Collection[str]) -> str:
        mine = f"customer_id = {literal(self.whom.customer_id)}"
        own = f"_source = {literal(self.whom.own_source)}"
        kept = f" AND ({own}) IS NOT TRUE" if name in OWN and "_source" in columns else ""
        return f"coalesce({mine}{kept}, false)"

    def _names(self, columns: Mapping[str, str], *, only_mine: bool) -> dict[str, str]:
        """Column → SQL of its value without the person, of those that may hold one.

        `only_mine`: words go from the person's own rows alone. What sources say in rows of others
        would come again with the next pull.
        """
        whom, mine = self.whom, literal(self.whom.customer_id)
        texts = [name for name, type_ in columns.items() if type_ == "VARCHAR"]
        found = {}
        for name in texts:
            column = quoted(name)
            if name in ("customer_id", "unit", "household_id"):
                found[name] = (
                    f"CASE {column} WHEN {mine} THEN {literal(whom.pseudonym)} WHEN "
                    f"{literal(ALONE + whom.customer_id)} THEN {literal(self.whom.household)} "
                    f"ELSE {column} END"
                )
            elif name == "occurrence_key":
                found[name] = self._key_sql(column)
            elif whom.words and name not in OPAQUE:
                whose = f"customer_id = {mine} AND " if only_mine else ""
                found[name] = (
                    f"CASE WHEN {whose}{words_sql(column, whom.words)} "
                    f"THEN {self._blanked(self._blanked(column))} ELSE {column} END"
                )
        return found

    def _key_sql(self, column: str) -> str:
        """A key of an occurrence ends with its unit."""
        mine, alone = self.whom.customer_id, ALONE + self.whom.customer_id
        cases = [
            f"WHEN ends_with({column}, {literal('|' + old)}) THEN "
            f"left({column}, length({column}) - {len(old)}) || {literal(new)}"
            for old, new in ((mine, self.whom.pseudonym), (alone, self.whom.household))
        ]
        return f"CASE {' '.join(cases)} ELSE {column} END"

    def _blanked(self, text: str) -> str:
        pattern = literal(_whole(self.whom.words))
        return f"regexp_replace({text}, {pattern}, '\\1erased\\3', 'gi')"

    def _count(self, name: str, gone: int, renamed: int) -> None:
        self.erased.gone[name] += gone
        self.erased.renamed[name] += renamed
        self.erased.files += 1

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.writer.connection.execute(sql).fetchall()


def _differs(names: Mapping[str, str]) -> str:
    """SQL: whether any of the columns is other than it will be."""
    return (
        " OR ".join(f"coalesce({quoted(name)} <> {new}, false)" for name, new in names.items())
        or "false"
    )


def _renamed(columns: Collection[str], names: Mapping[str, str]) -> str:
    return ", ".join(
        f"{names[name]} AS {quoted(name)}" if name in names else quoted(name) for name in columns
    )
