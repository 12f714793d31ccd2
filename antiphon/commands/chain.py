"""The command `chain`: who stands where in a chain of messages, and who left it why."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from antiphon.commands.screen import as_json, at_option, counted, opened, show
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.project import Project
    from antiphon.steps.standing import Standing

COLUMNS = (
    "step",
    "after",
    "here",
    "next due",
    "sent",
    "control",
    "waiting",
    "missed",
    "why missed",
)


@click.command()
@click.argument("name")
@as_json
@at_option
@click.pass_obj
def chain(root: Path | None, name: str, as_json: bool) -> int:
    """A chain step by step: how many stand before each step, were sent it or missed it; who left.

    Those who stand before a step get it next, if its condition holds then and nothing in the
    contact policy holds it back. Enrolments are those of the last run.

    Examples: antiphon chain welcome-first-order, antiphon chain welcome-first-order --json
    """
    from antiphon.steps.standing import standing  # noqa: PLC0415

    project = opened(root)
    found = standing(project, _named(project, name))
    zone = ZoneInfo(project.configuration.settings.business.timezone)
    if as_json:
        click.echo(json.dumps(_document(found), ensure_ascii=False))
        return ExitCode.DONE
    rows = [
        {
            "step": one.step,
            "after": one.after or "",
            "here": one.here,
            "next due": one.next_due_at and one.next_due_at.astimezone(zone),
            "sent": one.sent,
            "control": one.control,
            "waiting": one.waiting,
            "missed": sum(one.missed.values()),
            "why missed": ", ".join(f"{why} {count:,}" for why, count in one.missed.items()),
        }
        for one in found.steps
    ]
    show(
        f"Chain {found.campaign} ({project.configuration.settings.business.timezone} time)",
        COLUMNS,
        rows,
    )
    left = ", ".join(f"{why} {count:,}" for why, count in found.left.items()) or "nobody"
    click.echo(
        f"Entered: {counted(found.entered, 'time')}. In it now: {found.present:,}. Left: {left}."
    )
    return ExitCode.DONE


def _named(project: "Project", name: str) -> str:
    """The name of a campaign with a chain; UserFilesError with the nearest one for any other."""
    from antiphon.campaigns.complaints import nearest  # noqa: PLC0415

    campaigns = project.configuration.campaigns
    chains = [one for one in campaigns if campaigns[one].chain]
    if name in chains:
        return name
    if not chains:
        raise UserFilesError("no campaign has a chain.\n  docs/campaigns-over-time.md shows one.")
    wrong = f"{name!r} has no chain" if name in campaigns else f"no campaign {name!r}"
    raise UserFilesError(f"{wrong}.\n  {nearest(name, chains)}")


def _document(found: "Standing") -> dict[str, Any]:
    def text(at: datetime | None) -> str | None:
        return at.isoformat() if at else None

    return {
        "campaign": found.campaign,
        "entered": found.entered,
        "present": found.present,
        "left": dict(found.left),
        "steps": [
            {
                "step": one.step,
                "after": one.after,
                "here": one.here,
                "next_due_at": text(one.next_due_at),
                "sent": one.sent,
                "control": one.control,
                "waiting": one.waiting,
                "missed": dict(one.missed),
            }
            for one in found.steps
        ],
    }
