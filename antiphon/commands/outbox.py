"""The command `outbox`: what waits, is under way or in doubt; doubts settled by a person."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import Row, as_json, at_option, counted, glanced, opened, show
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.ledger import AccountStanding, Hold, Message, OutboxCount
    from antiphon.project import Project
    from antiphon.steps.duty import Decision, Doubts

COLUMNS = ("channel", "campaign", "state", "messages", "due now", "since", "held")
DOUBT_COLUMNS = ("message", "campaign", "channel", "account", "since", "what is known")
SHOWN = 50


@click.group(invoke_without_command=True)
@as_json
@at_option
@click.pass_context
def outbox(context: click.Context, as_json: bool) -> int:
    """What waits, is under way or in doubt, and what became of the last day's messages.

    `since` is the age of the oldest: how long it has been due, under way, in doubt, or settled.
    Below it: who is paused, by whom and why.

    Examples: antiphon outbox, antiphon outbox --json, antiphon outbox settle
    """
    if context.invoked_subcommand is not None:
        return ExitCode.DONE
    project = glanced(context.obj)
    ledger, now = project.ledger, project.clock()
    counts = ledger.messages.outbox(now)
    holds, accounts = ledger.holds.open(), ledger.accounts.standing()
    if as_json:
        told = {
            "messages": [asdict(one) for one in counts],
            "holds": [asdict(one) for one in holds.values()],
            "accounts": [asdict(one) for one in accounts],
        }
        click.echo(json.dumps(told, ensure_ascii=False, default=str))
        return ExitCode.DONE
    if counts:
        show("Outbox", COLUMNS, [_row(one, holds, now) for one in counts])
    else:
        click.echo("The outbox is empty: nothing waits, and nothing left in the last day.")
    for line in _remarks(counts, list(holds.values()), accounts, now):
        click.echo(line)
    return ExitCode.DONE


def _row(one: "OutboxCount", holds: "dict[str, Hold]", now: datetime) -> Row:
    is_ahead, is_planned = one.oldest_at > now, one.state == "planned"
    return {
        "channel": one.channel,
        "campaign": one.campaign,
        "state": one.state.value,
        "messages": one.messages,
        "due now": one.due if is_planned else None,
        "since": f"in {age(one.oldest_at - now)}" if is_ahead else age(now - one.oldest_at),
        "held": holds[one.campaign].kind.value if is_planned and one.campaign in holds else "",
    }


def _remarks(
    counts: "Sequence[OutboxCount]",
    holds: "Sequence[Hold]",
    accounts: "Sequence[AccountStanding]",
    now: datetime,
) -> list[str]:
    """What a person on duty may have to do something about."""
    lines = [
        f"Campaign {one.campaign} is {one.kind} since {one.held_at:%Y-%m-%d %H:%M %Z} "
        f"by {one.source}: {one.reason}. antiphon resume {one.campaign}"
        for one in holds
    ]
    for one in accounts:
        if one.is_paused(now) and one.paused_until is not None:
            is_long = one.paused_until.year > now.year + 1
            until = "" if is_long else f" until {one.paused_until:%Y-%m-%d %H:%M:%S %Z}"
            lines.append(
                f"Account {one.name} is paused{until} ({one.pause_kind}): {one.pause_reason}. "
                f"antiphon resume {one.name} --account"
            )
    if doubtful := sum(one.messages for one in counts if one.state == "in_doubt"):
        lines.append(
            f"{counted(doubtful, 'message')} in doubt: `antiphon dispatch` asks the provider, "
            "`antiphon outbox settle` shows them and takes your word."
        )
    return lines


def age(length: timedelta) -> str:
    """`3 min`, `5 h`, `2 days`: two digits are enough to know what to do."""
    seconds = int(length.total_seconds())
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@outbox.command()
@click.argument("ids", nargs=-1, metavar="[MESSAGE]…")
@click.option("--campaign", help="Only messages of this campaign.")
@click.option("--channel", type=click.Choice(["email", "sms"]), help="Only of this channel.")
@click.option("--account", help="Only those that were to leave by this account.")
@click.option("--ask", is_flag=True, help="Ask the providers now, and do what settings.yaml says.")
@click.option("--sent", is_flag=True, help="They left: count them as sent.")
@click.option("--not-sent", is_flag=True, help="Nobody got them: runs decide anew.")
@click.option("--again", is_flag=True, help="Send them once more.")
@click.option("--reason", help="How you know; kept with each message.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
@at_option
@click.pass_obj
def settle(  # noqa: PLR0917 (click hands its options over)
    root: Path | None,
    ids: tuple[str, ...],
    campaign: str | None,
    channel: str | None,
    account: str | None,
    ask: bool,
    sent: bool,
    not_sent: bool,
    again: bool,
    reason: str | None,
    yes: bool,
    as_json: bool,
) -> int:
    """Settle messages of which nobody knows whether they left; without a decision: list them.

    A message is in doubt when its request left and no clear answer came. Evidence settles most by
    itself: every `antiphon dispatch` asks the provider, and after `dispatch.in_doubt.grace` does
    what settings.yaml says; --ask does that without sending anything. What still stands is for
    you: look in the provider's own log.

    Examples: antiphon outbox settle, antiphon outbox settle --campaign winback --sent
    --reason "SendGrid's activity shows them", antiphon outbox settle 4f0c… --again --reason
    "their log has no such number"
    """
    from antiphon.steps.duty import Decision, Doubts  # noqa: PLC0415

    given = {Decision.SENT: sent, Decision.NOT_SENT: not_sent, Decision.AGAIN: again}
    decisions = [one for one, is_given in given.items() if is_given]
    if len(decisions) > 1:
        raise click.UsageError(f"Say one of them: {' or '.join(decisions)}.")
    if ask and (decisions or ids or campaign or channel or account):
        raise click.UsageError("--ask concerns all doubts: give it alone.")
    if ask:
        return _asked(opened(root))
    which = Doubts(frozenset(ids) if ids else None, campaign, channel, account)
    if not decisions:
        return _listed(glanced(root), which, as_json=as_json)
    if not (reason or "").strip():
        raise click.UsageError("Say how you know: --reason TEXT.")
    return _settle(glanced(root), which, decisions[0], str(reason).strip(), is_asked=yes)


def _nothing(project: "Project", which: "Doubts", said: str) -> int:
    """Says so; UserFilesError where a name was given that nobody knows."""
    from antiphon.steps.duty import known_account, known_campaign  # noqa: PLC0415

    if which.campaign is not None:
        known_campaign(project, which.campaign)
    if which.account is not None:
        known_account(project, which.account)
    known = {one.message_id for one in project.ledger.messages.several(which.ids or ())}
    if unknown := sorted((which.ids or frozenset()) - known):
        raise UserFilesError(f"there is no message {unknown[0]!r}: `antiphon outbox settle`.")
    click.echo(said)
    return ExitCode.DONE


def _asked(project: "Project") -> int:
    from antiphon.dispatch.doubts import settle_doubts  # noqa: PLC0415

    tally = settle_doubts(project)
    told = [f"{name.replace('_', ' ')} {many:,}" for name, many in tally.result().items()]
    click.echo(", ".join(told) or "Nothing could be settled.")
    for line in tally.warnings:
        click.echo(line)
    return ExitCode.DONE


def _listed(project: "Project", which: "Doubts", *, as_json: bool) -> int:
    now = project.clock()
    doubts = which.find(project)
    if not doubts and not as_json:
        return _nothing(project, which, "Nothing is in doubt.")
    shown = doubts if as_json else doubts[:SHOWN]
    rows = [_doubt(one, now) for one in shown]
    title = f"In doubt: {counted(len(doubts), 'message')}"
    title += f", the first {SHOWN}" if len(doubts) > len(shown) else ""
    show(title, DOUBT_COLUMNS, rows, json_too=as_json)
    if not as_json:
        click.echo("Settle them: --sent, --not-sent or --again, with --reason.")
    return ExitCode.DONE


def _doubt(one: "Message", now: datetime) -> Row:
    known = json.loads(one.evidence) if one.evidence else {}
    since = age(now - (one.left_at or one.updated_at))
    what = "; ".join(str(value) for value in known.values())
    values = (one.message_id, one.campaign, one.channel, one.provider or "", since, what)
    return dict(zip(DOUBT_COLUMNS, values, strict=True))


def _settle(
    project: "Project", which: "Doubts", decision: "Decision", reason: str, *, is_asked: bool
) -> int:
    from antiphon.steps.duty import settle as settle_by_hand  # noqa: PLC0415

    doubts = which.find(project)
    if not doubts:
        return _nothing(project, which, "Nothing of that is in doubt.")
    if not is_asked:
        warning = " Whoever got the first gets a second." if decision == "again" else ""
        many = counted(len(doubts), "message")
        click.confirm(f"Take {many} for {decision}?{warning}", abort=True)
    done = settle_by_hand(project, doubts, decision, reason, project.clock())
    click.echo(f"{counted(done.settled, 'message')} settled: {decision}.")
    if done.left:
        why = "expired or " if decision == "again" else ""
        click.echo(f"{counted(done.left, 'message')} left as found: {why}settled meanwhile.")
    return ExitCode.DONE
