"""Answers: from a tap in the message, and from the page's form."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from antiphon.collection import record
from antiphon.keys import digest
from antiphon.ledger import Comment, Response, Statement
from antiphon.project import Project
from antiphon.surveys.asked import Asked
from antiphon.surveys.consequences import follow
from antiphon.surveys.tasks import write_tasks

LONGEST_COMMENT = 2_000  # characters
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def tap(project: Project, asked: Asked, value: str, now: datetime) -> bool:
    """The link of a value was followed; false where the first question has no such answer.

    It counts later, if it stays the only one: see `settling`.
    """
    if value not in asked.survey.questions[asked.survey.first].values:
        return False
    message = asked.message
    project.ledger.surveys.tap(message.message_id, message.customer_id, value, now)
    return True


def answer(
    project: Project, asked: Asked, given: Mapping[str, str], now: datetime
) -> Mapping[str, str]:
    """Keeps what was sent by the button; the answers that are valid, by question.

    The latest answers of a message count, earlier ones stay on record. The same once more (a button
    pressed twice) changes nothing.
    """
    valid = _valid(asked, given)
    fresh = {name: value for name, value in valid.items() if value != _before(project, asked, name)}
    responses = []
    for name, value in fresh.items():
        is_comment = asked.survey.questions[name].answer == "comment"
        if is_comment:
            _keep_comment(project, asked, name, value, now)
        kept = None if is_comment else value
        responses.append(asked.response(name, kept, now, now, confirmed=True))
    keep(project, [(asked, one) for one in responses], now)
    project.ledger.surveys.settle([asked.message.message_id], now)
    return valid


def keep(project: Project, answers: Sequence[tuple[Asked, Response]], now: datetime) -> None:
    """Draws the consequences of answers, then records them; any part may be done twice."""
    statements = [
        Statement(asked.message.customer_id, name, one.value, one.occurred_at, asked.survey.survey)
        for asked, one in answers
        if (name := asked.survey.questions[str(one.question)].sets) and one.value is not None
    ]
    project.ledger.statements.add(statements)
    for asked, one in answers:
        if one.question == asked.survey.score and one.value is not None:
            confirmed = bool((one.evidence or {}).get("confirmed"))
            follow(project, asked, int(one.value), one.occurred_at, now, confirmed=confirmed)
    record(project, [one for _, one in answers])
    write_tasks(project, now)


def _valid(asked: Asked, given: Mapping[str, str]) -> dict[str, str]:
    """Answers to questions that are asked, of the values that they have."""
    found = {}
    for name, question in asked.survey.questions.items():
        value = given.get(name, "").strip()
        if question.answer == "comment":
            value = _CONTROL.sub(" ", value.replace("\r\n", "\n"))[:LONGEST_COMMENT].strip()
        elif value not in question.values:
            continue
        if value:
            found[name] = value
    return found


def _before(project: Project, asked: Asked, question: str) -> str | None:
    """What the message's answer is so far, where it was sent by the button."""
    ledger, message = project.ledger, asked.message
    if asked.survey.questions[question].answer == "comment":
        mine = [
            one
            for one in ledger.surveys.comments(
                customer_id=message.customer_id, survey=asked.survey.survey
            )
            if (one.message_id, one.question) == (message.message_id, question)
        ]
        return mine[0].comment if mine else None
    answers = [
        one
        for one in ledger.responses.of_message(message.message_id)
        if (one.survey, one.question) == (asked.survey.survey, question)
    ]
    if not answers or not (answers[-1].evidence or {}).get("confirmed"):
        return None
    return answers[-1].value


def _keep_comment(
    project: Project, asked: Asked, question: str, comment: str, now: datetime
) -> None:
    message = asked.message
    at = now.isoformat(timespec="microseconds")
    project.ledger.surveys.comment(
        Comment(
            digest("comment", message.message_id, question, at),
            message.customer_id,
            message.message_id,
            asked.survey.survey,
            question,
            comment,
            now,
        )
    )
