"""Dispatch: what is due leaves."""

from antiphon.steps import dispatch as steps
from tasks.edge import step_task

dispatch = step_task("dispatch", steps.dispatch)
