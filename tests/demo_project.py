"""A copy of the shipped project with a small demo company, for tests that run the whole chain."""

import os
import shutil
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from antiphon.clock import Clock, clock_from
from antiphon.demo import AS_OF, write_demo

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "templates", "sql", "flows", "tasks")
AT = "2026-05-12T10:00+02:00"
# Of the shipped campaigns one or more of each kind: variants, a chain, an offer, SMS, and such as
# an event or a notice starts.
FEW = (
    "birthday-wishes",
    "cart-reminder",
    "may-letter",
    "second-purchase",
    "shop-closed",
    "vip-thanks",
    "welcome-first-order",
    "winback-lost-loyal",
)


def make_project(folder: Path, customers: int = 400, campaigns: Collection[str] = ()) -> Path:
    """The shipped files in `folder`, with the demo company's data in its var/demo.

    `campaigns`: only these; absent: all.
    """
    for name in FOLDERS:
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "schema")
        )
    shutil.copy(ROOT / "prefect.yaml", folder / "prefect.yaml")
    for path in (folder / "config" / "campaigns").glob("*.yaml"):
        if campaigns and path.stem not in campaigns:
            path.unlink()
    write_demo(folder / "var" / "demo", customers=customers)
    return folder


def demo_clock() -> Clock:
    """The demo day at ten in the morning, going on from there."""
    return clock_from(AS_OF)


def antiphon(
    project: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, as a person would."""
    variables = {**os.environ, "ANTIPHON_ROOT": str(project), **(environment or {})}
    return subprocess.run(
        [sys.executable, "-m", "antiphon.cli", *arguments],
        cwd=project,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
