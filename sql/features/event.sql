-- What the customer did, besides buying.
--
-- feature days_since_cart_abandoned integer days nullable: days since a cart was last left behind
-- feature event_count_30d integer events: events in the last 30 days, today included
-- reads: events
WITH done AS (
    SELECT
        customer_id,
        max(occurred_at) FILTER (WHERE event = 'cart_abandoned') AS cart_at,
        count(*) FILTER (
            WHERE occurred_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP)
        ) AS event_count_30d
    FROM events
    WHERE occurred_at <= $as_of
        AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
    GROUP BY customer_id
)
SELECT
    customer_id,
    ($business_day - timezone($business_zone, cart_at)::DATE)::BIGINT
        AS days_since_cart_abandoned,
    event_count_30d
FROM done
