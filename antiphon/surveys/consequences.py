"""What follows a score at once: a task for staff, and what is planned and must rest now."""

from datetime import datetime

from antiphon.clock import business_day
from antiphon.keys import digest
from antiphon.ledger import StaffTask
from antiphon.project import Project
from antiphon.states import MessageState, ResponseKind
from antiphon.surveys.asked import Asked

WITHDRAWN = "low survey score"


def follow(
    project: Project, asked: Asked, score: int, at: datetime, now: datetime, *, confirmed: bool
) -> None:
    """Draws the consequences of a score given at `at`; twice is the same as once."""
    low = asked.survey.low
    if low is not None and score <= low.at_most:
        project.ledger.surveys.give(_task(asked, score, low.task, at, confirmed))
    _withdraw(project, asked, score, at, now)


def _task(asked: Asked, score: int, task: str, at: datetime, confirmed: bool) -> StaffTask:
    message, survey = asked.message, asked.survey
    return StaffTask(
        digest("task", message.message_id, survey.survey),
        message.customer_id,
        message.message_id,
        message.campaign,
        survey.survey,
        survey.touchpoint,
        asked.product_id,
        score,
        confirmed,
        task,
        at,
    )


def _withdraw(project: Project, asked: Asked, score: int, at: datetime, now: datetime) -> None:
    """Planned messages that a pause of the policy would hold back, were they decided now."""
    configuration = project.configuration
    today = business_day(now, configuration.settings.business.timezone)
    pauses = [
        pause
        for pause in configuration.policy.pauses
        if pause.after == ResponseKind.SURVEY
        and (pause.below is None or score < pause.below)
        and pause.survey in (None, asked.survey.survey)
        and pause.holds_on(today)
        and at + pause.rest > now
    ]
    if not pauses:
        return
    ids = []
    for message in project.ledger.messages.by_customer(asked.message.customer_id):
        campaign = configuration.campaigns.get(message.campaign)
        if campaign is None or message.state != MessageState.PLANNED:
            continue
        if campaign.category in configuration.policy.exempt:
            continue
        if any(pause.concerns(campaign, message.channel) for pause in pauses):
            ids.append(message.message_id)
    if ids:
        project.ledger.messages.withdraw(WITHDRAWN, now, ids=ids)
