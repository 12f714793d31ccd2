"""Commands that look at groups of customers: segments, audience."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from antiphon.clock import business_day
from antiphon.commands.screen import Row, as_json, at_option, opened, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.project import Project
    from antiphon.steps.looking import Size

WIDEST = 9  # campaigns that a matrix shows legibly
PAIRS = 30
OLD_DAYS = 7
SIZE_COLUMNS = ("customers", "share", "by e-mail", "by SMS", "average value", "answered")


@click.command()
@click.option("--overlap", is_flag=True, help="How many customers today's campaigns share.")
@click.option(
    "--moves",
    "since",
    metavar="DAY",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Who moved between the stages of --dimension since that day.",
)
@click.option("--dimension", default="lifecycle", show_default=True, help="For --moves.")
@as_json
@at_option
@click.pass_obj
def segments(
    root: Path | None, overlap: bool, since: datetime | None, dimension: str, as_json: bool
) -> int:
    """Each segment's size, whom it reaches, its change since the last run, its worth, its answers.

    Examples: antiphon segments, antiphon segments --overlap, antiphon segments --moves 2026-04-12
    """
    project = opened(root)
    if overlap and since:
        raise click.UsageError("--overlap and --moves are two tables: ask for one at a time.")
    if overlap:
        _overlaps(project, as_json=as_json)
    elif since:
        _moves(project, since, dimension, as_json=as_json)
    else:
        _sizes(project, as_json=as_json)
    return ExitCode.DONE


def _sizes(project: "Project", *, as_json: bool) -> None:
    from antiphon.steps.looking import segment_sizes  # noqa: PLC0415

    found, run_id = segment_sizes(project)
    rows = [
        {
            "segment": one.segment,
            "title": one.title,
            **size_row(one.size, as_json=as_json),
            "vs last run": _change(one.size.customers, one.before, run_id),
        }
        for one in found
    ]
    columns = ["segment", *SIZE_COLUMNS[:4], "vs last run", *SIZE_COLUMNS[4:]]
    show(f"Segments as of {_moment(project)}", columns, rows, json_too=as_json)
    if not as_json:
        currency = project.configuration.settings.business.currency
        click.echo(
            f"`average value`: paid in 365 days, {currency} a customer. `answered`: messages with "
            "an answer, of all so far (95% interval, n messages)."
        )
        if run_id:
            click.echo(f"`vs last run`: customers more or fewer than in {run_id}.")
        _remind(project)


def _change(customers: int, before: int | None, run_id: str | None) -> str:
    if run_id is None:
        return ""
    return "new" if before is None else f"{customers - before:+,}"


def size_row(size: "Size", *, as_json: bool) -> Row:
    """The columns SIZE_COLUMNS of a group; programs get numbers, people words."""
    if as_json:
        interval = size.answered.interval()
        answered: object = {
            "messages": size.answered.whole,
            "answered": size.answered.part,
            "rate": size.answered.rate,
            "interval": list(interval) if interval else None,
        }
    else:
        answered = str(size.answered)
    share = size.share if as_json else f"{size.share:.1%}"
    values = (size.customers, share, size.email, size.sms, size.value, answered)
    return dict(zip(SIZE_COLUMNS, values, strict=True))


def _remind(project: "Project") -> None:
    """Say it where the facts are old: looked at from today, everybody has gone quiet."""
    run = next(iter(project.ledger.runs.latest("daily")), None)
    today = business_day(project.clock(), project.configuration.settings.business.timezone)
    if run and (today - run.business_day).days > OLD_DAYS:
        click.echo(
            f"The last run was on {run.business_day}: --at {run.business_day}T10:00+00:00 "
            "looks as of then."
        )


def _moment(project: "Project") -> str:
    zone = project.configuration.settings.business.timezone
    return f"{project.clock().astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"


def _overlaps(project: "Project", *, as_json: bool) -> None:
    from antiphon.steps.looking import overlaps  # noqa: PLC0415

    sizes, pairs = overlaps(project)
    if as_json:
        rows: Sequence[Row] = [
            {"campaign": one, "other": other, "customers": count, "of": sizes[one]}
            for (one, other), count in sorted(pairs.items())
        ]
        show("", [], rows, json_too=True)
        return
    if len(sizes) > WIDEST:
        rows = [
            {"campaign": one, "audience": sizes[one], "other": other, "shared": count}
            | {"share": f"{count / sizes[one]:.0%}"}
            for (one, other), count in sorted(pairs.items(), key=lambda item: -item[1])[:PAIRS]
        ]
        columns = ["campaign", "audience", "other", "shared", "share"]
        show(f"Shared customers as of {_moment(project)}", columns, rows)
        click.echo(f"The {len(rows)} largest of {len(pairs)} pairs; --json has all of them.")
        return
    names = list(sizes)
    numbers = {name: str(place) for place, name in enumerate(names, start=1)}
    rows = [
        {"": numbers[name], "campaign": name, "audience": sizes[name]}
        | {numbers[other]: pairs.get((name, other), 0) for other in names[place + 1 :]}
        for place, name in enumerate(names)
    ]
    columns = ["", "campaign", "audience", *list(numbers.values())[1:]]
    show(f"Shared customers as of {_moment(project)}", columns, rows)
    click.echo("A number at the top is that campaign's line: customers whom both mean today.")


def _moves(project: "Project", since: datetime, dimension: str, *, as_json: bool) -> None:
    from antiphon.steps.looking import NOT_YET, moves  # noqa: PLC0415

    found = moves(project, since.date(), dimension)
    if as_json:
        rows: Sequence[Row] = [
            {"from": old, "to": new, "customers": count}
            for (old, new), count in sorted(found.counts.items())
        ]
        show("", [], rows, json_too=True)
        return
    there = {name for pair in found.counts for name in pair}
    names = [name for name in found.names if name in there]
    rows = [
        {"from": old} | {new: found.counts.get((old, new), 0) for new in names}
        for old in [*names, *([NOT_YET] if NOT_YET in there else [])]
    ]
    show(f"{dimension} on {since:%Y-%m-%d} (down) and now (across)", ["from", *names], rows)
    stayed = sum(count for (old, new), count in found.counts.items() if old == new)
    click.echo(f"{sum(found.counts.values()) - stayed:,} moved or are new, {stayed:,} stayed.")


@click.command()
@click.argument("condition")
@as_json
@at_option
@click.pass_obj
def audience(root: Path | None, condition: str, as_json: bool) -> int:
    """How many customers a condition holds for, and a few of them: nothing needs to be written.

    Example: antiphon audience "bought(category => 'vitamins', within => '90 days') and age >= 60"
    """
    from antiphon.steps.looking import draft  # noqa: PLC0415

    project = opened(root)
    found = draft(project, condition)
    size = size_row(found.size, as_json=as_json)
    sample = [dict(zip(found.columns, row, strict=True)) for row in found.sample]
    if as_json:
        losses = [one.message for one in found.condition.losses]
        show("", [], [{**size, "sample": sample, "warnings": losses}], json_too=True)
        return ExitCode.DONE
    show(f"As of {_moment(project)}", list(SIZE_COLUMNS), [size])
    for loss in found.condition.losses:
        click.echo(f"Warning: {loss.message}\n  {loss.hint}")
    if sample:
        show("Some of them", found.columns, sample)
    _remind(project)
    click.echo("To keep it: write it under `segments:` in config/segments.yaml, or in a campaign.")
    return ExitCode.DONE
