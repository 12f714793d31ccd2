"""Validate: Great Expectations judges every pulled row; failing ones go to quarantine."""

from antiphon.steps import intake as steps
from tasks.edge import step_task

validate = step_task("validate", steps.validate)
