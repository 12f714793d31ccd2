"""Everything that can be known to be wrong before any data is read.

Shape (`campaigns.configuration`), and what only several files together show: conditions, names,
templates, days, columns, expectations. Files that are wrong do not hide what is wrong in others;
only conditions wait for sources.yaml and sql/features/, which say what columns there are, and
templates for these and settings.yaml.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

from antiphon.audience.cell_values import faults as cell_faults
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
from antiphon.campaigns.models import Campaign, Expectations, Segments, Sources
from antiphon.campaigns.places import Path, Positions
from antiphon.campaigns.rhythm import rhythm_problems
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.settings import Settings
from antiphon.campaigns.touches import touches
from antiphon.check_accounts import AccountsCheck
from antiphon.check_conditions import ConditionsCheck
from antiphon.check_policy import PolicyCheck
from antiphon.check_sources import SourcesCheck
from antiphon.check_surveys import SurveysCheck
from antiphon.errors import ConfigError, Problem
from antiphon.files import ProjectFiles
from antiphon.message.offers import faults as offer_faults
from antiphon.message.offers import reminding_faults
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
    return replace(configuration, definitions=checker.conditions.defined[0]), problems


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

    @property
    def positions(self) -> Positions:
        return self.drafted.positions

    @cached_property
    def conditions(self) -> ConditionsCheck:
        return ConditionsCheck(self.files, self.drafted)

    @cached_property
    def _sources_check(self) -> SourcesCheck | None:
        sources = self.drafted.get(SOURCES, Sources)
        return SourcesCheck(self.files, self.positions, sources) if sources else None

    def problems(self) -> Iterator[Problem]:
        """Of all files, those of shape excepted."""
        yield from self._settings()
        if self._sources_check:
            yield from self._sources_check.problems()
        yield from self.conditions.problems()
        yield from self._policy()
        yield from PolicyCheck(self.drafted, self.conditions).problems()
        surveys = SurveysCheck(self.drafted, self.conditions.features)
        yield from surveys.problems()
        for name, campaign in self.drafted.under(CAMPAIGNS, Campaign).items():
            yield from self._campaign(campaign_file(name), campaign)
            yield from self._message(campaign_file(name), campaign)
            yield from surveys.of_campaign(campaign, self._templates)
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
        yield from AccountsCheck(settings, self.positions).problems()

    def _policy(self) -> Iterator[Problem]:
        policy = self.drafted.get(POLICY, Policy)
        if policy is None:
            return
        yield from self._repeated(POLICY, ("exempt",), policy.exempt)
        yield from self._repeated(POLICY, ("uncounted",), policy.uncounted)

    def _repeated(self, file: str, path: Path, values: tuple[str, ...]) -> Iterator[Problem]:
        for index, value in enumerate(values):
            if value in values[:index]:
                message = f"{value!r} appears twice in '{path[-1]}'"
                yield self.positions.problem(file, (*path, index), message, "Remove one.")

    # ------------------------------------------------------------ campaigns

    def _campaign(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        yield from self._period(file, campaign)
        yield from self._repeated(file, ("channels",), campaign.channels)
        yield from self._repeated(file, ("tags",), campaign.tags)
        policy = self.drafted.get(POLICY, Policy)
        if policy and campaign.category not in policy.consent:
            hint = f"Write '{campaign.category}:' below 'consent:' in {POLICY}."
            message = f"the policy does not say what consent {campaign.category!r} needs"
            yield self.positions.problem(file, ("category",), message, hint)
        for one in rhythm_problems(campaign, self.conditions.features):
            wrong = (one.path, one.message, one.hint)
            problem = self.positions.problem(
                file, *wrong, at_key=one.at_key, is_warning=one.is_warning
            )
            if not self.conditions.is_answered(problem):
                yield problem
        if self.conditions.features is not None:
            yield from self._cells(file, campaign)
        yield from self._reminds(file, campaign)

    def _cells(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        """What the campaign says of each cell. A cross that is wrong is answered at its place."""
        definitions, _ = self.conditions.defined
        declared = self.drafted.get(SEGMENTS, Segments)
        crosses = [
            *(declared.crosses if declared else ()),
            *self.conditions.unread.get("crosses", ()),
        ]
        if campaign.for_each in crosses and campaign.for_each not in definitions.crosses:
            return
        found = cell_faults(campaign, definitions.crosses, definitions.dimensions)
        for path, message, hint in found:
            yield self.positions.problem(file, path, message, hint, at_key=path != ("for_each",))
        for place, message, hint in offer_faults(campaign, self._crosses):
            yield self.positions.problem(file, place, message, hint)

    def _reminds(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        """Whether there are codes to remind of; a campaign that cannot be read is not judged."""
        campaigns = self.drafted.under(CAMPAIGNS, Campaign)
        name = campaign.offer.reminds if campaign.offer else None
        if name and name not in campaigns and campaign_file(name) in self.files.texts:
            return
        for place, message, hint in reminding_faults(campaign, campaigns):
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

    # ------------------------------------------------------------ templates

    @cached_property
    def _messages(self) -> list[str]:
        paths = (path.split("/") for path in self.files.under(TEMPLATES))
        return sorted({path[0] for path in paths if len(path) > 1 and path[0][0] not in "_."})

    @cached_property
    def _templates(self) -> Templates | None:
        settings = self.drafted.get(SETTINGS, Settings)
        if settings is None or self.conditions.features is None:
            return None
        types = {name: feature.type for name, feature in self.conditions.features.items()}
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
