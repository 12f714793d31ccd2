"""When prefect.yaml wants the daily run: the same hours count for runs started by cron."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from cronsim import CronSim, CronSimError

from antiphon.errors import UserFilesError

FILE = "prefect.yaml"
DAILY_FLOW = "flows/daily.py:daily"


def daily_hours(root: Path, now: datetime, back: timedelta) -> list[datetime]:
    """The instants of the last `back` at which the daily run was to begin, newest first.

    Nothing where prefect.yaml has no daily run; UserFilesError where its hours cannot be read.
    """
    found = {
        at
        for cron, zone in _crons(root)
        for at in takewhile(lambda one: one > now - back, _before(cron, zone, now))
    }
    return sorted(found, reverse=True)


def next_hour(root: Path, now: datetime) -> datetime | None:
    """When the next daily run begins by prefect.yaml; None where it has none."""
    coming = [
        next(CronSim(cron, now.astimezone(zone))).astimezone(UTC) for cron, zone in _crons(root)
    ]
    return min(coming, default=None)


def _before(cron: str, zone: ZoneInfo, now: datetime) -> Iterator[datetime]:
    for at in CronSim(cron, now.astimezone(zone), reverse=True):
        yield at.astimezone(UTC)


def _crons(root: Path) -> list[tuple[str, ZoneInfo]]:
    path = root / FILE
    if not path.is_file():
        return []
    try:
        deployments = yaml.safe_load(path.read_text(encoding="utf-8"))["deployments"]
        found = [
            (str(schedule["cron"]), ZoneInfo(schedule.get("timezone", "UTC")))
            for deployment in deployments
            if deployment["entrypoint"] == DAILY_FLOW
            for schedule in deployment.get("schedules") or ()
            if "cron" in schedule and schedule.get("active", True)
        ]
        for cron, _ in found:
            CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC))
    except (yaml.YAMLError, TypeError, KeyError, CronSimError, ZoneInfoNotFoundError, OSError) as e:
        raise UserFilesError(
            f"{path}: the schedule of the daily run cannot be read ({type(e).__name__}).\n"
            "  Write it as shipped: deployments: - entrypoint: flows/daily.py:daily, "
            'schedules: - cron: "0 9 * * *", timezone: Europe/Berlin.'
        ) from None
    return found
