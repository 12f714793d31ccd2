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

from antiphon.audience.cell_values import faults as cell_faults
from antiphon.audience.conditions import Condition, ConditionProblem, Loss, parse
from antiphon.audience.definitions import DERIVED, DefinitionProblem, Definitions, define
from antiphon.audience.dictionary import Feature, dictionary
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
from antiphon.campaigns.conversions import VERSION
from antiphon.campaigns.models import (
    Campaign,
    Expectations,
    Policy,
    Segments,
    Settings,
    Sources,
)
from antiphon.campaigns.places import Path, Positions, Spot
from antiphon.campaigns.rhythm import rhythm_problems
from antiphon.campaigns.touches import touches
from antiphon.check_sources import SourcesCheck
from antiphon.errors import ConfigError, Problem
from antiphon.files import ProjectFiles
from antiphon.message.offers import faults as offer_faults
from antiphon.message.templates import Templates
from antiphon.validation.contract import read as read_expectations

TEMPLATES = "templates"


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
    return replace(configuration, definitions=checker.defined[0]), problems


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
    judged: dict[tuple[str, str, str], Condition | list[ConditionProblem]] = field(
        default_factory=dict
    )

    @property
    def positions(self) -> Positions:
        return self.drafted.positions

    @cached_property
    def sources(self) -> Sources | None:
        return self.drafted.get(SOURCES, Sources)

    @cached_property
    def _sources_check(self) -> SourcesCheck | None:
        return SourcesCheck(self.files, self.positions, self.sources) if self.sources else None

    @cached_property
    def dictionary(self) -> tuple[dict[str, Feature], list[Problem]]:
        return dictionary(self.files, self.sources) if self.sources else ({}, [])

    @cached_property
    def features(self) -> dict[str, Feature] | None:
        """The features; None where a declaration is wrong, as names would then seem unknown."""
        found, problems = self.dictionary
        if not found or any(one.path != SOURCES for one in problems):
            return None
        return self.defined[0].features or found

    @cached_property
    def defined(self) -> tuple[Definitions, list[DefinitionProblem]]:
        """What segments.yaml and sql/segments/ define, of the parts that can be read."""
        if self.sources is None:
            return Definitions(), []
        segments = self.drafted.get(SEGMENTS, Segments) or Segments(version=VERSION, segments={})
        return define(self.files, self.sources, segments, self._campaign_names, self._unread)

    @cached_property
    def _campaign_names(self) -> list[str]:
        """Of the files, those that are wrong too."""
        paths = self.files.under(CAMPAIGNS)
        return [path.removesuffix(".yaml") for path in paths if path.endswith(".yaml")]

    @cached_property
    def _unread(self) -> dict[str, list[str]]:
        """Names by section of segments.yaml whose shape is wrong."""
        document = self.positions.get(SEGMENTS)
        segments = self.drafted.get(SEGMENTS, Segments)
        values = (document.values if document else None) or {}
        written = {
            section: named
            for section in ("segments", *DERIVED)
            if isinstance(named := values.get(section), dict)
        }
        return {
            section: [name for name in named if name not in getattr(segments, section, ())]
            for section, named in written.items()
        }

    def problems(self) -> Iterator[Problem]:
        """Of all files, those of shape excepted."""
        yield from self._settings()
        # Attributes are answered by `_attributes`, at their place.
        yield from (problem for problem in self.dictionary[1] if problem.path != SOURCES)
        if self._sources_check:
            yield from self._sources_check.problems()
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

    # ------------------------------------------------------------ segments, campaigns

    def _segments(self) -> Iterator[Problem]:
        """Definitions, and the conditions of segments that are wrong otherwise, as written."""
        if self.features is None:
            return
        for one in self.defined[1]:
            if one.file != SEGMENTS:
                place = (one.message, one.source_line, one.hint, one.is_warning)
                yield Problem(one.file, one.line, one.column, *place)
            elif one.line:
                yield self._in_text(SEGMENTS, one.path, one, is_warning=one.is_warning)
            else:
                yield self.positions.problem(
                    SEGMENTS,
                    one.path,
                    one.message,
                    one.hint,
                    at_key=one.at_key,
                    is_warning=one.is_warning,
                )
        if self.drafted.get(SEGMENTS, Segments) is None:
            return  # a file of another version
        for name in self._unread.get("segments", ()):
            segment = (self._written_segments or {})[name]
            where = segment.get("where") if isinstance(segment, dict) else None
            yield from self._condition(SEGMENTS, ("segments", name, "where"), where)

    def _condition(
        self,
        file: str,
        path: Path,
        written: object,
        campaign: Campaign | None = None,
        segment: object = None,
    ) -> Iterator[Problem]:
        """What is wrong with a condition, where there is one, and whom it may lose unnoticed.

        Of a campaign it may name cells; the segment beside it may answer for those it would lose.
        """
        text = written.strip() if isinstance(written, str) else ""
        if self.features is None or not text:
            return
        definitions, _ = self.defined
        beside = definitions.segments.get(segment.strip()) if isinstance(segment, str) else None
        with_cells = file if campaign and campaign.for_each else ""
        key = (text, with_cells, beside.text if beside else "")
        if key not in self.judged:
            words = definitions.vocabulary(campaign)
            self.judged[key] = parse(text, words, [beside] if beside else ())
        found = self.judged[key]
        if isinstance(found, list):
            for wrong in found:
                yield self._in_text(file, path, wrong)
        else:
            for loss in found.losses:
                yield self._in_text(file, path, loss, is_warning=True)

    def _in_text(
        self,
        file: str,
        path: Path,
        wrong: ConditionProblem | DefinitionProblem | Loss,
        *,
        is_warning: bool = False,
    ) -> Problem:
        within = Spot(wrong.line, wrong.column)
        return self.positions.problem_in_text(
            file, path, within, wrong.message, wrong.hint, is_warning=is_warning
        )

    def _campaign(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        yield from self._period(file, campaign)
        yield from self._repeated(file, ("channels",), campaign.channels)
        yield from self._repeated(file, ("tags",), campaign.tags)
        policy = self.drafted.get(POLICY, Policy)
        if policy and campaign.category not in policy.consent:
            hint = f"Write '{campaign.category}:' below 'consent:' in {POLICY}."
            message = f"the policy does not say what consent {campaign.category!r} needs"
            yield self.positions.problem(file, ("category",), message, hint)
        for one in rhythm_problems(campaign, self.features):
            wrong = (one.path, one.message, one.hint)
            problem = self.positions.problem(
                file, *wrong, at_key=one.at_key, is_warning=one.is_warning
            )
            if not self._is_answered(problem):
                yield problem
        if self.features is not None:
            yield from self._cells(file, campaign)

    def _cells(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        """What the campaign says of each cell. A cross that is wrong is answered at its place."""
        definitions, _ = self.defined
        declared = self.drafted.get(SEGMENTS, Segments)
        crosses = [*(declared.crosses if declared else ()), *self._unread.get("crosses", ())]
        if campaign.for_each in crosses and campaign.for_each not in definitions.crosses:
            return
        found = cell_faults(campaign, definitions.crosses, definitions.dimensions)
        for path, message, hint in found:
            yield self.positions.problem(file, path, message, hint, at_key=path != ("for_each",))
        for place, message, hint in offer_faults(campaign, self._crosses):
            yield self.positions.problem(file, place, message, hint)

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
        """As they are written: what else is wrong with a campaign does not hide its conditions."""
        for file, document in self.positions.items():
            if file.startswith(f"{CAMPAIGNS}/") and document.values:
                campaign = self.drafted.get(file, Campaign)
                audience = document.values.get("audience")
                if isinstance(audience, dict):
                    yield from self._audience(file, audience, campaign)
                chain = document.values.get("chain")
                if isinstance(chain, dict):
                    yield from self._chain(file, chain, campaign)

    def _audience(
        self, file: str, audience: Mapping[str, object], campaign: Campaign | None
    ) -> Iterator[Problem]:
        if all(value is None for value in audience.values()):
            hint = "Write 'segment:', 'where:', or both."
            yield self.positions.problem(
                file, ("audience",), "the audience names nobody", hint, at_key=True
            )
        yield from self._segment_named(file, ("audience", "segment"), audience.get("segment"))
        yield from self._condition(
            file, ("audience", "where"), audience.get("where"), campaign, audience.get("segment")
        )

    def _chain(
        self, file: str, chain: Mapping[str, object], campaign: Campaign | None
    ) -> Iterator[Problem]:
        """The conditions of a chain: of its start, its steps and its exits."""
        start, steps, exits = chain.get("start"), chain.get("steps"), chain.get("exits")
        if isinstance(start, dict):
            path: Path = ("chain", "start")
            yield from self._segment_named(file, (*path, "segment"), start.get("segment"))
            named = start.get("segment")
            yield from self._condition(file, (*path, "where"), start.get("where"), campaign, named)
        for index, step in enumerate(steps if isinstance(steps, list) else ()):
            where = step.get("where") if isinstance(step, dict) else None
            path = ("chain", "steps", index, "where")
            yield from self._condition(file, path, where, campaign)
        for name, where in (exits if isinstance(exits, dict) else {}).items():
            yield from self._condition(file, ("chain", "exits", name), where, campaign)

    def _segment_named(self, file: str, path: Path, written: object) -> Iterator[Problem]:
        if not isinstance(written, str) or self._written_segments is None:
            return
        name, by_hand = written.strip(), self.defined[0].by_hand
        names = [*dict.fromkeys([*self._written_segments, *by_hand])]
        if name not in names:
            message = f"no segment {name!r} in {SEGMENTS}"
            problem = self.positions.problem(file, path, message, nearest(name, names))
            if not self._is_answered(problem):
                yield problem

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
        return Templates.of(self.files.under(TEMPLATES), types, settings, self._crosses)

    @cached_property
    def _crosses(self) -> dict[str, tuple[str, ...]]:
        """Their dimensions, by name."""
        segments = self.drafted.get(SEGMENTS, Segments)
        return {name: one.dimensions for name, one in segments.crosses.items()} if segments else {}

    def _message(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        """The folders of the messages, and whatever is wrong in them for this campaign."""
        for touch in touches([campaign]):
            name = touch.message if touch.chain_step else campaign.message
            path: Path = ("message",)
            if campaign.chain and touch.chain_step:
                path = ("chain", "steps", campaign.chain.steps.index(touch.chain_step), "message")
            if name is None:
                message = "the campaign has no message"
                hint = f"Write 'message:' and the name of a folder in {TEMPLATES}/."
                yield self.positions.problem(file, path, message, hint)
            elif name not in self._messages:
                hint = f"Make the folder {TEMPLATES}/{name}/ with its templates."
                if self._messages:
                    hint = nearest(name, self._messages)
                yield self.positions.problem(
                    file, path, f"no message {name!r} in {TEMPLATES}/", hint
                )
            elif self._templates:
                yield from self._variants(file, campaign, self._templates.tree.variants(name))
                yield from self._templates.check_touch(touch)

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
        if self._sources_check is None:
            return
        types = self._sources_check.attribute_types(entity)
        _, found = read_expectations(entity, expectations, types)
        for wrong in found:
            path: Path = ("expectations", wrong.index, wrong.key)
            file = expectations_file(entity)
            yield self.positions.problem(file, path, wrong.message, wrong.hint)
