"""Commands for analysts: report."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antiphon.commands.screen import as_json, at_option, opened, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    import pyarrow as pa

    from antiphon.reports.lifts import CampaignLift
    from antiphon.reports.rates import ReportTable
    from antiphon.response.nps import NetPromoter
    from antiphon.response.rates import Rate

LIFT = "lift"
USUAL_WIDTH = 120  # as screen.show has it
BORDER = 3
NO_LIFT = (
    "No campaign that has held anybody out has a goal yet.\n"
    "  Write `control: 10%` and `goal: {event: order, within: 14 days}` in its file."
)


@click.command()
@click.argument("name", required=False)
@click.option("--campaign", metavar="NAME", help="Only this campaign.")
@click.option(
    "--by",
    type=click.Choice(["campaign", "variant", "channel", "cell", "day", "cohort"]),
    help="What was sent, came back and was brought in by campaign (the usual report), variant, …",
)
@click.option(
    "--days",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only messages of the last N business days, today the last.",
)
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write a CSV file.")
@click.option(
    "--html",
    "html_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write all of the last run as one page: to read, to print, to send on.",
)
@as_json
@at_option
@click.pass_obj
def report(
    root: Path | None,
    *,
    name: str | None,
    campaign: str | None,
    by: str | None,
    days: int | None,
    csv_path: Path | None,
    html_path: Path | None,
    as_json: bool,
) -> int:
    """A report of sql/reports/, or one of your own: what was sent, came back and was brought in.

    Each rate stands with its numerator, denominator and 95 % interval (Wilson). The report `lift`
    compares campaigns with those held out of them; `--by variant` each variant.

    Examples: antiphon report, antiphon report --by day --days 14, antiphon report lift,
    antiphon report sent --csv sent.csv, antiphon report --html day.html
    """
    if html_path is not None:
        if name or campaign or by or csv_path or as_json:
            raise click.UsageError(
                "--html tells all of a run; of the others only --days goes with it."
            )
        return _page(root, html_path, days)
    if csv_path is not None and as_json:
        raise click.UsageError("--csv writes a file and --json the screen: choose one.")
    from antiphon.reports import lifts  # noqa: PLC0415
    from antiphon.reports.rates import BY, check_scope, report_table  # noqa: PLC0415
    from antiphon.reports.session import Scope  # noqa: PLC0415

    if name not in (None, LIFT) and by is not None:
        raise click.UsageError(f"--by names a report itself: leave out {name!r} or --by.")
    project, scope = opened(root), Scope(campaign, days)
    check_scope(project, scope)
    if name == LIFT:
        if by not in (None, "campaign", "variant"):
            raise click.UsageError("lift is shown by campaign or by variant.")
        found = lifts.lifts(project, scope, by_variant=by == "variant")
        if csv_path or as_json:
            return _written(LIFT, _as_table(lifts.rows(found)), csv_path)
        if found:
            _show_lift(found, project.configuration.settings.business.currency)
        else:
            click.echo(NO_LIFT)
        return ExitCode.DONE
    answered = report_table(project, name or BY[by or "campaign"], scope)
    if csv_path or as_json:
        return _written(answered.name, answered.table(), csv_path)
    _show(answered)
    if name is None and by in (None, "campaign", "variant"):
        found = lifts.lifts(project, scope, by_variant=by == "variant")
        if found:
            _show_lift(found, project.configuration.settings.business.currency)
    return ExitCode.DONE


def _page(root: Path | None, path: Path, days: int | None) -> int:
    from antiphon.reports.page import DAYS, write_page  # noqa: PLC0415

    story = write_page(opened(root), path, days=days or DAYS)
    click.echo(f"{path.absolute()}: run {story.record.run_id}. Open it in a browser.")
    return ExitCode.DONE


def _as_table(rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415

    from antiphon.reports.lifts import COLUMNS  # noqa: PLC0415

    return pa.table({name: [row[name] for row in rows] for name in COLUMNS})


def _written(name: str, table: "pa.Table", csv_path: Path | None) -> int:
    """As a CSV file, or as JSON."""
    if csv_path is None:
        show(name, table.column_names, table.to_pylist(), json_too=True)
        return ExitCode.DONE
    from pyarrow import csv  # noqa: PLC0415

    try:
        csv.write_csv(table, csv_path)
    except OSError as error:
        raise click.BadParameter(f"{csv_path} cannot be written: {error.strerror}.") from None
    click.echo(f"{table.num_rows:,} rows in {csv_path}")
    return ExitCode.DONE


def _show(answered: "ReportTable") -> None:
    """A rate stands in the column of its numerator, with its interval. Where there are rates, what
    is nought in every row is left out; what is too wide for one table goes on in another, below
    the same names."""
    if not answered.counts.num_rows:
        click.echo(f"{answered.name}: nothing to count yet.")
        return
    rates = {one.part: one for one in answered.rates}
    wholes = {one.whole for one in answered.rates}
    columns: dict[str, list[Any]] = {}
    for name in answered.counts.column_names:
        values = answered.counts[name].to_pylist()
        if rates and not any(values) and name not in wholes:
            continue
        if one := rates.get(name):
            whole = one.whole.replace("_", " ")
            cells = [_rate_cell(rate) for rate in answered.column(one)]
            columns[f"{_heading(name)}\nof {whole}"] = cells
        else:
            columns[_heading(name)] = _cells(values)
    for score in answered.scores:
        heading = f"{_heading(score.name)}\nof {score.whole.replace('_', ' ')}"
        columns[heading] = [_score_cell(one) for one in answered.scored(score)]
    names = [name for name in columns if _is_name(answered.counts, name)]
    for number, chosen in enumerate(_fitting(columns, names)):
        lines = zip(*(columns[name] for name in chosen), strict=True)
        rows = [dict(zip(chosen, line, strict=True)) for line in lines]
        show(answered.name if not number else "", chosen, rows)


def _heading(column: str) -> str:
    """Word by word, so that no column is wider than it need be."""
    return column.replace("_", "\n")


def _is_name(table: "pa.Table", shown: str) -> bool:
    """Whether a column says what the row is of: a text or a day."""
    field = shown.replace("\n", "_")
    if field not in table.column_names:
        return False
    kind = str(table.schema.field(field).type)
    return kind in {"string", "large_string", "date32[day]"}


def _fitting(columns: Mapping[str, Sequence[Any]], names: Sequence[str]) -> list[list[str]]:
    """The columns of each table, none wider than the screen; the names begin every one."""
    most = shutil.get_terminal_size().columns if sys.stdout.isatty() else USUAL_WIDTH
    room = most - 1 - sum(_width(name, columns[name]) for name in names)
    tables: list[list[str]] = [[]]
    used = 0
    for name in columns:
        if name in names:
            continue
        width = _width(name, columns[name])
        if tables[-1] and used + width > room:
            tables.append([])
            used = 0
        tables[-1].append(name)
        used += width
    return [[*names, *chosen] for chosen in tables]


def _width(name: str, cells: Sequence[Any]) -> int:
    shown = [f"{one:,}" if isinstance(one, int | float | Decimal) else str(one) for one in cells]
    words = [*name.split("\n"), *(line for cell in shown for line in cell.split("\n"))]
    return max(len(word) for word in words) + BORDER


def _cells(values: Sequence[Any]) -> list[Any]:
    """Money in hundredths, where it is not all small change; other fractions in thousandths."""
    money = [abs(value) for value in values if isinstance(value, Decimal)]
    cent = Decimal("0.01") if not money or max(money) >= 1 else Decimal("0.0001")
    return [
        one.quantize(cent)
        if isinstance(one, Decimal)
        else round(one, 3)
        if isinstance(one, float)
        else one
        for one in values
    ]


def _rate_cell(rate: "Rate") -> str:
    interval = rate.interval()
    if interval is None:
        return f"{rate.part:,}" if rate.part else ""
    low, high = interval
    return f"{rate.part:,}\n{rate.part / rate.whole:.1%}\n{100 * low:.1f}–{100 * high:.1f}"


def _score_cell(one: "NetPromoter") -> str:
    interval = one.interval()
    if interval is None or one.score is None:
        return ""
    low, high = interval
    return f"{100 * one.score:+.0f}\n{100 * low:+.0f} to {100 * high:+.0f}"


def _show_lift(found: Sequence["CampaignLift"], currency: str) -> None:
    rows = []
    for one in found:
        treated, control = one.treated, one.control
        rows.append(
            {
                "campaign": one.campaign if one.arm == "all" else f"  {one.arm}",
                "converted": _share(treated.total, treated.rows),
                "control": _share(control.total, control.rows),
                "conversions": one.verdict.text,
                f"money, {currency}": one.money_verdict.text,
                "p": _p_value(one),
                "never left": one.not_left or None,
            }
        )
    columns = list(rows[0]) if rows else ["campaign"]
    columns = [name for name in columns if any(row[name] for row in rows)]
    show("lift over control", columns, rows)


def _share(total: float, rows: int) -> str:
    return f"{total:,.0f} of {rows:,}" + (f"\n{total / rows:.2%}" if rows else "")


def _p_value(one: "CampaignLift") -> str:
    """Only beside the interval that is read once: looked at every day it means nothing."""
    rate = one.rate
    if rate is None or (one.verdict.low, one.verdict.high) != (rate.low, rate.high):
        return ""
    return f"{rate.p_value:.3f}"
