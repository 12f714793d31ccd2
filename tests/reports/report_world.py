"""A project whose lake a test fills row by row."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from antiphon.campaigns.models import Campaign
from antiphon.clock import system_clock
from antiphon.entities import ENTITIES, ColumnType
from antiphon.files import read_files
from antiphon.project import Project, glance

sys.path.insert(0, str(Path(__file__).parents[1]))  # for demo_project

from demo_project import ROOT

ARROW = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.MONEY: pa.decimal128(18, 4),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DAY: pa.date32(),
    ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
}
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
NOW = START + timedelta(days=60)
Row = Mapping[str, Any]
ORDER = {"event": "order", "within": "14 days"}


def at(days: float) -> datetime:
    """So many days after the start."""
    return START + timedelta(days=days)


class World:
    """A company of one's own: its campaigns, and what is to be in its lake."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._campaigns: dict[str, Campaign] = {}
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def campaign(self, name: str, goal: Row | None, **values: Any) -> None:
        """A campaign with this goal."""
        usual = {
            "campaign": name,
            "title": name,
            "category": "promo",
            "priority": "50",
            "runs": {"from": "2026-03-01"},
            "channels": ["email"],
            "message": name,
            "variants": {"discount": "50", "gift": "50"},
            "control": "10%",
        }
        goals = {"goal": goal} if goal else {}
        self._campaigns[name] = Campaign.model_validate({**usual, **goals, **values})

    def add(self, entity: str, **values: Any) -> None:
        """A row."""
        self.rows.setdefault(entity, []).append(values)

    def message(self, message_id: str, customer: str, days: float, **values: Any) -> None:
        """A message that was delivered, unless something else is said."""
        usual = {
            "message_id": message_id,
            "occurrence_key": f"key-{message_id}",
            "customer_id": customer,
            "unit": customer,
            "campaign": "spring",
            "step": "",
            "cell": "",
            "anchor": "once",
            "attempt": 1,
            "arm": "discount",
            "channel": "email",
            "category": "promo",
            "state": "delivered",
            "contact_at": at(days),
            "run_id": "2026-03-01-daily-1",
            "cost_e4": 0,
        }
        self.add("contacts", **{**usual, **values})

    def control(self, message_id: str, customer: str, days: float, **values: Any) -> None:
        """A row that was held out."""
        self.message(message_id, customer, days, **{"arm": "control", "state": "control", **values})

    def order(self, order_id: str, customer: str, days: float, amount: str, **values: Any) -> None:
        """An order; of a negative amount, a return."""
        usual = {"order_id": order_id, "customer_id": customer, "ordered_at": at(days)}
        self.add("orders", **usual, amount=Decimal(amount), **values)

    def response(self, kind: str, message_id: str | None, days: float, **values: Any) -> None:
        """Something that came back, from customer c1 unless somebody else is said."""
        usual = {
            "response_id": f"response-{len(self.rows.get('responses', []))}",
            "customer_id": "c1",
            "kind": kind,
            "occurred_at": at(days),
            "message_id": message_id,
            "is_machine": False,
        }
        self.add("responses", **{**usual, **values})

    def open(self, now: datetime = NOW, buckets: int | None = None) -> Project:
        """The project at that moment, the rows in its lake (of so many buckets)."""
        settings = self._project.configuration.settings
        lake = settings.lake.model_copy(update={"buckets": buckets})
        configuration = replace(
            self._project.configuration,
            campaigns=dict(self._campaigns),
            settings=settings.model_copy(update={"lake": lake}),
        )
        project = replace(self._project, configuration=configuration, clock=lambda: now)
        fill(project, self.rows)
        return project


def fill(project: Project, rows: Mapping[str, Sequence[Row]]) -> None:
    """Merge rows into the lake."""
    with project.lake.change("test") as change:
        for name, entity in ENTITIES.items():
            mine = rows.get(name)
            if not mine:
                continue
            columns = {
                one.name: pa.array([row.get(one.name) for row in mine], ARROW[one.type])
                for one in entity.columns
            }
            columns["_source"] = pa.array(["test"] * len(mine))
            columns["_row"] = pa.array(range(1, len(mine) + 1), pa.int64())
            path = project.lake.staging("test") / f"{name}.parquet"
            pq.write_table(pa.table(columns), path)
            change.merge(name, [path])
        change.publish()


@pytest.fixture(scope="session")
def shipped() -> Project:
    """The shipped configuration, read once."""
    return glance(ROOT, read_files(ROOT), system_clock)


@pytest.fixture(scope="session")
def empty_ledger(shipped: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nothing in it, to be copied: making its tables takes longer than most tests."""
    made = replace(shipped, root=tmp_path_factory.mktemp("ledger"))
    made.ledger.close()
    return made.var / "ledger.db"


@pytest.fixture
def world(shipped: Project, empty_ledger: Path, tmp_path: Path) -> World:
    """A company with one campaign, spring, whose goal is an order within 14 days."""
    (tmp_path / "var").mkdir()
    shutil.copy(empty_ledger, tmp_path / "var" / "ledger.db")
    made = World(replace(shipped, root=tmp_path))
    made.campaign("spring", ORDER)
    return made
