"""Erasing one person from the ledger: what is counted stays under a pseudonym, the rest goes."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Engine,
    LargeBinary,
    Table,
    Text,
    bindparam,
    cast,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from antiphon import keys
from antiphon.ledger.engine import BEGIN, listed, reading, translated, writing
from antiphon.ledger.response_schema import codes, redemptions, responses
from antiphon.ledger.schema import facts, message_log, messages, metadata
from antiphon.states import MessageState

ALONE = "customer:"
RENAMED = ("messages", "responses", "codes", "redemptions")  # counted; of others rows go
ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class Person:
    """Who is erased. `household`: the new name of one called after them. `address_keys`: salted
    hashes that stand for nobody else. `pattern`: finds their id, addresses and names in bytes."""

    customer_id: str
    pseudonym: str
    household: str
    address_keys: frozenset[str] = frozenset()
    pattern: re.Pattern[bytes] | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Identities:
    """What the ledger knows of who somebody is: addresses (channel, address), message ids."""

    addresses: frozenset[tuple[str, str]]
    message_ids: tuple[str, ...]
    rows: int


@dataclass
class Changed:
    """Rows by table: those that went, that stay under the pseudonym, that had a word blanked."""

    gone: Counter[str] = field(default_factory=Counter)
    renamed: Counter[str] = field(default_factory=Counter)
    blanked: Counter[str] = field(default_factory=Counter)


class Erasure:
    """Finds and erases people in one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def tables(self) -> int:
        """How many tables a search looks through."""
        return len(metadata.sorted_tables)

    def identities(self, customer_id: str) -> Identities:
        """Of somebody with that id; no rows: the ledger does not know them."""
        query = select(messages.c.message_id, messages.c.channel, messages.c.address)
        addresses, ids, rows = set(), [], 0
        with reading(self._engine) as connection:
            mine = connection.execute(query.where(messages.c.customer_id == customer_id))
            for message_id, channel, address in mine:
                ids.append(message_id)
                if address:
                    addresses.add((channel, address))
            for table in _by_customer():
                count = select(func.count()).where(table.c.customer_id == customer_id)
                rows += int(connection.execute(count).scalar_one())
        return Identities(frozenset(addresses), tuple(ids), rows)

    def customers(self) -> set[str]:
        """Everybody whom any table names."""
        found: set[str] = set()
        with reading(self._engine) as connection:
            for table in _by_customer():
                found.update(connection.execute(select(table.c.customer_id).distinct()).scalars())
        return {one for one in found if one}

    def under_way(self, customer_id: str) -> int:
        """Messages to them that a dispatcher is sending at this moment."""
        query = select(func.count()).where(
            messages.c.customer_id == customer_id, messages.c.state == MessageState.SENDING
        )
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def erase(self, person: Person) -> Changed:
        """Rows that name the person by id or address are renamed, emptied or deleted, all or none
        of them; then words that stand in texts of other rows are blanked."""
        changed = Changed()
        with writing(self._engine) as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("PRAGMA secure_delete = ON"))
            keys_of = _rename_messages(connection, person, changed)
            _rename_answers(connection, person, keys_of, changed)
            for table in _by_customer():
                if table.name not in RENAMED:
                    gone = delete(table).where(table.c.customer_id == person.customer_id)
                    changed.gone[table.name] += connection.execute(gone).rowcount
            for table in _by_message():
                theirs = select(messages.c.message_id).where(
                    messages.c.customer_id == person.pseudonym
                )
                gone = delete(table).where(table.c.message_id.in_(theirs))
                changed.gone[table.name] += connection.execute(gone).rowcount
        self._blank(person, changed)
        return changed

    def find(self, person: Person) -> dict[str, int]:
        """`table.column` → how many rows name the person there."""
        found = Counter[str]()
        for table, column, _ in self._places(person):
            found[f"{table.name}.{column.name}"] += 1
        return dict(found)

    def compact(self) -> None:
        """What was deleted leaves the database's file too: its free pages and its log."""
        if self._engine.dialect.name == "sqlite":
            self._outside("PRAGMA wal_checkpoint(TRUNCATE)", "VACUUM")
            self.checkpoint()
            return
        tables = (*_by_customer(), message_log, metadata.tables["inbox"], facts)
        self._outside(*(f'VACUUM "{table.name}"' for table in tables))

    def checkpoint(self) -> None:
        """The log of an SQLite file is written into it and emptied; nothing on PostgreSQL."""
        if self._engine.dialect.name == "sqlite":
            self._outside("PRAGMA wal_checkpoint(TRUNCATE)")

    def _outside(self, *statements: str) -> None:
        """Run statements outside of any transaction."""
        plain = self._engine.connect().execution_options(
            isolation_level="AUTOCOMMIT", **{BEGIN: ""}
        )
        with translated(self._engine), plain as connection:
            for statement in statements:
                connection.exec_driver_sql(statement).close()

    def _blank(self, person: Person, changed: Changed) -> None:
        """Overwrite words in texts, by as many characters: JSON stays JSON."""
        if person.pattern is None:
            return
        pattern = person.pattern
        places = [place for place in self._places(person) if not _is_id(place[1])]
        if not places:
            return
        with writing(self._engine) as connection:
            if connection.dialect.name == "sqlite":
                connection.execute(text("PRAGMA secure_delete = ON"))
            for table, column, row in places:
                own = [one == row[one.name] for one in table.primary_key.columns]
                kind = column if isinstance(column.type, LargeBinary) else cast(column, Text)
                value = connection.execute(select(kind).where(*own)).scalar_one_or_none()
                if value is None:
                    continue
                is_text = isinstance(value, str)
                raw = value.encode() if is_text else bytes(value)
                blank = pattern.sub(lambda hit: b"x" * len(hit[0]), raw)
                new: Any = blank.decode() if is_text else blank
                if isinstance(column.type, JSON):
                    new = func.json(new) if connection.dialect.name == "sqlite" else cast(new, JSON)
                connection.execute(update(table).where(*own).values({column.name: new}))
                changed.blanked[table.name] += 1

    def _places(self, person: Person) -> Iterator[tuple[Table, Column[Any], Mapping[str, Any]]]:
        """Table, column and key of every value that names the person."""
        with reading(self._engine) as connection:
            for table in metadata.sorted_tables:
                for column in table.columns:
                    yield from _of_column(connection, table, column, person)


def _of_column(
    connection: Connection, table: Table, column: Column[Any], person: Person
) -> Iterator[tuple[Table, Column[Any], Mapping[str, Any]]]:
    own = list(table.primary_key.columns)
    if isinstance(column.type, LargeBinary):
        value: ColumnElement[Any] = column
        wanted = None
    elif isinstance(column.type, Text | JSON):
        value = cast(column, Text)
        hints = [*_hints(value, person), *_ids(column, person)]
        if not hints:
            return
        wanted = or_(*hints)
    else:
        return
    query = select(*own, value.label("_value")).execution_options(yield_per=ROWS_AT_ONCE)
    rows = connection.execute(query if wanted is None else query.where(wanted)).mappings()
    for row in rows:
        found = row["_value"]
        raw = found.encode() if isinstance(found, str) else bytes(found or b"")
        is_named = person.pattern is not None and person.pattern.search(raw) is not None
        if is_named or _is_mine(column, found, person):
            if table is facts and str(row["name"]).startswith(FORGETTING):
                continue
            yield table, column, {one.name: row[one.name] for one in own}


FORGETTING = "forgetting "  # facts: an erasure that was begun and is not finished


def _hints(value: ColumnElement[Any], person: Person) -> list[ColumnElement[bool]]:
    """What the database can look for quickly; the pattern decides."""
    return [value.ilike(f"%{_escaped(word)}%", escape="\\") for word in person.words]


def _escaped(word: str) -> str:
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _is_id(column: Column[Any]) -> bool:
    return column.name in ("customer_id", "unit", "occurrence_key")


def _ids(column: Column[Any], person: Person) -> list[ColumnElement[bool]]:
    mine, alone = person.customer_id, ALONE + person.customer_id
    if column.name in ("customer_id", "unit"):
        return [column.in_([mine, alone])]
    if column.name == "occurrence_key":
        return [column.like(f"%|{_escaped(one)}", escape="\\") for one in (mine, alone)]
    return []


def _is_mine(column: Column[Any], value: Any, person: Person) -> bool:
    mine, alone = person.customer_id, ALONE + person.customer_id
    if column.name in ("customer_id", "unit"):
        return value in (mine, alone)
    return column.name == "occurrence_key" and str(value).endswith(("|" + mine, "|" + alone))


def _by_customer() -> list[Table]:
    return [table for table in metadata.sorted_tables if "customer_id" in table.c]


def _by_message() -> list[Table]:
    """Tables that hold more of a message's person, and do not name them."""
    return [
        table
        for table in metadata.sorted_tables
        if "message_id" in table.c and "customer_id" not in table.c and table is not message_log
    ]


def _rename_messages(connection: Connection, person: Person, changed: Changed) -> dict[str, str]:
    """Their messages, and those to a household called after them; old → new occurrence keys."""
    mine, alone = person.customer_id, ALONE + person.customer_id
    c = messages.c
    query = select(c.message_id, c.occurrence_key, c.campaign, c.step, c.anchor, c.attempt)
    query = query.add_columns(c.customer_id, c.unit)
    found = connection.execute(query.where(or_(c.customer_id == mine, c.unit == alone))).all()
    units = {mine: person.pseudonym, alone: person.household}
    new_keys = {}
    rows = []
    for row in found:
        unit = units.get(row.unit, row.unit)
        key = keys.occurrence_key(row.campaign, row.step, unit, row.anchor)
        if key != row.occurrence_key and _is_taken(connection, key, row.attempt):
            unit = ALONE + person.pseudonym  # the household had spoken under both names
            key = keys.occurrence_key(row.campaign, row.step, unit, row.anchor)
        new_keys[row.occurrence_key] = key
        who = person.pseudonym if row.customer_id == mine else row.customer_id
        rows.append({"of": row.message_id, "new_unit": unit, "new_key": key, "new_customer": who})
    if rows:
        change = update(messages).where(c.message_id == bindparam("of"))
        change = change.values(
            unit=bindparam("new_unit"),
            occurrence_key=bindparam("new_key"),
            customer_id=bindparam("new_customer"),
        )
        connection.execute(change, rows)
    ids = [row.message_id for row in found if row.customer_id == mine]
    emptied = update(messages).where(c.message_id.in_(listed(connection, ids)))
    connection.execute(emptied.values(address=None, values_json="{}"))
    changed.renamed["messages"] += len(ids)
    return new_keys


def _is_taken(connection: Connection, key: str, attempt: int) -> bool:
    query = select(messages.c.message_id).where(
        messages.c.occurrence_key == key, messages.c.attempt == attempt
    )
    return connection.execute(query).first() is not None


def _rename_answers(
    connection: Connection, person: Person, new_keys: Mapping[str, str], changed: Changed
) -> None:
    """Responses, codes and redemptions."""
    for table in (responses, codes, redemptions):
        values: dict[str, Any] = {"customer_id": person.pseudonym}
        if table is responses:
            values["address_key"] = None
        if table is redemptions:
            values["order_id"] = None
        mine = update(table).where(table.c.customer_id == person.customer_id).values(values)
        changed.renamed[table.name] += connection.execute(mine).rowcount
    connection.execute(
        update(responses)
        .where(responses.c.address_key.in_(listed(connection, _texts(person.address_keys))))
        .values(address_key=None)
    )
    rows = [{"old": old, "new": new} for old, new in new_keys.items() if old != new]
    for table in (codes, redemptions) if rows else ():
        change = update(table).where(table.c.occurrence_key == bindparam("old"))
        connection.execute(change.values(occurrence_key=bindparam("new")), rows)


def _texts(values: Collection[str]) -> list[str]:
    return sorted(values)
