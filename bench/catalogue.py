"""A year of campaign files: seasonal copies of the shipped ones, each with its own condition."""

import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.company import CHECKOUT

FILES = 2_500
RUNNING = 200
_SEASON = timedelta(days=28)


def make_catalogue(root: Path, day: date, *, files: int = FILES, running: int = RUNNING) -> None:
    """Write a project like the checkout's with so many campaign files, `running` of which run on
    `day`; the seasons of the others ended within the year before.
    """
    for folder in ("config", "templates", "sql"):
        shutil.copytree(CHECKOUT / folder, root / folder)
    campaigns = root / "config" / "campaigns"
    for path in campaigns.iterdir():
        path.unlink()
    for document in _seasons(day, files, running):
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (campaigns / f"{document['campaign']}.yaml").write_text(text)


def _seasons(day: date, files: int, running: int) -> Iterator[dict[str, Any]]:
    shipped = [
        yaml.load(path.read_text(), yaml.BaseLoader)
        for path in sorted((CHECKOUT / "config" / "campaigns").glob("*.yaml"))
    ]
    for place in range(files):
        document = shipped[place % len(shipped)]
        name, copy = document["campaign"], place // len(shipped)
        if copy:  # the first keeps its name, by which others ask for it
            name += f"-{copy + 1:03d}"
        begin = day - timedelta(days=place % 14)
        if place >= running:
            begin -= _SEASON + timedelta(days=place % 330)
        runs = {"from": str(begin), "until": str(begin + _SEASON - timedelta(days=1))}
        season = {**document, "campaign": name, "runs": runs}
        season |= _narrowed(document, f"order_count >= {place % 9} and spend_365d >= {place % 400}")
        yield season


def _narrowed(document: dict[str, Any], condition: str) -> dict[str, Any]:
    """Who is meant, and for whom the condition holds: the audience, or who enters the chain."""

    def both(who: dict[str, str]) -> dict[str, str]:
        where = f"({who['where']}) and {condition}" if "where" in who else condition
        return {**who, "where": where}

    if "chain" not in document:
        return {"audience": both(document.get("audience", {}))}
    chain = document["chain"]
    if "event" in chain["start"]:
        return {}
    return {"chain": {**chain, "start": both(chain["start"])}}
