"""The shipped project with a ledger of its own, messages that ask its survey, and a browser."""

import csv
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
from httpx import Response
from starlette.testclient import TestClient

from antiphon import keys
from antiphon.files import ProjectFiles, read_files
from antiphon.ledger import PLAN_SCHEMA
from antiphon.message.links import Purpose
from antiphon.project import Project, glance
from antiphon.steps.composing import signer_of
from antiphon.web.app import create_app

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
BROWSER = {"user-agent": "Mozilla/5.0"}


@lru_cache(1)
def shipped() -> ProjectFiles:
    """The shipped files."""
    return read_files(ROOT)


class Clock:
    """Shows what a test sets."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class World:
    """`folder`: the project's. What was tapped and sent goes the way of a browser."""

    folder: Path
    files: ProjectFiles = field(default_factory=shipped)

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.project: Project = glance(self.folder, self.files, self.clock)
        self.ledger = self.project.ledger
        self.browser = TestClient(create_app(self.project), base_url="https://test")
        self.anchors = count()

    def message(self, customer: str = "C1", **known: Any) -> str:
        """A released run with one message, planned now; its id."""
        at = self.clock.now
        campaign = known.get("campaign", "purchase-survey")
        key = keys.occurrence_key(campaign, "", customer, f"a{next(self.anchors)}")
        row = {
            "message_id": keys.message_id("surveys", key, 1),
            "occurrence_key": key,
            "attempt": 1,
            "campaign": campaign,
            "step": "",
            "cell": "",
            "customer_id": customer,
            "unit": customer,
            "anchor": "a",
            "arm": "default",
            "channel": "email",
            "category": "lifecycle",
            "address": f"{customer}@example.com",
            "values_json": '{"customer":{"last_product":"P-7"}}',
            "template_hash": "t",
            "language": "en",
            "state": "planned",
            "not_before": at,
            "expires_at": at + 30 * DAY,
            "planned_at": at,
            "cost_e4": 0,
        } | known
        lease = self.ledger.leases.acquire("planning", "test", HOUR, at)
        run = self.ledger.runs.begin("daily", date(2026, 5, 12), at, at, lease=lease)
        table = pa.Table.from_pylist([row], schema=PLAN_SCHEMA)
        self.ledger.messages.plan(table, run.run_id, lease, at)
        self.ledger.messages.release(run.run_id, lease, at)
        self.ledger.runs.finish(run.run_id, "finished", "", at, lease=lease)  # type: ignore[arg-type]
        self.ledger.leases.release(lease)
        return str(row["message_id"])

    def path(self, message_id: str) -> str:
        """Of the survey's page."""
        return urlsplit(signer_of(self.project).url(Purpose.SURVEY, message_id)).path

    def tap(self, message_id: str, value: str, **headers: str) -> Response:
        """Somebody, or a program, follows a link of the message."""
        address = f"{self.path(message_id)}/{value}"
        return self.browser.get(address, headers={**BROWSER, **headers})

    def send(self, message_id: str, **given: Any) -> Response:
        """The page's button."""
        form = {name.replace("_", "-"): value for name, value in given.items()}
        return self.browser.post(self.path(message_id), data=form)

    def answers(self, customer: str = "C1") -> list[tuple[str, str | None, str | None]]:
        """Kind, question and value of the customer's responses, oldest first."""
        return [
            (one.kind, one.question, one.value)
            for one in self.ledger.responses.of_customer(customer)
        ]

    def tasks(self) -> list[dict[str, str]]:
        """The lines of every file in var/tasks/."""
        lines = []
        for path in sorted((self.folder / "var" / "tasks").glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                lines += list(csv.DictReader(file))
        return lines
