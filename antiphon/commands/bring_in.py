"""The command `bring-in`: campaigns of before Antiphon."""

from pathlib import Path

import click

from antiphon.commands.screen import at_option, glanced
from antiphon.errors import ExitCode


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@at_option
@click.pass_obj
def bring_in(root: Path | None, folder: Path) -> int:
    """Bring in what another system sent and promised, and what was redeemed of it.

    FOLDER holds contacts.csv, codes.csv and redemptions.csv, or some of them (docs/offers.md).
    Reports, caps and conditions count these contacts like ours. The same folder again changes
    nothing. Example: antiphon bring-in var/past
    """
    from antiphon.offers.past import bring_in as take  # noqa: PLC0415

    done = take(glanced(root), folder)
    for what, count in sorted(done.items()):
        click.echo(f"{count:,} {what}")
    return ExitCode.DONE
