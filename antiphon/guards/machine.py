"""The machine as doctor looks at it: disk, clock, and addresses that must answer."""

import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path

from antiphon.guards.domains import Finding, Level

TIME_OUT_SECONDS = 5
GIGABYTE = 1_000_000_000
LEAST_FREE, GOOD_FREE = GIGABYTE, 10 * GIGABYTE
SKEW_WARNING, SKEW_WRONG = timedelta(seconds=5), timedelta(seconds=60)


def look_at_disk(folders: Sequence[Path]) -> Iterator[Finding]:
    """Whether there is room, and may be written, where we write."""
    for folder in dict.fromkeys(folders):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".antiphon-") as file:
                file.write(b"x" * 4096)
                file.flush()
                os.fsync(file.fileno())
            free = shutil.disk_usage(folder).free
        except OSError as error:
            todo = "Let the user Antiphon runs as write there, or make room."
            found = f"{folder} cannot be written to: {error.strerror}"
            yield Finding("disk", Level.WRONG, found, todo)
            continue
        found = f"{folder}: {free / GIGABYTE:,.1f} GB free"
        if free < GOOD_FREE:
            level = Level.WRONG if free < LEAST_FREE else Level.WARNING
            todo = "Make room: antiphon clean removes what is kept no longer."
            yield Finding("disk", level, found, todo)
        else:
            yield Finding("disk", Level.OK, found)


def look_at_address(area: str, address: str) -> tuple[Finding, datetime | None]:
    """Whether anybody answers at a web address, whatever the answer; and its time."""
    request = urllib.request.Request(address, method="HEAD")  # noqa: S310 - from settings.yaml
    try:
        with urllib.request.urlopen(request, timeout=TIME_OUT_SECONDS) as answer:  # noqa: S310
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:  # an answer as well
        date = error.headers.get("Date")
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or type(error).__name__
        return Finding(
            area,
            Level.WRONG,
            f"{address} does not answer: {reason}",
            "Look at name server, firewall and proxy of this machine, and whether it is up.",
        ), None
    return Finding(area, Level.OK, f"{address} answers"), _instant(date)


def look_at_clock(now: datetime, theirs: datetime | None) -> Finding:
    """The machine's time beside that of a server."""
    if theirs is None:
        todo = "Compare it with another one."
        return Finding("clock", Level.WARNING, "no server told its time", todo)
    skew = abs(now - theirs)
    if skew <= SKEW_WARNING:
        return Finding("clock", Level.OK, "agrees with a server's to within seconds")
    level = Level.WRONG if skew > SKEW_WRONG else Level.WARNING
    return Finding(
        "clock",
        level,
        f"differs from a server's by {skew.total_seconds():,.0f} seconds",
        "Let the machine set its clock by NTP (timedatectl set-ntp true).",
    )


def _instant(date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(date) if date else None
    except ValueError:
        return None
