"""The command `codes`: promo codes out to the tills, back from them, and looked at one by one."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import as_json, at_option, counted, glanced, show
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.project import Project

COLUMNS = ("campaign", "codes out", "counted", "again", "late", "other", "returned", "discount")
USES = ("redeemed", "verdict", "by", "order", "told by")
SHOWN = 20
WORDS = {
    "counted": "counted",
    "again": "redeemed before",
    "late": "no longer valid",
    "other": "issued to somebody else",
    "unknown": "nobody issued it",
    "returned": "its order was given back",
}


@click.group(invoke_without_command=True)
@as_json
@at_option
@click.pass_context
def codes(context: click.Context, as_json: bool) -> int:
    """How many promo codes each campaign has out, and what came back of them.

    Examples: antiphon codes, antiphon codes export codes.csv, antiphon codes redeem used.csv,
    antiphon codes show WB-7K3M-9XTR-4WHPC
    """
    if context.invoked_subcommand is not None:
        return ExitCode.DONE
    project = glanced(context.obj)
    ledger = project.ledger
    ledger.codes.follow(project.clock())
    uses = ledger.redemptions.counts()
    names = sorted({*project.configuration.campaigns, *(name for name, _ in uses if name)})
    issued, spent = ledger.codes.issued(names), ledger.codes.spent_e4(names)
    rows = [
        {
            "campaign": name,
            "codes out": issued.get(name, 0),
            **{verdict: uses.get((name, verdict), 0) for verdict in COLUMNS[2:-1]},
            "discount": spent.get(name, 0) / 10_000,
        }
        for name in names
        if name in issued or any(campaign == name for campaign, _ in uses)
    ]
    if rows or as_json:
        show("Promo codes", COLUMNS, rows, json_too=as_json)
    else:
        click.echo("No campaign has issued a code of one's own, and none came back.")
    if unknown := uses.get(("", "unknown"), 0):
        click.echo(f"{counted(unknown, 'use')} of codes that nobody issued.", err=as_json)
    return ExitCode.DONE


@codes.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@at_option
@click.pass_obj
def export(root: Path | None, file: Path) -> int:
    """Write every code into a CSV file for the tills: campaign, discount, gift, days, withdrawn.

    No line tells whose a code is. A code that is withdrawn or redeemed stays in the list, and says
    so. Example: antiphon codes export var/codes.csv
    """
    from antiphon.offers.exporting import export as write  # noqa: PLC0415

    try:
        count = write(glanced(root), file)
    except OSError as error:
        raise UserFilesError(f"{file} cannot be written: {error.strerror}.") from None
    click.echo(f"{counted(count, 'code')} written to {file}.")
    return ExitCode.DONE


@codes.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@at_option
@click.pass_obj
def redeem(root: Path | None, file: Path) -> int:
    """Take a CSV file of codes that were used; the same file again changes nothing.

    Its first line names the columns: code, and where they are known redeemed_at, customer_id,
    order_id, receipt, discount. A line without redeemed_at, order and receipt is known by the
    file's name: give each day's file its own. Example: antiphon codes redeem used.csv
    """
    from antiphon.ledger.redemptions import tallied  # noqa: PLC0415
    from antiphon.offers.redeeming import redeem as take  # noqa: PLC0415
    from antiphon.offers.uses import read_lines  # noqa: PLC0415

    project = glanced(root)
    zone, now = project.configuration.settings.business.timezone, project.clock()
    try:
        lines = read_lines(_text(file), "file", zone, now, name=file.name)
    except UserFilesError as error:
        raise UserFilesError(f"{file}: {error}") from None
    found = take(project, lines.told)
    new = tallied(one for one in found if one.is_new)
    click.echo(f"{counted(len(found), 'use')} read, {sum(new.values()):,} of them new.")
    for verdict, count in sorted(new.items()):
        click.echo(f"  {count:,} {WORDS[verdict]}")
    if not lines.faults:
        return ExitCode.DONE
    shown = [f"{file}:{number}: {fault}" for number, fault in sorted(lines.faults.items())]
    more = [f"and {len(shown) - SHOWN:,} more"] if len(shown) > SHOWN else []
    raise UserFilesError(
        f"{counted(len(shown), 'line')} could not be read; the others were taken:\n  "
        + "\n  ".join([*shown[:SHOWN], *more])
        + "\n  Mend these and repeat: what was taken is not taken again."
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise UserFilesError(f"the file cannot be read: {why}.") from None


@codes.command("show")
@click.argument("code")
@as_json
@at_option
@click.pass_obj
def show_code(root: Path | None, code: str, as_json: bool) -> int:
    """Whose code it is, until when it is valid, and what became of it.

    Hyphens, spaces and small letters make no difference.

    Example: antiphon codes show wb7k3m9xtr4whpc
    """
    from antiphon.keys import code_key  # noqa: PLC0415
    from antiphon.message.codes import written  # noqa: PLC0415

    project, key = glanced(root), code_key(code)
    project.ledger.codes.follow(project.clock())
    found, uses = project.ledger.codes.get(key), project.ledger.redemptions.of_code(key)
    if as_json:
        told = {"code": asdict(found) if found else None, "uses": [asdict(one) for one in uses]}
        click.echo(json.dumps(told, ensure_ascii=False, default=str))
        return ExitCode.DONE
    if found is None and not uses:
        raise UserFilesError(_unknown(project, key))
    if found is not None:
        own = found.customer_id is not None
        until = f"valid before {found.valid_until:%Y-%m-%d %H:%M %Z}" if found.valid_until else ""
        whom = f"issued to {found.customer_id}" if own else "everybody's"
        click.echo(f"{written(key) if own else key}: {whom} by {found.campaign}")
        gives = " and ".join(filter(None, (found.discount, found.gift)))
        for line in (gives, f"issued {found.issued_at:%Y-%m-%d %H:%M %Z}", until):
            if line:
                click.echo(f"  {line}")
        if found.withdrawn_at:
            click.echo(f"  withdrawn {found.withdrawn_at:%Y-%m-%d}: its message never left")
    rows = [
        {
            "redeemed": one.redeemed_at,
            "verdict": WORDS[one.verdict],
            "by": one.customer_id,
            "order": one.order_id,
            "told by": one.source,
        }
        for one in uses
    ]
    if rows:
        show("", USES, rows)
    else:
        click.echo("  not redeemed yet")
    return ExitCode.DONE


def _unknown(project: "Project", key: str) -> str:
    from antiphon.message.codes import LENGTH, is_well_formed  # noqa: PLC0415

    prefixes = {
        one.offer.prefix or ""
        for one in project.configuration.campaigns.values()
        if one.offer and one.offer.is_unique
    }
    is_own = any(key.startswith(one) and len(key) == len(one) + LENGTH for one in prefixes)
    hint = "Compare it with what is printed."
    if is_own and not is_well_formed(key[-LENGTH:]):
        hint = f"It is mistyped: its check character does not fit. {hint}"
    return f"nobody issued this code.\n  {hint}"
