"""Release: the run's messages may leave."""

from antiphon.steps import release as steps
from tasks.edge import step_task

release = step_task("release", steps.release)
