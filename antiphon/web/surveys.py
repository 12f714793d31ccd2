"""/s/TOKEN: the survey of a message; /s/TOKEN/9: the same with an answer tapped in the message.

A tap is noted, and counts if it stays the only one (antiphon.surveys); the page's button always
counts. Nobody's earlier answers are shown: messages are passed on. Addresses within the pages are
relative, so that any proxy may stand before them.
"""

from collections.abc import Collection, Iterator, Mapping

from starlette.responses import Response
from starlette.routing import Route

from antiphon.campaigns.surveys import HIGHEST, Survey
from antiphon.message.links import Purpose
from antiphon.surveys import Asked, Closed, answer, asked, tap
from antiphon.surveys.answering import LONGEST_COMMENT
from antiphon.web.pages import Visit, page
from antiphon.web.site import Site
from antiphon.web.survey_words import SURVEY_WORDS

SHOWN = "shown"  # hidden fields: the questions that the page had
PREFETCH = ("sec-purpose", "purpose", "x-moz")  # a browser looks ahead: nobody tapped yet


def routes(site: Site) -> list[Route]:
    """The survey, and the survey with a value tapped."""
    return [
        page(site, "/s/{token}", _survey),
        page(site, "/s/{token}/{value}", _tapped, posts=False),
    ]


def _survey(visit: Visit) -> Response:
    try:
        found = _asked(visit)
        return _answered(visit, found) if visit.is_post else _form(visit, found, {})
    except Closed:
        return _closed(visit)


def _tapped(visit: Visit) -> Response:
    try:
        found = _asked(visit)
    except Closed:
        return _closed(visit)
    value = str(visit.request.path_params["value"])
    is_known = value in found.survey.questions[found.survey.first].values
    if is_known and visit.request.method == "GET" and not _is_prefetch(visit):
        tap(visit.site.project, found, value, visit.site.now())
    return _form(visit, found, {found.survey.first: value} if is_known else {}, is_noted=is_known)


def _asked(visit: Visit) -> Asked:
    message = visit.person(Purpose.SURVEY).message
    return asked(visit.site.project, message, visit.site.now())


def _is_prefetch(visit: Visit) -> bool:
    return any("prefetch" in visit.request.headers.get(name, "") for name in PREFETCH)


def _answered(visit: Visit, found: Asked) -> Response:
    given = {name: values[-1] for name, values in visit.form.items() if values}
    valid = answer(visit.site.project, found, given, visit.site.now())
    if not valid:
        return _form(visit, found, {}, is_empty=True)
    shown = {*visit.form.get(SHOWN, ()), *valid}
    more = [name for name in _concerning(found.survey, valid) if name not in shown]
    if more:  # the score was changed on the page, and now asks for something else
        return _form(visit, found, valid, only=more)
    return visit.show(
        "survey_thanks.html",
        s=_words(visit),
        thanks=_text(visit, found.survey.thanks),
        survey=visit.token,
    )


def _form(
    visit: Visit,
    found: Asked,
    given: Mapping[str, str],
    *,
    only: Collection[str] = (),
    is_noted: bool = False,
    is_empty: bool = False,
) -> Response:
    survey = found.survey
    names = [name for name in _concerning(survey, given) if name in (only or survey.questions)]
    kept = {name: given[name] for name in (survey.score,) if name is not None and name in given}
    kept = kept if only else {}
    noted = given.get(survey.first, "") if is_noted else ""
    options = survey.questions[survey.first].options or {}
    return visit.show(
        "survey.html",
        422 if is_empty else 200,
        s=_words(visit),
        title=_text(visit, survey.title),
        noted=_text(visit, options[noted]) if noted in options else noted,
        is_more=bool(only),
        is_empty=is_empty,
        kept=kept,
        shown=[*_concerning(survey, given)],
        questions=list(_questions(visit, survey, names, given)),
        longest=LONGEST_COMMENT,
        survey=f"../{visit.token}" if "value" in visit.request.path_params else visit.token,
    )


def _concerning(survey: Survey, given: Mapping[str, str]) -> Iterator[str]:
    """The questions that are asked of somebody who gave these answers."""
    score = given.get(survey.score or "")
    for name, question in survey.questions.items():
        if question.up_to is None or (score is not None and int(score) <= question.up_to):
            yield name


def _questions(
    visit: Visit, survey: Survey, names: Collection[str], given: Mapping[str, str]
) -> Iterator[dict[str, object]]:
    for name in names:
        question = survey.questions[name]
        yield {
            "name": name,
            "kind": question.answer,
            "ask": _text(visit, question.ask),
            "least": _text(visit, question.least or {}),
            "most": _text(visit, question.most or {}),
            "options": [
                (value, _text(visit, texts)) for value, texts in (question.options or {}).items()
            ]
            or [(str(score), str(score)) for score in range(HIGHEST + 1)],
            "chosen": given.get(name, ""),
        }


def _closed(visit: Visit) -> Response:
    return visit.show("survey_closed.html", 410, s=_words(visit))


def _words(visit: Visit) -> Mapping[str, str]:
    return SURVEY_WORDS[visit.language]


def _text(visit: Visit, texts: Mapping[str, str]) -> str:
    """In the page's language, or the first that there is."""
    return texts.get(visit.language) or next(iter(texts.values()), "")
