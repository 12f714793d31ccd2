"""config/surveys/*.yaml: what is asked on a page, one tap from a message."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from antiphon.campaigns.models import Model
from antiphon.campaigns.scalars import (
    CellName,
    FeatureName,
    Language,
    Line,
    LongerThanZero,
    Name,
    Text,
    Whole,
)

HIGHEST = 10
LANGUAGE = "language"  # the statement that says in which one somebody wishes to be written to
SCORES = tuple(str(score) for score in range(HIGHEST + 1))


class Question(Model):
    """One question."""

    ask: dict[Language, Line] = Field(description="language: the question")
    answer: Literal["score", "choice", "comment"] = Field(
        description="score: 0 to 10; choice: one of `options`; comment: a text of one's own"
    )
    options: dict[CellName, dict[Language, Line]] | None = Field(
        default=None, description="name: language: what may be chosen; the name is what is kept"
    )
    least: dict[Language, Line] | None = Field(
        default=None, description="language: what 0 means; shown beside the scores"
    )
    most: dict[Language, Line] | None = Field(default=None, description="language: what 10 means")
    sets: Name | None = Field(
        default=None,
        description="The answer becomes a statement of this name: stated('…') in conditions; "
        "`language` is the language they are written to in",
    )
    up_to: Whole | None = Field(
        default=None,
        ge=0,
        le=HIGHEST - 1,
        description="Only to those whose score is at most so much; absent: to all",
    )

    @property
    def values(self) -> tuple[str, ...]:
        """What may be answered by one tap; empty for a comment."""
        return SCORES if self.answer == "score" else tuple(self.options or ())


class Low(Model):
    """What follows a low score. Rests are rules of the policy: `pauses:`, `after: survey`."""

    at_most: Whole = Field(ge=0, le=HIGHEST - 1, description="Scores up to this one are low")
    task: Line = Field(description="What staff is to do; a line of a file in var/tasks/")


class Survey(Model):
    """config/surveys/*.yaml: questions on a page of our own, the first answered by one tap."""

    survey: Name = Field(description="Unique name, the same as the file's")
    title: dict[Language, Line] = Field(description="language: the heading of the page")
    touchpoint: Name = Field(description="What is asked about: purchase, delivery, service, …")
    product: FeatureName | None = Field(
        default=None, description="A feature that is the id of the product asked about"
    )
    questions: dict[Name, Question] = Field(
        min_length=1, description="name: the question, in this order; the first is one tap away"
    )
    thanks: dict[Language, Text] = Field(description="language: what is said in the end")
    low: Low | None = Field(default=None, description="Absent: no score is low")
    open_for: LongerThanZero = Field(
        default=timedelta(days=90), description="So long after the message it may be answered"
    )

    @property
    def score(self) -> str | None:
        """The question whose answer is the score, if there is one: the first of its kind."""
        scores = (name for name, one in self.questions.items() if one.answer == "score")
        return next(scores, None)

    @property
    def first(self) -> str:
        """The question that a link in the message answers."""
        return next(iter(self.questions))
