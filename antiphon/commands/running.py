"""Commands around runs: run, trigger, runs, abandon, deploy."""

import importlib
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from antiphon.commands.screen import (
    DAY_COLUMNS,
    Row,
    as_json,
    at_option,
    day_row,
    log_to_screen,
    opened,
    show,
)
from antiphon.errors import AntiphonError, ExitCode, UserFilesError
from antiphon.states import MessageState

if TYPE_CHECKING:
    from antiphon.ledger import Run as Record
    from antiphon.project import Project

# Quiet and offline.
ENGINE = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # errors are told once, by us, without a traceback
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",  # the automation of `antiphon deploy` listens
    "PREFECT_SERVER_LOGGING_LEVEL": "ERROR",
    "GX_ANALYTICS_ENABLED": "false",
}


@click.command()
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Business day; absent: today.")
@click.option("--campaign", "campaigns", multiple=True, help="Only this one; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Pull, publish and decide; send nothing.")
@at_option
@click.pass_obj
def run(root: Path | None, day: datetime | None, campaigns: Sequence[str], dry_run: bool) -> int:
    """Do the daily run now, with nothing to start first; repeating it sends nothing twice.

    With --dry-run data is pulled and published and the day decided; nothing is written to the
    outbox. `antiphon plan` decides without pulling.

    Examples: antiphon run, antiphon run --dry-run, antiphon run --at 2026-05-12T10:00+02:00
    """
    from antiphon.clock import business_day  # noqa: PLC0415
    from antiphon.steps.run import todays_campaigns  # noqa: PLC0415

    project = opened(root)  # wrong files and names are told before anything starts
    zone = project.configuration.settings.business.timezone
    today = day.date() if day else business_day(project.clock(), zone)
    todays_campaigns(project, today, campaigns or None)
    for name, value in ENGINE.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_HOME", str(project.var / "prefect"))
    os.environ["ANTIPHON_ROOT"] = str(project.root)
    log_to_screen()
    state = _daily(project)(
        business_day=day.date() if day else None,
        campaigns=list(campaigns) or None,
        dry_run=dry_run,
        return_state=True,
    )
    if state.is_cancelled():
        click.echo(state.message, err=True)
        return ExitCode.USAGE
    result = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return show_day(project, result["run_id"])


def _daily(project: "Project") -> Any:
    """The flow, with an engine to run it: the server of PREFECT_API_URL, or one of our own."""
    engine = _module(project.root, "flows.engine")
    if os.environ.get("PREFECT_API_URL"):
        flow = _module(project.root, "flows.daily").daily
    else:
        told = "Starting the workflow engine (the first time takes up to half a minute) …"
        click.echo(told, err=True, nl=False)
        server = engine.start(project.root, Path(os.environ["PREFECT_HOME"]))
        os.environ["PREFECT_API_URL"] = server.url
        flow = _module(project.root, "flows.daily").daily  # takes seconds: meanwhile it starts
        engine.wait(server, lambda: click.echo(".", err=True, nl=False))
        click.echo(" ready.", err=True)
    engine.settle()
    return flow


def _module(root: Path, name: str) -> Any:
    """A module of the checkout, which is no installed package."""
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    return importlib.import_module(name)


def show_day(project: "Project", run_id: str) -> int:
    """The table of the day, what a person should look at, and where everything is."""
    from antiphon.steps.run import WARNINGS, read_summaries  # noqa: PLC0415

    folder = project.var / "runs" / run_id
    summaries = read_summaries(folder)
    show(f"Run {run_id}", DAY_COLUMNS, [day_row(one) for one in summaries])
    record = project.ledger.runs.get(run_id)
    if record is None:
        raise AntiphonError(f"run {run_id} is not on record")
    counts = Counter[str]()
    for count in project.ledger.messages.counts(run_id):
        counts[count.state.value] += count.messages
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.items()))
    if record.dry_run:
        click.echo(
            "A dry run: the data was pulled and published, the day decided; "
            "nothing was written to the outbox and nothing was sent."
        )
    elif not any(one.sent + one.control for one in summaries):
        click.echo(
            "Nothing new to send: whoever is due has been written to already, "
            "or is held back for the reason shown."
        )
    else:
        click.echo(f"Messages: {states}.")
        if later := counts[MessageState.PLANNED.value]:
            click.echo(
                f"{later:,} wait for their hour, or for an account that is paused or full "
                "(`antiphon outbox`): a Prefect worker sends them then, or `antiphon dispatch` "
                "every few minutes. What has not left in time expires."
            )
    warnings = folder / WARNINGS
    if warnings.exists():
        click.echo(f"To look at ({warnings}):")
        for line in dict.fromkeys(warnings.read_text(encoding="utf-8").splitlines()):
            click.echo(f"  {line}")
    outbox = project.root / project.configuration.settings.providers.outbox
    written = outbox / str(record.business_day)
    places = {"Rendered messages": written} if written.exists() else {}
    places |= {
        "Report": folder / "report.csv",
        "Page": folder / "report.html",
        "Run log": folder / "run.log",
        "Data quality": folder / "validation",
    }
    shown = {name: place for name, place in places.items() if place.exists()}
    click.echo("\n".join(f"{name + ':':<18} {place}" for name, place in shown.items()))
    click.echo("Ask next: antiphon why CUSTOMER, antiphon report, antiphon runs")
    return ExitCode.DONE


@click.command()
@at_option
@click.pass_obj
def trigger(root: Path | None) -> int:
    """One pass of the triggers: write to whom new events and notices concern.

    Only sources of events and notices are pulled, and only campaigns that start from these are
    decided. Repeating it sends nothing twice; without news it leaves no run behind.

    Examples: antiphon trigger, antiphon trigger --at 2026-05-12T14:05+02:00
    """
    from antiphon.steps.daily import run_triggers  # noqa: PLC0415

    project = opened(root)
    log_to_screen()
    run_id = run_triggers(project.root, project.clock)
    if run_id is None:
        click.echo("Nothing happened that a campaign waits for.")
        return ExitCode.DONE
    return show_day(project, run_id)


OF_DISPATCH = (  # what a pass counts → in words, in this order
    ("accepted", "accepted"),
    ("refused", "refused"),
    ("withdrawn", "withdrawn"),
    ("expired", "expired"),
    ("in_doubt", "in doubt"),
    ("planned", "to be tried again later"),
    ("senders_died", "left in doubt by a dispatcher that died"),
    ("found_sent", "in doubt, found sent"),
    ("tried_again", "in doubt, found not sent: tried again"),
    ("taken_for_sent", "in doubt for longer than the grace: taken for sent"),
    ("sent_again", "in doubt for longer than the grace: sent again"),
    ("suppressed", "addresses suppressed: they told the provider to stop"),
)


@click.command()
@at_option
@click.pass_obj
def dispatch(root: Path | None) -> int:
    """Send what has become due: messages that were planned for a later hour leave then.

    A Prefect worker does this every few minutes; without one let cron do it as often. Repeating it
    sends nothing twice.

    Examples: antiphon dispatch, antiphon dispatch --at 2026-05-15T08:05+02:00
    """
    from antiphon.campaigns.models import CHANNELS  # noqa: PLC0415
    from antiphon.steps.dispatch import dispatch_due  # noqa: PLC0415

    project = opened(root)
    log_to_screen()
    counts = dispatch_due(project.root, project.clock)
    told = [f"{number:,} {words}" for name, words in OF_DISPATCH if (number := counts.get(name))]
    if told:
        click.echo(f"Messages: {', '.join(told)}.")
    elif any(project.ledger.messages.due_groups(one, project.clock()) for one in CHANNELS):
        click.echo("Nothing left: what is due waits for an account. antiphon outbox")
    else:
        click.echo("Nothing is due.")
    if counts.keys() & {"planned", "in_doubt", "senders_died"}:
        click.echo("What waits or is in doubt: antiphon outbox")
    return ExitCode.DONE


@click.command()
@click.argument("run_id", required=False)
@as_json
@click.pass_obj
def runs(root: Path | None, run_id: str | None, as_json: bool) -> int:
    """Past runs with their verdicts; one run with every step, count and warning.

    Examples: antiphon runs, antiphon runs 2026-05-12-daily-1
    """
    from antiphon.commands.one_run import run_json, show_run  # noqa: PLC0415

    project = opened(root)
    ledger, alive = project.ledger, _living_token(project)
    if run_id is None:
        rows = [_run_row(project, one, alive) for one in ledger.runs.latest()]
        if not as_json:  # one line each: `runs ID` shows all of it
            rows = [{**row, "verdict": row["verdict"].partition("\n")[0]} for row in rows]
        zone = project.configuration.settings.business.timezone
        columns = ["run", "state", "as of", "released", "dry", "verdict"]
        show(f"Runs ({zone} time)", columns, rows, json_too=as_json)
        return ExitCode.DONE
    found = ledger.runs.get(run_id)
    if found is None:
        raise UserFilesError(f"there is no run {run_id}: `antiphon runs` lists them.")
    row = _run_row(project, found, alive)
    if as_json:
        click.echo(json.dumps(run_json(project, row), ensure_ascii=False, default=str))
    else:
        show_run(project, row)
    return ExitCode.DONE


def _living_token(project: "Project") -> int | None:
    """The lease's token, where a process that may be alive holds it; on the machine's clock."""
    from antiphon.clock import system_clock  # noqa: PLC0415
    from antiphon.steps.holder import is_dead  # noqa: PLC0415
    from antiphon.steps.run import LEASE  # noqa: PLC0415

    lease = project.ledger.leases.holder(LEASE, system_clock())
    return None if lease is None or is_dead(lease.holder) else lease.token


def _run_row(project: "Project", one: "Record", alive: int | None) -> Row:
    """A line of the runs, in business time; one whose process was killed is `interrupted`."""
    from antiphon.ledger import RunState  # noqa: PLC0415

    zone = ZoneInfo(project.configuration.settings.business.timezone)
    killed = one.state is RunState.RUNNING and (alive is None or one.lease_token != alive)
    return {
        "run": one.run_id,
        "state": "interrupted" if killed else one.state.value,
        "as of": one.as_of.astimezone(zone),
        "released": one.released_at and one.released_at.astimezone(zone),
        "dry": one.dry_run,
        "verdict": f"killed: run again, or antiphon abandon {one.run_id}"
        if killed
        else one.verdict,
    }


@click.command()
@click.argument("run_id")
@click.option("--reason", default="abandoned by hand", show_default=True)
@at_option
@click.pass_obj
def abandon(root: Path | None, run_id: str, reason: str) -> int:
    """End an interrupted or held run for good; what it planned and has not sent is withdrawn.

    Example: antiphon abandon 2026-05-12-daily-1 --reason "wrong price list"
    """
    from antiphon.ledger import RunState  # noqa: PLC0415

    project = opened(root)
    found = project.ledger.runs.get(run_id)
    if found is None:
        raise UserFilesError(f"there is no run {run_id}: `antiphon runs` lists them.")
    if found.state in (RunState.FINISHED, RunState.ABANDONED):
        raise UserFilesError(f"run {run_id} is {found.state.value}: there is nothing to abandon.")
    withdrawn = project.ledger.runs.abandon(run_id, reason, project.clock())
    project.lake.unpin(run_id)
    click.echo(f"Run {run_id} is abandoned; {withdrawn:,} messages were withdrawn.")
    return ExitCode.DONE


@click.command()
@at_option
@click.pass_obj
def clean(root: Path | None) -> int:
    """Remove what is older than lake.retention says: old snapshots, quarantine, temporary files.

    Every run does so at its end; by hand it helps when the disk is full. What an unfinished run or
    a reader works on stays.

    Example: antiphon clean
    """
    from antiphon.clock import business_day  # noqa: PLC0415
    from antiphon.steps.report import clean as clean_up  # noqa: PLC0415

    project = opened(root)
    zone = project.configuration.settings.business.timezone
    cleaned = clean_up(project, business_day(project.clock(), zone))
    click.echo(
        f"Removed {cleaned.snapshots:,} old snapshots and {cleaned.files:,} files "
        f"({cleaned.bytes / 1e6:,.1f} MB) of {project.lake.path}."
    )
    return ExitCode.DONE


@click.command()
@click.pass_obj
def deploy(root: Path | None) -> int:
    """Deploy the flows to the running Prefect server: work pool, schedules, automation.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api antiphon deploy
    """
    project = opened(root)
    for name, value in ENGINE.items():
        os.environ.setdefault(name, value)
    os.environ["ANTIPHON_ROOT"] = str(project.root)
    zone = project.configuration.settings.business.timezone
    _module(project.root, "flows.deployment").deploy(project.root, zone)
    return ExitCode.DONE
