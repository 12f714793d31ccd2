"""Tombstones: forgotten people stay forgotten, though the sources still have them.

A tombstone is a salted hash of a customer's id, and of each order that was erased with a customer,
whose lines name no person. Whoever has the salt and an id can tell whether it was forgotten: no
pull could obey otherwise.
"""

# ruff: noqa: S608  (paths and salt are quoted)

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from antiphon import keys
from antiphon.entities import ENTITIES
from antiphon.lake import Session, Snapshot
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.sources.pull import Pulled

CUSTOMER, ORDER = "customer", "order"
PREFIX = "forgotten-"  # a pseudonym begins so: rows that are only counted
_IDS = pa.schema({"customer_id": pa.string()})
REASON = "forgotten"  # of suppressions


def tombstone(salt: str, kind: str, value: str) -> str:
    """The hash under which something is forgotten."""
    return keys.digest("tombstone", salt, kind, value)


def left_out(
    project: Project, pulled: Sequence[Pulled], base: Snapshot
) -> tuple[list[Pulled], int]:
    """What was staged without the rows of forgotten people, and how many rows that were.

    Orders come before their lines (as pulls stage them): the lines go with their order.
    """
    tombstones = project.ledger.tombstones
    people = tombstones.table(CUSTOMER)
    if not people.num_rows:
        return list(pulled), 0
    salt, kept, dropped = project.configuration.settings.salt, [], 0
    tables = {"forgotten_customer": people, "forgotten_order": tombstones.table(ORDER)}
    with project.lake.session(base, tables=tables) as session:
        for one in pulled:
            gone = 0
            for path in one.files:
                if one.entity == "order_lines":
                    gone += _drop(session, path, salt, ORDER, "order_id")
                elif ENTITIES[one.entity].by_customer:
                    if one.entity == "orders":
                        _bury_orders(project, session, path, salt)
                    gone += _drop(session, path, salt, CUSTOMER, "customer_id")
            kept.append(replace(one, rows=one.rows - gone) if gone else one)
            dropped += gone
    return kept, dropped


def _among(salt: str, kind: str, column: str) -> str:
    """SQL: whether the column's value has a tombstone."""
    key = keys.digest_sql("tombstone", literal(salt), literal(kind), f"coalesce({column}, '')")
    return f"{key} IN (SELECT key_hash FROM forgotten_{kind})"


def _drop(session: Session, path: Path, salt: str, kind: str, column: str) -> int:
    """Take forgotten rows out of a staged file, which is replaced as a whole; how many."""
    rows, condition = f"read_parquet({literal(str(path))})", _among(salt, kind, column)
    ((count,),) = session.rows(f"SELECT count(*) FROM {rows} WHERE {condition}")
    if count:
        session.write(f"SELECT * FROM {rows} WHERE NOT ({condition})", path)
    return int(count)


def _bury_orders(project: Project, session: Session, path: Path, salt: str) -> None:
    """Tombstones for new orders of forgotten people, so that their lines are known."""
    condition = _among(salt, CUSTOMER, "customer_id")
    found = session.rows(
        f"SELECT DISTINCT order_id FROM read_parquet({literal(str(path))}) "
        f"WHERE {condition} AND order_id IS NOT NULL"
    )
    if found:
        hashes = [tombstone(salt, ORDER, order_id) for (order_id,) in found]
        project.ledger.tombstones.put(ORDER, hashes, project.clock())
        session.register("forgotten_order", project.ledger.tombstones.table(ORDER))


def returned(project: Project) -> list[str]:
    """Forgotten people of whom something is held again: a backup was put back."""
    people = project.ledger.tombstones.table(CUSTOMER)
    if not people.num_rows:
        return []
    known = pa.table({"customer_id": sorted(project.ledger.erasure.customers())})
    tables = {"forgotten_customer": people, "known": known.cast(_IDS)}
    condition = _among(project.configuration.settings.salt, CUSTOMER, "customer_id")
    with project.lake.session(tables=tables) as session:
        rows = session.rows(
            "SELECT DISTINCT customer_id FROM (SELECT customer_id FROM known UNION ALL "
            f"SELECT customer_id FROM customers) WHERE {condition} ORDER BY 1"
        )
    return [str(row[0]) for row in rows]


def lift_agreed(project: Project, snapshot: Snapshot) -> int:
    """Addresses of forgotten people may be written to again where somebody who has one of them
    agreed after that, and the act is dated; how many."""
    people = project.ledger.people
    held = people.suppressed_for(REASON)
    if not held.num_rows:
        return 0
    with project.lake.session(snapshot, tables={"held": held}) as session:
        found = session.rows(
            """
            SELECT DISTINCT h.channel, h.address_key FROM held h
            JOIN customers c ON h.address_key =
                CASE h.channel WHEN 'email' THEN c.email_key ELSE c.phone_key END
            JOIN consents a ON a.customer_id = c.customer_id AND a.channel IN (h.channel, '*')
            WHERE a.granted AND a.acted_at > h.suppressed_at
            """
        )
    if not found:
        return 0
    return people.lift_all(set(found), reason="agreed anew", at=project.clock())
