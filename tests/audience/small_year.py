"""A year of a small company as one relation: a row for each customer and day."""

import duckdb


def small_year(connection: duckdb.DuckDBPyConnection, customers: int, days: int) -> None:
    """Make the view `frame`: what the lifecycle and the bands read, on each day of the year.

    Customers buy at a rhythm of their own, from a day of their own on, and some stop; a third
    never buys, and half of everybody joins the programme some day. The year begins 400 days after
    the first order.
    """
    connection.execute(f"""
        CREATE MACRO drawn(k, purpose, below) AS
            (md5_number_upper(purpose || k::VARCHAR) % below::UBIGINT)::INTEGER;
        CREATE TABLE people AS SELECT
            k, 'C' || k AS customer_id,
            drawn(k, 'begins', 500) AS begins,
            5 + drawn(k, 'gap', 90) AS gap,
            CASE WHEN k % 3 = 0 THEN 0 ELSE 1 + drawn(k, 'many', 25) END AS many,
            CASE WHEN k % 2 = 0 THEN drawn(k, 'joins', 700) END AS joins
        FROM range({customers}) t(k);
        CREATE TABLE orders AS SELECT
            customer_id, 10 + drawn(k * 100 + place, 'amount', 120) AS amount,
            begins + place * gap + drawn(k * 100 + place, 'jitter', gap) AS day
        FROM people, range(25) t(place) WHERE place < many;
        CREATE TABLE calendar AS SELECT 400 + k AS day FROM range({days}) t(k);
        CREATE TABLE gaps AS SELECT customer_id, day,
            day - lag(day) OVER (PARTITION BY customer_id ORDER BY day) AS gap
        FROM (SELECT DISTINCT customer_id, day FROM orders);
        CREATE VIEW frame AS
        WITH bought AS (
            SELECT c.day, p.customer_id, p.joins,
                count(o.day) AS order_count,
                count(o.day) FILTER (WHERE o.day > c.day - 365) AS order_count_365d,
                c.day - max(o.day) AS days_since_order,
                CAST(sum(o.amount) / nullif(count(o.day), 0) AS DECIMAL(18, 4)) AS average_order
            FROM calendar c CROSS JOIN people p
            LEFT JOIN orders o ON o.customer_id = p.customer_id AND o.day <= c.day
            GROUP BY c.day, p.customer_id, p.joins
        ),
        rhythm AS (
            SELECT c.day, g.customer_id,
                CASE WHEN count(g.gap) >= 2 THEN median(g.gap) END AS median_gap_days
            FROM calendar c JOIN gaps g ON g.day <= c.day GROUP BY ALL
        )
        SELECT b.*, r.median_gap_days,
            days_since_order / nullif(median_gap_days, 0) - 1 AS gaps_late,
            CASE WHEN joins <= b.day THEN DATE '2024-01-01' + joins END AS joined_programme_day
        FROM bought b LEFT JOIN rhythm r USING (day, customer_id)
    """)
