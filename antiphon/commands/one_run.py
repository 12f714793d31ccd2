"""One run as `antiphon runs RUN` shows it."""

from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import Row, show
from antiphon.reports.ran import run_story, step_seconds

if TYPE_CHECKING:
    from antiphon.project import Project


def show_run(project: "Project", row: Row) -> None:
    """Every step with its counts, what to look at, what became of the messages, what it pinned."""
    story = run_story(project, row["run"])
    steps = [
        {
            "step": one.step,
            "seconds": None if (lasted := step_seconds(one)) is None else round(lasted, 2),
            "counts": ", ".join(f"{name} {count:,}" for name, count in one.counts.items()),
        }
        for one in story.steps
    ]
    show(f"Run {row['run']}", ["step", "seconds", "counts"], steps)
    click.echo(f"{row['state']}: {row['verdict']}" if row["verdict"] else row["state"])
    if story.messages:
        states = ", ".join(f"{number:,} {state}" for state, number in story.messages.items())
        click.echo(f"Messages: {states}.")
    if story.warnings:
        click.echo("To look at:")
        for line in story.warnings:
            click.echo(f"  {line}")
    record = story.record
    pinned = {
        "as of": f"{row['as of']:%Y-%m-%d %H:%M %Z}" + (", a dry run" if row["dry"] else ""),
        "snapshot": record.snapshot_id,
        "files": record.files_hash and record.files_hash[:12],
        "engines": ", ".join(f"{n} {v}" for n, v in (record.engine_versions or {}).items()),
        **story.places,
    }
    for name, value in pinned.items():
        if value:
            click.echo(f"{name + ':':<18} {value}")


def run_json(project: "Project", row: Row) -> Row:
    """The same for programs."""
    story = run_story(project, row["run"])
    return {
        **row,
        "steps": [
            {"step": one.step, "seconds": step_seconds(one), "counts": dict(one.counts)}
            for one in story.steps
        ],
        "warnings": story.warnings,
        "messages": story.messages,
        "snapshot": story.record.snapshot_id,
        "files_hash": story.record.files_hash,
        "engine_versions": story.record.engine_versions,
        "places": story.places,
    }
