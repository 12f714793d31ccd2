"""The command `confirm`: a person answers for the ledger's memory."""

from collections import Counter
from pathlib import Path

import click

from antiphon.commands.screen import at_option, opened
from antiphon.errors import ExitCode


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_option
@click.pass_obj
def confirm(root: Path | None, yes: bool) -> int:
    """Accept this ledger as the one to send by: it is new, or was put back to an earlier time.

    What such a ledger does not know to have left may be sent again, and objections that came in
    since are not in it: enter them first (`antiphon suppress`), and abandon runs that should not
    leave.

    Example: antiphon confirm
    """
    from antiphon.guards import memory  # noqa: PLC0415

    project = opened(root)
    reason = memory.doubt(project)
    ledger = project.ledger
    latest = ledger.runs.newest()
    states = Counter[str]()
    for one in ledger.messages.counts():
        states[one.state.value] += one.messages
    click.echo(f"Ledger: {ledger.place}")
    click.echo(f"Last finished run: {latest.run_id if latest else 'none'}")
    told = ", ".join(f"{number:,} {state}" for state, number in sorted(states.items()))
    click.echo(f"Messages: {told or 'none'}")
    if not reason:
        click.echo("It is confirmed already, and remembers what was sent.")
        return ExitCode.DONE
    click.echo(f"Not relied on: {reason}.")
    if not yes:
        click.confirm("Send by this ledger from now on?", abort=True)
    memory.confirm(project)
    click.echo("Confirmed: what is planned leaves with the next `antiphon dispatch` or run.")
    return ExitCode.DONE
