"""What config/segments.yaml and sql/segments/ define, resolved: what builds on what.

Scores, dimensions, crosses and rates are columns of the frame that nothing stores: expressions over
other columns, in layers of which each needs only those before it. Segments are conditions, written
out wherever one is asked for.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from antiphon import keys
from antiphon.audience.cell_values import CELL_ID, cell_values
from antiphon.audience.conditions import Condition, Vocabulary, parse
from antiphon.audience.crosses import Crossing
from antiphon.audience.dictionary import RESERVED, Feature, dictionary, nearest
from antiphon.audience.dimension_faults import faults
from antiphon.audience.dimensions import Division, division
from antiphon.audience.expressions import RELATION
from antiphon.audience.group_rates import GroupRate
from antiphon.audience.resolution import NOBODY, LazySegments, in_layers
from antiphon.audience.scores import RANKED_TYPES, Ranking
from antiphon.audience.segment_files import SegmentFile, segment_files
from antiphon.campaigns.models import Campaign, Cross, Dimension, Score, Segments, Sources
from antiphon.campaigns.models import GroupRate as Rate
from antiphon.entities import ColumnType
from antiphon.files import ProjectFiles

FILE = "config/segments.yaml"
DERIVED = ("scores", "dimensions", "crosses", "rates")
# `cell` begins the values of micro-segments in conditions; a dimension `id` would hide the cell's.
NO_NAMES = RESERVED | {"cell", CELL_ID, RELATION}


@dataclass(frozen=True, slots=True)
class DefinitionProblem:
    """What is wrong, and where.

    `path`: keys within config/segments.yaml; `line` and `column` count within the text there, or
    are 0. Where `file` is another one, they count within that file, and `source_line` is the line.
    """

    message: str
    path: tuple[str | int, ...] = ()
    hint: str = ""
    line: int = 0
    column: int = 0
    file: str = FILE
    source_line: str = ""
    at_key: bool = False
    is_warning: bool = False


@dataclass(frozen=True)
class Definitions:
    """Everything that has a name in conditions, templates and campaigns.

    `features`: the dictionary, then scores, dimensions, crosses and rates. `segments`: conditions
    by name, those of sql/segments/ (`by_hand`) too. `layers`: names of all that is derived.
    """

    features: dict[str, Feature] = field(default_factory=dict)
    segments: dict[str, Condition] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    scores: dict[str, Ranking] = field(default_factory=dict)
    dimensions: dict[str, Division] = field(default_factory=dict)
    crosses: dict[str, Crossing] = field(default_factory=dict)
    rates: dict[str, GroupRate] = field(default_factory=dict)
    by_hand: dict[str, SegmentFile] = field(default_factory=dict)
    layers: tuple[tuple[str, ...], ...] = ()
    campaigns: frozenset[str] = frozenset()
    statements: frozenset[str] | None = None

    def vocabulary(self, campaign: Campaign | None = None) -> Vocabulary:
        """What a condition may name; of a campaign with `for_each`, its cells' values too."""
        crossing = self.crosses.get(campaign.for_each or "") if campaign else None
        cell = cell_values(campaign, crossing) if campaign and crossing else {}
        return Vocabulary(
            self.features, self.segments, self.campaigns, cell=cell, statements=self.statements
        )

    def conditions(self, derived: str) -> tuple[Condition, ...]:
        """The conditions a score or dimension asks."""
        if derived in self.dimensions:
            return self.dimensions[derived].cases
        where = self.scores[derived].where if derived in self.scores else None
        return (where,) if where else ()

    def reads(self, derived: str) -> frozenset[str]:
        """The columns a derived one is an expression over, hidden ones excepted."""
        if derived in self.crosses:
            return frozenset(self.crosses[derived].dimensions)
        if derived in self.rates:
            rate = self.rates[derived]
            return frozenset({rate.part, rate.of, rate.by})
        one = self.scores.get(derived) or self.dimensions[derived]
        own = {one.of} if one.of else set()
        return frozenset(own).union(*(c.columns for c in self.conditions(derived)))

    def closure(self, columns: Iterable[str]) -> frozenset[str]:
        """The columns and all that they are built on."""
        found: set[str] = set()
        waiting = set(columns)
        while waiting:
            found |= waiting
            reads = (self.reads(name) for name in waiting if name in self.derived)
            waiting = set().union(*reads) - found
        return frozenset(found)

    def meaning(self, derived: str) -> str:
        """Another text for every derived column that would come out otherwise."""
        if derived in self.crosses:
            cross = self.crosses[derived]
            own = [*cross.dimensions, "roll up", *cross.roll_up, str(cross.min_size)]
        elif derived in self.dimensions:
            own = [self.dimensions[derived].sql()]
        elif derived in self.rates:
            own = [self.rates[derived].meaning]
        else:
            own = [self.scores[derived].meaning]
        below = sorted(self.reads(derived) & self.derived)
        return keys.digest("definition", *own, *(self.meaning(name) for name in below))

    @cached_property
    def derived(self) -> frozenset[str]:
        """Names of all scores, dimensions, crosses and rates."""
        return frozenset(name for layer in self.layers for name in layer)


def define(
    files: ProjectFiles,
    sources: Sources,
    segments: Segments,
    campaigns: Collection[str],
    unread: Mapping[str, Collection[str]] | None = None,
    *,
    statements: frozenset[str] | None = None,
) -> tuple[Definitions, list[DefinitionProblem]]:
    """The definitions, without those that are wrong, and everything that is wrong with them.

    `campaigns`: their names. `unread`: names by section whose shape is wrong, which is said
    elsewhere; what builds on them is not complained of. `statements`: their names; None: any.
    """
    definer = _Definer(
        files, sources, segments, frozenset(campaigns), unread or {}, statements=statements
    )
    return definer.definitions(), definer.problems


class _Definer:
    """Resolves the definitions of one project; `problems` fills on the way."""

    def __init__(
        self,
        files: ProjectFiles,
        sources: Sources,
        segments: Segments,
        campaigns: frozenset[str],
        unread: Mapping[str, Collection[str]],
        *,
        statements: frozenset[str] | None,
    ) -> None:
        self.problems: list[DefinitionProblem] = []
        self.model = segments
        self.campaigns, self.statements = campaigns, statements
        self.unread = unread
        self.features = dictionary(files, sources)[0]
        self.by_hand, problems = segment_files(files)
        for one in problems:
            place = (one.hint, one.line, one.column, one.path, one.source_line)
            self.problems.append(DefinitionProblem(one.message, (), *place))
        self.taken: dict[str, str] = {}  # name → section that declared it first
        for section in DERIVED:
            self._declare(section)
        self._segment_names()
        names = dict.fromkeys([*segments.segments, *self.unread.get("segments", ()), *self.by_hand])
        self.lazy = LazySegments(names, self._segment)
        self.vocabulary = Vocabulary(self.features, self.lazy, campaigns, statements=statements)
        self.graph: dict[str, set[str]] = {}
        self.names = {name: one.names for name, one in segments.dimensions.items()}

    # ------------------------------------------------------------ names

    def _declare(self, section: str) -> None:
        """Make features of a section's names, those of wrong shape too; clashes are left out."""
        for name in [*getattr(self.model, section), *self.unread.get(section, ())]:
            if other := self._owner(name):
                message = f"{name!r} of '{section}' is {other}"
                self._wrong(message, (section, name), "Choose another name.", at_key=True)
            else:
                self.taken[name] = section
                self.features[name] = self._feature(section, name)

    def _owner(self, name: str) -> str:
        """What has that name already, in words; '' where it is free."""
        if name in self.taken:
            return f"also one of '{self.taken[name]}'"
        if name in self.features:
            return f"already a column of {self.features[name].file}"
        if name in NO_NAMES:
            return "a word of Antiphon's own"
        probe = Feature(name, ColumnType.TEXT, "", "", FILE, nullable=False)
        if not isinstance(parse(f"{name} = ''", Vocabulary({name: probe})), Condition):
            return "a word of SQL"
        return ""

    def _feature(self, section: str, name: str) -> Feature:
        one = getattr(self.model, section).get(name)
        meaning = one.title if one else ""
        if isinstance(one, Score):
            share = f"1 to {one.parts}, by {one.of} ({one.best} is best)"
            meaning = f"{meaning}: {share}" if meaning else f"score {share}"
        elif isinstance(one, Cross):
            meaning = meaning or f"cell of {' × '.join(one.dimensions)}"
        elif isinstance(one, Rate):
            share = f"{one.part} of {one.of} by {one.by}, 0 to 1; null while nothing is known"
            meaning = f"{meaning}: {share}" if meaning else share
        elif one:
            meaning = f"{meaning or 'one'}: {', '.join(one.names)}" if one.names else meaning
        names = one.names if isinstance(one, Dimension) else ()
        types = {"scores": ColumnType.INTEGER, "rates": ColumnType.NUMBER}
        is_number = section in types
        type_ = types.get(section, ColumnType.TEXT)
        return Feature(name, type_, meaning, "", FILE, nullable=is_number, names=names)

    def _segment_names(self) -> None:
        for name in [*self.model.segments, *self.unread.get("segments", ())]:
            if name in self.features:
                message = f"the segment {name!r} has the name of a feature"
                hint = "Call it otherwise, so that nobody takes one for the other."
                self._wrong(message, ("segments", name), hint, at_key=True)
            if name in self.by_hand:
                message = f"the segment {name!r} is also the file {self.by_hand[name].path}"
                self._wrong(message, ("segments", name), "Keep one of them.", at_key=True)
        for name, file in self.by_hand.items():
            if name in self.features:
                message = f"the segment {name!r} has the name of a feature"
                hint = "Call the file otherwise, so that nobody takes one for the other."
                self.problems.append(DefinitionProblem(message, hint=hint, file=file.path))

    # ------------------------------------------------------------ conditions

    def _wrong(
        self,
        message: str,
        path: tuple[str | int, ...],
        hint: str = "",
        *,
        at_key: bool = False,
        is_warning: bool = False,
    ) -> None:
        problem = DefinitionProblem(message, path, hint, at_key=at_key, is_warning=is_warning)
        self.problems.append(problem)

    def _condition(self, node: str, path: tuple[str | int, ...], text: str) -> Condition | None:
        """The condition, whose names become what the node is built on; None where it is wrong."""
        needs = self.graph.setdefault(node, set())
        self.lazy.asked.append(set())
        found = parse(text, self.vocabulary)
        asked = self.lazy.asked.pop()
        needs |= asked
        if isinstance(found, Condition):
            inlined = [self.lazy.parsed.get(name, NOBODY).columns for name in asked]
            needs |= found.columns.difference(*inlined)
            return found
        for one in found:
            place = DefinitionProblem(one.message, path, one.hint, one.line, one.column)
            self.problems.append(place)
        return None

    def _segment(self, name: str) -> Condition:
        if name in self.by_hand:
            self.graph.setdefault(name, set())
            return self.by_hand[name].condition
        segment = self.model.segments.get(name)
        path = ("segments", name, "where")
        found = (self._condition(name, path, segment.where) if segment else None) or NOBODY
        self.problems += [
            DefinitionProblem(
                loss.message, path, loss.hint, loss.line, loss.column, is_warning=True
            )
            for loss in found.losses
        ]
        return found

    # ------------------------------------------------------------ sections

    def definitions(self) -> Definitions:
        """All that is right, in layers."""
        scores = {
            name: ranking
            for name, model in self.model.scores.items()
            if self.taken.get(name) == "scores" and (ranking := self._score(name, model))
        }
        dimensions = {
            name: divided
            for name, model in self.model.dimensions.items()
            if self.taken.get(name) == "dimensions" and (divided := self._dimension(name, model))
        }
        crosses = {
            name: crossing
            for name, model in self.model.crosses.items()
            if self.taken.get(name) == "crosses" and (crossing := self._cross(name, model))
        }
        rates = {
            name: rate
            for name, model in self.model.rates.items()
            if self.taken.get(name) == "rates" and (rate := self._rate(name, model, crosses))
        }
        segments = {name: self.lazy[name] for name in self.lazy}
        titles = {name: segment.title for name, segment in self.model.segments.items()}
        titles |= {name: file.title for name, file in self.by_hand.items()}
        derived = [*scores, *dimensions, *crosses, *rates]
        layers, cycles = in_layers(self.graph)
        for cycle in cycles:
            self._cycle(cycle)
        ordered = (tuple(name for name in derived if name in layer) for layer in layers)
        return Definitions(
            self.features,
            segments,
            titles,
            scores,
            dimensions,
            crosses,
            rates,
            self.by_hand,
            tuple(filter(None, ordered)),
            self.campaigns,
            self.statements,
        )

    def _score(self, name: str, score: Score) -> Ranking | None:
        of = self.features.get(score.of)
        self.graph.setdefault(name, set()).add(score.of)
        where = (
            self._condition(name, ("scores", name, "where"), score.where) if score.where else None
        )
        if of is None:
            hint = nearest(score.of, self.features) or "`antiphon features` lists all columns."
            self._wrong(f"unknown column {score.of!r}", ("scores", name, "of"), hint)
        elif of.type not in RANKED_TYPES:
            message = f"{score.of!r} is {of.type.name.lower()}, which has no high and low"
            hint = "Name a feature that is a number, an amount or a day."
            self._wrong(message, ("scores", name, "of"), hint)
        elif where or not score.where:
            self._reads(name, {score.of})
            high = score.best == "high"
            return Ranking(name, score.of, of.type, where, score.parts, high)
        return None

    def _dimension(self, name: str, model: Dimension) -> Division | None:
        count = len(self.problems)
        needs = self.graph.setdefault(name, set())
        needs |= {model.of} if model.of else set()
        path = ("dimensions", name)
        for where, message, hint in faults(model, self.features, self.names):
            self._wrong(message, (*path, *where), hint, at_key=where != ("of",))
        cases = {
            case: self._condition(name, (*path, "cases", case), text) or NOBODY
            for case, text in (model.cases or {}).items()
        }
        of = {model.of} if model.of else set()
        self._reads(name, of.union(*(case.columns for case in cases.values())))
        return division(name, model, cases) if len(self.problems) == count else None

    def _reads(self, name: str, columns: Collection[str]) -> None:
        """Say which views the feature is built on: what is lost without them is lost on purpose."""
        on = [self.features[column] for column in columns if column in self.features]
        reads = tuple(sorted({view for feature in on for view in feature.reads}))
        self.features[name] = replace(self.features[name], reads=reads)

    def _cross(self, name: str, cross: Cross) -> Crossing | None:
        count = len(self.problems)
        path = ("crosses", name)
        dimensions = [one for one, section in self.taken.items() if section == "dimensions"]
        for index, dimension in enumerate(cross.dimensions):
            where = (*path, "dimensions", index)
            if dimension not in dimensions:
                hint = nearest(dimension, tuple(dimensions))
                if dimension in self.features:
                    hint = f"Declare a dimension that divides {dimension!r}."
                self._wrong(f"no dimension {dimension!r}", where, hint)
            elif dimension in cross.dimensions[:index]:
                self._wrong(f"{dimension!r} appears twice in 'dimensions'", where, "Remove one.")
        for index, dimension in enumerate(cross.roll_up):
            where = (*path, "roll_up", index)
            if dimension not in cross.dimensions:
                message = f"{dimension!r} is no dimension of the cross"
                hint = nearest(dimension, cross.dimensions)
                self._wrong(message, where, hint or f"It has {', '.join(cross.dimensions)}.")
            elif dimension in cross.roll_up[:index]:
                self._wrong(f"{dimension!r} appears twice in 'roll_up'", where, "Remove one.")
        if cross.min_size > 1 and not cross.roll_up:
            hint = "Write 'roll_up:' and the dimensions that small cells give up, in order."
            message = f"cells below {cross.min_size} customers have nothing to give up"
            self._wrong(message, (*path, "min_size"), hint)
        self.graph.setdefault(name, set()).update(cross.dimensions)
        if len(self.problems) > count:
            return None
        return Crossing(name, cross.dimensions, cross.min_size, cross.roll_up)

    def _rate(self, name: str, rate: Rate, crosses: Mapping[str, Crossing]) -> GroupRate | None:
        count = len(self.problems)
        self.graph.setdefault(name, set()).update((rate.part, rate.of, rate.by))
        for key, column in (("part", rate.part), ("of", rate.of)):
            of = self.features.get(column)
            if of is None:
                hint = nearest(column, self.features) or "`antiphon features` lists all columns."
                self._wrong(f"unknown column {column!r}", ("rates", name, key), hint)
            elif of.type is not ColumnType.INTEGER or column in self.taken:
                message = f"{column!r} counts nothing: it is no whole number of a feature file"
                hint = "Name a count, such as clicked_count_365d of message_count_365d."
                self._wrong(message, ("rates", name, key), hint)
        divided = [one for one, of in self.taken.items() if of in ("dimensions", "crosses")]
        if rate.by not in divided:
            hint = nearest(rate.by, tuple(divided))
            self._wrong(f"no dimension or cross {rate.by!r}", ("rates", name, "by"), hint)
        if len(self.problems) > count:
            return None
        self._reads(name, {rate.part, rate.of})
        cross = crosses.get(rate.by)
        levels = cross.coarsest_first if cross else (0,)
        return GroupRate(name, rate.part, rate.of, rate.by, levels)

    def _cycle(self, cycle: tuple[str, ...]) -> None:
        """Say it at its first member."""
        first = cycle[0]
        message = f"{first!r} is built on itself: {' → '.join([*cycle, first])}"
        hint = "Take one of these names out of the definition before it."
        self._wrong(message, (self.taken.get(first, "segments"), first), hint, at_key=True)
