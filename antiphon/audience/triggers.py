"""Triggers as SQL: whom something that happened concerns now.

Read are the session's views events, orders, order_lines and notices, and, where a notice names a
column, the relation with the frame.
"""

# ruff: noqa: S608  (names are ours or checked features; values are literals)

from datetime import timedelta

from antiphon.audience.windows import Window
from antiphon.campaigns.models import Trigger
from antiphon.policy.moment import Moment
from antiphon.quoting import literal, quoted

ORDER = "order"  # the event's name that means orders, wherever an event may be named
SECOND = timedelta(seconds=1)


def happened_sql(event: str) -> str:
    """SELECT customer_id, id, happened_at, product_id, value; a return is no order."""
    if event == ORDER:
        return (
            "SELECT customer_id, order_id AS id, ordered_at AS happened_at, "
            "NULL::VARCHAR AS product_id, NULL::VARCHAR AS value FROM orders WHERE amount >= 0"
        )
    return (
        "SELECT customer_id, event_id AS id, occurred_at AS happened_at, product_id, value "
        f"FROM events WHERE event = {literal(event)}"
    )


def trigger_sql(trigger: Trigger, moment: Moment, source: str = "") -> str:
    """SELECT customer_id, anchor, due_at, product_id, value of what is due and not over.

    The anchor is the id of the event, order or notice. `source`: a relation with the frame, for
    `same`.
    """
    window = Window(moment)
    reach = trigger.after + trigger.grace
    due = window.later("happened_at", trigger.after)
    return f"""
        SELECT customer_id, id AS anchor, {due} AS due_at, product_id, value
        FROM ({_concerned_sql(trigger, window, source)})
        WHERE {window.may_concern("happened_at", reach)} AND happened_at < {window.facts_until}
            AND {due} <= {window.as_of} AND NOT {window.is_over(due, trigger.grace)}
    """


def _concerned_sql(trigger: Trigger, window: Window, source: str) -> str:
    if trigger.event:
        return happened_sql(trigger.event)
    notices = (
        "SELECT notice_id AS id, occurred_at AS happened_at, product_id, value FROM notices "
        f"WHERE notice = {literal(trigger.notice or '')}"
    )
    if trigger.same:
        return (
            "SELECT frame.customer_id, n.id, n.happened_at, n.product_id, n.value "
            f"FROM ({notices}) n JOIN {source} AS frame ON frame.{quoted(trigger.same)} = n.value"
        )
    reach = trigger.after + trigger.grace + trigger.within
    return f"""
        SELECT DISTINCT d.customer_id, n.id, n.happened_at, n.product_id, n.value
        FROM ({notices}) n
        JOIN ({_with_product_sql(trigger.did or "")}) d ON d.product_id = n.product_id
        WHERE d.happened_at <= n.happened_at
            AND d.happened_at >= n.happened_at - to_seconds({trigger.within // SECOND})
            AND {window.may_concern("d.happened_at", reach)}
    """


def _with_product_sql(event: str) -> str:
    """What customers did with a product; for orders, that they bought it."""
    if event == ORDER:
        return (
            "SELECT customer_id, ordered_at AS happened_at, product_id "
            "FROM order_lines WHERE quantity > 0"
        )
    return happened_sql(event)
