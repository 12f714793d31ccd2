"""What people told of themselves on our pages: an interest, a language, a reason for leaving."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Engine, func, select

from antiphon.ledger.engine import listed, next_revision, reading, writing
from antiphon.ledger.inserting import count_inserted, insert_new
from antiphon.ledger.nullable import read_nullable
from antiphon.ledger.response_schema import statements

STATED = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("value", pa.string()),
        pa.field("stated_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing a person told; `value` null takes it back."""

    customer_id: str
    name: str
    value: str | None
    stated_at: datetime
    source: str


class Statements:
    """The statements of one ledger. Nothing is overwritten: the latest counts."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, told: Sequence[Statement]) -> int:
        """Keeps what is new; how many. The same person, name, instant and source is kept once."""
        if not told:
            return 0
        with writing(self._engine) as connection:
            revision = next_revision(connection)
            new = insert_new(connection, statements)
            added = 0
            for one in sorted(told, key=lambda each: (each.customer_id, each.name)):
                row = {name: getattr(one, name) for name in STATED.names}
                added += count_inserted(connection, new, {**row, "revision": revision})
            if not added:
                connection.rollback()
            return added

    def of_customer(self, customer_id: str) -> list[Statement]:
        """Everything a person told, oldest first."""
        columns = [statements.c[name] for name in STATED.names]
        query = select(*columns).where(statements.c.customer_id == customer_id)
        order = (statements.c.stated_at, statements.c.statement_id)
        with reading(self._engine) as connection:
            return [Statement(*row) for row in connection.execute(query.order_by(*order))]

    def latest(self, name: str, customer_ids: Collection[str]) -> dict[str, str]:
        """Customer → what they last said of `name`; without those who said nothing or took it
        back."""
        place = func.row_number().over(
            partition_by=statements.c.customer_id,
            order_by=(statements.c.stated_at.desc(), statements.c.statement_id.desc()),
        )
        with reading(self._engine) as connection:
            said = (
                select(statements.c.customer_id, statements.c.value, place.label("place"))
                .where(
                    statements.c.name == name,
                    statements.c.customer_id.in_(listed(connection, customer_ids)),
                )
                .subquery()
            )
            query = select(said.c.customer_id, said.c.value).where(
                said.c.place == 1, said.c.value.is_not(None)
            )
            return dict(connection.execute(query).tuples().all())

    def table_since(self, mark: int) -> pa.Table:
        """Statements recorded after the mark (0: all), with the columns of entities.STATEMENTS."""
        which = statements.c.revision > mark
        with read_nullable(self._engine, statements, STATED, which) as reader:
            return reader.read_all()
