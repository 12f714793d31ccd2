"""Which message gets the credit: conversions within the goal's window, as SQL text (pure).

Last-touch gives an order to the latest message before it; shared attribution gives the same part
to each message before it (linear: Berman, Beyond the Last Touch, Marketing Science 37, 2018,
compares both, and says why neither shows cause: the control group does). Only messages that left
share; control rows and messages that never left count the same things over the same window, for
comparison.

Relations read: every_occurrence (see occurrences_sql), orders, order_lines, products, events,
responses and goals (campaign, event, category '' for none, within_us).
"""

# ruff: noqa: S608  (no value of a user's reaches this text)

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from antiphon.keys import code_key_sql

ORDER, CODE, SURVEY = "order", "code", "survey"
LEFT = ("accepted", "delivered", "bounced", "in_doubt")
WAITING = ("planned", "sending")
# An order with such a status of the source's own was given back as a whole (letter case is one).
VOID = ("cancelled", "canceled", "returned", "refunded", "void", "storno", "storniert")


@dataclass(frozen=True, slots=True)
class Counted:
    """One thing that goals count: `order`, `code`, `survey` or an event; orders of a category."""

    event: str
    category: str = ""


def _in(words: Collection[str]) -> str:
    return "(" + ", ".join("'" + word.replace("'", "''") + "'" for word in words) + ")"


def occurrences_sql(
    zone: str, as_of: datetime, later: Collection[str], *, has_attempts: bool
) -> str:
    """One row per occurrence, by its latest attempt, with what its campaign's goal says.

    `as_of`: what runs planned that began later (`later`, or of a later day) is not known yet. What
    a run of that day planned is, though it left minutes after its run began: who looks as of the
    moment of a run means to see it.
    `is_sent`: it left or may have left. `counts_until`: the end of the goal's window, null without
    a goal. `has_attempts`: whether any occurrence has several (else nobody need look).
    """
    followed = (
        " ANTI JOIN (SELECT occurrence_key, unnest(range(1, attempt)) AS attempt FROM known"
        " WHERE attempt > 1) AS followed USING (occurrence_key, attempt)"
    )
    moment = f"TIMESTAMPTZ '{as_of.isoformat()}'"
    return f"""
WITH known AS (
    SELECT * FROM contacts
    WHERE run_id NOT IN {_in(("", *later))}
        AND (
            contact_at <= {moment}
            -- a run's id begins with its business day
            OR coalesce(
                TRY_CAST(left(run_id, 10) AS DATE) <= timezone('{zone}', {moment})::DATE,
                state NOT IN {_in((*LEFT, "control"))}
            )
        )
)
SELECT
    message_id, customer_id, unit, c.campaign, step, cell, arm, channel, c.category, state,
    contact_at, run_id, cost_e4,
    timezone('{zone}', contact_at)::DATE AS day,
    state IN {_in(LEFT)} AS is_sent,
    state = 'control' AS is_control,
    state IN {_in(WAITING)} AS is_waiting,
    g.event AS goal,
    g.category AS goal_category,
    contact_at + to_microseconds(g.within_us) AS counts_until
FROM known AS c{followed if has_attempts else ""} LEFT JOIN goals AS g ON g.campaign = c.campaign
"""


def conversions_sql(counted: Collection[Counted], as_of: datetime, *, has_returns: bool) -> str:
    """One row per message (or control row) and thing its goal counts within the window.

    Columns: message_id, campaign, customer_id, fact_id (the order, event or response),
    converted_at, amount (what was paid less what was given back), is_sent, last_touch, touches
    (messages that share it), shared_amount. Of rows that are not sent last_touch is false, touches
    null and shared_amount zero. `as_of`: what happened later is not known yet. `has_returns`:
    whether there are orders with a negative amount.
    """
    if not counted:
        return f"SELECT {_NOTHING} WHERE false"
    has_codes = Counted(CODE) in counted
    plain = (set(counted) - {Counted(CODE)}) | ({Counted(ORDER)} if has_codes else set())
    orders = "orders" if has_returns else f"(SELECT * FROM orders WHERE NOT {_VOIDED})"
    chosen = sorted(plain, key=lambda one: (one.event, one.category))
    branches = [_facts(one, orders) for one in chosen]
    together = "\n    UNION ALL ".join(branches)
    moment = f"TIMESTAMPTZ '{as_of.isoformat()}'"
    return f"""
WITH facts AS MATERIALIZED (
    SELECT * FROM ({together})
    WHERE done_at <= {moment}
), {_RETURNED if has_returns else _NONE_RETURNED}
, {_coded(moment) if has_codes else "happened AS (SELECT * FROM bought)"}
, credited AS (
    SELECT
        o.message_id, o.campaign, o.customer_id, f.fact_id, f.done_at AS converted_at, f.amount,
        f.event, o.contact_at, o.is_sent
    FROM every_occurrence AS o JOIN happened AS f
        ON f.customer_id = o.customer_id
        AND f.event = o.goal
        AND f.category = o.goal_category
        AND f.done_at >= o.contact_at
        AND f.done_at < o.counts_until
    WHERE (f.campaign IS NULL OR f.campaign = o.campaign)
        AND (f.message_id IS NULL OR f.message_id = o.message_id)
), ranked AS (
    SELECT
        *,
        count(*) OVER touching AS touches,
        row_number() OVER (touching ORDER BY contact_at DESC, message_id DESC) AS place
    FROM credited
    WINDOW touching AS (PARTITION BY event, fact_id, is_sent)
)
SELECT
    message_id, campaign, customer_id, fact_id, converted_at, amount, is_sent,
    is_sent AND place = 1 AS last_touch,
    CASE WHEN is_sent THEN touches END AS touches,
    CASE
        WHEN NOT is_sent THEN 0
        -- what rounding leaves goes to the last touch: parts add up to the whole
        WHEN place = 1 THEN amount - (touches - 1) * (amount / touches)::DECIMAL(18, 4)
        ELSE (amount / touches)::DECIMAL(18, 4)
    END::DECIMAL(18, 4) AS shared_amount
FROM ranked
"""


_NOTHING = (
    "''::VARCHAR AS message_id, ''::VARCHAR AS campaign, ''::VARCHAR AS customer_id, "
    "''::VARCHAR AS fact_id, NULL::TIMESTAMPTZ AS converted_at, 0::DECIMAL(18, 4) AS amount, "
    "false AS is_sent, false AS last_touch, 0::BIGINT AS touches, "
    "0::DECIMAL(18, 4) AS shared_amount"
)
_VOIDED = f"(amount >= 0 AND lower(trim(coalesce(status, ''))) IN {_in(VOID)})"
_COLUMNS = "NULL::VARCHAR AS campaign, NULL::VARCHAR AS message_id"


def _facts(one: Counted, orders: str) -> str:
    """Everything of one kind that happened: customer_id, fact_id, done_at, amount, is_void, event,
    category, and the campaign or message it can only belong to."""
    event, category = (word.replace("'", "''") for word in (one.event, one.category))
    kind = f"'{event}' AS event, '{category}' AS category"
    if one.event == ORDER and one.category:
        return _orders_of_category(kind, category, orders)
    if one.event == ORDER:
        return (
            "SELECT customer_id, order_id AS fact_id, ordered_at AS done_at, amount, "
            f"{_VOIDED} AS is_void, {kind}, {_COLUMNS} FROM {orders}"
        )
    if one.event == SURVEY:  # several questions of one message are one answer
        return (
            "SELECT customer_id, coalesce(message_id, min(response_id)) AS fact_id, "
            "min(occurred_at) AS done_at, 0::DECIMAL(18, 4) AS amount, false AS is_void, "
            f"{kind}, campaign, message_id FROM responses WHERE kind IN ('survey', 'answer') "
            "GROUP BY customer_id, campaign, message_id, "
            "CASE WHEN message_id IS NULL THEN response_id END"
        )
    return (
        "SELECT customer_id, event_id AS fact_id, occurred_at AS done_at, "
        f"0::DECIMAL(18, 4) AS amount, false AS is_void, {kind}, {_COLUMNS} FROM events "
        f"WHERE event = '{event}'"
    )


def _coded(moment: str) -> str:
    """Codes used, with what was paid in the end for the order they were used in: the nearest of a
    day that bears the code. One that was given back in full takes its code with it; a till may
    tell of a code whose order no source brings."""
    return f"""used AS (
    SELECT
        r.response_id, any_value(r.customer_id) AS customer_id,
        any_value(r.occurred_at) AS occurred_at, any_value(r.campaign) AS campaign,
        any_value(r.message_id) AS message_id,
        arg_min(o.order_id, abs(epoch_us(o.ordered_at) - epoch_us(r.occurred_at))) AS order_id
    FROM responses AS r LEFT JOIN orders AS o
        ON o.customer_id = r.customer_id
        AND {code_key_sql("o.promo_code")} = r.value
        AND o.ordered_at BETWEEN r.occurred_at - INTERVAL 1 DAY AND r.occurred_at + INTERVAL 1 DAY
        AND o.amount >= 0
    WHERE r.kind = 'redemption' AND r.occurred_at <= {moment}
    GROUP BY r.response_id
), happened AS (
    SELECT * FROM bought
    UNION ALL BY NAME
    SELECT
        u.customer_id, u.response_id AS fact_id, u.occurred_at AS done_at,
        coalesce(b.amount, 0)::DECIMAL(18, 4) AS amount, '{CODE}' AS event, '' AS category,
        u.campaign, u.message_id
    FROM used AS u LEFT JOIN bought AS b
        ON b.fact_id = u.order_id AND b.event = '{ORDER}' AND b.category = ''
    WHERE u.order_id IS NULL OR b.fact_id IS NOT NULL
)"""


def _orders_of_category(kind: str, category: str, orders: str) -> str:
    """An order's lines of the category; where it has no lines, the order itself."""
    voided = _VOIDED.replace("amount", "o.amount").replace("status", "o.status")
    return f"""
    SELECT o.customer_id, o.order_id AS fact_id, o.ordered_at AS done_at,
        sum(coalesce(l.amount, l.quantity * l.unit_price, 0))::DECIMAL(18, 4) AS amount,
        any_value({voided}) AS is_void, {kind}, {_COLUMNS}
    FROM order_lines AS l
    SEMI JOIN (SELECT product_id FROM products WHERE category = '{category}') AS p
        ON p.product_id = l.product_id
    JOIN {orders} AS o ON o.order_id = l.order_id
    GROUP BY o.customer_id, o.order_id, o.ordered_at
    UNION ALL
    SELECT o.customer_id, o.order_id, o.ordered_at, o.amount, {voided} AS is_void,
        {kind}, {_COLUMNS}
    FROM {orders} AS o ANTI JOIN order_lines AS l ON l.order_id = o.order_id
    WHERE o.category = '{category}'"""


def _matched(name: str, rows: str) -> str:
    """Returns and the orders of just their amount among these rows, as brackets close: `depth`
    counts those open. Columns: return_id, fact_id, event, category, amount."""
    return f"""{name}_brackets AS (
    SELECT
        *,
        sum(CASE WHEN amount < 0 THEN -1 ELSE 1 END) OVER (
            PARTITION BY customer_id, event, category, abs(amount)
            ORDER BY done_at, amount DESC, fact_id
        ) AS depth
    FROM ({rows})
), {name} AS (
    SELECT r.fact_id AS return_id, o.fact_id, r.event, r.category, r.amount
    FROM (SELECT * FROM {name}_brackets WHERE amount < 0) AS r
    ASOF JOIN (SELECT * FROM {name}_brackets WHERE amount > 0) AS o
        ON o.customer_id = r.customer_id
        AND o.event = r.event
        AND o.category = r.category
        AND o.amount = -r.amount
        AND o.depth = r.depth + 1
        AND o.done_at <= r.done_at
)"""


_OF_VOID = "SELECT * FROM of_returners WHERE amount < 0 OR (is_void AND amount > 0)"
_OF_THE_REST = """SELECT f.* FROM of_returners AS f
    ANTI JOIN voided AS v
        ON v.return_id = f.fact_id AND v.event = f.event AND v.category = f.category
    WHERE f.amount <> 0 AND NOT f.is_void"""
_NONE_RETURNED = "bought AS (SELECT * FROM facts)"
# A return names no order. It belongs to the latest order before it of the same amount that is not
# yet given back, one that bears the status of such first (else it would be taken twice), else to
# the latest that was as large, else to the latest. What was given back in full is no conversion.
_RETURNED = f"""of_returners AS (
    SELECT * FROM facts SEMI JOIN (SELECT DISTINCT customer_id FROM facts WHERE amount < 0) AS r
        ON r.customer_id = facts.customer_id
), {_matched("voided", _OF_VOID)}, {_matched("settled", _OF_THE_REST)}, whole AS (
    FROM voided UNION ALL BY NAME FROM settled
), part AS (
    SELECT
        r.fact_id AS return_id,
        arg_max(o.fact_id, {{covers: o.amount >= -r.amount, moment: o.done_at, id: o.fact_id}})
            AS fact_id,
        r.event, r.category, r.amount
    FROM (
        SELECT r.* FROM of_returners AS r
        ANTI JOIN whole AS w
            ON w.return_id = r.fact_id AND w.event = r.event AND w.category = r.category
        WHERE r.amount < 0
    ) AS r
    JOIN (
        SELECT o.* FROM of_returners AS o
        ANTI JOIN whole AS w
            ON w.fact_id = o.fact_id AND w.event = o.event AND w.category = o.category
        WHERE o.amount > 0
    ) AS o
        ON o.customer_id = r.customer_id
        AND o.event = r.event
        AND o.category = r.category
        AND o.done_at <= r.done_at
    GROUP BY r.fact_id, r.event, r.category, r.amount
), given_back AS (
    SELECT fact_id, event, category, sum(amount) AS amount
    FROM (FROM whole UNION ALL BY NAME FROM part)
    GROUP BY fact_id, event, category
), bought AS (
    SELECT f.* REPLACE ((f.amount + coalesce(b.amount, 0))::DECIMAL(18, 4) AS amount)
    FROM facts AS f LEFT JOIN given_back AS b
        ON b.fact_id = f.fact_id AND b.event = f.event AND b.category = f.category
    WHERE f.amount >= 0 AND NOT f.is_void AND (b.amount IS NULL OR f.amount + b.amount > 0)
)"""
