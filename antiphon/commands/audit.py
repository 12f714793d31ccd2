"""The command `audit`: did any message of the last days break a rule of the contact policy?"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antiphon.commands.screen import Row, as_json, at_option, counted, opened, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.steps.past_audits import Finding

COLUMNS = ("run", "rule", "messages", "breaches", "which")
SHOWN = 3


@click.command()
@click.option("--days", type=click.IntRange(min=1), default=7, show_default=True)
@as_json
@at_option
@click.pass_obj
def audit(root: Path | None, days: int, as_json: bool) -> int:
    """Check every rule again on the messages of the last days, by code that decided nothing.

    Each released run is held against the files it had, the facts it saw and the contacts of that
    time; exit code 1 where a rule was broken. Rules without a breach are one line per run (with
    --json one each). What lake.retention has removed cannot be checked any more.

    Examples: antiphon audit, antiphon audit --days 30 --json
    """
    from antiphon.clock import business_day  # noqa: PLC0415
    from antiphon.steps.past_audits import audit_again, first_day  # noqa: PLC0415

    project = opened(root)
    zone = project.configuration.settings.business.timezone
    since = first_day(business_day(project.clock(), zone), days)
    found = list(audit_again(project, since))
    broken = sum(len(one.breaches) for one in found)
    if as_json:
        click.echo(json.dumps([_document(one) for one in found]))
        return ExitCode.USER_FILES if broken else ExitCode.DONE
    if not found:
        click.echo(f"No run was released since {since}: there is nothing to check.")
        if last := project.ledger.runs.latest():
            ago = (since - last[0].business_day).days + days
            click.echo(f"The last run is of {last[0].business_day}: antiphon audit --days {ago}")
        return ExitCode.DONE
    show(f"Audit of the runs since {since}", COLUMNS, list(_lines(found)))
    if broken:
        click.echo(f"{broken:,} breach{'' if broken == 1 else 'es'} found.")
        click.echo("Look at one with `antiphon message ID`; `antiphon why` tells what was decided.")
        return ExitCode.USER_FILES
    if any(one.gone for one in found):
        click.echo("No breach in what can still be checked.")
    else:
        click.echo("No breach.")
    return ExitCode.DONE


def _document(one: "Finding") -> dict[str, Any]:
    return {
        "run": one.run_id,
        "day": str(one.business_day),
        "rule": one.rule or None,
        "messages": one.checked,
        "breaches": [
            {"message": each.message_id, "found": each.found, "allowed": each.allowed}
            for each in one.breaches
        ],
        "not_checked": one.gone or None,
    }


def _lines(found: Sequence["Finding"]) -> list[Row]:
    """A line for each rule that is broken or cannot be checked, one for all others of a run."""
    lines: list[Row] = []
    for run_id in dict.fromkeys(one.run_id for one in found):
        mine = [one for one in found if one.run_id == run_id]
        fine = [one for one in mine if not one.breaches and not one.gone]
        if fine:
            rules = counted(len(fine), "rule")
            lines.append(_line(run_id, rules, fine[0].checked, 0, ""))
        for one in mine:
            if one.breaches:
                ids = [each.message_id or "a total" for each in one.breaches]
                more = f" and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
                which = ", ".join(ids[:SHOWN]) + more
                lines.append(_line(run_id, one.rule, one.checked, len(ids), which))
            elif one.gone:
                which = f"cannot be checked any more: {one.gone}"
                lines.append(_line(run_id, one.rule or "every rule", None, None, which))
    return lines


def _line(*values: Any) -> Row:
    return dict(zip(COLUMNS, values, strict=True))
