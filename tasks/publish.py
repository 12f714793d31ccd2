"""Publish: a new snapshot of the lake, data and watermarks together."""

from antiphon.steps import intake as steps
from tasks.edge import step_task

publish = step_task("publish", steps.publish)
