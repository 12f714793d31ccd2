"""The commands `pause`, `resume` and `cancel`: campaigns and accounts stopped at once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import at_option, counted, glanced
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.ledger import OutboxCount

FOR_GOOD = datetime(9999, 1, 1, tzinfo=UTC)  # until somebody resumes it

reason_option = click.option("--reason", default="by hand", help="Why; kept, and shown.")
account_option = click.option(
    "--account", is_flag=True, help="NAME is an account of settings.yaml, not a campaign."
)


@click.command()
@click.argument("name")
@reason_option
@account_option
@at_option
@click.pass_obj
def pause(root: Path | None, name: str, reason: str, account: bool) -> int:
    """Stop a campaign at once: what is planned waits, nothing new is decided.

    A request that is under way already is not called back. What waits longer than the campaign's
    `expires_after` expires, and is decided anew after `antiphon resume`.

    Examples: antiphon pause winback --reason "wrong price", antiphon pause sendgrid --account
    """
    from antiphon.steps.duty import known_account, known_campaign, this_person  # noqa: PLC0415

    project = glanced(root)
    ledger, now = project.ledger, project.clock()
    if account:
        known_account(project, name)
        ledger.accounts.pause(name, FOR_GOOD, reason, "person", now)
        click.echo(f"Nothing leaves by {name} until: antiphon resume {name} --account")
        return ExitCode.DONE
    known_campaign(project, name)
    new = ledger.holds.hold(name, "paused", reason, this_person(), now)
    hold = ledger.holds.open()[name]
    waiting = _waiting(project.ledger.messages.outbox(now), name)
    if new:
        click.echo(f"{name} is paused: {counted(waiting, 'planned message')} will wait.")
    else:
        click.echo(f"{name} was {hold.kind} already since {hold.held_at:%Y-%m-%d %H:%M %Z}.")
    click.echo(f"  To let it go on: antiphon resume {name}")
    return ExitCode.DONE


@click.command()
@click.argument("name")
@reason_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_option
@click.pass_obj
def cancel(root: Path | None, name: str, reason: str, yes: bool) -> int:
    """Stop a campaign for good: what is planned is withdrawn, nothing new is decided.

    Withdrawn messages do not come back: after `antiphon resume` their people are decided anew.

    Example: antiphon cancel winback --reason "the offer is over"
    """
    from antiphon.steps.duty import known_campaign, this_person  # noqa: PLC0415

    project = glanced(root)
    ledger, now = project.ledger, project.clock()
    known_campaign(project, name)
    waiting = _waiting(ledger.messages.outbox(now), name)
    if waiting and not yes:
        click.confirm(f"Withdraw {counted(waiting, 'planned message')} of {name}?", abort=True)
    if ledger.holds.hold(name, "cancelled", reason, this_person(), now):
        left = _waiting(ledger.messages.outbox(now), name)
        withdrawn = counted(waiting - left, "message")
        click.echo(f"{name} is cancelled: {withdrawn} withdrawn.")
    else:
        click.echo(f"{name} was cancelled already.")
    click.echo(f"  To let it begin anew: antiphon resume {name}")
    return ExitCode.DONE


@click.command()
@click.argument("name")
@account_option
@at_option
@click.pass_obj
def resume(root: Path | None, name: str, account: bool) -> int:
    """Let a paused or cancelled campaign, or a paused account, go on.

    Messages that waited leave with the next `antiphon dispatch`; the next run decides the campaign
    again.

    Examples: antiphon resume winback, antiphon resume sendgrid --account
    """
    from antiphon.steps.duty import known_account, known_campaign  # noqa: PLC0415

    project = glanced(root)
    ledger, now = project.ledger, project.clock()
    if account:
        known_account(project, name)
        was = ledger.accounts.resume(name, now)
        click.echo(f"{name} may be used again." if was else f"{name} was not paused.")
        return ExitCode.DONE
    known_campaign(project, name)
    ended = ledger.holds.end(name, now)
    if ended is None:
        click.echo(f"{name} was not held.")
        return ExitCode.DONE
    waiting = _waiting(ledger.messages.outbox(now), name)
    click.echo(
        f"{name} goes on ({ended.kind} since {ended.held_at:%Y-%m-%d %H:%M %Z}, {ended.reason}): "
        f"{counted(waiting, 'planned message')} may leave."
    )
    return ExitCode.DONE


def _waiting(counts: "Sequence[OutboxCount]", campaign: str) -> int:
    return sum(
        one.messages for one in counts if one.campaign == campaign and one.state == "planned"
    )
