"""Signed requests as they came, until they are read: durable before anybody is answered."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Engine, bindparam, delete, func, insert, select, update

from antiphon.ledger.engine import listed_numbers, reading, writing
from antiphon.ledger.response_schema import UNPARSED, inbox
from antiphon.ledger.tallies import add_counts


@dataclass(frozen=True, slots=True)
class Arrival:
    """One request whose signature was right. `source`: a value of response.sources.Source;
    `query`: of the address it came to, without the question mark."""

    source: str
    received_at: datetime
    body: bytes
    query: str = ""


class Unparsed(NamedTuple):
    """One request that waits to be read."""

    inbox_id: int
    source: str
    received_at: datetime
    query: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many requests wait to be read, and since when the oldest."""

    requests: int
    oldest_at: datetime | None


class Inbox:
    """The requests of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, arrivals: Sequence[Arrival]) -> None:
        """Keeps them all, or none: once it returns they are durable."""
        rows = [
            {
                "source": one.source,
                "received_at": one.received_at,
                "query": one.query,
                "body": one.body,
            }
            for one in arrivals
        ]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert(inbox), rows)

    def unparsed(self, limit: int, after: int = 0, most_bytes: int = 2**62) -> list[Unparsed]:
        """At most `limit` requests that wait, of numbers greater than `after`, oldest first; of so
        many bytes in all, or one."""
        number, sizes = inbox.c.inbox_id, func.length(inbox.c.body)
        waiting = select(number, sizes).where(UNPARSED, number > after).order_by(number)
        columns = [inbox.c[name] for name in Unparsed._fields]
        with reading(self._engine) as connection:
            chosen, held = list[int](), 0
            for one, size in connection.execute(waiting.limit(limit)):
                held += size
                if chosen and held > most_bytes:
                    break
                chosen.append(one)
            query = select(*columns).where(number.in_(listed_numbers(connection, chosen)))
            return [Unparsed(*row) for row in connection.execute(query.order_by(number))]

    def finish(
        self,
        ids: Sequence[int],
        now: datetime,
        *,
        problems: Mapping[int, str] | None = None,
        counts: Mapping[str, int] | None = None,
    ) -> int:
        """They were read; how many of them nobody had finished before.

        `problems`: request → why it could not be read. `counts` are added to the day's tallies,
        in the same transaction, unless somebody else had finished the requests meanwhile.
        """
        mine = inbox.c.inbox_id
        if not ids:
            return 0
        with writing(self._engine) as connection:
            change = update(inbox).where(mine.in_(listed_numbers(connection, ids)), UNPARSED)
            done = connection.execute(change.values(parsed_at=now)).rowcount
            if problems:
                connection.execute(
                    update(inbox)
                    .where(mine == bindparam("of_id"))
                    .values(problem=bindparam("of_problem")),
                    [{"of_id": one, "of_problem": why} for one, why in sorted(problems.items())],
                )
            if done:
                add_counts(connection, now.date(), counts or {})
            return done

    def waiting(self) -> Waiting:
        """What nobody has read yet."""
        query = select(func.count(), func.min(inbox.c.received_at)).where(UNPARSED)
        with reading(self._engine) as connection:
            count, oldest = connection.execute(query).one()
            return Waiting(count, oldest)

    def problems(self, since: datetime) -> dict[str, int]:
        """Why requests received since then could not be read → how many."""
        query = (
            select(inbox.c.problem, func.count())
            .where(inbox.c.received_at >= since, inbox.c.problem != "")
            .group_by(inbox.c.problem)
        )
        with reading(self._engine) as connection:
            return dict(connection.execute(query).tuples().all())

    def expire(self, before: datetime) -> int:
        """Removes what was read and received before then; how many. They hold personal data."""
        old = delete(inbox).where(inbox.c.received_at < before, inbox.c.parsed_at.is_not(None))
        with writing(self._engine) as connection:
            return connection.execute(old).rowcount
