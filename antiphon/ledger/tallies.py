"""What is only counted: refused signatures, repeated events, kinds that nobody knows."""

from collections.abc import Mapping
from datetime import date

from sqlalchemy import Connection, Engine, select

from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_into
from antiphon.ledger.response_schema import tallies


def add_counts(connection: Connection, day: date, counts: Mapping[str, int]) -> None:
    """Add to the counts of the day, within a transaction."""
    rows = [
        {"day": day, "name": name, "count": count}
        for name, count in sorted(counts.items())
        if count
    ]
    if rows:
        new = insert_into(connection, tallies)
        added = tallies.c.count + new.excluded.count
        connection.execute(
            new.on_conflict_do_update(index_elements=["day", "name"], set_={"count": added}), rows
        )


class Tallies:
    """Counts by day (of UTC) and name, of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, day: date, counts: Mapping[str, int]) -> None:
        """Add to the counts of the day."""
        if any(counts.values()):
            with writing(self._engine) as connection:
                add_counts(connection, day, counts)

    def since(self, day: date) -> dict[str, int]:
        """Name → count, of the day and those after it."""
        query = select(tallies.c.name, tallies.c.count).where(tallies.c.day >= day)
        counts: dict[str, int] = {}
        with reading(self._engine) as connection:
            for name, count in connection.execute(query):
                counts[name] = counts.get(name, 0) + count
        return counts
