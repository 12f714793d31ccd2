-- Recency, frequency and monetary value.
--
-- An order with a negative amount is a return: it counts in what was paid, not as an order. Days
-- are business days. A window of 30 days holds the business day and the 29 days before it
-- (business_day - 30 < day <= business_day): its boundary becomes an instant once, so that no row
-- needs a time zone.
--
-- feature order_count integer orders: orders so far
-- feature order_count_30d integer orders: orders in the last 30 days, today included
-- feature order_count_90d integer orders: orders in the last 90 days, today included
-- feature order_count_365d integer orders: orders in the last 365 days, today included
-- feature spend_total money currency: what was paid so far, returns deducted
-- feature spend_30d money currency: what was paid in the last 30 days, today included
-- feature spend_90d money currency: what was paid in the last 90 days, today included
-- feature spend_365d money currency: what was paid in the last 365 days, today included
-- feature average_order money currency nullable: spend_total divided by order_count
-- feature first_order_day day - nullable: business day of the first order
-- feature last_order_day day - nullable: business day of the last order
-- feature days_since_order integer days nullable: days from the last order to today
-- reads: orders
WITH dated AS (
    SELECT
        customer_id,
        amount,
        CASE WHEN amount >= 0 THEN ordered_at END AS bought_at,
        ordered_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP) AS within_30d,
        ordered_at >= timezone($business_zone, ($business_day - 89)::TIMESTAMP) AS within_90d,
        ordered_at >= timezone($business_zone, ($business_day - 364)::TIMESTAMP) AS within_365d
    FROM orders
    WHERE ordered_at <= $as_of
        AND ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), summed AS (
    SELECT
        customer_id,
        count(bought_at) AS order_count,
        count(bought_at) FILTER (WHERE within_30d) AS order_count_30d,
        count(bought_at) FILTER (WHERE within_90d) AS order_count_90d,
        count(bought_at) FILTER (WHERE within_365d) AS order_count_365d,
        sum(amount) AS spend_total,
        sum(amount) FILTER (WHERE within_30d) AS spend_30d,
        sum(amount) FILTER (WHERE within_90d) AS spend_90d,
        sum(amount) FILTER (WHERE within_365d) AS spend_365d,
        timezone($business_zone, min(bought_at))::DATE AS first_order_day,
        timezone($business_zone, max(bought_at))::DATE AS last_order_day
    FROM dated
    GROUP BY customer_id
)
SELECT
    customer_id,
    order_count,
    order_count_30d,
    order_count_90d,
    order_count_365d,
    spend_total::DECIMAL(18, 4) AS spend_total,
    coalesce(spend_30d, 0)::DECIMAL(18, 4) AS spend_30d,
    coalesce(spend_90d, 0)::DECIMAL(18, 4) AS spend_90d,
    coalesce(spend_365d, 0)::DECIMAL(18, 4) AS spend_365d,
    (spend_total / nullif(order_count, 0))::DECIMAL(18, 4) AS average_order,
    first_order_day,
    last_order_day,
    ($business_day - last_order_day)::BIGINT AS days_since_order
FROM summed
