"""The usual dirt of exports: typing errors, rows sent twice, facts of nobody, other years."""

from collections.abc import Callable

import pyarrow as pa

Rows = list[dict[str, object]]


def with_dirt(table: pa.Table, spoil: Callable[[Rows], None]) -> pa.Table:
    """Append a few spoilt copies of rows of `table`, as text."""
    texts = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    rows = texts.slice(0, 6).to_pylist()
    spoil(rows)
    return pa.concat_tables([texts, pa.Table.from_pylist(rows, schema=texts.schema)])


def in_customers(rows: Rows) -> None:
    """A newer version, bad addresses, a day that does not exist, no id, markup, the future."""
    rows[0]["city"] = "Potsdam"  # the same person again, newer
    rows[0]["updated_at"] = "2026-05-11T17:00:00"
    rows[1] |= {"customer_id": "LP900001", "email": "not an address", "phone": "12"}
    rows[2] |= {"customer_id": "LP900002", "birthday": "31.02.1980"}
    rows[3] |= {"customer_id": None}
    rows[4] |= {"customer_id": "LP900003", "first_name": "<b>Robert'); DROP TABLE--</b>"}
    rows[5] |= {"customer_id": "LP900004", "updated_at": "2031-01-01T00:00:00"}


def in_orders(rows: Rows) -> None:
    """Of nobody, an amount with a currency sign, the future, no id, a foreign date, twice."""
    rows[0] |= {"order_id": "B0000001", "customer_id": "LP999999"}
    rows[1] |= {"order_id": "B0000002", "amount": "€ 12,50"}
    rows[2] |= {"order_id": "B0000003", "ordered_at": "2031-01-01T10:00:00"}
    rows[3] |= {"order_id": None}
    rows[4] |= {"order_id": "B0000004", "ordered_at": "05/11/26"}
    rows[5] |= {"status": "paid"}  # sent twice, word for word


def in_events(rows: Rows) -> None:
    """Of nobody, the future, twice."""
    rows[0] |= {"event_id": "X0000001", "customer_id": "LP999999"}
    rows[1] |= {"event_id": "X0000002", "occurred_at": "2031-01-01T10:00:00"}
    del rows[3:]


def in_responses(rows: Rows) -> None:
    """Of nobody, the future, no kind, a date in words, no id, twice."""
    rows[0] |= {"response_id": "X0000001", "customer_id": "LP999999"}
    rows[1] |= {"response_id": "X0000002", "occurred_at": "2031-01-01T10:00:00"}
    rows[2] |= {"response_id": "X0000003", "kind": None}
    rows[3] |= {"response_id": "X0000004", "occurred_at": "yesterday"}
    rows[4] |= {"response_id": None, "kind": "survey", "value": "9"}  # we make an id of the rest


def in_notices(rows: Rows) -> None:
    """A product nobody sells, the future, no id, twice."""
    rows[0] |= {"notice_id": "X00001", "product_id": "P999"}
    rows[1] |= {"notice_id": "X00002", "occurred_at": "2031-01-01T10:00:00"}
    rows[2] |= {"notice_id": None}
    del rows[4:]
