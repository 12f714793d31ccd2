"""A project with an outbox as full as wanted, without any run: for tests and benches."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import yaml

from antiphon.clock import Clock, business_day
from antiphon.entities import ColumnType
from antiphon.files import read_files
from antiphon.keys import message_id, occurrence_key
from antiphon.ledger import PLAN_SCHEMA
from antiphon.message.templates import Templates
from antiphon.message.values import encode
from antiphon.project import Project, glance

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
LEASE = "planning"
DAY = timedelta(days=1)
AT_A_TIME = 100_000
SETTINGS: Mapping[str, Any] = {
    "version": 1,
    "company": {
        "name": "Linden & Salt",
        "postal_address": "Linden & Salt GmbH, Lindenstraße 1, 10969 Berlin",
        "website": "https://shop.example",
        "email_from": "hello@shop.example",
        "email_from_name": "Linden & Salt",
        "sms_from": "+4930123456",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["en"],
        "currency": "EUR",
    },
    "lake": {
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "links": {"base_url": "https://mail.shop.example"},
    "salt": "outbox",
}
TEMPLATES = {
    "note/subject.j2": "Hello {{ customer.first_name }}",
    "note/body.html.j2": "<p>Hello {{ customer.first_name }}.</p><p>{{ company.postal_address }} "
    "<a href='{{ links.unsubscribe }}'>Unsubscribe</a></p>",
    "note/body.txt.j2": "Hello {{ customer.first_name }}. {{ links.unsubscribe }}",
    "note/sms.j2": "Hello {{ customer.first_name }}, it is May.",
}
FEATURES = {"first_name": ColumnType.TEXT}


@dataclass(frozen=True)
class Outbox:
    """A project whose run is under way: what is planned may leave once it is released."""

    project: Project
    run_id: str
    template_hash: str

    def plan(
        self,
        messages: int,
        *,
        campaign: str = "may",
        channel: str = "email",
        category: str = "promo",
        arm: str = "default",
        not_before: datetime = NOW,
        expires_at: datetime | None = None,
        first: int = 0,
        addresses: list[str] | None = None,
    ) -> list[str]:
        """The ids of so many new messages of a campaign, to customers counted from `first`."""
        ids: list[str] = []
        for start in range(first, first + messages, AT_A_TIME):
            numbers = range(start, min(start + AT_A_TIME, first + messages))
            table = self._table(numbers, campaign, channel, category, arm, addresses or [])
            moments = pa.array([not_before] * len(numbers), PLAN_SCHEMA.field("not_before").type)
            until = pa.array(
                [expires_at or not_before + DAY] * len(numbers),
                PLAN_SCHEMA.field("expires_at").type,
            )
            for name, values in (
                ("not_before", moments),
                ("planned_at", moments),
                ("expires_at", until),
            ):
                table = table.append_column(name, values)
            ledger = self.project.ledger
            lease = ledger.leases.holder(LEASE, NOW)
            assert lease is not None
            ledger.messages.plan(table, self.run_id, lease, NOW)
            ids += table["message_id"].to_pylist()
        return ids

    def _table(
        self,
        numbers: range,
        campaign: str,
        channel: str,
        category: str,
        arm: str,
        addresses: list[str],
    ) -> pa.Table:
        salt = self.project.configuration.settings.salt
        names = [f"c{number:08}" for number in numbers]
        keys = [occurrence_key(campaign, "", name, "once") for name in names]
        fixed = {
            "attempt": 1,
            "campaign": campaign,
            "step": "",
            "cell": "",
            "anchor": "once",
            "arm": arm,
            "channel": channel,
            "category": category,
            "state": "planned",
            "cost_e4": 0,
            "template_hash": self.template_hash,
            "language": "en",
        }
        columns: dict[str, list[Any]] = {
            name: [value] * len(names) for name, value in fixed.items()
        }
        columns |= {
            "customer_id": names,
            "unit": names,
            "occurrence_key": keys,
            "message_id": [message_id(salt, key, 1) for key in keys],
            "address": addresses or [_address(channel, number) for number in numbers],
            "values_json": [_values(number, campaign, category) for number in numbers],
        }
        return pa.table(columns)

    def next_run(self) -> "Outbox":
        """The same outbox with another run, that messages may join after a release."""
        ledger, zone = self.project.ledger, self.project.configuration.settings.business.timezone
        lease = ledger.leases.holder(LEASE, NOW)
        run = ledger.runs.begin("daily", business_day(NOW, zone), NOW, NOW, lease=lease)
        files_hash = ledger.contents.put_files(self.project.configuration.files)
        ledger.runs.pin(run.run_id, NOW, lease=lease, files_hash=files_hash)
        return replace(self, run_id=run.run_id)

    def release(self) -> None:
        """From now on they may leave."""
        ledger = self.project.ledger
        lease = ledger.leases.holder(LEASE, NOW)
        assert lease is not None
        ledger.messages.release(self.run_id, lease, NOW)

    def states(self) -> dict[str, int]:
        """State → messages."""
        counted: dict[str, int] = {}
        for one in self.project.ledger.messages.counts():
            counted[one.state.value] = counted.get(one.state.value, 0) + one.messages
        return counted


def make_outbox(
    root: Path,
    clock: Clock,
    settings: Mapping[str, Any] | None = None,
    *,
    templates: Mapping[str, str] = TEMPLATES,
    features: Mapping[str, ColumnType] = FEATURES,
    environment: Mapping[str, str] | None = None,
) -> Outbox:
    """A project in an empty folder, its run begun at NOW."""
    (root / "config").mkdir(parents=True)
    files = {
        "settings": {**SETTINGS, **(settings or {})},
        "policy": {
            "version": 1,
            "consent": dict.fromkeys(("promo", "lifecycle", "service"), "none"),
        },
        "sources": {"version": 1, "sources": {}},
        "segments": {"version": 1, "segments": {}},
    }
    for name, document in files.items():
        text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        (root / "config" / f"{name}.yaml").write_text(text, encoding="utf-8")
    drafted = glance(root, read_files(root), clock)
    project = Project(root, drafted.configuration, environment or {}, clock)
    compiled = Templates.of(templates, features, project.configuration.settings)
    message = next(iter(templates)).split("/")[0]
    template_hash = project.ledger.contents.put(compiled.bundle(message))
    lease = project.ledger.leases.acquire(LEASE, "outbox", 365 * DAY, NOW)
    zone = project.configuration.settings.business.timezone
    run = project.ledger.runs.begin("daily", business_day(NOW, zone), NOW, NOW, lease=lease)
    files_hash = project.ledger.contents.put_files(project.configuration.files)
    project.ledger.runs.pin(run.run_id, NOW, lease=lease, files_hash=files_hash)
    return Outbox(project, run.run_id, template_hash)


def _address(channel: str, number: int) -> str:
    return f"c{number:08}@example.com" if channel == "email" else f"+4915{100_000_000 + number}"


def _values(number: int, campaign: str, category: str) -> str:
    name = encode(f"Ann{number}")
    return (
        f'{{"customer":{{"first_name":"{name}"}},"campaign":{{"name":"{campaign}",'
        f'"title":"{campaign}","category":"{category}"}},"cell":{{}}}}'
    )
