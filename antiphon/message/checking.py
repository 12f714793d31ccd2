"""The check of the templates of a touch, before anything is rendered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from jinja2 import TemplateSyntaxError, nodes

from antiphon.errors import Problem
from antiphon.message.expressions import Sources
from antiphon.message.formats import is_known
from antiphon.message.packing import given_by
from antiphon.message.sms_checking import sms_warnings
from antiphon.message.tree import DEFAULT_VARIANT, REQUIRED, Part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from antiphon.campaigns.touches import Touch
    from antiphon.message.expressions import Survey
    from antiphon.message.templates import Templates

# A marketing SMS lets people out by a link, or by the word that providers act on by themselves;
# the word works only where the sender is a number, as nobody can answer a name.
OPT_OUT_WORD = re.compile(r"\bSTOP\b")
_BARE_LINK = re.compile(r"""href\s*=\s*["']?\s*(https?://[^"'\s>]*)""", re.IGNORECASE)
_SETTINGS = "config/settings.yaml"
SURVEY_LINK = "links.survey"
_EMAIL_PRINTS = ("links.unsubscribe", "company.postal_address")


def check(templates: Templates, touch: Touch) -> set[Problem]:
    """Every problem of every part, for each variant, language and channel of the touch."""
    problems: set[Problem] = set()
    for language in templates.tree.languages:
        if not is_known(language):
            hint = "Write an ISO 639-1 code: de, en, ru."
            problems.add(Problem(_SETTINGS, 0, 0, f"unknown language {language!r}", hint=hint))
    if problems:
        return problems
    tree, message = templates.tree, touch.message
    if message not in tree.messages():
        hint = f"Messages are: {', '.join(sorted(tree.messages())) or 'none'}."
        return {Problem(f"templates/{message}/", 0, 0, "no such message", hint=hint)}
    for variant in touch.campaign.arms:
        if variant != DEFAULT_VARIANT and variant in tree.languages:
            text = f"the variant {variant!r} is named like a language"
            problems.add(Problem(f"templates/{message}/{variant}/", 0, 0, text))
        for language in tree.languages:
            for channel in touch.channels:
                problems |= _page(templates, touch, variant, language, channel)
    return problems


def _page(
    templates: Templates, touch: Touch, variant: str, language: str, channel: str
) -> set[Problem]:
    tree, message = templates.tree, touch.message
    given = given_by(touch, templates.crosses)
    problems: set[Problem] = set()
    for part in REQUIRED[channel]:
        if tree.find(message, variant, language, part) is None:
            where = ", ".join(tree.candidates(message, variant, language, part))
            text = f"no {part} for {channel} in {language!r}, variant {variant!r}"
            hint = f"Looked for: {where}."
            problems.add(Problem(f"templates/{message}/", 0, 0, text, hint=hint))
    tongues: dict[str, str] = {}
    for part, survey in templates.surveys(message, variant, language, channel, given):
        problems.update(survey.problems)
        problems |= _links(survey, templates.tree.files) if part is Part.HTML else set()
        if touch.campaign.category != "service":
            asked = _marketing(survey, part, templates.company.get("sms_from", ""))
            problems |= asked if asked and _is_whole(survey, tree.files) else set()
        if part is Part.SMS and _is_whole(survey, tree.files):
            problems |= sms_warnings(templates, touch, variant, language, survey, given)
        folder = survey.entry.split("/")[-2]
        if folder in tree.languages:
            tongues[folder] = survey.entry
    if len(tongues) > 1:
        both = " and ".join(sorted(tongues.values()))
        text = f"in {language!r} this message mixes languages: {both}"
        problems.add(Problem(f"templates/{message}/", 0, 0, text, is_warning=True))
    return problems


def _marketing(survey: Survey, part: Part, sms_from: str) -> set[Problem]:
    """What the law asks of promotional and lifecycle messages."""
    path = f"templates/{survey.entry}"
    if part in (Part.HTML, Part.TEXT):
        return {
            Problem(path, 0, 0, f"a marketing e-mail has to print {name}", hint=_where(name))
            for name in _EMAIL_PRINTS
            if name not in survey.printed
        }
    if part is not Part.SMS or "links.unsubscribe" in survey.printed:
        return set()
    answerable = sms_from.lstrip("+").isdigit()
    if answerable and any(map(OPT_OUT_WORD.search, survey.texts)):
        return set()
    hint = _where("links.unsubscribe")
    hint += " Or say that answering STOP ends the messages" + (
        "." if answerable else f"; but nobody can answer the sender {sms_from!r}: use a number."
    )
    return {Problem(path, 0, 0, "a marketing SMS has to offer a way out", hint=hint)}


def _is_whole(survey: Survey, files: Mapping[str, str]) -> bool:
    """Whether everything the part is made of could be read: else what it lacks may stand there."""
    if all(problem.is_warning for problem in survey.problems):
        return True
    sources = Sources(files)
    for path in survey.files.values():
        tree = sources.tree(path)
        if isinstance(tree, TemplateSyntaxError):
            return False
        named = [node.template for node in tree.find_all(nodes.Extends)]
        named += [node.template for node in tree.find_all(nodes.Include)]
        for name in named:
            if not isinstance(name, nodes.Const) or name.value not in survey.files:
                return False
    return True


def _where(name: str) -> str:
    return f"Write {{{{ {name} }}}} outside of any condition, best in the layout."


def _links(survey: Survey, files: Mapping[str, str]) -> set[Problem]:
    """Links written out: they would pass by tags and click counting."""
    found: set[Problem] = set()
    for path in survey.files.values():
        for number, line in enumerate(files[path].splitlines(), start=1):
            for match in _BARE_LINK.finditer(line):
                hint = f"Write href=\"{{{{ '{match[1]}' | link }}}}\"."
                place = (f"templates/{path}", number, match.start() + 1)
                found.add(Problem(*place, "a link that is not counted", line.strip(), hint))
    return found
