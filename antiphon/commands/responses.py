"""The command `responses`: what came back, read now; what waits, is unknown or was refused."""

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import Row, as_json, at_option, counted, glanced, show
from antiphon.errors import ExitCode

if TYPE_CHECKING:
    from antiphon.collection.collecting import Collected
    from antiphon.project import Project

WEEK = timedelta(days=7)
REFUSED = "refused "
NO_MOMENT = " without_moment"


@click.command()
@click.option("--look", is_flag=True, help="Change nothing: only show what there is.")
@as_json
@at_option
@click.pass_obj
def responses(root: Path | None, look: bool, as_json: bool) -> int:
    """Read what came back, ask the providers named in settings.yaml, and draw the consequences.

    What webhooks brought waits in the ledger's inbox until it is read: by `antiphon serve` at once,
    by the responses flow every few minutes, or by this command. Then it tells what the last seven
    days brought, what waits, and what nobody could read or check.

    Examples: antiphon responses, antiphon responses --look --json
    """
    from antiphon.steps.responding import collect_now  # noqa: PLC0415

    project = glanced(root)
    done = None if look else collect_now(project)
    told = _told(project)
    if as_json:
        result = done.result() if done else {}
        click.echo(json.dumps({"now": result, **told}, ensure_ascii=False, default=str))
    else:
        _print(done, told)
    return ExitCode.OUR_FAULT if done is not None and done.troubles else ExitCode.DONE


def _told(project: "Project") -> dict[str, object]:
    ledger, now = project.ledger, project.clock()
    since = now - WEEK
    waiting = ledger.inbox.waiting()
    tallies = ledger.tallies.since(since.date())
    return {
        "responses": ledger.responses.counts(since),
        "waiting": {"requests": waiting.requests, "oldest_at": waiting.oldest_at},
        "unread": ledger.inbox.problems(since),
        "unknown": {name: count for name, count in tallies.items() if " unknown_" in name},
        "left out": {name: count for name, count in tallies.items() if name.endswith(NO_MOMENT)},
        "refused": {
            name.removeprefix(REFUSED): count
            for name, count in tallies.items()
            if name.startswith(REFUSED)
        },
    }


def _print(done: "Collected | None", told: dict[str, object]) -> None:
    if done is not None:
        if done.parsed.is_busy:
            click.echo("Somebody else is reading the inbox right now.")
        result = done.result()
        said = ", ".join(f"{name} {count:,}" for name, count in result.items())
        click.echo(f"Now: {said or 'nothing new'}.")
    rows: list[Row] = [
        {"what": what, "name": name, "count": count}
        for what in ("responses", "unread", "unknown", "left out", "refused")
        for name, count in sorted(told[what].items())  # type: ignore[attr-defined]
    ]
    if rows:
        show("Of the last seven days", ("what", "name", "count"), rows)
    else:
        click.echo("Nothing came back in the last seven days.")
    waiting = told["waiting"]
    assert isinstance(waiting, dict)
    if waiting["requests"]:
        many = counted(waiting["requests"], "request")
        since = f"{waiting['oldest_at']:%Y-%m-%d %H:%M %Z}"
        click.echo(f"Waiting to be read: {many}, the oldest since {since}.")
    if done is not None:
        for trouble in done.troubles:
            click.echo(trouble)
