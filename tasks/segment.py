"""Segment: the customer frame of the day, and its segments."""

from antiphon.steps import segment as steps
from tasks.edge import step_task

segment = step_task("segment", steps.segment)
