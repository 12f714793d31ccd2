"""Render: each campaign proofed on real recipients."""

from antiphon.steps import release as steps
from tasks.edge import step_task

render = step_task("render", steps.render)
