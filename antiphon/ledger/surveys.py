"""What surveys keep beside their answers: unconfirmed taps, comments, tasks for staff."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from sqlalchemy import Engine, func, select, update

from antiphon.ledger.engine import listed, reading, writing
from antiphon.ledger.inserting import count_inserted, insert_new
from antiphon.ledger.survey_schema import (
    UNSETTLED,
    UNWRITTEN,
    staff_tasks,
    survey_comments,
    survey_taps,
)


@dataclass(frozen=True, slots=True)
class Comment:
    """What somebody wrote in answer to a question: personal, for people to read."""

    comment_id: str
    customer_id: str
    message_id: str
    survey: str
    question: str
    comment: str
    told_at: datetime


@dataclass(frozen=True, slots=True)
class StaffTask:
    """Somebody of the company is to do something about a low score."""

    task_id: str
    customer_id: str
    message_id: str
    campaign: str
    survey: str
    touchpoint: str
    product_id: str | None
    score: int
    is_confirmed: bool
    task: str
    made_at: datetime


class Surveys:
    """Taps, comments and tasks of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def tap(self, message_id: str, customer_id: str, value: str, at: datetime) -> bool:
        """A link in a message was followed, by somebody or something; false: known already."""
        row = {
            "message_id": message_id,
            "value": value,
            "customer_id": customer_id,
            "tapped_at": at,
        }
        with writing(self._engine) as connection:
            return count_inserted(connection, insert_new(connection, survey_taps), row) == 1

    def tapped(self, quiet_since: datetime, limit: int) -> dict[str, list[tuple[str, datetime]]]:
        """Message → each value ever tapped in it and when; of those with unsettled taps, none of
        them after `quiet_since`, the oldest first."""
        waiting = (
            select(survey_taps.c.message_id, func.min(survey_taps.c.tapped_at).label("first_at"))
            .where(UNSETTLED)
            .group_by(survey_taps.c.message_id)
            .having(func.max(survey_taps.c.tapped_at) <= quiet_since)
            .order_by("first_at", survey_taps.c.message_id)
            .limit(limit)
            .subquery()
        )
        columns = (survey_taps.c.message_id, survey_taps.c.value, survey_taps.c.tapped_at)
        query = select(*columns).join(waiting, waiting.c.message_id == survey_taps.c.message_id)
        order = (waiting.c.first_at, survey_taps.c.message_id, survey_taps.c.value)
        found: dict[str, list[tuple[str, datetime]]] = {}
        with reading(self._engine) as connection:
            for message_id, value, at in connection.execute(query.order_by(*order)):
                found.setdefault(message_id, []).append((value, at))
        return found

    def settle(self, message_ids: Collection[str], now: datetime) -> None:
        """It is decided what the taps in these messages mean."""
        if not message_ids:
            return
        with writing(self._engine) as connection:
            mine = survey_taps.c.message_id.in_(listed(connection, message_ids))
            change = update(survey_taps).where(mine, UNSETTLED).values(settled_at=now)
            connection.execute(change)

    def comment(self, told: Comment) -> bool:
        """Keeps what somebody wrote; false: it was kept already."""
        with writing(self._engine) as connection:
            new = insert_new(connection, survey_comments)
            return count_inserted(connection, new, asdict(told)) == 1

    def comments(
        self, *, customer_id: str | None = None, survey: str | None = None, limit: int | None = None
    ) -> list[Comment]:
        """Of a customer, of a survey, or of both; the newest first."""
        query = select(*(survey_comments.c[one.name] for one in fields(Comment)))
        if customer_id is not None:
            query = query.where(survey_comments.c.customer_id == customer_id)
        if survey is not None:
            query = query.where(survey_comments.c.survey == survey)
        order = (survey_comments.c.told_at.desc(), survey_comments.c.comment_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(*order).limit(limit))
            return [Comment(*row) for row in rows]

    def give(self, task: StaffTask) -> bool:
        """Keeps a task; false: there is one already for the message and the survey."""
        with writing(self._engine) as connection:
            new = insert_new(connection, staff_tasks)
            return count_inserted(connection, new, asdict(task)) == 1

    def unwritten_tasks(self) -> list[StaffTask]:
        """Tasks that no file is known to have yet, oldest first."""
        query = select(*(staff_tasks.c[one.name] for one in fields(StaffTask))).where(UNWRITTEN)
        order = (staff_tasks.c.made_at, staff_tasks.c.task_id)
        with reading(self._engine) as connection:
            return [StaffTask(*row) for row in connection.execute(query.order_by(*order))]

    def tasks_written(self, task_ids: Collection[str], now: datetime) -> None:
        """Their lines stand in the files."""
        if not task_ids:
            return
        with writing(self._engine) as connection:
            mine = staff_tasks.c.task_id.in_(listed(connection, task_ids))
            change = update(staff_tasks).where(mine, UNWRITTEN).values(written_at=now)
            connection.execute(change)
