"""What is wrong with surveys, and with the campaigns that ask them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from antiphon.audience.dictionary import Feature
from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.configuration import (
    PACKS,
    POLICY,
    SETTINGS,
    SURVEYS,
    Draft,
    campaign_file,
    survey_file,
)
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.places import Path
from antiphon.campaigns.rules import Pause
from antiphon.campaigns.settings import Settings
from antiphon.campaigns.surveys import LANGUAGE, Question, Survey
from antiphon.campaigns.touches import touches
from antiphon.entities import ColumnType
from antiphon.errors import Problem
from antiphon.message.checking import SURVEY_LINK
from antiphon.message.packing import given_by
from antiphon.message.templates import Templates

Texts = Mapping[str, str] | None


@dataclass(frozen=True)
class SurveysCheck:
    """`features`: None where they cannot be known."""

    drafted: Draft
    features: Mapping[str, Feature] | None

    def problems(self) -> Iterator[Problem]:
        """Of every survey, and of the policy's pauses after them."""
        yield from self.of_policy()
        for name, survey in self.drafted.under(SURVEYS, Survey).items():
            file = survey_file(name)
            for path, message, hint, is_warning in self._survey(survey):
                yield self.drafted.positions.problem(
                    file, path, message, hint, at_key=is_warning, is_warning=is_warning
                )

    def of_policy(self) -> Iterator[Problem]:
        """Pauses after surveys that are not there."""
        files = [POLICY, *(f"{PACKS}/{path}" for path in self.drafted.files.under(PACKS))]
        for file in files:
            for section, number, rule in self.drafted.rules(file):
                if isinstance(rule, Pause) and rule.survey not in (None, *self._names):
                    message = f"no survey {rule.survey!r} in {SURVEYS}/"
                    hint = "That is right where a source brings the answers to it."
                    if self._names:
                        hint = f"{nearest(str(rule.survey), self._names)} {hint}"
                    place: Path = (section, number, "survey")
                    yield self.drafted.positions.problem(
                        file, place, message, hint, is_warning=True
                    )

    @property
    def _names(self) -> list[str]:
        """Of the files, those that are wrong too."""
        known = self.drafted.files.under(SURVEYS)
        return [path.removesuffix(".yaml") for path in known if path.endswith(".yaml")]

    def of_campaign(self, campaign: Campaign, templates: Templates | None) -> Iterator[Problem]:
        """A survey that is not there, or that nothing leads to; links to none: see checking."""
        file = campaign_file(campaign.campaign)
        positions = self.drafted.positions
        if campaign.survey is not None and campaign.survey not in self._names:
            hint = f"Write the file {survey_file(campaign.survey)}."
            message = f"no survey {campaign.survey!r} in {SURVEYS}/"
            hint = nearest(campaign.survey, self._names) if self._names else hint
            yield positions.problem(file, ("survey",), message, hint)
            return
        if campaign.survey and templates is not None and not self._is_linked(campaign, templates):
            message = "no template of the campaign has a link to its survey"
            hint = f"Write {{{{ {SURVEY_LINK} }}}} in the message; /9 after it answers its score."
            yield positions.problem(file, ("survey",), message, hint, is_warning=True)

    @staticmethod
    def _is_linked(campaign: Campaign, templates: Templates) -> bool:
        messages = templates.tree.messages()
        return any(
            SURVEY_LINK in used.used
            for touch in touches([campaign])
            if (touch.chain_step or campaign.message) and touch.message in messages
            for arm in campaign.arms
            for language in templates.tree.languages
            for channel in touch.channels
            for _, used in templates.surveys(
                touch.message, arm, language, channel, given_by(touch, templates.crosses)
            )
        )

    # ------------------------------------------------------------ one survey

    def _survey(self, survey: Survey) -> Iterator[tuple[Path, str, str, bool]]:
        """Place, message, hint, whether it is a warning."""
        yield from self._texts(("title",), survey.title)
        yield from self._texts(("thanks",), survey.thanks)
        if self.features is not None and survey.product is not None:
            feature = self.features.get(survey.product)
            if feature is None:
                texts = [n for n, one in self.features.items() if one.type == ColumnType.TEXT]
                hint = nearest(survey.product, texts)
                yield ("product",), f"no feature {survey.product!r}", hint, False
            elif feature.type != ColumnType.TEXT:
                message = f"{survey.product!r} is no text: a product's id is one"
                yield ("product",), message, "Name a feature such as last_product.", False
        if survey.low and survey.score is None:
            hint = "Add a question with 'answer: score', or take 'low' out."
            yield ("low",), "no question has a score that could be low", hint, False
        asked: list[str] = []
        for name, question in survey.questions.items():
            for where, message, hint, is_warning in self._question(survey, asked, question):
                yield ("questions", name, *where), message, hint, is_warning
            asked.append(name)

    def _question(
        self, survey: Survey, asked: list[str], question: Question
    ) -> Iterator[tuple[Path, str, str, bool]]:
        for key in ("ask", "least", "most"):
            yield from self._texts((key,), getattr(question, key))
        if question.answer == "choice":
            if len(question.options or ()) < 2:
                hint = "Write two or more names below 'options:', each with its texts."
                yield ("answer",), "a choice needs options", hint, False
            for name, texts in (question.options or {}).items():
                yield from self._texts(("options", name), texts)
        elif question.options is not None:
            message = f"'options' are of a choice, not of a {question.answer}"
            yield ("options",), message, "Write 'answer: choice', or take them out.", False
        if question.answer != "score" and (question.least or question.most):
            key = "least" if question.least else "most"
            message = f"'{key}' is of a score, not of a {question.answer}"
            yield (key,), message, "Take it out.", False
        if question.sets is not None and question.answer == "comment":
            hint = "Offer a choice: only what has a name of ours becomes a statement."
            yield (
                ("sets",),
                "what somebody writes freely is kept apart, and sets nothing",
                hint,
                False,
            )
        if question.up_to is not None and survey.score not in asked:
            hint = "Put a question with 'answer: score' before it."
            yield ("up_to",), "no score is asked before this question", hint, False
        if question.sets == LANGUAGE:
            yield from self._language(question)

    def _language(self, question: Question) -> Iterator[tuple[Path, str, str, bool]]:
        for name in question.options or ():
            if name not in self._languages:
                hint = f"Languages of {SETTINGS}: {', '.join(self._languages)}."
                yield ("options", name), f"we write in no language {name!r}", hint, False

    @property
    def _languages(self) -> tuple[str, ...]:
        settings = self.drafted.get(SETTINGS, Settings)
        return settings.business.languages if settings else ()

    def _texts(self, path: Path, texts: Texts) -> Iterator[tuple[Path, str, str, bool]]:
        """The languages it lacks; who speaks these reads the first that is there."""
        if texts is None:
            return
        if not texts:
            yield path, f"'{path[-1]}' says nothing", "Write a line for each language.", False
        elif missing := [one for one in self._languages if one not in texts]:
            message = f"no text in {', '.join(missing)}"
            yield path, message, f"Write '{missing[0]}: …'.", True
