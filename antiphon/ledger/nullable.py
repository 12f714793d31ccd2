"""Bulk reading of columns that may be null, which `bulk.read_bulk` alone cannot do.

A null travels as a value that the column never has, and becomes a null again in Arrow.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import ColumnElement, Engine, Select, Table, case, func, literal, select

from antiphon.ledger.bulk import read_bulk
from antiphon.ledger.schema import EPOCH, Instant

NO_TEXT = "\x1f"  # the separator of keys, which no text of ours holds
NO_NUMBER = -(2**62)
INSTANT = pa.timestamp("us", tz="UTC")


@contextmanager
def read_nullable(
    engine: Engine,
    table: Table,
    schema: pa.Schema,
    which: ColumnElement[bool],
) -> Iterator[pa.RecordBatchReader]:
    """The rows where `which` holds, as `schema`, streamed within the context.

    The table's columns have the schema's names. Texts, booleans, instants and whole numbers may
    be null; 1970 is no instant.
    """
    query = select(*nullable_columns(dict(table.c.items()), schema)).where(which)
    with read_nullable_query(engine, query, schema) as reader:
        yield reader


def nullable_columns(
    columns: Mapping[str, ColumnElement[Any]], schema: pa.Schema
) -> list[ColumnElement[Any]]:
    """What a query asks for to be read by `read_nullable_query`; `columns`: by the field's name."""
    return [_asked(columns[field.name], field) for field in schema]


@contextmanager
def read_nullable_query(
    engine: Engine, query: Select[Any], schema: pa.Schema
) -> Iterator[pa.RecordBatchReader]:
    """As `read_nullable`, of any query whose columns are `nullable_columns`."""
    wire = pa.schema([pa.field(field.name, _wire_type(field)) for field in schema])
    with read_bulk(engine, query, wire) as reader:
        yield pa.RecordBatchReader.from_batches(schema, _with_nulls(reader, schema))


def _asked(column: ColumnElement[Any], field: pa.Field) -> ColumnElement[Any]:
    if not field.nullable:
        return column.label(field.name)
    told: ColumnElement[Any]
    if pa.types.is_boolean(field.type):
        told = case((column.is_(None), NO_NUMBER), (column, 1), else_=0)
    elif pa.types.is_timestamp(field.type):
        told = func.coalesce(column, literal(EPOCH, Instant()))
    elif pa.types.is_string(field.type):
        told = func.coalesce(column, NO_TEXT)
    else:
        told = func.coalesce(column, NO_NUMBER)
    return told.label(field.name)


def _wire_type(field: pa.Field) -> pa.DataType:
    return pa.int64() if field.nullable and pa.types.is_boolean(field.type) else field.type


def _with_nulls(reader: pa.RecordBatchReader, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        columns = [_restored(batch.column(field.name), field) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _restored(column: pa.Array, field: pa.Field) -> pa.Array:
    if not field.nullable:
        return column
    if pa.types.is_string(field.type):
        missing = pa.scalar(NO_TEXT)
    elif pa.types.is_timestamp(field.type):
        missing = pa.scalar(EPOCH, INSTANT)
    else:
        missing = pa.scalar(NO_NUMBER, pa.int64())
    known = pc.if_else(pc.equal(column, missing), pa.scalar(None, column.type), column)
    return known.cast(field.type)
