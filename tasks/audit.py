"""Audit: nothing is released that breaks a rule."""

from antiphon.steps import release as steps
from tasks.edge import step_task

audit = step_task("audit", steps.audit)
