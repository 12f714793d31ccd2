"""Pull: fresh facts of each source, staged for validation; the lake is only read.

A source that is missing, locked, renamed a column or is half written stops the run here.
"""
# ruff: noqa: S608 - paths and names are quoted by antiphon.quoting

import glob
import logging
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from antiphon.campaigns.models import Source, Sources
from antiphon.entities import SOURCE_ENTITIES, ColumnType
from antiphon.errors import SourceError
from antiphon.files import ProjectFiles
from antiphon.keys import digest
from antiphon.lake.failures import QueryError
from antiphon.lake.session import Session
from antiphon.quoting import literal, quoted
from antiphon.sources import database, relation, staging, watermark
from antiphon.sources.contacts import Contacts, add_contacts
from antiphon.sources.conversion import NOUNS, Format

logger = logging.getLogger("antiphon.sources")

_LAST_SEMICOLON = re.compile(r";(\s|--[^\n]*)*\Z")


class Lake(Protocol):
    """What a pull needs of the lake: the engine over the customers of a snapshot."""

    def session(self, snapshot: Any = None) -> AbstractContextManager[Session]: ...


@dataclass(frozen=True)
class Pull:
    """One run's pull: where things are, and what belongs to the company.

    `snapshot` is the pinned one, whose parsed addresses are used again; `staging` the run's
    folder; a watermark never moves past `as_of`.
    """

    root: Path
    files: ProjectFiles
    lake: Lake
    snapshot: Any
    staging: Path
    environment: Mapping[str, str]
    as_of: datetime
    zone: str
    country: str
    salt: str


@dataclass(frozen=True)
class Pulled:
    """What one source gave: staged Parquet files, and the watermark to store with them.

    `skipped`: nothing new (no file changed, or an optional one is absent).
    """

    source: str
    entity: str
    files: tuple[Path, ...]
    rows: int
    watermark: dict[str, Any]
    skipped: bool = False
    is_full: bool = False


def pull_sources(
    sources: Sources, pull: Pull, watermarks: Mapping[str, Mapping[str, Any]]
) -> list[Pulled]:
    """Every source staged, in the order of the entities, those of one entity as in the file."""
    ordered = sorted(
        sources.sources.items(), key=lambda item: SOURCE_ENTITIES.index(item[1].entity)
    )
    return [pull_source(name, source, pull, watermarks.get(name)) for name, source in ordered]


def pull_source(
    name: str, source: Source, pull: Pull, mark: Mapping[str, Any] | None = None
) -> Pulled:
    """Stage what is new in one source; `mark` is the watermark its last pull returned.

    Raises SourceError, which names the source and holds no value of any row.
    """
    job = _Job(name, source, pull, dict(mark or {}))
    try:
        pulled = job.from_database() if source.database else job.from_files()
    finally:
        shutil.rmtree(job.scratch, ignore_errors=True)
    state = "nothing new" if pulled.skipped else f"{pulled.rows} rows"
    logger.info("source %s: %s", name, state)
    return pulled


class _Job:
    """One pull of one source."""

    def __init__(self, name: str, source: Source, pull: Pull, mark: dict[str, Any]) -> None:
        self.name = name
        self.source = source
        self.pull = pull
        self.scratch = pull.staging / "_raw" / name
        self.style = Format(
            zone=source.timezone or pull.zone,
            decimal="." if source.database else source.decimal,
            date_format=source.date_format,
        )
        self.query = self._query()
        self.config = self._config()
        self.is_same_config = mark.get("config") == self.config
        self.before = mark
        self.mark = mark if self.is_same_config else {}

    # ------------------------------------------------------------ what is asked for

    def _query(self) -> str | None:
        if self.source.query is None:
            return None
        texts = self.pull.files.texts
        for path in (f"sql/sources/{self.source.query}", self.source.query):
            if path in texts:
                return _LAST_SEMICOLON.sub("", texts[path])
        raise SourceError(f"source {self.name}: there is no file 'sql/sources/{self.source.query}'")

    def _config(self) -> str:
        """Changes when the rows would come out otherwise: everything is then read again."""
        return digest(
            "source",
            self.source.model_dump_json(),
            self.query or "",
            self.pull.zone,
            self.pull.country,
            self.pull.salt,
            version("email-validator"),
            version("phonenumbers"),
        )

    def _watermark_type(self) -> ColumnType | None:
        if self.source.watermark is None:
            return None
        found = [c for c in staging.columns_of(self.source) if c.name == self.source.watermark]
        if found:
            watermark.check_column(self.name, self.source.watermark, found[0].type)
        return found[0].type if found else None

    def _since(self) -> datetime | date | int | None:
        type_ = self._watermark_type()
        if type_ is None:
            return None
        high = None if self.source.full else self.mark.get("high")
        return watermark.since(high, type_, self.source.overlap)

    # ------------------------------------------------------------ database

    def from_database(self) -> Pulled:
        if self.query is None:
            raise SourceError(
                f"source {self.name}: a database needs a query.\n"
                "  Write 'query: <file>' and the SELECT into sql/sources/<file>."
            )
        url = database.url_from(self.name, str(self.source.database), self.pull.environment)
        path = self.scratch / "rows.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        database.fetch(self.name, url, self.query, self._since(), zone=self.style.zone, path=path)
        rows = relation.rows_of(path, f"sql/sources/{self.source.query}")
        return self._staged(rows, {})

    # ------------------------------------------------------------ files

    def from_files(self) -> Pulled:
        paths = self._paths()
        if not paths:
            return self._nothing()
        states = {label: self._state(path) for label, path in paths.items()}
        known = self.mark.get("files", {})
        changed = {
            label: path for label, path in paths.items() if states[label] != known.get(label)
        }
        if not changed and (not self.source.full or states.keys() == known.keys()):
            return self._nothing()
        if self.source.full or self.query is not None:
            changed = paths  # the whole says what is absent, and what an aggregate is
        pulled = self._read(changed, states)
        for label, path in changed.items():
            if self._state(path) != states[label]:
                raise SourceError(
                    f"source {self.name}: {label} changed while it was read.\n"
                    "  Run again when the export has finished."
                )
        return pulled

    def _paths(self) -> dict[str, Path]:
        """Path as the user would write it → file; empty where an optional file is missing."""
        pattern = str(self.source.file or "")
        if not pattern:
            raise SourceError(f"source {self.name}: neither 'file' nor 'database' is given")
        found = [self.pull.root / pattern]
        if not found[0].exists():
            found = sorted(Path(p) for p in glob.glob(str(found[0]), recursive=True))  # noqa: PTH207
        found = [path for path in found if path.is_file()]
        if not found and not self.source.optional:
            raise SourceError(
                f"source {self.name}: there is no file '{pattern}' (in {self.pull.root}).\n"
                "  Bring the export, correct 'file', or write 'optional: yes'."
            )
        root = self.pull.root
        return {
            (path.relative_to(root) if path.is_relative_to(root) else path).as_posix(): path
            for path in found
        }

    def _state(self, path: Path) -> dict[str, int | str]:
        try:
            return watermark.file_state(path)
        except OSError as error:
            raise SourceError(
                f"source {self.name}: {path.name} cannot be read: {error.strerror}"
            ) from error

    def _read(self, paths: Mapping[str, Path], states: Mapping[str, Any]) -> Pulled:
        where = next(iter(paths)) if len(paths) == 1 else str(self.source.file)
        is_parquet = all(path.suffix == ".parquet" for path in paths.values())
        if self.source.format == "parquet" or (self.source.format is None and is_parquet):
            return self._staged(relation.parquet(self.name, paths, where), states)
        files = relation.inspected(self.name, self.source, paths, self.scratch)
        if not files:
            return self._nothing()
        if all(file.is_uniform for file in files):
            try:
                return self._stage(relation.strict_csv(files, where), states)
            except QueryError as error:
                logger.info("source %s: not all rows are RFC 4180 (%s)", self.name, error.kind)
        return self._staged(relation.lenient_csv(self.name, files, where, self.scratch), states)

    def _nothing(self) -> Pulled:
        return Pulled(self.name, self.source.entity, (), 0, self.before, skipped=True)

    # ------------------------------------------------------------ staging

    def _staged(self, found: relation.Relation, states: Mapping[str, Any]) -> Pulled:
        """The relation staged; where the engine refuses the user's query, that is told."""
        try:
            return self._stage(found, states)
        except QueryError as error:
            if self.query is None or self.source.database:
                raise
            why = str(error).partition(f"{error.kind}: ")[2]
            raise SourceError(
                f"source {self.name}: sql/sources/{self.source.query} cannot be run: {why}\n"
                "  It reads the table `source`; columns of a CSV file are text there."
            ) from None

    def _stage(self, found: relation.Relation, states: Mapping[str, Any]) -> Pulled:
        """Write the staged rows, and say what to remember."""
        source = self.source
        target = self.pull.staging / source.entity / f"{self.name}.parquet"
        with self.pull.lake.session(self.pull.snapshot) as session:
            sql, mapping = self._rows_sql(session, found)
            draft = self.scratch / "staged.parquet" if source.entity == "customers" else target
            files = [draft]
            for path in (draft, target):
                path.parent.mkdir(parents=True, exist_ok=True)
            rows = session.write(sql, draft)
            if found.broken:
                files.append(draft.with_name(f"{draft.stem}-2.parquet"))
                broken = staging.broken_sql(self.name, source, found.broken)
                rows += session.write(broken, files[-1])
            if source.entity == "customers":
                contacts = Contacts(
                    self.pull.country, self.pull.salt, may_reuse=self.is_same_config
                )
                files = add_contacts(session, files, target, self.scratch, contacts)
            high = self._high(session, files)
        mark = {
            "config": self.config,
            "columns": sorted(mapping),
            "files": dict(states),
            "high": high,
        }
        return Pulled(self.name, source.entity, tuple(files), rows, mark, is_full=source.full)

    def _rows_sql(self, session: Session, found: relation.Relation) -> tuple[str, dict[str, str]]:
        before = self.mark.get("columns", ())
        for label, header in found.headers.items() if self.query is None else ():
            staging.resolve(self.name, self.source, header, label, before)
        inner, is_numbered = found.sql, found.is_numbered
        if self.query is not None and not self.source.database:
            inner, is_numbered = found.through(self.query), False
        types = self._types(session, inner)
        mapping = staging.resolve(self.name, self.source, list(types), found.where, before)
        fields = staging.fields_of(self.source, mapping, types, self.style)
        self._check_constants(session, fields)
        since = self._since()
        sql = staging.rows_sql(
            self.name,
            self.source,
            fields,
            relation=inner,
            is_numbered=is_numbered,
            raw=list(types),
            since=watermark.since_sql(since) if since is not None and self._has_mark() else None,
        )
        return sql, mapping

    def _has_mark(self) -> bool:
        return self.mark.get("high") is not None and not self.source.full

    def _types(self, session: Session, sql: str) -> dict[str, str]:
        """Column → DuckDB type of a SELECT, without what we added to number the rows."""
        described = session.rows(f"DESCRIBE {sql}")
        return {name: type_ for name, type_, *_ in described if name != "_row"}

    def _check_constants(self, session: Session, fields: Sequence[staging.Field]) -> None:
        for one in fields:
            name = one.column.name
            if name not in self.source.constants:
                continue
            [[is_null]] = session.rows(f"SELECT {one.converted} IS NULL AND {one.present}")
            if is_null:
                raise SourceError(
                    f"source {self.name}: the constant of '{name}' is not "
                    f"{NOUNS[one.column.type]}: '{self.source.constants[name]}'"
                )

    def _high(self, session: Session, files: Sequence[Path]) -> str | None:
        type_ = self._watermark_type()
        if type_ is None or self.source.watermark is None:
            return None
        greatest = watermark.high_sql(quoted(self.source.watermark), type_, self.pull.as_of)
        listed = ", ".join(literal(str(path)) for path in files)
        [[high]] = session.rows(
            f"SELECT {greatest} FROM read_parquet([{listed}]) WHERE len(_problems) = 0"
        )
        return watermark.later(self.mark.get("high"), high, type_)
