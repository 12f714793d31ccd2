"""Whether a tap on a score in a message counts, once it has been quiet for a while.

Programs that guard mailboxes follow every link of a message, mostly at once; people follow one.
So a tap counts when it is the only value ever tapped in its message, and nothing was sent by the
page's button, which always counts.
"""

from collections import Counter
from datetime import datetime, timedelta

from antiphon.ledger import Message
from antiphon.project import Project
from antiphon.surveys.answering import keep
from antiphon.surveys.asked import Asked, Closed, asked
from antiphon.surveys.tasks import write_tasks

QUIET = timedelta(minutes=10)  # so long after the last tap it is settled
AT_ONCE = 1_000


def settle(project: Project, now: datetime) -> Counter[str]:
    """Settles what is quiet; how many taps counted, and of how many messages it is unclear.

    To be called again and again: by the responses flow, and before a run pulls.
    """
    counts = Counter[str]()
    surveys = project.ledger.surveys
    while tapped := surveys.tapped(now - QUIET, AT_ONCE):
        messages = {one.message_id: one for one in project.ledger.messages.several(tapped)}
        answers = []
        for message_id, taps in tapped.items():
            message = messages.get(message_id)
            found = _asked(project, message, taps) if message else None
            counts["answered" if found else "unclear"] += 1
            if found and not _is_answered(project, found):
                ((value, at),) = taps
                first = found.survey.first
                response = found.response(first, value, at, now, confirmed=False)
                answers.append((found, response))
        keep(project, answers, now)
        surveys.settle(tapped, now)
    write_tasks(project, now)
    return counts


def _asked(project: Project, message: Message, taps: list[tuple[str, datetime]]) -> Asked | None:
    """The survey, where there is one tap on a value that it has."""
    if len(taps) > 1:
        return None
    ((value, at),) = taps
    try:
        found = asked(project, message, at)
    except Closed:
        return None
    return found if value in found.survey.questions[found.survey.first].values else None


def _is_answered(project: Project, found: Asked) -> bool:
    """On the page already, or settled by a pass that was killed."""
    before = project.ledger.responses.of_message(found.message.message_id)
    return any(one.survey == found.survey.survey for one in before)
