"""What commands share: the project, tables for people, JSON for programs, log lines."""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from antiphon.policy.words.summary import CampaignSummary
    from antiphon.project import Project

Row = Mapping[str, Any]
_NUMBERS = (int, float, Decimal)
LONGEST_NAME = 40
as_json = click.option("--json", "as_json", is_flag=True, help="JSON for programs.")


def opened(root: Path | None) -> "Project":
    """The project we stand in, or the one named by --project."""
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.project import find_root, open_project  # noqa: PLC0415

    return open_project(find_root(root), edge_clock(os.environ))


def glanced(root: Path | None) -> "Project":
    """As `opened`, without checking conditions and templates: to look at the past, quickly."""
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.files import read_files  # noqa: PLC0415
    from antiphon.project import find_root, glance  # noqa: PLC0415

    folder = find_root(root)
    return glance(folder, read_files(folder), edge_clock(os.environ))


def rehearse(context: click.Context, __: click.Parameter, at: datetime | str | None) -> None:
    """Let this process live at another moment: callback of --at."""
    if not at:
        return
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.errors import UserFilesError  # noqa: PLC0415

    try:
        edge_clock({"ANTIPHON_AT": str(at)})
    except UserFilesError as error:
        raise click.BadParameter(str(error).removeprefix("ANTIPHON_AT is ")) from None
    os.environ["ANTIPHON_AT"] = str(at)
    context.meta["antiphon.at"] = str(at)


def rehearsed() -> str:
    """What --at said; '' where it was not given, ANTIPHON_AT reaches the next command anyway."""
    return str(click.get_current_context().meta.get("antiphon.at", ""))


at_option: Callable[[Any], Any] = click.option(
    "--at",
    metavar="INSTANT",
    callback=rehearse,
    expose_value=False,
    is_eager=True,
    help="Rehearse as of a moment, as 2026-05-12T10:00+02:00; absent: now.",
)


def counted(number: int, thing: str) -> str:
    """`1 problem`, `2 problems`."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def show(
    title: str, columns: Sequence[str], rows: Sequence[Row], *, json_too: bool = False
) -> None:
    """A table on a terminal, the same rows as JSON where a program asked for them."""
    if json_too:
        click.echo(json.dumps([dict(row) for row in rows], ensure_ascii=False, default=str))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    headed = any(column.strip() for column in columns)
    table = Table(title=title or None, title_justify="left", show_header=headed)
    for place, column in enumerate(columns):
        numeric = bool(rows) and all(_is_numeric(row.get(column)) for row in rows)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        longest = max((len(_cell(row.get(column))) for row in rows), default=0)
        is_name = place == 0 and longest <= LONGEST_NAME  # who copies one wants it whole
        table.add_column(column, justify=justify, overflow="fold", no_wrap=is_name)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    console.print(table)


def _is_numeric(value: Any) -> bool:
    return isinstance(value, _NUMBERS) or str(value)[-1:] == "%"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, _NUMBERS):
        return f"{value:,}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)


DAY_COLUMNS = ("campaign", "audience", "sent", "control", "held back", "why")


def day_row(one: "CampaignSummary") -> Row:
    """A line of the table of the day."""
    held = sum(one.held.values())
    reasons = ", ".join(f"{rule} {count:,}" for rule, count in one.held.items())
    values = (one.campaign, one.audience, one.sent, one.control, held, reasons)
    return dict(zip(DAY_COLUMNS, values, strict=True))


def log_to_screen() -> None:
    """Our own log lines on standard error, plainly."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("antiphon")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False
