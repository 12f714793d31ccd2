"""Commands for analysts: report."""

from pathlib import Path

import click

from antiphon.commands.screen import as_json, at_option, opened, show
from antiphon.errors import ExitCode


@click.command()
@click.argument("name", default="sent")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write a CSV file.")
@as_json
@at_option
@click.pass_obj
def report(root: Path | None, name: str, csv_path: Path | None, as_json: bool) -> int:
    """A report of sql/reports/: messages per campaign and day, or one of your own.

    Queries read the entities (orders, customers, …) and contacts, quarantine, households.

    Examples: antiphon report, antiphon report sent --csv sent.csv
    """
    from antiphon.steps.reporting import run_report  # noqa: PLC0415

    table = run_report(opened(root), name)
    if csv_path:
        from pyarrow import csv  # noqa: PLC0415

        try:
            csv.write_csv(table, csv_path)
        except OSError as error:
            raise click.BadParameter(f"{csv_path} cannot be written: {error.strerror}.") from None
        click.echo(f"{table.num_rows:,} rows in {csv_path}")
        return ExitCode.DONE
    show(name, table.column_names, table.to_pylist(), json_too=as_json)
    return ExitCode.DONE
