-- When and where the customer buys: the rhythm of orders, the usual shop, weekday and hour.
--
-- Returns do not count. Weekday and hour are those of the business time zone. Of stores, weekdays
-- or hours that are equally frequent, the first counts (by alphabet, from Monday, from midnight).
--
-- A gap is the number of days from one day with an order to the next one; several orders on a day
-- make no gap. The median takes two gaps at least, so three days with an order.
--
-- feature median_gap_days number days nullable: median of the days between days with an order; null before the third such day
-- feature gaps_late number gaps nullable: days_since_order divided by median_gap_days, less 1: 0 when the next order is due, 1 when it is one gap late, below 0 before it is due
-- feature favourite_store text - nullable: shop or channel of sale of most orders
-- feature favourite_weekday integer - nullable: weekday of most orders, 1 Monday to 7 Sunday
-- feature favourite_hour integer hours nullable: hour of most orders, 0 to 23
-- reads: orders
WITH bought AS MATERIALIZED (
    SELECT customer_id, store, timezone($business_zone, ordered_at) AS local_at
    FROM orders
    WHERE amount >= 0
        AND ordered_at <= $as_of
        AND ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), days AS (
    SELECT
        customer_id,
        list_sort(list(local_at::DATE)) AS days,
        count(*) FILTER (isodow(local_at) = 1) AS monday,
        count(*) FILTER (isodow(local_at) = 2) AS tuesday,
        count(*) FILTER (isodow(local_at) = 3) AS wednesday,
        count(*) FILTER (isodow(local_at) = 4) AS thursday,
        count(*) FILTER (isodow(local_at) = 5) AS friday,
        count(*) FILTER (isodow(local_at) = 6) AS saturday,
        count(*) FILTER (isodow(local_at) = 7) AS sunday
    FROM bought
    GROUP BY customer_id
), rhythms AS (
    SELECT
        customer_id,
        days[-1] AS last_day,
        [pair[1] - pair[2] FOR pair IN list_zip(days[2:], days[:-2]) IF pair[1] > pair[2]] AS gaps,
        [monday, tuesday, wednesday, thursday, friday, saturday, sunday] AS weekdays
    FROM days
), hours AS (
    SELECT customer_id, arg_min(hour, {rank: -times, hour: hour}) AS favourite_hour
    FROM (
        SELECT customer_id, hour(local_at) AS hour, count(*) AS times FROM bought GROUP BY ALL
    )
    GROUP BY customer_id
), stores AS (
    SELECT customer_id, arg_min(store, {rank: -times, store: store}) AS favourite_store
    FROM (
        SELECT customer_id, store, count(*) AS times
        FROM bought
        WHERE store IS NOT NULL
        GROUP BY ALL
    )
    GROUP BY customer_id
)
SELECT
    r.customer_id,
    CASE WHEN len(r.gaps) >= 2 THEN list_median(r.gaps) END AS median_gap_days,
    ($business_day - r.last_day) / (CASE WHEN len(r.gaps) >= 2 THEN list_median(r.gaps) END) - 1
        AS gaps_late,
    s.favourite_store,
    list_position(r.weekdays, list_max(r.weekdays))::BIGINT AS favourite_weekday,
    h.favourite_hour
FROM rhythms r
LEFT JOIN hours h ON h.customer_id = r.customer_id
LEFT JOIN stores s ON s.customer_id = r.customer_id
