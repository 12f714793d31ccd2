"""What a run would do on the last published snapshot: plan."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import (
    DAY_COLUMNS,
    Row,
    as_json,
    at_option,
    counted,
    day_row,
    opened,
    rehearsed,
    show,
)
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.policy.summary import CampaignSummary


@click.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Business day; absent: today.")
@click.option("--campaign", "campaigns", multiple=True, help="Only this one; may be repeated.")
@as_json
@at_option
@click.pass_obj
def plan(root: Path | None, day: datetime | None, campaigns: Sequence[str], as_json: bool) -> int:
    """What a run would decide now, and how each campaign differs from the last run.

    Nothing is written. Example: antiphon plan --campaign winback-lost-loyal
    """
    from antiphon.policy.summary import CampaignSummary  # noqa: PLC0415
    from antiphon.steps.planning import last_sending, planned  # noqa: PLC0415

    project = opened(root)
    last, sent_before = last_sending(project)
    with planned(project, day.date() if day else None, campaigns or None) as found:
        missing = found.missing()
        rows = [_plan_row(one, sent_before, missing, found.entering) for one in found.summaries]
        running = {one.campaign for one in found.summaries}
        resting = [] if campaigns else sorted(set(sent_before) - running)
        rows += [
            {**day_row(CampaignSummary(name)), "why": "does not run today"}
            | {"vs last run": f"{-sent_before[name]:+,}", "missing values": {}, "entering": 0}
            for name in resting
        ]
        title = f"Plan of {found.day.moment.business_day} on snapshot {found.day.snapshot.id}"
        entering = {name: count for name, count in sorted(found.entering.items()) if count}
    show(title, [*DAY_COLUMNS, "vs last run"], rows, json_too=as_json)
    if as_json:
        return ExitCode.DONE
    if not running:
        click.echo("No campaign runs on this day: see `runs` in config/campaigns/.")
    if last:
        click.echo(f"`vs last run`: messages more or fewer than {last} decided to send.")
    for campaign, count in entering.items():
        click.echo(f"{campaign}: {counted(count, 'customer')} would enter its chain.")
    for campaign, name, count in missing:
        click.echo(
            f"{campaign}: {count:,} held, as their message would print {name}, which is not known."
        )
    held = sum(count for _, _, count in missing)
    advice = "; `default` in the template can say something else" if held else ""
    click.echo(f"Messages held for a missing value: {held:,}{advice}.")
    again = _repeated(campaigns, day)
    click.echo(f"Nothing was written. To send: antiphon run{again}")
    click.echo("To look: antiphon preview CAMPAIGN")
    return ExitCode.DONE


def _repeated(campaigns: Sequence[str], day: datetime | None) -> str:
    """The options of this plan, for the run that would send it."""
    options = [*(f"--campaign {name}" for name in campaigns)]
    if day:
        options.append(f"--day {day.date()}")
    if at := rehearsed():
        options.append(f"--at {shlex.quote(at)}")
    return "".join(f" {option}" for option in options)


def _plan_row(
    one: "CampaignSummary",
    sent_before: Mapping[str, int],
    missing: Sequence[tuple[str, str, int]],
    entering: Mapping[str, int],
) -> Row:
    """A line of the plan; programs also get which values are missing how often, and how many
    customers would enter its chain."""
    before = sent_before.get(one.campaign)
    return {
        **day_row(one),
        "vs last run": "new" if before is None else f"{one.sent - before:+,}",
        "missing values": {
            name: count for campaign, name, count in missing if campaign == one.campaign
        },
        "entering": entering.get(one.campaign, 0),
    }
