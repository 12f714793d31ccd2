"""Order lines belong to the customer and time of their order, whichever came first."""

# Identifiers and paths are quoted by scans.quoted and scans.literal; values are parameters.
# ruff: noqa: S608

from antiphon.entities import ENTITIES
from antiphon.keys import bucket_of
from antiphon.lake.layout import Writer, write_layer
from antiphon.lake.manifest import Manifest
from antiphon.lake.scans import column_types, scan_sql

_LINK = ("order_id", "customer_id", "ordered_at")


def note_moved(writer: Writer, manifest: Manifest, *, has_batch: bool) -> None:
    """Make the table `moved`: orders about to be hidden whose lines change customer or time.

    To be called between the comparison of the orders' batch and the writing of its layer.
    """
    execute = writer.connection.execute
    execute("CREATE OR REPLACE TEMP TABLE moved (order_id VARCHAR)")
    files = {int(row[0]) for row in execute("SELECT DISTINCT _file FROM hidden").fetchall()}
    if not files:
        return
    before = scan_sql(writer.root, manifest, "orders", columns=_LINK, files=files, positions=True)
    after = (
        f"SELECT {', '.join(_LINK)} FROM winners WHERE NOT coalesce(is_deleted, false)"
        if has_batch
        else "SELECT NULL::VARCHAR AS order_id, NULL::VARCHAR AS customer_id, "
        "NULL::TIMESTAMPTZ AS ordered_at WHERE false"
    )
    execute(
        f"""
        INSERT INTO moved
        SELECT b.order_id FROM ({before}) b
        JOIN hidden h ON h._file = b._file AND h._row = b._row
        LEFT JOIN ({after}) a ON a.order_id = b.order_id
        WHERE a.customer_id IS DISTINCT FROM b.customer_id
            OR a.ordered_at IS DISTINCT FROM b.ordered_at
        """
    )


def relink(writer: Writer, manifest: Manifest, *, has_batch: bool) -> Manifest:
    """Link the lake's order lines anew: of orders in `moved` (lines of an order that is gone
    belong to nobody), and those without a customer whose order has come with this batch."""
    execute = writer.connection.execute
    if not any(bucket.data for bucket in manifest.of("order_lines")):
        return manifest
    if has_batch:
        manifest = _relink(writer, manifest, "SELECT order_id FROM winners", orphans=True)
    ((count,),) = execute("SELECT count(*) FROM moved").fetchall()
    return _relink(writer, manifest, "SELECT order_id FROM moved") if count else manifest


def _relink(
    writer: Writer, manifest: Manifest, order_ids: str, *, orphans: bool = False
) -> Manifest:
    root, lines = writer.root, ENTITIES["order_lines"]
    buckets = [bucket_of("", manifest.buckets)] if orphans else None
    links = scan_sql(root, manifest, lines.name, buckets=buckets, columns=_LINK, positions=True)
    orders = scan_sql(root, manifest, "orders", columns=_LINK)
    execute = writer.connection.execute
    execute(
        f"""
        CREATE OR REPLACE TEMP TABLE candidates AS
        SELECT l.* FROM ({links}) l SEMI JOIN ({order_ids}) t ON t.order_id = l.order_id
        {"WHERE l.customer_id IS NULL" if orphans else ""}
        """
    )
    execute(
        f"""
        CREATE OR REPLACE TEMP TABLE hidden AS
        SELECT l._file, l._row, o.customer_id, o.ordered_at
        FROM candidates l LEFT JOIN (
            SELECT * FROM ({orders}) c
            SEMI JOIN (SELECT order_id FROM candidates) t ON t.order_id = c.order_id
        ) o ON o.order_id = l.order_id
        WHERE l.customer_id IS DISTINCT FROM o.customer_id
            OR l.ordered_at IS DISTINCT FROM o.ordered_at
        """
    )
    files = {int(row[0]) for row in execute("SELECT DISTINCT _file FROM hidden").fetchall()}
    if not files:
        return manifest
    names = [*column_types(manifest, lines.name), "_source"]
    whole = scan_sql(root, manifest, lines.name, columns=names, files=files, positions=True)
    execute(
        f"""
        CREATE OR REPLACE TEMP TABLE relinked AS
        SELECT l.* EXCLUDE (_file, _row)
            REPLACE (h.customer_id AS customer_id, h.ordered_at AS ordered_at)
        FROM ({whole}) l JOIN hidden h ON h._file = l._file AND h._row = l._row
        """
    )
    return write_layer(writer, manifest, lines, "SELECT * FROM relinked", hidden="hidden")
