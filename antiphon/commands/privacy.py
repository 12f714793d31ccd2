"""The commands about a person's own data: forget, export."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import at_option, counted, opened
from antiphon.errors import ExitCode, UserFilesError

if TYPE_CHECKING:
    from antiphon.privacy.forget import Forgotten

SHOWN = 20


@click.command()
@click.argument("customer", required=False)
@click.option("--again", is_flag=True, help="Whoever is there though forgotten: see below.")
@click.option(
    "--also",
    multiple=True,
    metavar="ADDRESS",
    help="Another e-mail address or telephone number to look for; may be repeated.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@at_option
@click.pass_obj
def forget(
    root: Path | None, customer: str | None, *, again: bool, also: tuple[str, ...], yes: bool
) -> int:
    """Erase a person's data everywhere, and prove it by a search of every table and file.

    Counts stay, under a pseudonym that leads nowhere. A salted tombstone keeps the person out of
    later pulls, and nobody writes to the addresses until they agree anew. It cannot be undone.
    Whatever kills it: repeat it. The exit code is 1 where the search still finds something.

    With --again: erasures that were killed, and forgotten people who came back with a backup.

    Examples: antiphon forget LP000012, antiphon forget --again --yes
    """
    from antiphon.privacy.forget import forget as erase  # noqa: PLC0415
    from antiphon.privacy.forget import to_repeat  # noqa: PLC0415

    if again == bool(customer):
        raise click.UsageError("Name a customer, or say --again.")
    project = opened(root)
    people = to_repeat(project) if again else [str(customer)]
    if not people:
        click.echo("Nobody: every erasure is finished, and no forgotten person came back.")
        return ExitCode.DONE
    if not yes:
        who = f"customer {customer}" if customer else counted(len(people), "customer")
        click.confirm(f"Erase {who} for good?", abort=True)
    is_clean = True
    for one in people:
        done = erase(project, one, also)
        _tell(one, done)
        is_clean = is_clean and done.proof.is_clean
    return ExitCode.DONE if is_clean else ExitCode.USER_FILES


def _tell(customer: str, done: "Forgotten") -> None:
    click.echo(f"Customer {customer} is forgotten.")
    gone, renamed = done.lake.gone + done.ledger.gone, done.lake.renamed + done.ledger.renamed
    click.echo(f"  Rows erased, old versions too: {_listed(gone)}.")
    click.echo(f"  Rows kept under a pseudonym, to be counted: {_listed(renamed)}.")
    if done.ledger.blanked:
        click.echo(f"  Blanked in what others share: {_listed(done.ledger.blanked)}.")
    files = {"lake files written anew": done.lake.files}
    files |= {f"other files {name}": count for name, count in done.files.items()}
    click.echo(f"  Files: {_listed(Counter(files))}.")
    if done.withdrawn:
        click.echo(f"  {counted(done.withdrawn, 'planned message')} withdrawn.")
    was_done = done.is_repeated and not done.suppressed
    earlier = "; an earlier attempt did it already" if was_done else ""
    click.echo(f"  Addresses suppressed, as salted hashes: {done.suppressed}{earlier}.")
    if done.shared:
        click.echo(f"  Addresses that stay, as other customers have the same ones: {done.shared}.")
    _tell_proof(done)


def _tell_proof(done: "Forgotten") -> None:
    proof = done.proof
    click.echo(
        f"Proof: looked for the id and {counted(proof.words, 'spelling')} of it, of addresses and "
        f"names in {proof.tables} tables, {proof.parquet:,} Parquet files and "
        f"{proof.files:,} other files."
    )
    if proof.is_clean:
        click.echo("  Nothing was found.")
    else:
        click.echo(f"  STILL THERE in {counted(len(proof.left), 'place')}:")
        for place, rows in [*proof.left.items()][:SHOWN]:
            click.echo(f"    {place}: {rows:,}")
        click.echo("  Repeat the command when nothing else is at work.")
    if proof.sources:
        click.echo("Your own files still name the person; no pull takes them from there any more:")
        for place in proof.sources[:SHOWN]:
            click.echo(f"  {place}")
    if proof.copies:
        click.echo("Packed copies that still hold the person, to be deleted by you:")
        for place in proof.copies[:SHOWN]:
            click.echo(f"  {place}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or (
        "nothing"
    )


@click.command()
@click.argument("customer")
@click.option("--to", "target", type=click.Path(path_type=Path), help="A file; absent: the screen.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder: customer.json, and every message as it was written.",
)
@at_option
@click.pass_obj
def export(root: Path | None, customer: str, target: Path | None, folder: Path | None) -> int:
    """Everything that is held of a person, with its sources, as JSON.

    It is personal data: hand it to nobody else. Files are readable by their owner alone.

    Examples: antiphon export LP000012 --to LP000012.json, antiphon export LP000012 --folder out/
    """
    from antiphon.privacy.export import as_text, write_messages  # noqa: PLC0415
    from antiphon.privacy.export import export as gather  # noqa: PLC0415

    if target and folder:
        raise click.UsageError("Write to a file or to a folder, not to both.")
    project = opened(root)
    text = as_text(gather(project, customer))
    if folder:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        target = folder / "customer.json"
        count = write_messages(project, customer, folder / "messages")
    if target is None:
        click.echo(text, nl=False)
        return ExitCode.DONE
    try:
        target.touch(mode=0o600)
        target.chmod(0o600)
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserFilesError(f"{target} cannot be written: {error.strerror}.") from None
    click.echo(f"{target}: everything held of {customer}, {len(text.encode()):,} bytes.")
    if folder:
        click.echo(f"{folder / 'messages'}: {counted(count, 'message')}.")
    return ExitCode.DONE
