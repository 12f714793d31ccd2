"""A chain lived day by day in tables: the SQL under test beside a plain Python reading of it."""

from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from occasions_world import ZONE, Tables, flag, moment

from antiphon.audience.chains import Stages, chain_sql, people_sql
from antiphon.campaigns.models import Chain

NAME = "welcome"
FRAME = {"starts": "BOOLEAN", "ordered": "BOOLEAN", "fits": "BOOLEAN"}
KEPT = ("customer_id", "anchor", "entered_at", "reached_seconds", "reached", "missed")
KEPT = (*KEPT, "left_at", "left_for")


def stages(chain: Chain) -> Stages:
    """Its start is `starts`, its exit `ordered`, the condition of every step with one `fits`."""
    always = replace(flag("starts"), text="true", sql="TRUE", columns=frozenset())
    return Stages(
        NAME,
        chain,
        flag("starts") if chain.start.where else None,
        {name: flag("ordered") for name in chain.exits},
        [flag("fits") if step.where else always for step in chain.steps],
    )


@dataclass
class Story:
    """What happens to a few customers in one chain; every run's offer is told unless held."""

    tables: Tables
    chain: Chain
    told: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("customers", "events", "enrolments", "told", "people_today"):
            self.tables.fill(name, [])

    def run(
        self,
        as_of: datetime,
        people: dict[str, dict[str, bool]],
        *,
        held: frozenset[str] = frozenset(),
        everybody: bool = True,
    ) -> list[tuple[str, str, str]]:
        """One run; (customer, anchor, step) of what it told."""
        rows = self.look(as_of, people, everybody=everybody)
        self.keep([row for row in rows if row["is_changed"]])
        offered = [
            (row["customer_id"], row["anchor"], self.chain.steps[row["place"]].step)
            for row in rows
            if row["is_due"] and row["customer_id"] not in held
        ]
        for customer, anchor, step in offered:
            self.tell(as_of, customer, anchor, step)
        return offered

    def look(
        self, as_of: datetime, people: dict[str, dict[str, bool]], *, everybody: bool = True
    ) -> list[dict[str, Any]]:
        """What the SQL answers, with nothing kept."""
        absent = dict.fromkeys(FRAME, False)
        self.tables.fill(
            "people_today", [{"customer_id": c, **absent, **flags} for c, flags in people.items()]
        )
        self.tables.fill("customers", [{"customer_id": customer} for customer in people])
        asked = people_sql(stages(self.chain), moment(as_of), "people_today")
        sql = chain_sql(NAME, self.chain, moment(as_of), asked, everybody=everybody)
        return self.tables.rows(sql)

    def keep(self, rows: list[dict[str, Any]]) -> None:
        """Merge enrolments as the lake does: the latest version of a key wins."""
        for row in rows:
            self.tables.connection.execute(
                "DELETE FROM enrolments WHERE customer_id = ? AND anchor = ?",
                [row["customer_id"], row["anchor"]],
            )
            self.tables.add("enrolments", campaign=NAME, **{name: row[name] for name in KEPT})

    def tell(
        self, at: datetime, customer: str, anchor: str, step: str, *, is_waiting: bool = False
    ) -> None:
        """A message that counts."""
        row = {"campaign": NAME, "step": step, "customer_id": customer, "anchor": anchor}
        row |= {"contact_at": at, "is_waiting": is_waiting}
        self.told.append(row)
        self.tables.add("told", **row)

    def enrolments(self) -> dict[tuple[str, str], dict[str, Any]]:
        """By customer and anchor."""
        rows = self.tables.rows("SELECT * FROM enrolments")
        return {(row["customer_id"], row["anchor"]): row for row in rows}


def day_of(at: datetime) -> date:
    """The shop's day."""
    return at.astimezone(ZoneInfo(ZONE)).date()


def due_at(entered_at: datetime, after: timedelta) -> datetime:
    """Whole days by the shop's clock, the rest as it passes."""
    there = entered_at.astimezone(ZoneInfo(ZONE)) + timedelta(days=after.days)
    return there.astimezone(ZoneInfo("UTC")) + timedelta(seconds=after.seconds)


def is_over(due: datetime, grace: timedelta, now: datetime) -> bool:
    """Whether it is too late."""
    if grace % timedelta(days=1):
        return now > due_at(due, grace)
    return day_of(now) > day_of(due) + grace
