"""The list of codes that tills and web shops read: no line tells whose a code is."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from antiphon.message.codes import LENGTH
from antiphon.project import Project

COLUMNS = pa.schema(
    {
        "code": pa.string(),
        "plain": pa.string(),
        "campaign": pa.string(),
        "discount": pa.string(),
        "gift": pa.string(),
        "valid_from": pa.date32(),
        "valid_until": pa.date32(),
        "is_unique": pa.bool_(),
        "redeemed": pa.bool_(),
        "withdrawn": pa.bool_(),
    }
)


def export(project: Project, path: Path) -> int:
    """Writes every code into a CSV file, which appears whole or not at all; how many.

    `code` as it is printed, `plain` without hyphens; `valid_from` and `valid_until` are days in the
    business time zone, both included.
    """
    project.ledger.codes.follow(project.clock())
    zone = project.configuration.settings.business.timezone
    fresh, count = path.with_name(f".{path.name}.{os.getpid()}.new"), 0
    try:
        with (
            project.ledger.codes.exported() as reader,
            csv.CSVWriter(fresh, COLUMNS) as writer,
        ):
            for batch in reader:
                writer.write_batch(_lines(batch, zone))
                count += batch.num_rows
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count


def _lines(batch: pa.RecordBatch, zone: str) -> pa.RecordBatch:
    code = batch.column("code")
    is_own = pc.is_valid(batch.column("occurrence_key"))
    columns = {
        "code": pc.if_else(is_own, _printed(code), code),
        "plain": code,
        "campaign": batch.column("campaign"),
        "discount": batch.column("discount"),
        "gift": batch.column("gift"),
        "valid_from": _day(batch.column("issued_at"), zone),
        # a code ends with the midnight after its last day
        "valid_until": _day(_just_before(batch.column("valid_until")), zone),
        "is_unique": is_own,
        "redeemed": pc.is_valid(batch.column("redeemed_at")),
        "withdrawn": pc.is_valid(batch.column("withdrawn_at")),
    }
    return pa.RecordBatch.from_arrays([columns[name] for name in COLUMNS.names], schema=COLUMNS)


def _printed(code: pa.Array) -> pa.Array:
    """As message.codes.written, for many."""
    body = pc.utf8_slice_codeunits(code, -LENGTH)
    cuts = ((0, 4), (4, 8), (8, LENGTH))
    groups = [pc.utf8_slice_codeunits(body, start, stop) for start, stop in cuts]
    joined = pc.binary_join_element_wise(*groups, "-")
    prefix = pc.utf8_replace_slice(code, -LENGTH, 2**31 - 1, "")
    with_prefix = pc.binary_join_element_wise(prefix, joined, "-")
    return pc.if_else(pc.equal(prefix, ""), joined, with_prefix)


def _just_before(moments: pa.Array) -> pa.Array:
    return pc.subtract(moments, pa.scalar(1, pa.duration("us")))


def _day(moments: pa.Array, zone: str) -> pa.Array:
    return pc.local_timestamp(moments.cast(pa.timestamp("us", tz=zone))).cast(pa.date32())
