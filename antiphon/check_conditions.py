"""What is wrong with definitions and conditions, at their words: in segments.yaml and campaigns."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from antiphon.audience.conditions import (
    Condition,
    ConditionProblem,
    Expression,
    Loss,
    parse,
    parse_number,
)
from antiphon.audience.definitions import DERIVED, DefinitionProblem, Definitions, define
from antiphon.audience.dictionary import Feature, dictionary
from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.configuration import CAMPAIGNS, SEGMENTS, SOURCES, SURVEYS, Draft
from antiphon.campaigns.conversions import VERSION
from antiphon.campaigns.models import Campaign, Segments, Sources
from antiphon.campaigns.places import Path, Positions, Spot
from antiphon.campaigns.surveys import LANGUAGE, Survey
from antiphon.errors import Problem
from antiphon.files import ProjectFiles


@dataclass
class ConditionsCheck:
    """The draft, the features and definitions in it, and every condition judged once."""

    files: ProjectFiles
    drafted: Draft
    judged: dict[tuple[str, str, str], Condition | list[ConditionProblem]] = field(
        default_factory=dict
    )
    numbers: dict[str, Expression | list[ConditionProblem]] = field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Of feature files, definitions, audiences and chains."""
        # Attributes are answered by the sources' check, at their place.
        yield from (problem for problem in self._dictionary[1] if problem.path != SOURCES)
        yield from self._definitions()
        yield from self._audiences()

    @property
    def positions(self) -> Positions:
        return self.drafted.positions

    @cached_property
    def sources(self) -> Sources | None:
        return self.drafted.get(SOURCES, Sources)

    @cached_property
    def _dictionary(self) -> tuple[dict[str, Feature], list[Problem]]:
        return dictionary(self.files, self.sources) if self.sources else ({}, [])

    @cached_property
    def features(self) -> dict[str, Feature] | None:
        """The features; None where a declaration is wrong, as names would then seem unknown."""
        found, problems = self._dictionary
        if not found or any(one.path != SOURCES for one in problems):
            return None
        return self.defined[0].features or found

    @cached_property
    def defined(self) -> tuple[Definitions, list[DefinitionProblem]]:
        """What segments.yaml and sql/segments/ define, of the parts that can be read."""
        if self.sources is None:
            return Definitions(), []
        segments = self.drafted.get(SEGMENTS, Segments) or Segments(version=VERSION, segments={})
        return define(
            self.files,
            self.sources,
            segments,
            self._campaign_names,
            self.unread,
            statements=self._statements,
        )

    @cached_property
    def _statements(self) -> frozenset[str] | None:
        """What people may tell us of; None where a survey cannot be read."""
        surveys = self.drafted.under(SURVEYS, Survey)
        if len(surveys) < len(self.files.under(SURVEYS)):
            return None
        asked = (one for survey in surveys.values() for one in survey.questions.values())
        return frozenset({LANGUAGE}.union(one.sets for one in asked if one.sets))

    @cached_property
    def _campaign_names(self) -> list[str]:
        """Of the files, those that are wrong too."""
        paths = self.files.under(CAMPAIGNS)
        return [path.removesuffix(".yaml") for path in paths if path.endswith(".yaml")]

    @cached_property
    def unread(self) -> dict[str, list[str]]:
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

    def _definitions(self) -> Iterator[Problem]:
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
        for name in self.unread.get("segments", ()):
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
        cross = campaign.for_each if campaign else None
        if cross and cross not in definitions.crosses and "cell." in text:
            return  # the cross is answered at its place
        with_cells = file if cross else ""
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

    def rule(self, file: str, path: Path, where: str, segment: str | None) -> Iterator[Problem]:
        """What is wrong with the condition of a rule of the policy, and whom it may lose."""
        yield from self._condition(file, path, where, segment=segment)

    def number(self, file: str, path: Path, text: str) -> Iterator[Problem]:
        """What is wrong with an expression that is to yield a number."""
        if self.features is None:
            return
        if text not in self.numbers:
            self.numbers[text] = parse_number(text, self.defined[0].vocabulary())
        found = self.numbers[text]
        for wrong in found if isinstance(found, list) else ():
            yield self._in_text(file, path, wrong)

    def segment(self, file: str, path: Path, name: str) -> Iterator[Problem]:
        """Whether there is such a segment."""
        yield from self._segment_named(file, path, name)

    def is_constant(self, where: str, segment: str | None = None) -> bool:
        """Whether a condition judged before asks nothing of the customer."""
        beside = self.defined[0].segments.get(segment) if segment else None
        found = self.judged.get((where, "", beside.text if beside else ""))
        return isinstance(found, Condition) and not (found.columns or found.calls)

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
            if not self.is_answered(problem):
                yield problem

    def is_answered(self, problem: Problem) -> bool:
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
