"""A project that is live, with little in it."""

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from demo_project import ROOT

from antiphon.clock import Clock
from antiphon.files import read_files
from antiphon.project import Project, glance

START = datetime(2026, 5, 12, 8, tzinfo=UTC)


class Ticking:
    """A clock that shows a second more each time; `now` may be set."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def ticking(now: datetime = START) -> Ticking:
    """Such a clock."""
    return Ticking(now)


def live_project(
    root: Path,
    clock: Clock,
    changes: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Project:
    """The shipped settings, live, in a folder without campaigns."""
    settings = yaml.safe_load((ROOT / "config" / "settings.yaml").read_text(encoding="utf-8"))
    settings |= {"environment": "live", **(changes or {})}
    (root / "config").mkdir(parents=True)
    text = yaml.safe_dump(settings, sort_keys=False)
    (root / "config" / "settings.yaml").write_text(text, encoding="utf-8")
    for name in ("sources", "policy", "segments"):
        text = (ROOT / "config" / f"{name}.yaml").read_text(encoding="utf-8")
        (root / "config" / f"{name}.yaml").write_text(text, encoding="utf-8")
    shutil.copytree(ROOT / "config" / "packs", root / "config" / "packs")
    opened = glance(root, read_files(root), clock)
    return Project(root, opened.configuration, environment or {}, clock)
