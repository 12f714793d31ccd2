"""A past day decided again: replay."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antiphon.commands.differences import (
    as_text,
    customers_option,
    diff_json,
    policy_option,
    show_diff,
    told_of,
)
from antiphon.commands.screen import as_json, counted, opened
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.steps.replaying import Replayed

SHOWN = 10  # differences on the screen


@click.command()
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.option("--run", "run_id", help="Only this run of the day.")
@policy_option
@customers_option
@as_json
@click.pass_obj
def replay(
    root: Path | None,
    *,
    day: datetime,
    run_id: str | None,
    policy: Path | None,
    customers: Path | None,
    as_json: bool,
) -> int:
    """Decide a past day again from what its runs had pinned, and compare every decision.

    With --policy it tells what another policy would have done on that day. Nothing is changed.
    The exit code is 3 where a decision differs.

    Examples: antiphon replay 2026-05-12, antiphon replay 2026-05-12 --policy stricter.yaml
    """
    from antiphon.steps.replaying import replay as decide_again  # noqa: PLC0415
    from antiphon.steps.replaying import runs_of  # noqa: PLC0415

    if customers and not policy:
        raise click.UsageError("--customers goes with --policy.")
    project = opened(root)
    runs = runs_of(project, day.date(), run_id)
    if policy:
        if customers and len(runs) > 1:
            names = ", ".join(one.run_id for one in runs)
            raise click.UsageError(f"{len(runs)} runs decided on that day: add --run ({names}).")
        return _otherwise(project, runs, policy, customers, as_json=as_json)
    found = []
    for record in runs:
        found.append(decide_again(project, record))
        if not as_json:
            _tell(found[-1])
    if as_json:
        click.echo(as_text([_row(one) for one in found]))
    is_equal = all(one.comparison.is_equal for one in found)
    return ExitCode.DONE if is_equal else ExitCode.OUR_FAULT


def _otherwise(
    project: Any, runs: Any, policy: Path, customers: Path | None, *, as_json: bool
) -> int:
    from antiphon.steps.replaying import replay_otherwise  # noqa: PLC0415

    told = []
    for record in runs:
        found = replay_otherwise(project, record, policy, customers)
        policies = [one.configuration.policy for one in (found.other, found.then)]
        if as_json:
            told.append(diff_json(found.run_id, str(policy), found.diff, policies))
            continue
        show_diff(f"run {found.run_id} as it was", f"under {policy}", found.diff, policies)
        told_of(customers, found.written)
    if as_json:
        click.echo(as_text(told))
    return ExitCode.DONE


def _tell(found: "Replayed") -> None:
    """The verdict on one run, in sentences without anybody's data."""
    one = found.comparison
    decisions = counted(one.decisions, "decision")
    if one.is_equal:
        click.echo(f"{found.run_id}: {decisions}, all equal.")
    else:
        click.echo(f"{found.run_id}: {decisions}, of which some differ from what is stored:")
        for (campaign, column), rows in list(one.differences.items())[:SHOWN]:
            click.echo(f"  {campaign}, {_named(column)}: {counted(rows, 'row')}")
        more = len(one.differences) - SHOWN
        if more > 0:
            click.echo(f"  and {more:,} more; --json lists all.")
    if one.erased:
        people, lost = counted(one.erased_customers, "customer"), counted(one.erased, "decision")
        click.echo(f"  {people} were erased since; their {lost} cannot be decided again.")
        if not one.is_equal:
            click.echo(
                "  Limits and household caps count everybody: who is erased can free a place."
            )
    for name, (version, now) in found.engines.items():
        click.echo(f"  {name} was {version} and is {now}.")


def _named(column: str) -> str:
    """A column, or what is there instead of one."""
    from antiphon.steps.comparing import ADDED, DOUBLED, MISSING  # noqa: PLC0415

    words = {
        MISSING: "decided again and not stored",
        ADDED: "stored and not decided again",
        DOUBLED: "stored more than once",
    }
    return words.get(column, f"column {column}")


def _row(found: "Replayed") -> dict[str, Any]:
    """One run for programs."""
    one = found.comparison
    return {
        "run": found.run_id,
        "decisions": one.decisions,
        "equal": one.is_equal,
        "differences": [
            {"campaign": campaign, "column": column, "rows": rows}
            for (campaign, column), rows in one.differences.items()
        ],
        "erased": {"customers": one.erased_customers, "decisions": one.erased},
        "engines": {
            name: {"then": then, "now": now} for name, (then, now) in found.engines.items()
        },
    }
