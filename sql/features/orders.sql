-- Recency, frequency and monetary value.
--
-- An order with a negative amount is a return: it counts in what was paid, not as an order. Days
-- are business days. A window of 30 days holds the business day and the 29 days before it
-- (business_day - 30 < day <= business_day): its boundary becomes an instant once, so that no row
-- needs a time zone. A trend is what the window holds divided by what the window before it holds,
-- as long and next to it: 1 is as much as before, 2 twice as much, 0 nothing any more.
--
-- feature order_count integer orders: orders so far
-- feature order_count_7d integer orders: orders in the last 7 days, today included
-- feature order_count_30d integer orders: orders in the last 30 days, today included
-- feature order_count_90d integer orders: orders in the last 90 days, today included
-- feature order_count_365d integer orders: orders in the last 365 days, today included
-- feature order_trend_90d number - nullable: orders in the last 90 days divided by those in the 90 days before; null where there were none before
-- feature order_trend_365d number - nullable: orders in the last 365 days divided by those in the 365 days before; null where there were none before
-- feature spend_total money currency: what was paid so far, returns deducted
-- feature spend_7d money currency: what was paid in the last 7 days, today included
-- feature spend_30d money currency: what was paid in the last 30 days, today included
-- feature spend_90d money currency: what was paid in the last 90 days, today included
-- feature spend_365d money currency: what was paid in the last 365 days, today included
-- feature spend_trend_90d number - nullable: what was paid in the last 90 days divided by that of the 90 days before; null where nothing was paid before
-- feature spend_trend_365d number - nullable: what was paid in the last 365 days divided by that of the 365 days before; null where nothing was paid before
-- feature average_order money currency nullable: spend_total divided by order_count
-- feature first_order_day day - nullable: business day of the first order
-- feature second_order_day day - nullable: business day of the second order, which may be that of the first
-- feature last_order_day day - nullable: business day of the last order
-- feature days_since_order integer days nullable: days from the last order to today
-- reads: orders
WITH dated AS (
    SELECT
        customer_id,
        amount,
        CASE WHEN amount >= 0 THEN ordered_at END AS bought_at,
        ordered_at >= timezone($business_zone, ($business_day - 6)::TIMESTAMP) AS within_7d,
        ordered_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP) AS within_30d,
        ordered_at >= timezone($business_zone, ($business_day - 89)::TIMESTAMP) AS within_90d,
        ordered_at >= timezone($business_zone, ($business_day - 179)::TIMESTAMP) AS within_180d,
        ordered_at >= timezone($business_zone, ($business_day - 364)::TIMESTAMP) AS within_365d,
        ordered_at >= timezone($business_zone, ($business_day - 729)::TIMESTAMP) AS within_730d
    FROM orders
    WHERE ordered_at <= $as_of
        AND ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), summed AS (
    SELECT
        customer_id,
        count(bought_at) AS order_count,
        count(bought_at) FILTER (WHERE within_7d) AS order_count_7d,
        count(bought_at) FILTER (WHERE within_30d) AS order_count_30d,
        count(bought_at) FILTER (WHERE within_90d) AS order_count_90d,
        count(bought_at) FILTER (WHERE within_180d) AS order_count_180d,
        count(bought_at) FILTER (WHERE within_365d) AS order_count_365d,
        count(bought_at) FILTER (WHERE within_730d) AS order_count_730d,
        sum(amount) AS spend_total,
        coalesce(sum(amount) FILTER (WHERE within_7d), 0) AS spend_7d,
        coalesce(sum(amount) FILTER (WHERE within_30d), 0) AS spend_30d,
        coalesce(sum(amount) FILTER (WHERE within_90d), 0) AS spend_90d,
        coalesce(sum(amount) FILTER (WHERE within_180d), 0) AS spend_180d,
        coalesce(sum(amount) FILTER (WHERE within_365d), 0) AS spend_365d,
        coalesce(sum(amount) FILTER (WHERE within_730d), 0) AS spend_730d,
        timezone($business_zone, min(bought_at))::DATE AS first_order_day,
        timezone($business_zone, min(bought_at, 2)[2])::DATE AS second_order_day,
        timezone($business_zone, max(bought_at))::DATE AS last_order_day
    FROM dated
    GROUP BY customer_id
)
SELECT
    customer_id,
    order_count,
    order_count_7d,
    order_count_30d,
    order_count_90d,
    order_count_365d,
    order_count_90d / nullif(order_count_180d - order_count_90d, 0) AS order_trend_90d,
    order_count_365d / nullif(order_count_730d - order_count_365d, 0) AS order_trend_365d,
    spend_total::DECIMAL(18, 4) AS spend_total,
    spend_7d::DECIMAL(18, 4) AS spend_7d,
    spend_30d::DECIMAL(18, 4) AS spend_30d,
    spend_90d::DECIMAL(18, 4) AS spend_90d,
    spend_365d::DECIMAL(18, 4) AS spend_365d,
    CASE WHEN spend_180d > spend_90d
        THEN (spend_90d / (spend_180d - spend_90d))::DOUBLE
    END AS spend_trend_90d,
    CASE WHEN spend_730d > spend_365d
        THEN (spend_365d / (spend_730d - spend_365d))::DOUBLE
    END AS spend_trend_365d,
    (spend_total / nullif(order_count, 0))::DECIMAL(18, 4) AS average_order,
    first_order_day,
    second_order_day,
    last_order_day,
    ($business_day - last_order_day)::BIGINT AS days_since_order
FROM summed
