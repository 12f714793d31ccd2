"""Pull: fresh facts of every source, staged."""

from antiphon.steps import intake as steps
from tasks.edge import step_task

pull = step_task("pull", steps.pull)
