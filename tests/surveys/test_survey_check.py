"""Claims on what `antiphon check` says of surveys: where, what, and the next step."""

from pathlib import Path

import pytest
import yaml
from survey_world import ROOT, shipped

from antiphon.audience.dictionary import Feature
from antiphon.campaigns.configuration import draft
from antiphon.check_surveys import SurveysCheck
from antiphon.entities import ColumnType
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

FILE = "config/surveys/purchase.yaml"
SHIPPED = (ROOT / FILE).read_text(encoding="utf-8")
FEATURES = {
    name: Feature(name, type_, "", "", "", True)
    for name, type_ in (("last_product", ColumnType.TEXT), ("age", ColumnType.INTEGER))
}


def found(old: str, new: str) -> list[Problem]:
    """What is said of the shipped survey with a part of it written otherwise."""
    assert old in SHIPPED
    texts = {
        path: text
        for path, text in shipped().texts.items()
        if path in ("config/settings.yaml", "config/policy.yaml") or path.startswith("config/packs")
    }
    drafted = draft(ProjectFiles({**texts, FILE: SHIPPED.replace(old, new, 1)}))
    problems = [one for one in drafted.problems if one.path == FILE]
    return [*problems, *SurveysCheck(drafted, FEATURES).problems()]


def test_the_shipped_survey_has_no_fault() -> None:
    assert found("survey: purchase", "survey: purchase") == []


@pytest.mark.parametrize(
    ("old", "new", "message", "hint"),
    [
        ("product: last_product", "product: last_prodct", "no feature 'last_prodct'", "'last_prod"),
        ("product: last_product", "product: age", "'age' is no text", "last_product"),
        ("answer: comment", "answer: coment", "cannot be 'coment'", "'comment'"),
        ("sets: interest", "sats: interest", "unknown key 'sats'", "'sets'"),
        ("answer: comment", "answer: comment\n    sets: mood", "sets nothing", "choice"),
        ("sets: interest", "sets: language", "no language 'vitamins'", "de, en"),
        ("at_most: 6", "at_most: 10", "at_most", ""),
        ("answer: score", "answer: choice", "a choice needs options", "two or more"),
        ("answer: comment", "answer: comment\n    most: {de: x}", "'most' is of a score", "out"),
        ("survey: purchase", "survey: sale", "'sale' is in the file of 'purchase'", "survey: purc"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(old: str, new: str, message: str, hint: str) -> None:
    problems = [one for one in found(old, new) if not one.is_warning]
    assert any(message in one.message and hint in one.hint for one in problems), problems
    assert all(one.path == FILE and one.line > 1 and one.hint for one in problems)


def test_a_language_without_a_text_is_warned_of() -> None:
    (warning, *_) = found("title: {de: Ihr Einkauf bei uns, en: Your", "title: {de: Einkauf, fr: A")
    assert (warning.message, warning.is_warning) == ("no text in en", True)


def test_questions_for_low_scores_come_after_the_score() -> None:
    survey = yaml.safe_load(SHIPPED)
    score = survey["questions"].pop("recommend")
    survey["questions"]["recommend"] = score
    texts = {**shipped().texts, FILE: yaml.safe_dump(survey, sort_keys=False, allow_unicode=True)}
    problems = [
        one
        for one in SurveysCheck(draft(ProjectFiles(texts)), FEATURES).problems()
        if one.path == FILE
    ]
    assert [one.message for one in problems] == ["no score is asked before this question"]


def test_the_pattern_asks_a_survey_of_its_own() -> None:
    folder = Path(ROOT / "antiphon" / "patterns" / "survey-after-purchase")
    assert "survey: $name" in (folder / "campaign.yaml").read_text(encoding="utf-8")
    assert "survey: $name" in (folder / "survey.yaml").read_text(encoding="utf-8")
