"""Households: the source's own, or people who share a valid e-mail address or telephone number."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from antiphon.lake.failures import explained
from antiphon.lake.layout import Writer, bucketed
from antiphon.lake.manifest import MAX_BUCKETS, DataFile, Manifest
from antiphon.lake.scans import derived_households_sql, scan_sql

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("customer_id", "household_id", "email_address", "phone_e164")


def derive(writer: Writer, manifest: Manifest, day: date) -> Manifest:
    """The manifest with the map of households made anew; people who live alone are not in it.

    A household's id is the smallest the source gives to anyone in it, else `customer:` and its
    smallest customer id. `since_day` stays while a customer's household does, else it is `day`.
    """
    with explained(writer.root):
        _find_shared(writer, manifest)
        pairs = writer.connection.sql(
            "SELECT customer_id, household_id, address FROM shared ORDER BY customer_id, address"
        ).to_arrow_table()
        writer.connection.register("components", components(pairs))
        _name(writer, manifest, day)
        households = _write(writer, manifest)
        writer.connection.unregister("components")
    return replace(manifest, households=households, next_layer=manifest.next_layer + 1)


def _find_shared(writer: Writer, manifest: Manifest) -> None:
    """Make `shared` (customer_id, household_id, address): only addresses that several have."""
    execute = writer.connection.execute
    customers = scan_sql(writer.root, manifest, "customers", columns=_COLUMNS)
    # The engine's hash only narrows the search: groups of numbers are cheap to count, and what
    # collides is sorted out by the exact comparison after it.
    narrowed = " UNION ALL ".join(
        f"SELECT customer_id, household_id, '{column}:' || {column} AS address FROM ({customers}) "
        f"WHERE hash({column}) IN (SELECT hash({column}) FROM ({customers}) "
        f"WHERE {column} IS NOT NULL GROUP BY 1 HAVING count(*) > 1)"
        for column in ("email_address", "phone_e164")
    )
    execute(f"CREATE OR REPLACE TEMP TABLE narrowed AS {narrowed}")
    execute(
        "CREATE OR REPLACE TEMP TABLE shared AS SELECT * FROM narrowed SEMI JOIN "
        "(SELECT address FROM narrowed GROUP BY 1 HAVING count(*) > 1) USING (address)"
    )


def components(pairs: "pa.Table") -> "pa.Table":
    """Connected components of (customer_id, address) pairs: customer_id, smallest_id.

    Each customer takes the smallest number among those at the same addresses, then the number
    that customer has taken, until nothing changes (min-label propagation with pointer jumping).
    """
    import numpy as np  # noqa: PLC0415 (a session that only reads needs neither)
    import pyarrow as pa  # noqa: PLC0415

    customers = pairs["customer_id"].combine_chunks().dictionary_encode()
    addresses = pairs["address"].combine_chunks().dictionary_encode()
    # The pairs are sorted by customer id, so that numbers in order of appearance are too.
    who, where = np.asarray(customers.indices), np.asarray(addresses.indices)
    labels = np.arange(len(customers.dictionary))
    while True:
        smallest = np.full(len(addresses.dictionary), len(labels))
        np.minimum.at(smallest, where, labels[who])
        fresh = labels.copy()
        np.minimum.at(fresh, who, smallest[where])
        fresh = fresh[fresh]
        if np.array_equal(fresh, labels):
            break
        labels = fresh
    ids = customers.dictionary
    return pa.table({"customer_id": ids, "smallest_id": ids.take(pa.array(labels))})


def _name(writer: Writer, manifest: Manifest, day: date) -> None:
    """Make `named` (customer_id, household_id, since_day)."""
    root = writer.root
    given = scan_sql(root, manifest, "customers", columns=("customer_id", "household_id"))
    before = derived_households_sql(root, list(manifest.households.values()))
    writer.connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE named AS
        WITH derived AS (
            SELECT c.customer_id, coalesce(
                min(s.household_id) OVER (PARTITION BY c.smallest_id),
                'customer:' || c.smallest_id
            ) AS household_id
            FROM components c
            JOIN (SELECT DISTINCT customer_id, household_id FROM shared) s USING (customer_id)
        ),
        fresh AS (
            SELECT customer_id, household_id FROM ({given}) WHERE household_id IS NOT NULL
            UNION ALL
            SELECT customer_id, household_id FROM derived WHERE customer_id NOT IN
                (SELECT customer_id FROM shared WHERE household_id IS NOT NULL)
        )
        SELECT f.customer_id, f.household_id, coalesce(b.since_day, DATE '{day}') AS since_day
        FROM fresh f LEFT JOIN ({before}) b
            ON b.customer_id = f.customer_id AND b.household_id = f.household_id
        """
    )


def _write(writer: Writer, manifest: Manifest) -> dict[int, DataFile]:
    """One file per bucket that has households."""
    execute, layer = writer.connection.execute, manifest.next_layer
    parts = bucketed("SELECT * FROM named", manifest.buckets)
    execute(f"CREATE OR REPLACE TEMP TABLE parts AS {parts}")
    files: dict[int, DataFile] = {}
    for (index,) in execute("SELECT DISTINCT _bucket FROM parts ORDER BY 1").fetchall():
        path = f"clean/households/b{index:03d}/{layer:06d}-base.parquet"
        rows = writer.write(
            "SELECT customer_id, household_id, since_day FROM parts "
            f"WHERE _bucket = {index} ORDER BY customer_id",
            path,
        )
        files[index] = DataFile(path, rows, 0, layer * MAX_BUCKETS + index)
    return files
