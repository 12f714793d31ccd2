"""The command that writes a campaign from a pattern: new."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from antiphon.commands.screen import as_json, at_option, counted, show
from antiphon.errors import ConfigError, ExitCode, Problem, UserFilesError

if TYPE_CHECKING:
    from antiphon.campaigns.settings import Settings
    from antiphon.files import ProjectFiles
    from antiphon.patterns import Pattern


@click.command()
@click.argument("campaign", required=False)
@click.option("--pattern", "pattern_name", help="Which pattern; absent: you are asked.")
@click.option("--list", "list_them", is_flag=True, help="The patterns there are.")
@as_json
@at_option
@click.pass_obj
def new(
    root: Path | None,
    campaign: str | None,
    pattern_name: str | None,
    list_them: bool,
    as_json: bool,
) -> int:
    """Write a campaign and its templates from a pattern: commented, and ready to check.

    Examples: antiphon new --list, antiphon new spring-winback --pattern win-back
    """
    from antiphon.files import read_files  # noqa: PLC0415
    from antiphon.patterns import patterns  # noqa: PLC0415
    from antiphon.project import find_root  # noqa: PLC0415

    known = patterns()
    if list_them:
        rows = [{"pattern": one.name, "what it is for": one.meaning} for one in known.values()]
        show("Patterns", list(rows[0]), rows, json_too=as_json)
        return ExitCode.DONE
    if campaign is None:
        raise click.UsageError("Say what the campaign is called: antiphon new spring-winback")
    _check_name(campaign)
    pattern = known[_chosen(pattern_name, known)]
    folder = find_root(root)
    files = read_files(folder)
    written = _texts(pattern, campaign, files)
    _write(folder, written)
    problems = _problems(files, written)
    if as_json:
        told = {"files": list(written), "problems": [asdict(problem) for problem in problems]}
        click.echo(json.dumps(told, ensure_ascii=False))
    else:
        _tell(campaign, pattern.name, list(written), problems)
    return ExitCode.USER_FILES if problems else ExitCode.DONE


def _tell(campaign: str, pattern: str, paths: list[str], problems: list[Problem]) -> None:
    """What was written, what is wrong with it, what to do next."""
    for path in paths:
        click.echo(f"  {path}")
    for problem in problems:
        click.echo(f"\n{problem}")
    if problems:
        click.echo(f"\nWhat the pattern needs stands at the head of {paths[0]}.")
    found = counted(len(problems), "problem") if problems else "no problems"
    click.echo(
        f"\n{campaign}, from the pattern {pattern}: {counted(len(paths), 'file')}, {found}.\n"
        "Make it yours (audience, offer, texts), then:\n"
        "  antiphon check\n"
        f"  antiphon preview {campaign}\n"
        f"  antiphon plan --campaign {campaign}"
    )


def _check_name(campaign: str) -> None:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415

    from antiphon.campaigns.scalars import Name  # noqa: PLC0415

    try:
        TypeAdapter(Name).validate_python(campaign)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise click.BadParameter(f"{campaign!r}: {reason}.") from None


def _chosen(name: str | None, known: "Mapping[str, Pattern]") -> str:
    """The pattern asked for, or chosen at the terminal."""
    from antiphon.campaigns.complaints import nearest  # noqa: PLC0415

    if name is None and sys.stdin.isatty():
        for one in known.values():
            click.echo(f"  {one.meaning}")
        chosen: str = click.prompt("Which pattern", type=click.Choice(list(known)))
        return chosen
    if name is None:
        raise click.UsageError(f"Say --pattern. There are: {', '.join(known)}.")
    if name not in known:
        raise click.BadParameter(f"there is no pattern {name!r}. {nearest(name, known)}")
    return name


def _texts(pattern: "Pattern", campaign: str, files: "ProjectFiles") -> dict[str, str]:
    """Path → text of what is to be written; raises where any of it is there already."""
    from antiphon.clock import business_day, edge_clock  # noqa: PLC0415

    business = _settings(files).business
    today = business_day(edge_clock(os.environ)(), business.timezone)
    texts = pattern.files(campaign, business.languages, today)
    there = sorted(set(texts) & set(files.texts))
    if there:
        raise UserFilesError(
            f"{there[0]} exists already and stays as it is.\n"
            "  Choose another name, or take that file away first."
        )
    return texts


def _settings(files: "ProjectFiles") -> "Settings":
    from antiphon.campaigns.configuration import SETTINGS, draft  # noqa: PLC0415
    from antiphon.campaigns.settings import Settings  # noqa: PLC0415

    drafted = draft(files)
    found = drafted.get(SETTINGS, Settings)
    if found is None:
        raise ConfigError([one for one in drafted.problems if one.path == SETTINGS])
    return found


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:  # never over somebody's file
            file.write(text)


def _problems(files: "ProjectFiles", written: Mapping[str, str]) -> list[Problem]:
    """What the check has against the new files. Other campaigns are left out: they may be many."""
    from antiphon.campaigns.configuration import CAMPAIGNS  # noqa: PLC0415
    from antiphon.check import check  # noqa: PLC0415
    from antiphon.files import ProjectFiles  # noqa: PLC0415

    rest = {path: text for path, text in files.texts.items() if not path.startswith(CAMPAIGNS)}
    found = check(ProjectFiles({**rest, **written}))[1]
    return [one for one in found if one.path in written and not one.is_warning]
