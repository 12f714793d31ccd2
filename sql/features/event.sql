-- What the customer did, besides buying.
--
-- The events joined_programme and app_installed count from the first one, as a second one is a new
-- card or a new telephone; cart_abandoned from the last one.
--
-- feature days_since_cart_abandoned integer days nullable: days since a cart was last left behind
-- feature event_count_30d integer events: events in the last 30 days, today included
-- feature joined_programme_day day - nullable: business day on which the customer joined the loyalty programme (event joined_programme)
-- feature days_since_joined integer days nullable: days since the customer joined the loyalty programme
-- feature app_installed boolean -: has installed the app (event app_installed)
-- feature days_since_app_installed integer days nullable: days since the app was first installed
-- reads: events
WITH done AS (
    SELECT
        customer_id,
        max(occurred_at) FILTER (WHERE event = 'cart_abandoned') AS cart_at,
        count(*) FILTER (
            WHERE occurred_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP)
        ) AS event_count_30d,
        min(occurred_at) FILTER (WHERE event = 'joined_programme') AS joined_at,
        min(occurred_at) FILTER (WHERE event = 'app_installed') AS app_at
    FROM events
    WHERE occurred_at <= $as_of
        AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
    GROUP BY customer_id
)
SELECT
    customer_id,
    ($business_day - timezone($business_zone, cart_at)::DATE)::BIGINT
        AS days_since_cart_abandoned,
    event_count_30d,
    timezone($business_zone, joined_at)::DATE AS joined_programme_day,
    ($business_day - timezone($business_zone, joined_at)::DATE)::BIGINT AS days_since_joined,
    app_at IS NOT NULL AS app_installed,
    ($business_day - timezone($business_zone, app_at)::DATE)::BIGINT AS days_since_app_installed
FROM done
