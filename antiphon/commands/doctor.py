"""The command `doctor`: is everything there that sending to real people needs?"""

import json
from dataclasses import asdict
from pathlib import Path

import click

from antiphon.commands.screen import as_json, at_option, counted, glanced
from antiphon.errors import ExitCode, UserFilesError

SIGNS = {"ok": "ok     ", "warning": "warning", "wrong": "WRONG  "}


@click.command()
@click.option("--selector", "selectors", multiple=True, help="Of the DKIM key; absent: s1, s2.")
@click.option("--alert", "is_alert_sent", is_flag=True, help="Send a trial alert too.")
@as_json
@at_option
@click.pass_obj
def doctor(
    root: Path | None, selectors: tuple[str, ...], is_alert_sent: bool, as_json: bool
) -> int:
    """Look at credentials, sender, domain, addresses, clock, disk, database, schedule and backup.

    Nothing is sent to anybody (but a trial alert, with --alert). Each finding says what to do;
    the exit code is 1 where something is wrong, warnings do not count.

    Examples: antiphon doctor, antiphon doctor --json
    """
    from antiphon.guards.doctor import Doctor  # noqa: PLC0415
    from antiphon.guards.domains import Level  # noqa: PLC0415

    look = Doctor(glanced(root), selectors=selectors, is_alert_sent=is_alert_sent)
    found = []
    for one in look.findings():
        found.append(one)
        if not as_json:
            click.echo(f"{SIGNS[one.level]} {one.area}: {one.found}")
            if one.todo:
                click.echo(f"        {one.todo}")
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=1))
    wrong = sum(one.level is Level.WRONG for one in found)
    if wrong:
        raise UserFilesError(f"{counted(wrong, 'thing')} must be mended first.")
    return ExitCode.DONE
