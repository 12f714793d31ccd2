"""Decide: who is written to, and why not; messages enter the outbox."""

from antiphon.steps import decide as steps
from tasks.edge import step_task

decide = step_task("decide", steps.decide)
