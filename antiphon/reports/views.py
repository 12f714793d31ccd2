"""The relation most reports count: outcomes, one row per occurrence with all that came of it."""

OUTCOMES = """
WITH credited AS (
    SELECT
        message_id,
        count(*) AS conversions,
        sum(amount)::DECIMAL(18, 4) AS revenue,
        count(*) FILTER (last_touch) AS last_touch,
        coalesce(sum(amount) FILTER (last_touch), 0)::DECIMAL(18, 4) AS last_touch_revenue,
        sum(1 / touches) AS shared,
        sum(shared_amount)::DECIMAL(18, 4) AS shared_revenue
    FROM conversions
    GROUP BY message_id
)
SELECT
    o.*,
    is_sent AND (state = 'delivered' OR coalesce(
        opened OR machine_opened OR clicked OR replied OR complained, false
    )) AS is_delivered,
    is_sent AND coalesce(opened, false) AS is_opened,
    is_sent AND coalesce(machine_opened, false) AS is_machine_opened,
    is_sent AND coalesce(clicked, false) AS is_clicked,
    is_sent AND coalesce(replied, false) AS is_replied,
    is_sent AND (state = 'bounced' OR coalesce(hard_bounced, false)) AS is_bounced,
    is_sent AND coalesce(complained, false) AS is_complained,
    is_sent AND coalesce(unsubscribed, false) AS is_unsubscribed,
    is_sent AND coalesce(redeemed, false) AS is_redeemed,
    is_sent AND coalesce(surveyed, false) AS is_surveyed,
    coalesce(conversions, 0) > 0 AS is_converted,
    coalesce(conversions, 0) AS conversions,
    coalesce(revenue, 0) AS revenue,
    coalesce(last_touch, 0) AS last_touch,
    coalesce(last_touch_revenue, 0) AS last_touch_revenue,
    coalesce(shared, 0) AS shared,
    coalesce(shared_revenue, 0) AS shared_revenue,
    (CASE WHEN is_sent THEN cost_e4 ELSE 0 END / 10000)::DECIMAL(18, 4) AS cost
FROM occurrences AS o
LEFT JOIN answers USING (message_id)
LEFT JOIN credited USING (message_id)
"""
