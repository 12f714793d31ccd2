"""All configuration files of a project: text in, models out, or every problem with its place."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from antiphon.campaigns.complaints import complaints, nearest, word_spot
from antiphon.campaigns.conversions import VERSION
from antiphon.campaigns.documents import parse
from antiphon.campaigns.leaks import secrets
from antiphon.campaigns.models import Campaign, Expectations, Model, Segments, Sources
from antiphon.campaigns.places import Document, Positions, Spot
from antiphon.campaigns.rules import RULES, Pack, Policy, PolicyRule, Rules
from antiphon.campaigns.settings import Settings
from antiphon.campaigns.surveys import Survey
from antiphon.entities import SOURCE_ENTITIES
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

if TYPE_CHECKING:
    from antiphon.audience.definitions import Definitions
    from antiphon.audience.dictionary import Feature

M = TypeVar("M", bound=Model)

SETTINGS = "config/settings.yaml"
SOURCES = "config/sources.yaml"
SEGMENTS = "config/segments.yaml"
POLICY = "config/policy.yaml"
PACKS = "config/packs"
CAMPAIGNS = "config/campaigns"
EXPECTATIONS = "config/expectations"
SURVEYS = "config/surveys"
FOLDERS = (CAMPAIGNS, EXPECTATIONS, PACKS, SURVEYS)
NAMED: dict[str, type[Model]] = {CAMPAIGNS: Campaign, PACKS: Pack, SURVEYS: Survey}
SINGLE: dict[str, type[Model]] = {
    SETTINGS: Settings,
    SOURCES: Sources,
    SEGMENTS: Segments,
    POLICY: Policy,
}


def campaign_file(name: str) -> str:
    """The file of that campaign."""
    return f"{CAMPAIGNS}/{name}.yaml"


def pack_file(name: str) -> str:
    """The file of that pack."""
    return f"{PACKS}/{name}.yaml"


def survey_file(name: str) -> str:
    """The file of that survey."""
    return f"{SURVEYS}/{name}.yaml"


def expectations_file(entity: str) -> str:
    """The file of that entity's expectations."""
    return f"{EXPECTATIONS}/{entity}.yaml"


def _none_yet() -> "Definitions":
    """Imported late: with them comes what reads conditions, which a look at the past needs not."""
    from antiphon.audience.definitions import Definitions  # noqa: PLC0415

    return Definitions()


@dataclass(frozen=True)
class Configuration:
    """The configuration of one run. `check.load` fills `definitions`; `read` leaves them empty.

    `policy`: with the rules of its packs after its own.
    """

    files: ProjectFiles
    settings: Settings
    sources: Sources
    segments: Segments
    policy: Policy
    campaigns: dict[str, Campaign]
    expectations: dict[str, Expectations]
    surveys: dict[str, Survey] = field(default_factory=dict)
    definitions: "Definitions" = field(default_factory=_none_yet)

    @property
    def features(self) -> dict[str, "Feature"]:
        """Every column a condition or template may name, derived ones too."""
        return self.definitions.features


@dataclass
class Draft:
    """What could be read, so that the good files are checked beside the bad ones.

    Keyed by file. `left_out`: the rules of a policy or a pack that could not be read.
    """

    files: ProjectFiles
    positions: Positions = field(default_factory=Positions)
    problems: list[Problem] = field(default_factory=list)
    models: dict[str, Model] = field(default_factory=dict)
    left_out: dict[str, set[tuple[str, int]]] = field(default_factory=dict)

    def get(self, path: str, model: type[M]) -> M | None:
        """The file as its model: without its wrong parts, where those could be left out."""
        found = self.models.get(path)
        return found if isinstance(found, model) else None

    def under(self, folder: str, model: type[M]) -> dict[str, M]:
        """Stem → model of each readable file of a folder."""
        prefix = folder + "/"
        return {
            path.removeprefix(prefix).removesuffix(".yaml"): found
            for path, found in self.models.items()
            if path.startswith(prefix) and isinstance(found, model)
        }

    def rules(self, path: str) -> Iterator[tuple[str, int, PolicyRule]]:
        """Section, number in it as written and rule, of a policy or a pack."""
        rules, left_out = self.get(path, Rules), self.left_out.get(path, set())
        for section in RULES if rules else ():
            kept = (number for number in count() if (section, number) not in left_out)
            for number, rule in zip(kept, getattr(rules, section), strict=False):
                yield section, number, rule

    def configuration(self, *, with_definitions: bool = True) -> Configuration | None:
        """The whole, if every file was read; `definitions` is None where nobody will ask it."""
        settings, sources = self.get(SETTINGS, Settings), self.get(SOURCES, Sources)
        segments, policy = self.get(SEGMENTS, Segments), self.get(POLICY, Policy)
        if not (settings and sources and segments and policy) or any(
            not problem.is_warning for problem in self.problems
        ):
            return None
        packs = self.under(PACKS, Pack)
        return Configuration(
            self.files,
            settings,
            sources,
            segments,
            policy.with_packs(tuple(packs[name] for name in policy.packs)),
            self.under(CAMPAIGNS, Campaign),
            self.under(EXPECTATIONS, Expectations),
            self.under(SURVEYS, Survey),
            _none_yet() if with_definitions else cast("Definitions", None),
        )


def read(files: ProjectFiles) -> tuple[Configuration | None, list[Problem], Positions]:
    """The configuration, or every problem of shape in any of its files, and where things stand."""
    drafted = draft(files)
    return drafted.configuration(), drafted.problems, drafted.positions


def draft(files: ProjectFiles) -> Draft:
    """Read every file under config/ as far as it can be read."""
    drafted = Draft(files)
    for path in sorted({*SINGLE, *(path for path in files.texts if path.startswith("config/"))}):
        if path not in files.texts:
            hint = "Write it; docs/configuration.md says what it holds."
            drafted.problems.append(Problem(path, 0, 0, "the file is missing", hint=hint))
        elif model := _model_of(path):
            _read_file(drafted, path, model)
        else:
            drafted.problems.append(_unexpected(path))
    drafted.problems += _unknown_packs(drafted)
    return drafted


def _model_of(path: str) -> type[Model] | None:
    if path in SINGLE:
        return SINGLE[path]
    place = PurePosixPath(path)
    if place.suffix != ".yaml":
        return None
    if str(place.parent) in NAMED:
        return NAMED[str(place.parent)]
    is_known = str(place.parent) == EXPECTATIONS and place.stem in SOURCE_ENTITIES
    return Expectations if is_known else None


def _unexpected(path: str) -> Problem:
    place = PurePosixPath(path)
    if place.suffix == ".yml":
        hint = f"Rename it to {place.with_suffix('.yaml')}."
    elif str(place.parent) == EXPECTATIONS:
        hint = nearest(path, [expectations_file(entity) for entity in SOURCE_ENTITIES])
    else:
        hint = nearest(path, [*SINGLE, *(f"{folder}/….yaml" for folder in FOLDERS)])
    return Problem(path, 0, 0, "no part of Antiphon reads this file", hint=hint)


def _read_file(drafted: Draft, path: str, model: type[Model]) -> None:
    document, problems = parse(path, drafted.files.texts[path])
    drafted.positions[path] = document
    problems += _secrets(document)
    if document.values is not None:
        found = _versioned(drafted, document, model, problems)
        if found is not None:
            drafted.models[path] = found
        if isinstance(found, Campaign):
            problems += _name_problem(drafted, path, "campaign", found.campaign)
        elif isinstance(found, Pack):
            problems += _name_problem(drafted, path, "pack", found.pack)
        elif isinstance(found, Survey):
            problems += _name_problem(drafted, path, "survey", found.survey)
    drafted.problems += problems


def _versioned(
    drafted: Draft, document: Document, model: type[M], problems: list[Problem]
) -> M | None:
    """The model of a document. One of another version is not looked into: its keys differ."""
    assert document.values is not None
    values = document.values
    if "version" in model.model_fields:
        if problem := _version_problem(document):
            problems.append(problem)
            if "version" in values:
                return None
        values = {"version": VERSION} | values
    return _validate(drafted, document, model, values, problems)


def _version_problem(document: Document) -> Problem | None:
    assert document.values is not None
    version = document.values.get("version")
    if version == VERSION:
        return None
    if "version" not in document.values:
        hint = f"Begin the file with 'version: {VERSION}'."
        return Problem(document.path, 0, 0, "the file says no version", hint=hint)
    spot = document.value_spot(("version",))
    if isinstance(version, str) and version.strip().isdecimal():
        if int(version[:18]) > int(VERSION):
            hint = f"This Antiphon reads version {VERSION}: upgrade Antiphon."
            return document.problem_at(spot, "made for a newer Antiphon", hint)
        hint = (
            "Compare the file with docs/configuration.md, change what differs, "
            f"then write 'version: {VERSION}'."
        )
        return document.problem_at(spot, "made for an older Antiphon", hint)
    return document.problem_at(spot, "no version", f"Write 'version: {VERSION}'.")


def _validate(
    drafted: Draft,
    document: Document,
    model: type[M],
    values: Mapping[str, Any],
    problems: list[Problem],
) -> M | None:
    """The model; where there are problems, that of the values without their wrong parts, where
    these are unknown to the model, or definitions and rules beside others."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        details = error.errors(include_url=False)
        problems += complaints(document, model, details)
    spared: Any = dict(values)
    for path in sorted({_wrong_part(model, values, one) for one in details}, key=_last_first):
        if not path:
            return None
        if issubclass(model, Rules) and path[0] in RULES and len(path) == 2:
            section, number = path
            drafted.left_out.setdefault(document.path, set()).add((str(section), int(number)))
        spared = _without(spared, path)
    try:
        return model.model_validate(spared)
    except ValidationError:
        return None


Place = tuple[str | int, ...]


def _wrong_part(model: type[Model], values: Mapping[str, Any], detail: ErrorDetails) -> Place:
    """What to leave out so that the rest of the file can be judged; () where nothing can be."""
    path = detail["loc"]
    if issubclass(model, Segments | Rules):
        # The other definitions and rules are as good as before.
        return path[:2] if isinstance(values.get(str(path[0])), dict | list) else path[:1]
    # Without a source, its columns would be missing elsewhere.
    is_unknown = detail["type"] == "extra_forbidden" and model is not Sources
    return path if is_unknown else ()


def _last_first(path: Place) -> list[tuple[int, str]]:
    """The last items of a list come first, so that those before them keep their numbers."""
    return [(-one, "") if isinstance(one, int) else (0, one) for one in path]


def _without(values: Any, path: Place) -> Any:
    """A copy of the values without what is at the path; a need of consent becomes the usual."""
    key, rest = path[0], path[1:]
    if isinstance(values, list) and isinstance(key, int):
        kept = [_without(values[key], rest)] if rest else []
        return [*values[:key], *kept, *values[key + 1 :]]
    if not isinstance(values, dict) or key not in values:
        return values
    if path[0] == "consent" and rest:
        return values | {key: values[key] | {rest[0]: "opt_in"}}
    if rest:
        return values | {key: _without(values[key], rest)}
    return {name: value for name, value in values.items() if name != key}


def _name_problem(drafted: Draft, path: str, kind: str, name: str) -> list[Problem]:
    """A campaign, a pack or a survey in a file of another name."""
    place = PurePosixPath(path)
    if name == place.stem:
        return []
    if str(place.with_stem(name)) in drafted.files.texts:
        message = f"the {kind} {name!r} has a file of its own already"
    else:
        message = f"the {kind} {name!r} is in the file of {place.stem!r}"
    hint = f"Write '{kind}: {place.stem}', or rename the file to {name}.yaml."
    return [drafted.positions.problem(path, (kind,), message, hint)]


def _unknown_packs(drafted: Draft) -> Iterator[Problem]:
    """Packs that a policy names and that have no file, or that it names twice."""
    policy = drafted.get(POLICY, Policy)
    names = policy.packs if policy else ()
    known = [path.removesuffix(".yaml") for path in drafted.files.under(PACKS)]
    document = drafted.positions.get(POLICY)
    for number, name in enumerate(names):
        assert document is not None
        path = ("packs", number)
        spot = word_spot(document, path) or document.value_spot(path)
        if name in names[:number]:
            yield document.problem_at(spot, f"the pack {name!r} is named twice", "Remove one.")
        elif name not in known:
            hint = nearest(name, known) if known else f"Write the file {pack_file(name)}."
            yield document.problem_at(spot, f"no pack {name!r} in {PACKS}/", hint)


def _secrets(document: Document) -> list[Problem]:
    """Anything that looks like a secret: it belongs into the environment."""
    hint = "Keep it in the environment; write here only the name of the variable."
    problems = []
    for offset, what in secrets(document.text):
        line = document.text.count("\n", 0, offset) + 1
        spot = Spot(line, offset - document.text.rfind("\n", 0, offset))
        problems.append(document.problem_at(spot, f"this looks like {what}", hint))
    return problems
