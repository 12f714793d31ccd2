"""What a run would do on the last published snapshot: plan."""

import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.differences import (
    as_text,
    customers_option,
    diff_json,
    policy_option,
    show_diff,
    told_of,
)
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
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.policy.words.summary import CampaignSummary
    from antiphon.project import Project

POLICY_FILE = "config/policy.yaml"


@click.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Business day; absent: today.")
@click.option("--campaign", "campaigns", multiple=True, help="Only this one; may be repeated.")
@click.option("--diff", "compared", is_flag=True, help="Who gains and loses by the last run.")
@policy_option
@customers_option
@as_json
@at_option
@click.pass_obj
def plan(
    root: Path | None,
    *,
    day: datetime | None,
    campaigns: Sequence[str],
    compared: bool,
    policy: Path | None,
    customers: Path | None,
    as_json: bool,
) -> int:
    """What a run would decide now, and how each campaign differs from the last run.

    With --diff: whom the last run that sent wrote to, and whom this one would; with --policy: what
    another policy file would change. Both tell which rule holds how many back.

    Nothing is written. Examples: antiphon plan --campaign winback-lost-loyal, antiphon plan --diff,
    antiphon plan --policy stricter.yaml
    """
    if customers and not (compared or policy):
        raise click.UsageError("--customers goes with --diff or --policy.")
    if compared or policy:
        asked = _Asked(day.date() if day else None, tuple(campaigns) or None, policy, customers)
        return _differ(opened(root), asked, as_json=as_json)
    from antiphon.policy.words.summary import CampaignSummary  # noqa: PLC0415
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


@dataclass(frozen=True)
class _Asked:
    """What is to be compared, and where the customers go."""

    day: date | None
    campaigns: tuple[str, ...] | None
    policy: Path | None
    customers: Path | None


def _differ(project: "Project", asked: _Asked, *, as_json: bool) -> int:
    """The plan beside the last run that sent; with a policy file, beside the plan without it."""
    from antiphon.steps.differing import differ, write_customers  # noqa: PLC0415
    from antiphon.steps.planning import planned, with_policy  # noqa: PLC0415

    other = with_policy(project, asked.policy) if asked.policy else project
    with ExitStack() as stack:
        now = project.clock()
        plan = stack.enter_context(planned(other, asked.day, asked.campaigns, now=now))
        before, files = f"under {POLICY_FILE}", list[Path]()
        if asked.policy:
            base = stack.enter_context(planned(project, asked.day, asked.campaigns, now=now))
            files = base.decisions
        else:
            before, files = _last(project)
        diff = differ(plan.session, files, plan.decisions)
        written = write_customers(plan.session, asked.customers) if asked.customers else 0
        after = f"plan of {plan.day.moment.business_day}"
    after += f" under {asked.policy}" if asked.policy else ""
    policies = [other.configuration.policy, project.configuration.policy]
    if as_json:
        click.echo(as_text(diff_json(before, after, diff, policies)))
        return ExitCode.DONE
    show_diff(before, after, diff, policies)
    told_of(asked.customers, written)
    click.echo("Nothing was written.")
    return ExitCode.DONE


def _last(project: "Project") -> tuple[str, list[Path]]:
    """The last run that sent, and its decisions."""
    from antiphon.steps.planning import decisions_of, last_sending  # noqa: PLC0415

    run_id, _ = last_sending(project)
    if run_id is None:
        raise UserFilesError(
            "no run has sent anything yet: there is nothing to compare with.\n"
            "  `antiphon plan` shows the plan alone."
        )
    return f"run {run_id}", decisions_of(project, run_id)


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
