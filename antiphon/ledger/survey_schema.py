"""Tables of surveys: taps on a score that nobody has confirmed yet, comments, tasks for staff.

What was answered is a row of `responses`. Comments are personal: they are read from here alone,
and never reach the lake, a log or a file.
"""

from sqlalchemy import Boolean, Column, Index, Integer, Table, Text, text

from antiphon.ledger.schema import Instant, metadata

UNSETTLED = text("settled_at IS NULL")
UNWRITTEN = text("written_at IS NULL")

survey_taps = Table(  # one row per message and value: programs that test links tap all of them
    "survey_taps",
    metadata,
    Column("message_id", Text, primary_key=True),
    Column("value", Text, primary_key=True),
    Column("customer_id", Text, nullable=False),
    Column("tapped_at", Instant, nullable=False),  # the first time
    Column("settled_at", Instant),  # when it was decided whether it counts
)
Index(
    "ix_survey_taps_unsettled",
    survey_taps.c.tapped_at,
    sqlite_where=UNSETTLED,
    postgresql_where=UNSETTLED,
)
Index("ix_survey_taps_customer_id", survey_taps.c.customer_id)

survey_comments = Table(
    "survey_comments",
    metadata,
    Column("comment_id", Text, primary_key=True),  # a hash of message, question and moment
    Column("customer_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("told_at", Instant, nullable=False),
)
Index("ix_survey_comments_customer_id", survey_comments.c.customer_id)
Index("ix_survey_comments_told_at", survey_comments.c.told_at)

staff_tasks = Table(  # each becomes one line of a file in var/tasks/
    "staff_tasks",
    metadata,
    Column("task_id", Text, primary_key=True),  # a hash of message and survey: one for each
    Column("customer_id", Text, nullable=False),
    Column("message_id", Text, nullable=False),
    Column("campaign", Text, nullable=False),
    Column("survey", Text, nullable=False),
    Column("touchpoint", Text, nullable=False),
    Column("product_id", Text),
    Column("score", Integer, nullable=False),
    Column("is_confirmed", Boolean, nullable=False),  # false: tapped in the message, no more
    Column("task", Text, nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("written_at", Instant),  # when its line stood in the file
)
Index(
    "ix_staff_tasks_unwritten",
    staff_tasks.c.made_at,
    sqlite_where=UNWRITTEN,
    postgresql_where=UNWRITTEN,
)
Index("ix_staff_tasks_customer_id", staff_tasks.c.customer_id)
