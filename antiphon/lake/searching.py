"""Looking for a person in every Parquet file, visible to a snapshot or not."""

# Paths and names are quoted by literal and quoted.
# ruff: noqa: S608

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from antiphon.entities import ENTITIES
from antiphon.keys import bucket_of
from antiphon.lake.erasure import ALONE, words_sql
from antiphon.lake.failures import explained
from antiphon.lake.manifest import Snapshot, older_ids, read_current, read_older
from antiphon.lake.scans import column_types, read_files, scan_sql
from antiphon.quoting import literal, quoted

IDS = ("customer_id", "unit", "household_id")
ADDRESSES = ("email", "email_address", "phone", "phone_e164")
NAMES = ("first_name", "last_name")


@dataclass(frozen=True)
class Known:
    """What the lake knows of who somebody is, in any snapshot: every address (channel, as it is
    written) and name (first, last) there was, and the orders.

    `heir`: who else lives in the household that is called after them, the smallest id; '': nobody.
    """

    addresses: frozenset[tuple[str, str]] = frozenset()
    names: frozenset[tuple[str, str]] = frozenset()
    orders: tuple[str, ...] = ()
    heir: str = ""
    is_there: bool = False


def parquet_files(root: Path) -> Iterator[Path]:
    """Every Parquet file below the folder, staged and forgotten ones too."""
    yield from sorted(root.rglob("*.parquet"))


def find(
    connection: duckdb.DuckDBPyConnection,
    paths: Collection[Path],
    customer_id: str,
    words: Sequence[str],
) -> dict[Path, int]:
    """Files with rows that name the person (by id in a column of ids, or by a word), and how many
    rows each."""
    found = {}
    for path in paths:
        with explained(path):
            source = f"read_parquet({literal(str(path))})"
            described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
            texts = [str(name) for name, type_, *_ in described if type_ == "VARCHAR"]
            conditions = [_names_them(name, customer_id) for name in texts]
            if words:
                conditions += [words_sql(quoted(name), words) for name in texts]
            if not conditions:
                continue
            anywhere = " OR ".join(f"coalesce({one}, false)" for one in conditions)
            ((count,),) = connection.execute(
                f"SELECT count(*) FROM {source} WHERE {anywhere}"
            ).fetchall()
            if count:
                found[path] = int(count)
    return found


def _names_them(name: str, customer_id: str) -> str:
    mine, alone = literal(customer_id), literal(ALONE + customer_id)
    if name in IDS:
        return f"{quoted(name)} IN ({mine}, {alone})"
    if name == "occurrence_key":
        ends = (literal("|" + customer_id), literal("|" + ALONE + customer_id))
        return " OR ".join(f"ends_with(occurrence_key, {end})" for end in ends)
    return "false"


def known(connection: duckdb.DuckDBPyConnection, root: Path, customer_id: str) -> Known:
    """Of somebody with that id; `is_there`: any fact of theirs is in any snapshot."""
    addresses, names, orders = set[tuple[str, str]](), set[tuple[str, str]](), set[str]()
    is_there = False
    for entity, path in _data_files(root):
        with explained(path):
            described = connection.execute(
                f"DESCRIBE SELECT * FROM read_parquet({literal(str(path))})"
            ).fetchall()
        columns = [str(row[0]) for row in described]
        if "customer_id" not in columns:
            continue
        wanted = {"customers": (*ADDRESSES, *NAMES), "orders": ("order_id",)}.get(entity, ())
        listed = ", ".join(quoted(one) if one in columns else "NULL" for one in wanted)
        rows = _rows(connection, path, listed or "NULL", customer_id, limit=not wanted)
        is_there = is_there or bool(rows)
        if entity == "orders":
            orders.update(str(row[0]) for row in rows)
        elif entity == "customers":
            for row in rows:
                addresses |= {("email", one) for one in row[:2] if one}
                addresses |= {("sms", one) for one in row[2:4] if one}
                names |= {(row[4] or "", row[5] or "")}
    heir = _heir(connection, root, customer_id)
    who = frozenset(names - {("", "")})
    return Known(frozenset(addresses), who, tuple(sorted(orders)), heir, is_there)


def _heir(connection: duckdb.DuckDBPyConnection, root: Path, customer_id: str) -> str:
    manifest = read_current(root)
    files = [file.path for file in manifest.households.values()] if manifest else []
    if not files:
        return ""
    with explained(root):
        ((heir,),) = connection.execute(
            f"SELECT min(customer_id) FROM {read_files(root, files)} "
            "WHERE household_id = $1 AND customer_id <> $2",
            [ALONE + customer_id, customer_id],
        ).fetchall()
    return str(heir or "")


def holders(
    connection: duckdb.DuckDBPyConnection, root: Path, customer_id: str, known: Known
) -> Known:
    """Of what is known of somebody, the addresses and names that other customers have too."""
    manifest = read_current(root)
    if manifest is None:
        return Known()
    others = scan_sql(root, manifest, "customers", columns=("customer_id", *ADDRESSES, *NAMES))
    others = f"SELECT * FROM ({others}) WHERE customer_id <> {literal(customer_id)}"
    addresses, names = set(), set()
    with explained(root):
        for channel, address in known.addresses:
            columns = ADDRESSES[:2] if channel == "email" else ADDRESSES[2:]
            same = " OR ".join(f"lower({one}) = lower($1)" for one in columns)
            if connection.execute(f"{others} AND ({same}) LIMIT 1", [address]).fetchall():
                addresses.add((channel, address))
        for first, last in known.names:
            same = "coalesce(lower(first_name), '') = lower($1) AND "
            same += "coalesce(lower(last_name), '') = lower($2)"
            if connection.execute(f"{others} AND {same} LIMIT 1", [first, last]).fetchall():
                names.add((first, last))
    return Known(frozenset(addresses), frozenset(names))


def held(
    connection: duckdb.DuckDBPyConnection, snapshot: Snapshot, customer_id: str
) -> dict[str, list[dict[str, Any]]]:
    """Entity → a customer's rows in the snapshot, each with the `source` that brought it; empty
    ones are left out."""
    found = {}
    for name, entity in ENTITIES.items():
        if not entity.by_customer:
            continue
        columns = [*column_types(snapshot.manifest, name), "_source"]
        bucket = bucket_of(customer_id, snapshot.buckets)
        rows = scan_sql(snapshot.root, snapshot.manifest, name, buckets=[bucket], columns=columns)
        with explained(snapshot.root):
            table = connection.sql(
                f"SELECT _source AS source, * EXCLUDE (_source) FROM ({rows}) "
                f"WHERE customer_id = {literal(customer_id)} ORDER BY ALL"
            ).to_arrow_table()
        if table.num_rows:
            found[name] = table.to_pylist()
    return found


def stored(
    connection: duckdb.DuckDBPyConnection, root: Path, folder: str, condition: str
) -> list[dict[str, Any]]:
    """Rows of a store's files that meet the condition, of all runs."""
    found: list[dict[str, Any]] = []
    for path in parquet_files(root / folder):
        with explained(path):
            rows = f"SELECT * FROM read_parquet({literal(str(path))}) WHERE {condition}"
            found += connection.sql(rows).to_arrow_table().to_pylist()
    return found


def _rows(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    listed: str,
    customer_id: str,
    *,
    limit: bool,
) -> list[tuple[Any, ...]]:
    sql = f"SELECT DISTINCT {listed} FROM read_parquet({literal(str(path))}) WHERE customer_id = $1"
    with explained(path):
        return connection.execute(sql + (" LIMIT 1" if limit else ""), [customer_id]).fetchall()


def _data_files(root: Path) -> Iterator[tuple[str, Path]]:
    """Entity and path of every data file that a snapshot names."""
    manifests = [read_current(root), *(read_older(root, one) for one in older_ids(root))]
    seen = set()
    for manifest in manifests:
        for entity, buckets in manifest.entities.items() if manifest else ():
            for bucket in buckets:
                for file in bucket.data:
                    if file.path not in seen:
                        seen.add(file.path)
                        yield entity, root / file.path
