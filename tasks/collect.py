"""Collect: what was sent is on record in the lake."""

from antiphon.steps import report as steps
from tasks.edge import step_task

collect = step_task("collect", steps.collect)
