"""The commands `backup` and `restore`."""

import os
from pathlib import Path

import click

from antiphon.commands.screen import at_option, counted, glanced
from antiphon.errors import ExitCode, UserFilesError

NOT_MUCH = ("leases", "facts", "alerts", "accounts", "revisions", "message_groups")


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@at_option
@click.pass_obj
def backup(root: Path | None, file: Path) -> int:
    """Write the ledger, the lake's manifest, the configuration and the key of links to one file.

    Nothing has to stop for it. The file holds addresses of customers: keep it as safe as the
    ledger. Make one every day, beside the copies your database server makes.

    Example: antiphon backup /backups/antiphon-$(date +%F).tar.gz
    """
    from antiphon.guards.backup import back_up  # noqa: PLC0415

    project = glanced(root)
    try:
        contents = back_up(project, file.absolute())
    except OSError as error:
        raise UserFilesError(f"{file} cannot be written: {error.strerror}.") from None
    rows = {name: rows for name, rows in contents.rows.items() if rows and name not in NOT_MUCH}
    click.echo(f"{file}: {file.stat().st_size / 1e6:,.1f} MB")
    told = ", ".join(f"{number:,} {name}" for name, number in rows.items())
    click.echo(f"Ledger: {told or 'empty'}.")
    click.echo(f"Last finished run: {contents.last_run or 'none'}.")
    click.echo(f"{counted(len(contents.configuration), 'file')} of configuration.")
    return ExitCode.DONE


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--configuration", is_flag=True, help="Also config/, templates/, sql/, prefect.yaml.")
@click.option("--force", is_flag=True, help="Even if a run or a dispatcher seems to be at work.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_option
@click.pass_obj
def restore(root: Path | None, file: Path, configuration: bool, force: bool, yes: bool) -> int:
    """Put a backup in the place of the ledger; what is there is backed up first.

    In an empty folder the configuration comes from the backup too. Messages that may have left
    since the backup are in doubt afterwards, and nothing is sent live before `antiphon confirm`.

    Example: antiphon restore /backups/antiphon-2026-05-12.tar.gz
    """
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.guards.backup import restore as put_back  # noqa: PLC0415
    from antiphon.project import find_root  # noqa: PLC0415

    try:
        folder = find_root(root)
    except UserFilesError:
        folder = (root or Path.cwd()).resolve()
    if not yes:
        click.confirm(f"Replace the ledger of {folder} by {file}?", abort=True)
    done = put_back(folder, file, edge_clock(os.environ), configuration=configuration, force=force)
    contents = done.contents
    click.echo(
        f"The ledger is that of {contents.made_at:%Y-%m-%d %H:%M} UTC, "
        f"after run {contents.last_run or 'none'}."
    )
    if done.before:
        click.echo(f"What was there: {done.before}")
    if done.in_doubt + done.known_to_have_left:
        click.echo(
            f"Messages that waited then and may have left since: {done.in_doubt:,} in doubt, "
            f"{done.known_to_have_left:,} known to have left."
        )
    click.echo(f"The lake's manifest: {done.manifest}.")
    if done.written:
        click.echo(f"Configuration: {counted(len(done.written), 'file')} written.")
    if done.differing:
        click.echo(
            f"Configuration: {counted(len(done.differing), 'file')} differ from the backup and "
            "stay as they are; --configuration puts the backup's in their place."
        )
    click.echo("People forgotten since the backup may be in it again: antiphon forget --again.")
    click.echo(
        "Objections since the backup are not in it: enter them (antiphon suppress). Then "
        "`antiphon doctor`, and `antiphon confirm` before anything is sent live."
    )
    return ExitCode.DONE
