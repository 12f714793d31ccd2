"""Everything that can be known to be wrong before any data is read.

Shape (`campaigns.configuration`), and what only several files together show: conditions, names,
templates, days, columns, expectations. Files that are wrong do not hide what is wrong in others;
only conditions wait for sources.yaml and sql/features/, which say what columns there are, and
templates for these and settings.yaml.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

from antiphon.audience.conditions import Condition, ConditionProblem, parse
from antiphon.audience.dictionary import TYPES, Feature, dictionary
from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.configuration import (
    CAMPAIGNS,
    EXPECTATIONS,
    POLICY,
    SEGMENTS,
    SETTINGS,
    SOURCES,
    Configuration,
    Draft,
    campaign_file,
    draft,
    expectations_file,
)
from antiphon.campaigns.models import (
    Campaign,
    Expectations,
    Policy,
    Segments,
    Settings,
    Source,
    Sources,
)
from antiphon.campaigns.places import Path, Positions, Spot
from antiphon.entities import ENTITIES, ColumnType
from antiphon.errors import ConfigError, Problem
from antiphon.files import ProjectFiles
from antiphon.message.templates import Templates
from antiphon.validation.contract import read as read_expectations

QUERIES = "sql/sources"
TEMPLATES = "templates"
_ENDINGS = (".csv", ".csv.gz", ".csv.zst", ".parquet")


def check(
    files: ProjectFiles, today: date | None = None
) -> tuple[Configuration | None, list[Problem]]:
    """The configuration (None where anything is wrong), and every problem in order of place.

    With `today`, campaigns that are over are warned of.
    """
    checker = _Checker(files, draft(files), today)
    # Templates that several campaigns share are answered once.
    problems = sorted({*checker.drafted.problems, *checker.problems()})
    configuration = checker.drafted.configuration()
    if configuration is None or any(not problem.is_warning for problem in problems):
        return None, problems
    return replace(configuration, features=checker.features or {}), problems


def load(files: ProjectFiles) -> Configuration:
    """The configuration; raises ConfigError with every problem unless all are warnings."""
    configuration, problems = check(files)
    if configuration is None:
        raise ConfigError(problems)
    return configuration


@dataclass
class _Checker:
    """The draft, and what is asked of it more than once."""

    files: ProjectFiles
    drafted: Draft
    today: date | None
    judged: dict[str, Condition | list[ConditionProblem]] = field(default_factory=dict)

    @property
    def positions(self) -> Positions:
        return self.drafted.positions

    @cached_property
    def sources(self) -> Sources | None:
        return self.drafted.get(SOURCES, Sources)

    @cached_property
    def dictionary(self) -> tuple[dict[str, Feature], list[Problem]]:
        return dictionary(self.files, self.sources) if self.sources else ({}, [])

    @cached_property
    def features(self) -> dict[str, Feature] | None:
        """The features; None where a declaration is wrong, as names would then seem unknown."""
        found, problems = self.dictionary
        return found if found and all(one.path == SOURCES for one in problems) else None

    def problems(self) -> Iterator[Problem]:
        """Of all files, those of shape excepted."""
        yield from self._settings()
        # Attributes are answered by `_attributes`, at their place.
        yield from (problem for problem in self.dictionary[1] if problem.path != SOURCES)
        for name, source in (self.sources.sources if self.sources else {}).items():
            yield from self._source(name, source)
        yield from self._customers_source()
        yield from self._segments()
        yield from self._policy()
        yield from self._audiences()
        for name, campaign in self.drafted.under(CAMPAIGNS, Campaign).items():
            yield from self._campaign(campaign_file(name), campaign)
            yield from self._message(campaign_file(name), campaign)
        for entity, expectations in self.drafted.under(EXPECTATIONS, Expectations).items():
            yield from self._expectations(entity, expectations)

    # ------------------------------------------------------------ settings, policy

    def _settings(self) -> Iterator[Problem]:
        settings = self.drafted.get(SETTINGS, Settings)
        if settings is None:
            return
        if settings.ledger.url and settings.ledger.url_from:
            message = "the ledger's URL is given twice"
            hint = "Keep 'url' or 'url_from'."
            yield self.positions.problem(
                SETTINGS, ("ledger", "url_from"), message, hint, at_key=True
            )
        yield from self._repeated(SETTINGS, ("business", "languages"), settings.business.languages)

    def _policy(self) -> Iterator[Problem]:
        policy = self.drafted.get(POLICY, Policy)
        if policy is None:
            return
        names = [cap.name for cap in policy.caps]
        for index, name in enumerate(names):
            if name in names[:index]:
                hint = "Decisions name the cap that held a message back: each needs its own name."
                path: Path = ("caps", index, "name")
                yield self.positions.problem(POLICY, path, f"two caps are called {name!r}", hint)
        yield from self._repeated(POLICY, ("exempt",), policy.exempt)

    def _repeated(self, file: str, path: Path, values: tuple[str, ...]) -> Iterator[Problem]:
        for index, value in enumerate(values):
            if value in values[:index]:
                message = f"{value!r} appears twice in '{path[-1]}'"
                yield self.positions.problem(file, (*path, index), message, "Remove one.")

    # ------------------------------------------------------------ sources

    def _customers_source(self) -> Iterator[Problem]:
        if self.sources and not any(
            source.entity == "customers" for source in self.sources.sources.values()
        ):
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
        types = self._attribute_types(source.entity, before=name)
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

    def _attribute_types(self, entity: str, before: str = "") -> dict[str, ColumnType]:
        """The user's own columns of an entity, of the sources before that one (or of all)."""
        types: dict[str, ColumnType] = {}
        for name, source in (self.sources.sources if self.sources else {}).items():
            if name == before:
                break
            if source.entity == entity:
                for attribute, declared in source.attributes.items():
                    types.setdefault(attribute, TYPES[declared.type])
        return types

    # ------------------------------------------------------------ segments, campaigns

    def _segments(self) -> Iterator[Problem]:
        """As they are written: of one that is wrong, the condition is judged all the same."""
        # A file of another version has no model.
        written = self._written_segments if self.drafted.get(SEGMENTS, Segments) else None
        for name, segment in (written or {}).items():
            if name in (self.features or {}):
                message = f"the segment {name!r} has the name of a feature"
                hint = "Call it otherwise, so that nobody takes one for the other."
                yield self.positions.problem(
                    SEGMENTS, ("segments", name), message, hint, at_key=True
                )
            where = segment.get("where") if isinstance(segment, dict) else None
            yield from self._condition(SEGMENTS, ("segments", name, "where"), where)

    def _condition(self, file: str, path: Path, written: object) -> Iterator[Problem]:
        text = written.strip() if isinstance(written, str) else ""
        if self.features is None or not text:
            return
        if text not in self.judged:
            self.judged[text] = parse(text, self.features)
        found = self.judged[text]
        if isinstance(found, list):
            for wrong in found:
                within = Spot(wrong.line, wrong.column)
                yield self.positions.problem_in_text(file, path, within, wrong.message, wrong.hint)

    def _campaign(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        yield from self._period(file, campaign)
        yield from self._repeated(file, ("channels",), campaign.channels)
        yield from self._repeated(file, ("tags",), campaign.tags)
        policy = self.drafted.get(POLICY, Policy)
        if policy and campaign.category not in policy.consent:
            hint = f"Write '{campaign.category}:' below 'consent:' in {POLICY}."
            message = f"the policy does not say what consent {campaign.category!r} needs"
            yield self.positions.problem(file, ("category",), message, hint)

    def _period(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        first, last = campaign.runs.from_, campaign.runs.until
        if last is None:
            return
        path: Path = ("runs", "until")
        if last < first:
            message = f"the campaign ends on {last}, before it begins on {first}"
            hint = f"Write a day after 'until:' that is not before {first}."
            yield self.positions.problem(file, path, message, hint)
            return
        week = (first + timedelta(days=day) for day in range(min((last - first).days, 6) + 1))
        if not any(campaign.runs.includes(day) for day in week):
            message = f"no day from {first} to {last} is one of the campaign's days"
            hint = "Write other days after 'days:', or a longer period."
            yield self.positions.problem(file, ("runs", "days"), message, hint)
        elif self.today and last < self.today:
            hint = "Give it a later day, or take the file out of config/campaigns/."
            message = f"the campaign was over on {last}"
            yield self.positions.problem(file, path, message, hint, is_warning=True)

    def _audiences(self) -> Iterator[Problem]:
        """As they are written: what else is wrong with a campaign does not hide its audience."""
        for file, document in self.positions.items():
            if file.startswith(f"{CAMPAIGNS}/") and document.values:
                audience = document.values.get("audience")
                if isinstance(audience, dict):
                    yield from self._audience(file, audience)

    def _audience(self, file: str, audience: Mapping[str, object]) -> Iterator[Problem]:
        if all(value is None for value in audience.values()):
            hint = "Write 'segment:', 'where:', or both."
            yield self.positions.problem(
                file, ("audience",), "the audience names nobody", hint, at_key=True
            )
        segment, names = audience.get("segment"), self._written_segments
        if isinstance(segment, str) and names is not None and segment.strip() not in names:
            message = f"no segment {segment.strip()!r} in {SEGMENTS}"
            hint = nearest(segment.strip(), names)
            problem = self.positions.problem(file, ("audience", "segment"), message, hint)
            if not self._is_answered(problem):
                yield problem
        yield from self._condition(file, ("audience", "where"), audience.get("where"))

    def _is_answered(self, problem: Problem) -> bool:
        """Whether the shape of that value is wrong already."""
        place = (problem.path, problem.line, problem.column)
        return any((one.path, one.line, one.column) == place for one in self.drafted.problems)

    @cached_property
    def _written_segments(self) -> dict[str, object] | None:
        """segments.yaml as it is written, with the segments that are wrong; None if unreadable."""
        document = self.positions.get(SEGMENTS)
        values = document.values if document else None
        segments = values.get("segments") if values else None
        return segments if isinstance(segments, dict) else None

    # ------------------------------------------------------------ templates

    @cached_property
    def _messages(self) -> list[str]:
        paths = (path.split("/") for path in self.files.under(TEMPLATES))
        return sorted({path[0] for path in paths if len(path) > 1 and path[0][0] not in "_."})

    @cached_property
    def _templates(self) -> Templates | None:
        settings = self.drafted.get(SETTINGS, Settings)
        if settings is None or self.features is None:
            return None
        types = {name: feature.type for name, feature in self.features.items()}
        return Templates.of(self.files.under(TEMPLATES), types, settings)

    def _message(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        """The message's folder, and whatever is wrong in it for this campaign."""
        if campaign.message not in self._messages:
            message = f"no message {campaign.message!r} in {TEMPLATES}/"
            hint = f"Make the folder {TEMPLATES}/{campaign.message}/ with its templates."
            if self._messages:
                hint = nearest(campaign.message, self._messages)
            yield self.positions.problem(file, ("message",), message, hint)
        elif self._templates:
            yield from self._variants(
                file, campaign, self._templates.tree.variants(campaign.message)
            )
            yield from self._templates.check(campaign)

    def _variants(self, file: str, campaign: Campaign, known: tuple[str, ...]) -> Iterator[Problem]:
        """A variant without a folder would say what the others say."""
        for variant in campaign.variants:
            if variant not in known:
                message = f"no folder {TEMPLATES}/{campaign.message}/{variant}/"
                hint = f"{nearest(variant, known)} 'default' is the message's own folder."
                path: Path = ("variants", variant)
                yield self.positions.problem(file, path, message, hint, at_key=True)

    # ------------------------------------------------------------ expectations

    def _expectations(self, entity: str, expectations: Expectations) -> Iterator[Problem]:
        if self.sources is None:
            return
        _, found = read_expectations(entity, expectations, self._attribute_types(entity))
        for wrong in found:
            path: Path = ("expectations", wrong.index, wrong.key)
            file = expectations_file(entity)
            yield self.positions.problem(file, path, wrong.message, wrong.hint)
