"""A shop of a few customers on a clock of its own, for tests that live through days and months."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from demo_project import ROOT

from antiphon.clock import Clock
from antiphon.project import Project, open_project
from antiphon.steps.daily import run_daily, run_triggers

ZONE = ZoneInfo("Europe/Berlin")
COLUMNS = {
    "customers": "customer_id,email,phone,first_name,language,city,birthday,registered_at,"
    "updated_at",
    "orders": "order_id,customer_id,ordered_at,amount,discount,promo_code,updated_at",
    "events": "event_id,customer_id,event,occurred_at,product_id,value",
    "notices": "notice_id,notice,occurred_at,product_id,value",
    "products": "product_id,name,category,price",
}
SETTINGS: dict[str, Any] = {
    "version": 1,
    "company": {
        "name": "Shop",
        "postal_address": "Shop, Street 1, 10115 Berlin",
        "website": "https://shop.example",
        "email_from": "hello@shop.example",
        "email_from_name": "Shop",
        "sms_from": "Shop",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["en"],
        "currency": "EUR",
    },
    "lake": {
        "threads": 1,
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "ledger": {},
    "providers": {"email": "local", "sms": "local", "outbox": "var/outbox"},
    "links": {"base_url": "https://mail.shop.example", "key_from": "ANTIPHON_LINK_KEY"},
    "salt": "shop",
}
POLICY: dict[str, Any] = {
    "version": 1,
    "consent": {"promo": "none", "lifecycle": "none", "service": "none"},
}


def at(text: str) -> datetime:
    """A local time of the shop."""
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def campaign(name: str, **keys: Any) -> dict[str, Any]:
    """A campaign's file, with what every campaign has."""
    return {
        "campaign": name,
        "title": name,
        "category": "lifecycle",
        "priority": 50,
        "runs": {"from": "2026-01-01"},
        "channels": ["email"],
        **({} if "chain" in keys else {"message": "note"}),
        **keys,
    }


@dataclass
class Shop:
    """One project. `add` brings rows into its sources, which runs then pull."""

    root: Path
    rows: dict[str, list[Mapping[str, Any]]] = field(
        default_factory=lambda: {entity: [] for entity in COLUMNS}
    )

    def add(self, entity: str, **values: Any) -> None:
        """One more row of a source."""
        self.rows[entity].append(values)
        names = COLUMNS[entity].split(",")
        with (self.root / "data" / f"{entity}.csv").open("w", encoding="utf-8") as file:
            writer = csv.DictWriter(file, names, lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows[entity])

    def customer(self, customer_id: str, registered_at: datetime, **values: Any) -> None:
        """A reachable customer."""
        times = {"registered_at": registered_at.isoformat()}
        times["updated_at"] = times["registered_at"]
        person = {"email": f"{customer_id}@example.com", "first_name": "Ann", "language": "en"}
        self.add("customers", customer_id=customer_id, **{**person, **times, **values})

    def order(self, customer_id: str, ordered_at: datetime, **values: Any) -> str:
        """An order of ten euros; its id."""
        when = ordered_at.isoformat()
        order_id = f"o{len(self.rows['orders']) + 1}"
        times = {"ordered_at": when, "updated_at": when}
        own = {"order_id": order_id, "customer_id": customer_id, "amount": 10}
        self.add("orders", **{**own, **times, **values})
        return order_id

    def event(self, customer_id: str, event: str, when: datetime, **values: Any) -> str:
        """Something a customer did; its id."""
        event_id = f"e{len(self.rows['events']) + 1}"
        at_ = {"occurred_at": when.isoformat()}
        self.add("events", event_id=event_id, customer_id=customer_id, event=event, **at_, **values)
        return event_id

    def notice(self, notice: str, when: datetime, **values: Any) -> str:
        """Something that happened to a product or a place; its id."""
        notice_id = f"n{len(self.rows['notices']) + 1}"
        self.add(
            "notices", notice_id=notice_id, notice=notice, occurred_at=when.isoformat(), **values
        )
        return notice_id

    def write(self, *campaigns: Mapping[str, Any], policy: Mapping[str, Any] = POLICY) -> None:
        """These campaigns, and no others, from now on."""
        folder = self.root / "config" / "campaigns"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for one in campaigns:
            self._file(f"config/campaigns/{one['campaign']}.yaml", one)
        self._file("config/policy.yaml", policy)

    def _file(self, path: str, document: Mapping[str, Any]) -> None:
        (self.root / path).write_text(yaml.safe_dump(dict(document)), encoding="utf-8")

    def daily(self, now: datetime, **options: Any) -> str:
        """A daily run at that moment."""
        return run_daily(self.root, frozen_at(now), **options)

    def trigger(self, now: datetime) -> str | None:
        """A pass of the triggers at that moment."""
        return run_triggers(self.root, frozen_at(now))

    def project(self, now: datetime) -> Project:
        """As a command would open it."""
        return open_project(self.root, frozen_at(now))

    def told(self) -> list[tuple[str, str, str, str]]:
        """(campaign, step, customer, anchor) of every message that was accepted, in order."""
        project = self.project(at("2030-01-01"))
        with project.ledger.history.contacts_since(0) as reader:
            rows = reader.read_all().to_pylist()
        rows.sort(key=lambda row: (row["contact_at"], row["campaign"], row["customer_id"]))
        return [
            (row["campaign"], row["step"], row["customer_id"], row["anchor"])
            for row in rows
            if row["state"] == "accepted"
        ]

    def contacts(self) -> list[dict[str, Any]]:
        """Every message with its state."""
        with self.project(at("2030-01-01")).ledger.history.contacts_since(0) as reader:
            return [dict(row) for row in reader.read_all().to_pylist()]

    def enrolments(self) -> list[dict[str, Any]]:
        """As the lake has them now."""
        with self.project(at("2030-01-01")).lake.session() as session:
            table = session.arrow("SELECT * FROM enrolments ORDER BY campaign, customer_id, anchor")
        return [dict(row) for row in table.to_pylist()]


class _Frozen:
    """A clock that stands; equal ones share a project, as `with_files` keeps the last few."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and other.now == self.now

    def __hash__(self) -> int:
        return hash(self.now)


def frozen_at(now: datetime) -> Clock:
    """A clock that always shows that moment."""
    return _Frozen(now)


def make_shop(folder: Path, *campaigns: Mapping[str, Any], features: Sequence[str] = ()) -> Shop:
    """A shop without customers. `features`: files of sql/features/ besides those always needed."""
    for name in (
        "config/campaigns",
        "config/expectations",
        "sql/features",
        "templates/note",
        "data",
    ):
        (folder / name).mkdir(parents=True)
    for name in ("person", "reachability", "consent", "orders", *features):
        shutil.copy(ROOT / "sql" / "features" / f"{name}.sql", folder / "sql" / "features")
    (folder / "templates" / "note" / "subject.j2").write_text("Hello", encoding="utf-8")
    body = (
        "<p>Hello {{ customer.first_name | default('you') }}.</p>"
        "<p>{{ company.postal_address }} <a href='{{ links.unsubscribe }}'>Unsubscribe</a></p>"
    )
    (folder / "templates" / "note" / "body.html.j2").write_text(body, encoding="utf-8")
    shop = Shop(folder)
    sources = {
        entity: {"entity": entity, "file": f"data/{entity}.csv", "optional": True}
        for entity in COLUMNS
    }
    shop._file("config/settings.yaml", SETTINGS)
    shop._file("config/sources.yaml", {"version": 1, "sources": json.loads(json.dumps(sources))})
    shop._file("config/segments.yaml", {"version": 1, "segments": {}})
    shop.write(*campaigns)
    return shop
