"""Single facts about the ledger itself: which one it is, when a person confirmed it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Engine, delete, select

from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_into
from antiphon.ledger.schema import facts

LEDGER_ID = "ledger_id"  # made with the ledger; a copy has the same


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact; `at` is when it was put (1970 for what a migration wrote)."""

    name: str
    value: str
    at: datetime


class Facts:
    """The facts of one ledger, by name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def ledger_id(self) -> str:
        """Which ledger this is: a UUID."""
        return self.get(LEDGER_ID) or ""

    def get(self, name: str) -> str | None:
        """Its value; None where it was never put."""
        found = self.fact(name)
        return found.value if found else None

    def fact(self, name: str) -> Fact | None:
        """It, with the moment it was put."""
        with reading(self._engine) as connection:
            row = connection.execute(select(facts).where(facts.c.name == name)).mappings().first()
        return Fact(**row) if row else None

    def starting(self, prefix: str) -> list[Fact]:
        """Those whose names begin so, by name."""
        query = select(facts).where(facts.c.name.startswith(prefix, autoescape=True))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(facts.c.name)).mappings()
            return [Fact(**row) for row in rows]

    def put(self, name: str, value: str, now: datetime) -> None:
        """The fact is so from now on; what it was before is forgotten."""
        row = {"name": name, "value": value, "at": now}
        with writing(self._engine) as connection:
            upsert = insert_into(connection, facts).on_conflict_do_update(
                index_elements=["name"], set_={"value": value, "at": now}
            )
            connection.execute(upsert, row)

    def forget(self, name: str) -> bool:
        """Nothing is known of it any more; false where nothing was."""
        with writing(self._engine) as connection:
            return connection.execute(delete(facts).where(facts.c.name == name)).rowcount == 1
