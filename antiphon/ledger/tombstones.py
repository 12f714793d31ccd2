"""Who was forgotten: salted hashes that later pulls obey, and nothing else of anybody."""

from collections.abc import Collection, Sequence
from datetime import datetime

import pyarrow as pa
from sqlalchemy import Engine, select

from antiphon.ledger.engine import reading, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.response_schema import tombstones

KEYED = pa.schema([pa.field("key_hash", pa.string(), nullable=False)])


class Tombstones:
    """The tombstones of one ledger. They stay for ever: a lost one brings a person back."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, kind: str, hashes: Collection[str], now: datetime) -> None:
        """What has these hashes (`privacy.tombstones.tombstone`) is forgotten; those that are
        there keep their moment."""
        rows = [{"key_hash": one, "kind": kind, "forgotten_at": now} for one in sorted(set(hashes))]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert_new(connection, tombstones), rows)

    def forgotten_at(self, key_hash: str) -> datetime | None:
        """When it was forgotten; None: it was not."""
        query = select(tombstones.c.forgotten_at).where(tombstones.c.key_hash == key_hash)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none()

    def table(self, kind: str) -> pa.Table:
        """All hashes of a kind: KEYED."""
        query = select(tombstones.c.key_hash).where(tombstones.c.kind == kind)
        with reading(self._engine) as connection:
            return pa.table([list(connection.execute(query).scalars())], schema=KEYED)

    def put_all(self, kept: Sequence[tuple[str, str, datetime]]) -> None:
        """Puts what `all` told of another copy of the ledger."""
        rows = [{"key_hash": one, "kind": kind, "forgotten_at": at} for one, kind, at in kept]
        if rows:
            with writing(self._engine) as connection:
                connection.execute(insert_new(connection, tombstones), rows)

    def all(self) -> list[tuple[str, str, datetime]]:
        """Hash, kind and moment of each."""
        query = select(tombstones.c.key_hash, tombstones.c.kind, tombstones.c.forgotten_at)
        with reading(self._engine) as connection:
            return [tuple(row) for row in connection.execute(query)]
