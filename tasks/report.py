"""Report: the table of the day, and cleaning up."""

from antiphon.steps import report as steps
from tasks.edge import step_task

report = step_task("report", steps.report)
