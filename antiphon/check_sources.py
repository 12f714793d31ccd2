"""What is wrong with config/sources.yaml that its shape does not show."""

from collections.abc import Iterator
from dataclasses import dataclass

from antiphon.audience.dictionary import TYPES
from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.configuration import SOURCES
from antiphon.campaigns.models import Source, Sources
from antiphon.campaigns.places import Path, Positions
from antiphon.entities import ENTITIES, ColumnType
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

QUERIES = "sql/sources"
_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".parquet")


@dataclass(frozen=True)
class SourcesCheck:
    """The sources, and where they stand."""

    files: ProjectFiles
    positions: Positions
    sources: Sources

    def problems(self) -> Iterator[Problem]:
        """Of each source, then of all together."""
        for name, source in self.sources.sources.items():
            yield from self._source(name, source)
        yield from self._customers_source()

    def _customers_source(self) -> Iterator[Problem]:
        if not any(source.entity == "customers" for source in self.sources.sources.values()):
            hint = "Without customers there is nobody to write to: add a source of customers."
            message = "no source brings customers"
            yield self.positions.problem(SOURCES, ("sources",), message, hint, at_key=True)

    def _source(self, name: str, source: Source) -> Iterator[Problem]:
        path: Path = ("sources", name)

        def problem(key: str, message: str, hint: str = "") -> Problem:
            at = (*path, key) if key else path
            return self.positions.problem(SOURCES, at, message, hint, at_key=not key)

        if source.file and source.database:
            yield problem("database", f"{name!r} has both a file and a database", "Keep one.")
        elif not source.file and not source.database:
            hint = "Write 'file:', or 'database:' and 'query:'."
            yield problem("", f"{name!r} has neither a file nor a database", hint)
        elif source.database and not source.query:
            hint = f"Write 'query:' and the name of a file in {QUERIES}/."
            yield problem("database", f"{name!r} has no query", hint)
        queries = [path for path in self.files.under(QUERIES) if path.endswith(".sql")]
        if source.query and source.query not in queries:
            hint = nearest(source.query, queries) if queries else f"There is no file in {QUERIES}/."
            yield problem("query", f"no query {source.query!r} in {QUERIES}/", hint)
        if source.file and not source.format and not source.file.lower().endswith(_ENDINGS):
            hint = (
                f"Write 'format: csv' or 'format: parquet'. Known endings: {', '.join(_ENDINGS)}."
            )
            yield problem("file", "the file's ending tells no format", hint)
        yield from self._source_columns(name, source)
        yield from self._attributes(name, source)

    def _source_columns(self, name: str, source: Source) -> Iterator[Problem]:
        """Columns and constants are the entity's own or attributes; each is given once."""
        own = [column.name for column in ENTITIES[source.entity].columns if not column.derived]
        known = list(dict.fromkeys([*own, *source.attributes]))
        for key, columns in (("columns", source.columns), ("constants", source.constants)):
            for column in columns:
                if column not in known:
                    yield self.positions.problem(
                        SOURCES,
                        ("sources", name, key, column),
                        f"{source.entity} has no column {column!r}",
                        nearest(column, known) + " Others are declared under 'attributes'.",
                        at_key=True,
                    )
        for column in source.constants:
            if column in source.columns:
                message = f"{column!r} has a column and a constant"
                path: Path = ("sources", name, "constants", column)
                yield self.positions.problem(SOURCES, path, message, "Keep one.", at_key=True)
        yield from self._watermark(name, source, known)

    def _watermark(self, name: str, source: Source, known: list[str]) -> Iterator[Problem]:
        watermark, path = source.watermark, ("sources", name, "watermark")
        if watermark is None:
            return
        if source.full:
            hint = "A full source is read whole each time: keep 'full' or 'watermark'."
            message = f"{name!r} is full and has a watermark"
            yield self.positions.problem(SOURCES, path, message, hint)
        if watermark not in known:
            message = f"{source.entity} has no column {watermark!r}"
            yield self.positions.problem(SOURCES, path, message, nearest(watermark, known))
            return
        column = ENTITIES[source.entity].column(watermark)
        type_ = column.type if column else TYPES[source.attributes[watermark].type]
        if type_ not in (ColumnType.INSTANT, ColumnType.DAY, ColumnType.INTEGER):
            message = f"{watermark!r} is a {type_.name.lower()} column, which does not grow"
            hint = "Name a column of type instant, day or integer, or none."
            yield self.positions.problem(SOURCES, path, message, hint)

    def _attributes(self, name: str, source: Source) -> Iterator[Problem]:
        types = self.attribute_types(source.entity, before=name)
        for attribute, declared in source.attributes.items():
            path: Path = ("sources", name, "attributes", attribute)
            if ENTITIES[source.entity].column(attribute) or attribute == "unit":
                hint = "Map it under 'columns', or choose another name."
                message = f"{attribute!r} is a column of {source.entity} already"
                yield self.positions.problem(SOURCES, path, message, hint, at_key=True)
            elif types.get(attribute, TYPES[declared.type]) is not TYPES[declared.type]:
                hint = f"One column has one type in all sources of {source.entity}."
                message = f"{attribute!r} has another type in another source"
                yield self.positions.problem(SOURCES, (*path, "type"), message, hint)

    def attribute_types(self, entity: str, before: str = "") -> dict[str, ColumnType]:
        """The user's own columns of an entity, of the sources before that one (or of all)."""
        types: dict[str, ColumnType] = {}
        for name, source in self.sources.sources.items():
            if name == before:
                break
            if source.entity == entity:
                for attribute, declared in source.attributes.items():
                    types.setdefault(attribute, TYPES[declared.type])
        return types
