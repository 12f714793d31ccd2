"""The command `simulate`: days of a town whose people are simulated."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import opened, show
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.town.days import Town

FOLDER = "var/town"


@click.command()
@click.option("--days", type=click.IntRange(1, 366), default=7, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help=f"Where the town is founded, in place of the one that stood there.  [default: {FOLDER}]",
)
@click.option(
    "--behaviour",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that declares how people truly behave (docs/town.md).",
)
@click.pass_obj
def simulate(
    root: Path | None, days: int, seed: int, folder: Path | None, behaviour: Path | None
) -> int:
    """Live some days in a town of simulated people, then hold what was measured against the truth.

    The campaigns, rules and texts are this project's; everything else is the town's own: its
    people, its shop, its ledger. The same seed gives the same days. Nothing reaches anybody.

    Examples: antiphon simulate --days 60, antiphon simulate --days 28 --behaviour tired.yaml
    """
    from antiphon.town.days import inhabited  # noqa: PLC0415
    from antiphon.town.founding import found  # noqa: PLC0415

    project = opened(root)
    place = (folder or project.root / FOLDER).resolve()
    if place == project.root or place in project.root.parents:
        raise UserFilesError(f"{place} holds this project.\n  Name a new folder with --folder.")
    truth = found(place, project.configuration.files, behaviour=behaviour, seed=seed)
    click.echo(f"A town of {truth.customers:,} simulated people is founded in {place}.", err=True)
    with inhabited(place, truth, seed) as town:
        for done in town.live(days):
            click.echo(
                f"{done.day}: {done.left:,} messages left, {done.reports:,} events came back, "
                f"{done.orders:,} orders",
                err=True,
            )
        town.close()
        _tell(town)
    return ExitCode.DONE


def _tell(town: "Town") -> None:
    from antiphon.town.truth import SHOWN, promoters, response_rows, responses, worths  # noqa: PLC0415

    found = responses(town)
    title = "SIMULATED. What came back of messages: as measured (95% interval), and the truth"
    columns = [name for one in SHOWN for name in (one, f"truly {one}")]
    show(title, ["campaign", "sent", *columns], response_rows(found))
    rows = [
        {
            "campaign": one.campaign,
            "rows": one.measured.treated.rows,
            "control": one.measured.control.rows,
            "windows open": one.measured.waiting,
            "measured": str(one.measured.verdict),
            "truth": "" if one.truth is None else f"{100 * one.truth:+.2f} points",
            "holds": {None: "", True: "yes", False: "no"}[one.holds],
        }
        for one in worths(town)
    ]
    columns = ["campaign", "rows", "control", "windows open", "measured", "truth", "holds"]
    show("SIMULATED. What campaigns were worth: as measured, and the truth", columns, rows)
    told = [one for one in found if one.measured.whole]
    hold = sum(one.holds for one in told)
    click.echo(f"{hold:,} of {len(told):,} intervals of rates hold the truth (expected: 95%).")
    score, truly = promoters(town)
    if score.answers:
        click.echo(f"Net Promoter Score of its surveys: {score}; truly {100 * truly:+.0f}.")
    if town.post.refused:
        click.echo(f"{town.post.refused:,} reports were refused by the web server.")
    at = f"{town.clock():%Y-%m-%dT%H:%M+00:00}"
    click.echo(f"Look around: antiphon --project {town.root} report --at {at}")
