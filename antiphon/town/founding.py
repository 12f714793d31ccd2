"""Founding a town: a project folder with people, a shop and the campaigns of another project.

A town keeps nothing of the project's accounts, alerts, database or keys: it writes to a sandbox
and into its own var/, whatever it was founded from.
"""

import shutil
from pathlib import Path
from typing import Any

import yaml

from antiphon.campaigns.configuration import SETTINGS, SOURCES
from antiphon.demo import write_demo
from antiphon.errors import UserFilesError
from antiphon.files import FOLDERS, ProjectFiles
from antiphon.town.behaviour import Behaviour, read_behaviour

FILE = "town.yaml"
USUAL = Path(__file__).with_name(FILE)
BASE_URL = "https://town.invalid"
NOWHERE = "ANTIPHON_TOWN_HAS_NO_KEY"  # set nowhere: the town makes keys of its own
DEMO = "var/demo/"
OWN = (*FOLDERS, "var")  # what a town consists of, beside its file
KEPT = ("version", "company", "business", "lake", "sms", "responses", "salt")  # of settings.yaml


def found(
    folder: Path, files: ProjectFiles, *, behaviour: Path | None = None, seed: int = 1
) -> Behaviour:
    """Make a town of a project's files, in place of the one that stood in the folder.

    `behaviour`: a file that declares the truth; absent: the usual one. Raises UserFilesError where
    the folder holds something else, ConfigError where the behaviour's file is wrong.
    """
    declared = behaviour or USUAL
    text = declared.read_text(encoding="utf-8")
    truth = read_behaviour(declared)
    _refuse_others_sources(files)
    _clear(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(text, encoding="utf-8")
    for name, content in files.texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    settings = yaml.load(files.texts[SETTINGS], Loader=yaml.BaseLoader)  # noqa: S506 (text only)
    (folder / SETTINGS).write_text(
        "# Written when the town was founded: nothing in it reaches anybody.\n"
        + yaml.safe_dump(_settings(settings), sort_keys=False, allow_unicode=True),
        encoding="utf-8",
    )
    write_demo(folder / DEMO, customers=truth.customers, seed=seed)
    return truth


def is_town(folder: Path) -> bool:
    """Whether a town stands there."""
    return (folder / FILE).is_file() and (folder / SETTINGS).is_file()


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """The project's settings with everything replaced that leads out of the town."""
    own = {name: given[name] for name in KEPT if name in given}
    lake = {**own.get("lake", {}), "path": "var/lake"}
    said = {name: value for name, value in own.get("responses", {}).items() if name != "poll"}
    return own | {
        "lake": lake,
        "responses": said,
        "environment": "rehearsal",
        "providers": {"email": "sandbox", "sms": "sandbox", "outbox": "var/outbox"},
        "links": {"base_url": BASE_URL, "key_from": NOWHERE},
        "offers": {"key_from": NOWHERE, "till_from": NOWHERE},
        "web": {"sendgrid_key_from": NOWHERE, "twilio_key_from": NOWHERE},
    }


def _clear(folder: Path) -> None:
    """Remove the town that stands there; a folder that holds anything else is left alone."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if folder.is_symlink() or not is_town(folder):
        raise UserFilesError(
            f"{folder} is no town: it has no {FILE}.\n"
            "  Name an empty or a new folder with --folder; nothing was touched."
        )
    for name in OWN:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / FILE).unlink()


def _refuse_others_sources(files: ProjectFiles) -> None:
    sources = yaml.load(files.texts[SOURCES], Loader=yaml.BaseLoader)["sources"]  # noqa: S506
    for name, source in sources.items():
        if not str(source.get("file", "")).startswith(DEMO):
            raise UserFilesError(
                f"{SOURCES}: the source {name!r} is none of the demo company's, whose people live "
                "in the town.\n  Found the town from a checkout with the shipped sources.yaml, and "
                "copy the campaigns you want to try into its config/campaigns/."
            )
