"""Commands that read files only: check, features, demo."""

import os
from dataclasses import asdict
from pathlib import Path

import click

from antiphon.commands.screen import Row, as_json, at_option, counted, opened, show
from antiphon.errors import ConfigError, ExitCode


@click.command()
@as_json
@at_option
@click.pass_obj
def check(root: Path | None, as_json: bool) -> int:
    """Check config/, templates/ and sql/: every problem of every file, with line and column.

    Example: antiphon check
    """
    import json  # noqa: PLC0415

    from antiphon.check import check as find_problems  # noqa: PLC0415
    from antiphon.clock import edge_clock  # noqa: PLC0415
    from antiphon.files import read_files  # noqa: PLC0415
    from antiphon.project import find_root  # noqa: PLC0415

    today = edge_clock(os.environ)().date()
    try:
        configuration, problems = find_problems(read_files(find_root(root)), today)
    except ConfigError as error:
        configuration, problems = None, error.problems
    if as_json:
        click.echo(json.dumps([asdict(problem) for problem in problems], ensure_ascii=False))
    else:
        for problem in problems:
            click.echo(f"{problem}\n")
    errors = sum(not problem.is_warning for problem in problems)
    warnings = len(problems) - errors
    if not as_json:
        counts = f"{counted(errors, 'problem')}, {counted(warnings, 'warning')}"
        found = counts if problems else "no problems"
        campaigns = (
            f"{counted(len(configuration.campaigns), 'campaign')}, " if configuration else ""
        )
        click.echo(f"{campaigns}{found}.", err=bool(problems))
    return ExitCode.USER_FILES if errors else ExitCode.DONE


@click.command()
@click.argument("word", required=False)
@as_json
@click.pass_obj
def features(root: Path | None, word: str | None, as_json: bool) -> int:
    """The dictionary of features: what conditions and templates may say about a customer.

    File by file; with WORD only those whose name or meaning holds it.

    Examples: antiphon features, antiphon features order
    """
    groups: dict[str, list[Row]] = {}
    for feature in opened(root).configuration.features.values():
        if word is None or word.lower() in f"{feature.name} {feature.meaning}".lower():
            row = {
                "feature": feature.name,
                "type": feature.type.name.lower(),
                "unit": feature.unit,
                "may be null": feature.nullable,
                "meaning": feature.meaning,
                "file": feature.file,
            }
            groups.setdefault(feature.file, []).append(row)
    if as_json:
        show("", [], [row for rows in groups.values() for row in rows], json_too=True)
        return ExitCode.DONE
    for file, rows in groups.items():
        show(file, [name for name in rows[0] if name != "file"], rows)
    if not groups:
        click.echo(f"No feature's name or meaning holds {word!r}: `antiphon features` lists all.")
    return ExitCode.DONE


@click.command()
@click.option(
    "--customers", type=click.IntRange(50), default=20_000, show_default=True, help="How many."
)
@click.pass_obj
def demo(root: Path | None, customers: int) -> int:
    """Make the demo company's data: Linden Pharmacy, three years of orders, always the same.

    Example: antiphon demo
    """
    from antiphon.demo import write_demo  # noqa: PLC0415
    from antiphon.project import find_root  # noqa: PLC0415

    folder = find_root(root) / "var" / "demo"
    written = write_demo(folder, customers=customers)
    rows = ", ".join(f"{count:,} {name}" for name, count in written.rows.items())
    click.echo(f"The demo company is in {folder}: {rows}.")
    return ExitCode.DONE
