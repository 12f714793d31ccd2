"""The command `suppress`: the manual list of those who are never written to."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import as_json, at_option, counted, opened, show
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.project import Project

COLUMNS = ("channel", "source", "reason", "addresses", "last added")
SHOWN = 20


@click.command()
@click.argument("who", nargs=-1, metavar="[WHO]…")
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="One in a line; - reads standard input.",
)
@click.option("--reason", help="Why; kept with each address.")
@click.option("--lift", "is_lifted", is_flag=True, help="Take them off the list.")
@click.option("--channel", type=click.Choice(["email", "sms"]), help="Only addresses of this one.")
@as_json
@at_option
@click.pass_obj
def suppress(  # noqa: PLR0917 (click hands its options over)
    root: Path | None,
    who: tuple[str, ...],
    file: Path | None,
    reason: str | None,
    is_lifted: bool,
    channel: str | None,
    as_json: bool,
) -> int:
    """Never write to these people again; without anybody named: how many are suppressed, and why.

    WHO is an e-mail address, a telephone number that begins with +, or a customer's id, which
    stands for all addresses of that customer. Messages that are planned already are stopped too.

    Examples: antiphon suppress LP000012 --reason "asked by phone",
    antiphon suppress --file objections.txt --reason "letter of 4 May",
    antiphon suppress LP000012 --lift --reason "asked us back"
    """
    project = opened(root)
    if not who and file is None:
        if is_lifted or reason:
            raise click.UsageError("Name somebody, or a --file.")
        return _listed(project, as_json=as_json)
    if not (reason or "").strip():
        raise click.UsageError("Say why: --reason TEXT.")
    texts = [*who] if file is None else _read(file)
    if who and file is not None:
        raise click.UsageError("Name people, or a --file, not both.")
    return _change(project, texts, str(reason).strip(), channel, file, is_lifted=is_lifted)


def _change(
    project: "Project",
    texts: Iterable[str],
    reason: str,
    channel: str | None,
    file: Path | None,
    *,
    is_lifted: bool,
) -> int:
    from antiphon.steps.suppressing import add, find, lift, lines_of  # noqa: PLC0415

    found = find(project, lines_of(texts), channel)
    done = (lift if is_lifted else add)(project, found, reason)
    verb, before = (
        ("may be written to again", "not suppressed")
        if is_lifted
        else ("suppressed", "suppressed before")
    )
    addresses = "1 address" if done.changed == 1 else f"{done.changed:,} addresses"
    also = f"; {before}: {done.unchanged:,}" if done.unchanged else ""
    click.echo(f"{addresses} {verb}{also}.")
    if not found.faults:
        return ExitCode.DONE
    place = "line" if file is not None else "name"
    shown = [f"{place} {number}: {fault}" for number, fault in found.faults.items()]
    more = [f"and {len(shown) - SHOWN:,} more"] if len(shown) > SHOWN else []
    raise UserFilesError(
        f"{counted(len(shown), place)} could not be taken; the others were:\n  "
        + "\n  ".join([*shown[:SHOWN], *more])
        + "\n  Mend these and repeat: who is on the list already stays there."
    )


def _listed(project: "Project", *, as_json: bool) -> int:
    rows = [
        dict(zip(COLUMNS, (*facts, at), strict=True))
        for *facts, at in project.ledger.people.suppression_counts()
    ]
    if rows or as_json:
        show("Suppressed addresses", COLUMNS, rows, json_too=as_json)
    else:
        click.echo("Nobody is suppressed.")
    return ExitCode.DONE


def _read(file: Path) -> list[str]:
    try:
        data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return data.decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserFilesError(f"{file} cannot be read: {why}.") from None
