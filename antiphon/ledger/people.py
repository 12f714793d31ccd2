"""What people said of being written to: suppressions by address, acts of consent by person."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, Engine, and_, bindparam, func, or_, select, update

from antiphon.ledger.bulk import read_bulk
from antiphon.ledger.engine import listed, next_revision, reading, writing
from antiphon.ledger.inserting import count_inserted, insert_into
from antiphon.ledger.moving import as_json
from antiphon.ledger.nullable import read_nullable
from antiphon.ledger.schema import IN_FORCE, consents, suppressions

ANY = "*"
SUPPRESSED = pa.schema(
    [pa.field(name, pa.string(), nullable=False) for name in ("channel", "address_key")]
)
CONSENTED = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("channel", pa.string(), nullable=False),
        pa.field("category", pa.string(), nullable=False),
        pa.field("granted", pa.bool_(), nullable=False),
        pa.field("acted_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("confirmed_at", pa.timestamp("us", tz="UTC")),
        pa.field("evidence", pa.string()),
        pa.field("separate", pa.bool_()),
    ]
)


# The reasons that responses give.
BOUNCED, COMPLAINED, OPTED_OUT, SOFT_BOUNCES = "bounce", "complaint", "opt_out", "soft_bounces"
FOR_GOOD = frozenset({BOUNCED, COMPLAINED})
LIFTED_BY_PEOPLE = frozenset({OPTED_OUT, SOFT_BOUNCES})


@dataclass(frozen=True, slots=True)
class Suppression:
    """Nobody is to write to an address, and why."""

    channel: str
    address_key: str
    reason: str
    suppressed_at: datetime
    source: str
    evidence: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """A person agreed or objected. `confirmed_at`: by a double opt-in."""

    customer_id: str
    channel: str
    category: str
    granted: bool
    acted_at: datetime
    source: str
    confirmed_at: datetime | None = None
    evidence: Mapping[str, Any] | None = None
    separate: bool | None = None


class People:
    """Suppressions and consents of one ledger. Nothing is deleted: a lift is one more fact."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def suppress(
        self,
        channel: str,
        address_key: str,
        *,
        reason: str,
        at: datetime,
        source: str,
        evidence: Mapping[str, Any] | None = None,
    ) -> bool:
        """Nobody writes to the address from now on; false when that was so already.

        `address_key` is `keys.address_key` of the normalised address, never the address itself.
        """
        row = {
            "channel": channel,
            "address_key": address_key,
            "reason": reason,
            "suppressed_at": at,
            "source": source,
            "evidence": as_json(evidence),
        }
        with writing(self._engine) as connection:
            new = insert_into(connection, suppressions).on_conflict_do_nothing(
                index_elements=["channel", "address_key"], index_where=IN_FORCE
            )
            return count_inserted(connection, new, row) == 1

    def suppress_all(
        self, keys: Collection[tuple[str, str]], *, reason: str, at: datetime, source: str
    ) -> int:
        """As `suppress`, for many (channel, address_key) at once: all of them or none; how many
        were not suppressed before."""
        facts = {"reason": reason, "suppressed_at": at, "source": source, "evidence": None}
        rows = [{"channel": channel, "address_key": key, **facts} for channel, key in sorted(keys)]
        with writing(self._engine) as connection:
            new = insert_into(connection, suppressions).on_conflict_do_nothing(
                index_elements=["channel", "address_key"], index_where=IN_FORCE
            )
            return sum(count_inserted(connection, new, row) for row in rows)

    def lift_all(self, keys: Collection[tuple[str, str]], *, reason: str, at: datetime) -> int:
        """As `lift`, for many (channel, address_key) at once; how many were suppressed."""
        change = (
            update(suppressions)
            .where(
                suppressions.c.channel == bindparam("of_channel"),
                suppressions.c.address_key == bindparam("of_key"),
                IN_FORCE,
            )
            .values(lifted_at=at, lift_reason=reason)
        )
        with writing(self._engine) as connection:
            return sum(
                connection.execute(change, {"of_channel": channel, "of_key": key}).rowcount
                for channel, key in sorted(keys)
            )

    def suppress_each(self, rows: Sequence[Suppression]) -> list[tuple[str, str]]:
        """As `suppress`, each for its own reason; which (channel, address key) were not suppressed
        before. A suppression that its owner could lift becomes one that nobody lifts."""
        if not rows:
            return []
        with writing(self._engine) as connection:
            new = insert_into(connection, suppressions).on_conflict_do_nothing(
                index_elements=["channel", "address_key"], index_where=IN_FORCE
            )
            added = []
            for one in sorted(rows, key=lambda each: (each.channel, each.address_key)):
                row = {**asdict(one), "evidence": as_json(one.evidence)}
                if count_inserted(connection, new, row):
                    added.append((one.channel, one.address_key))
                elif one.reason in FOR_GOOD:
                    connection.execute(
                        update(suppressions)
                        .where(
                            suppressions.c.channel == one.channel,
                            suppressions.c.address_key == one.address_key,
                            suppressions.c.reason.in_(LIFTED_BY_PEOPLE),
                            IN_FORCE,
                        )
                        .values(reason=one.reason, source=one.source, evidence=row["evidence"])
                    )
            return added

    def lift_own(
        self, keys: Collection[tuple[str, str]], *, reasons: Collection[str], why: str, at: datetime
    ) -> int:
        """Lifts those of the suppressions that were made for one of these reasons; how many."""
        change = (
            update(suppressions)
            .where(
                suppressions.c.channel == bindparam("of_channel"),
                suppressions.c.address_key == bindparam("of_key"),
                suppressions.c.reason.in_(sorted(reasons)),
                IN_FORCE,
            )
            .values(lifted_at=at, lift_reason=why)
        )
        with writing(self._engine) as connection:
            return sum(
                connection.execute(change, {"of_channel": channel, "of_key": key}).rowcount
                for channel, key in sorted(keys)
            )

    def lifted_at(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], datetime]:
        """(channel, address key) → when it was last lifted, of those that ever were."""
        query = (
            select(suppressions.c.channel, suppressions.c.address_key)
            .add_columns(func.max(suppressions.c.lifted_at))
            .where(suppressions.c.lifted_at.is_not(None))
            .group_by(suppressions.c.channel, suppressions.c.address_key)
        )
        with reading(self._engine) as connection:
            mine = suppressions.c.address_key.in_(listed(connection, {key for _, key in keys}))
            found = connection.execute(query.where(mine))
            return {(channel, key): at for channel, key, at in found}

    def suppression_counts(self) -> list[tuple[str, str, str, int, datetime]]:
        """Channel, source, reason, how many are in force, and when the last one was added."""
        columns = (suppressions.c.channel, suppressions.c.source, suppressions.c.reason)
        query = (
            select(*columns, func.count(), func.max(suppressions.c.suppressed_at))
            .where(IN_FORCE)
            .group_by(*columns)
            .order_by(*columns)
        )
        with reading(self._engine) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def lift(self, channel: str, address_key: str, reason: str, at: datetime) -> bool:
        """The address may be written to again; false when it was not suppressed."""
        change = (
            update(suppressions)
            .where(
                suppressions.c.channel == channel,
                suppressions.c.address_key == address_key,
                IN_FORCE,
            )
            .values(lifted_at=at, lift_reason=reason)
        )
        with writing(self._engine) as connection:
            return connection.execute(change).rowcount == 1

    def suppressions_table(self, at: datetime) -> pa.Table:
        """channel, address_key of every suppression in force at the instant `at`.

        Later ones stop messages as they are claimed: see `suppressed_now`.
        """
        query = select(suppressions.c.channel, suppressions.c.address_key).where(
            suppressions.c.suppressed_at <= at,
            or_(suppressions.c.lifted_at.is_(None), suppressions.c.lifted_at > at),
        )
        with read_bulk(self._engine, query, SUPPRESSED) as reader:
            return reader.read_all()

    def suppressed_for(self, reason: str) -> pa.Table:
        """channel, address_key, suppressed_at of the suppressions in force for a reason."""
        columns = (*SUPPRESSED.names, "suppressed_at")
        query = select(*(suppressions.c[name] for name in columns)).where(
            IN_FORCE, suppressions.c.reason == reason
        )
        at = pa.field("suppressed_at", pa.timestamp("us", tz="UTC"))
        with read_bulk(self._engine, query, SUPPRESSED.append(at)) as reader:
            return reader.read_all()

    def suppressed_now(self, channel: str, address_keys: Collection[str]) -> set[str]:
        """Those of the keys that are suppressed."""
        with reading(self._engine) as connection:
            query = select(suppressions.c.address_key).where(
                IN_FORCE,
                suppressions.c.channel == channel,
                suppressions.c.address_key.in_(listed(connection, address_keys)),
            )
            return set(connection.execute(query).scalars())

    def consent_act(
        self,
        customer_id: str,
        channel: str,
        category: str,
        *,
        granted: bool,
        acted_at: datetime,
        source: str,
        confirmed_at: datetime | None = None,
        evidence: Mapping[str, Any] | None = None,
        separate: bool | None = None,
    ) -> None:
        """Writes down that a person agreed or objected; see `consent_acts`."""
        self.consent_acts(
            [
                Act(
                    customer_id,
                    channel,
                    category,
                    granted,
                    acted_at,
                    source,
                    confirmed_at,
                    evidence,
                    separate,
                )
            ]
        )

    def consent_acts(self, acts: Sequence[Act]) -> None:
        """Writes down acts, all or none; `*` means every channel or category.

        An act dated ahead counts from then on: the end of a pause. The same act told twice is kept
        once. Of two opposite acts of one instant and source the objection stands.
        """
        if not acts:
            return
        with writing(self._engine) as connection:
            revision = next_revision(connection)
            new = insert_into(connection, consents)
            stricter = and_(consents.c.granted, ~new.excluded.granted)
            upsert = new.on_conflict_do_update(
                index_elements=["customer_id", "channel", "category", "acted_at", "source"],
                set_={
                    name: new.excluded[name]
                    for name in ("granted", "confirmed_at", "evidence", "separate", "revision")
                },
                where=stricter,
            )
            for act in sorted(acts, key=lambda each: (each.customer_id, each.acted_at)):
                row = {**asdict(act), "evidence": as_json(act.evidence), "revision": revision}
                connection.execute(upsert, row)

    def acts_of(self, customer_id: str) -> list[Act]:
        """Every act of a person that was recorded here, oldest first."""
        with reading(self._engine) as connection:
            return _acts(connection, consents.c.customer_id == customer_id)

    def agreements_by(self, customer_ids: Collection[str], source: str) -> list[Act]:
        """Agreements of these people that have this source."""
        with reading(self._engine) as connection:
            mine = consents.c.customer_id.in_(listed(connection, customer_ids))
            return _acts(connection, and_(mine, consents.c.source == source, consents.c.granted))

    def consents_since(self, mark: int) -> pa.Table:
        """Acts recorded after the mark (0: all), with the columns of entities.CONSENTS."""
        which = consents.c.revision > mark
        with read_nullable(self._engine, consents, CONSENTED, which) as reader:
            return reader.read_all()

    def objections_now(
        self, customer_ids: Collection[str], channel: str, category: str, at: datetime
    ) -> set[str]:
        """Those of the customers whose latest act by `at` recorded here is an objection.

        It knows no acts of other sources: for the last look before a message leaves.
        """
        order = func.row_number().over(
            partition_by=consents.c.customer_id,
            order_by=(consents.c.acted_at.desc(), consents.c.granted),
        )
        with reading(self._engine) as connection:
            acts = (
                select(consents.c.customer_id, consents.c.granted, order.label("place"))
                .where(
                    consents.c.customer_id.in_(listed(connection, customer_ids)),
                    consents.c.channel.in_([channel, ANY]),
                    consents.c.category.in_([category, ANY]),
                    consents.c.acted_at <= at,
                )
                .subquery()
            )
            query = select(acts.c.customer_id).where(acts.c.place == 1, ~acts.c.granted)
            return set(connection.execute(query).scalars())


def _acts(connection: Connection, which: ColumnElement[bool]) -> list[Act]:
    query = select(*(consents.c[field.name] for field in fields(Act))).where(which)
    order = (consents.c.acted_at, consents.c.granted.desc(), consents.c.consent_id)
    return [
        Act(**{**row, "evidence": json.loads(row["evidence"] or "null")})
        for row in connection.execute(query.order_by(*order)).mappings()
    ]
