"""Commands for analysts: report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from antiphon.commands.screen import as_json, at_option, opened, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    import pyarrow as pa

    from antiphon.reports.rates import ReportTable

LIFT = "lift"


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
    as_json: bool,
) -> int:
    """A report of sql/reports/, or one of your own: what was sent, came back and was brought in.

    Each rate stands with its numerator, denominator and 95 % interval (Wilson). The report `lift`
    compares campaigns with those held out of them; `--by variant` each variant.

    Examples: antiphon report, antiphon report --by day --days 14, antiphon report lift,
    antiphon report sent --csv sent.csv
    """
    from antiphon.reports import lifts  # noqa: PLC0415
    from antiphon.reports.rates import BY, report_table  # noqa: PLC0415
    from antiphon.reports.session import Scope  # noqa: PLC0415

    if name not in (None, LIFT) and by is not None:
        raise click.UsageError(f"--by names a report itself: leave out {name!r} or --by.")
    project, scope = opened(root), Scope(campaign, days)
    if name == LIFT:
        if by not in (None, "campaign", "variant"):
            raise click.UsageError("lift is shown by campaign or by variant.")
        found = lifts.lifts(project, scope, by_variant=by == "variant")
        if csv_path or as_json:
            return _written(LIFT, _as_table(lifts.rows(found)), csv_path)
        _show_lift(found, project.configuration.settings.business.currency)
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
    """A rate stands in the column of its numerator: `51 of 1,234`, 4.1%, its interval. What is
    nought or nothing in every row is left out."""
    rates = {one.part: one for one in answered.rates}
    columns: dict[str, list[Any]] = {}
    for name in answered.counts.column_names:
        values = answered.counts[name].to_pylist()
        if values and not any(values) and name != "sent":
            continue
        if name in rates:
            columns[name] = [
                _rate_cell(rate.part, rate.whole, rate.interval())
                for rate in answered.column(rates[name])
            ]
        else:
            columns[name] = values
    lines = zip(*columns.values(), strict=True)
    rows = [dict(zip(columns, line, strict=True)) for line in lines]
    show(answered.name, list(columns), rows)


def _rate_cell(part: int, whole: int, interval: tuple[float, float] | None) -> str:
    if interval is None:
        return f"{part:,}" if part else ""
    low, high = interval
    return f"{part:,} of {whole:,}\n{part / whole:.1%}\n{100 * low:.1f}–{100 * high:.1f}"


def _show_lift(found: Sequence[Any], currency: str) -> None:
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
                "p": "" if one.rate is None else f"{one.rate.p_value:.3f}",
                "never left": one.not_left or None,
            }
        )
    columns = list(rows[0]) if rows else ["campaign"]
    columns = [name for name in columns if any(row[name] for row in rows)]
    show("lift over control", columns, rows)


def _share(total: float, rows: int) -> str:
    return f"{total:,.0f} of {rows:,}" + (f"\n{total / rows:.2%}" if rows else "")
