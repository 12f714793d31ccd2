"""Command for analysts: measure."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import Row, as_json, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.response.experiment import Comparison
    from antiphon.response.means import Moments


def _shares(_: click.Context, __: click.Parameter, text: str | None) -> dict[str, float] | None:
    """`control=10,mail=90` as numbers: callback of --planned-shares."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        name, _equals, number = part.rpartition("=")
        try:
            found[name.strip()] = float(number.strip().removesuffix("%"))
        except ValueError:
            raise click.BadParameter(f"{part!r} is not ARM=SHARE, as in control=10.") from None
        if not name.strip() or not 0 < found[name.strip()] < float("inf"):
            raise click.BadParameter(f"{part!r}: an arm's name and a share above 0.")
    return found


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--arm", required=True, help="Column that says which group a row belongs to.")
@click.option("--outcome", required=True, help="Column of what came of it: 0 or 1, or an amount.")
@click.option("--control", default="control", show_default=True, help="The arm compared with.")
@click.option("--unit", help="Column of what was randomised, where rows share one (household).")
@click.option("--before", help="Column of the same number before the experiment (CUPED).")
@click.option(
    "--planned-shares",
    "shares",
    metavar="ARM=SHARE,…",
    callback=_shares,
    help="Declared shares of the arms, to check what came out: control=10,mail=90.",
)
@click.option("--day", type=click.IntRange(1), help="It still runs: this is its day …")
@click.option("--days", type=click.IntRange(1), help="… of so many.")
@click.option("--confidence", type=click.FloatRange(0.5, 0.9999), default=0.95, show_default=True)
@as_json
def measure(
    *,
    file: Path,
    arm: str,
    outcome: str,
    control: str,
    unit: str | None,
    before: str | None,
    shares: dict[str, float] | None,
    day: int | None,
    days: int | None,
    confidence: float,
    as_json: bool,
) -> int:
    """Compare the arms of any experiment, by the code that measures campaigns.

    FILE is CSV or Parquet with a row per unit. Shares: Newcombe's interval; amounts: Welch's. Both
    are explained in docs/measuring.md.

    Examples: antiphon measure test.csv --arm segment --outcome conversion --control "No E-Mail";
    antiphon measure test.parquet --arm arm --outcome spend --before spend_before --unit household
    """
    if (day is None) != (days is None):
        raise click.UsageError("--day and --days belong together: --day 3 --days 14.")
    from antiphon.reports.measuring import Question  # noqa: PLC0415
    from antiphon.reports.measuring import measure as compared  # noqa: PLC0415

    question = Question(
        arm,
        outcome,
        unit,
        before,
        control.strip(),
        shares,
        confidence=confidence,
        day=day,
        days=days,
    )
    found = compared(file, question)
    if as_json:
        show("", [], [one.row() for one in found], json_too=True)
        return ExitCode.DONE
    rows = [_row(one) for one in found]
    show(f"{outcome} against {control}", list(rows[0]) if rows else [], rows)
    for one in found:
        click.echo(f"{one.arm}: {one.verdict}")
    if shares is None:
        click.echo("The sizes of the groups were not checked: --planned-shares.")
    elif found and found[0].ratio_chance is not None:
        chance = _p(found[0].ratio_chance)
        click.echo(f"Sizes of the groups against the planned shares: p {chance}.")
    return ExitCode.DONE


def _row(one: "Comparison") -> Row:
    """A comparison as people read it."""
    from antiphon.response.verdicts import figures  # noqa: PLC0415

    lift = ("", "", "") if one.lift is None else figures(one.lift, one.unit)
    return {
        "arm": one.arm,
        "units": one.treated.clusters,
        "mean": _mean(one, one.treated),
        "in control": one.control.clusters,
        "control's mean": _mean(one, one.control),
        f"lift{', ' if one.unit.name else ''}{one.unit.name}": lift[0],
        "interval": lift[1],
        "at every look": lift[2],
        "p": "" if one.lift is None or not lift[1] else _p(one.lift.p_value),
        "method": _method(one),
    }


def _mean(one: "Comparison", group: "Moments") -> str:
    """A share in percent, an amount as it is; nothing of an empty group."""
    if not group.rows:
        return ""
    return f"{group.mean:.2%}" if one.unit.scale == 100.0 else f"{group.mean:,.4g}"


def _method(one: "Comparison") -> str:
    """Newcombe, by units; with CUPED the share of variance that it took away."""
    if one.lift is None:
        return ""
    text = one.lift.method.value
    if one.lift.reduction:
        text += f" ({one.lift.reduction:.0%} of the variance)"
    return text + (", by units" if one.lift.is_clustered else "")


def _p(value: float) -> str:
    """A p-value with two digits; tiny ones as an upper bound."""
    return "< 0.0001" if value < 0.0001 else f"{value:.2g}"
