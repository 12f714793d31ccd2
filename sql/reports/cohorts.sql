-- Per cohort, the month in which customers registered (where that is not known, the month of
-- their first order): what was sent to them, what came back, what it brought.
--
-- Everything is counted once per message: `opened` by a person, `machine_opened` by a mail program
-- alone. `converted`: of those `with_goal`, messages with what it counts within its window; of
-- `still_open` ones the window is not over. `revenue` counts an order for every message before it; `last_touch` gives
-- it to the latest message alone, `shared` in equal parts to all. Returns are deducted.
-- Parameters: $as_of, $business_zone. Reads outcomes, customers, orders.
--
-- rate delivered: delivered of sent
-- rate opened: opened of sent
-- rate machine_opened: machine_opened of sent
-- rate clicked: clicked of sent
-- rate replied: replied of sent
-- rate bounced: bounced of sent
-- rate complained: complained of sent
-- rate unsubscribed: unsubscribed of sent
-- rate converted: converted of with_goal
SELECT
    cohort,
    count(*) FILTER (is_sent) AS sent,
    count(*) FILTER (is_delivered) AS delivered,
    count(*) FILTER (is_opened) AS opened,
    count(*) FILTER (is_machine_opened) AS machine_opened,
    count(*) FILTER (is_clicked) AS clicked,
    count(*) FILTER (is_replied) AS replied,
    count(*) FILTER (is_bounced) AS bounced,
    count(*) FILTER (is_complained) AS complained,
    count(*) FILTER (is_unsubscribed) AS unsubscribed,
    count(*) FILTER (is_sent AND goal IS NOT NULL) AS with_goal,
    count(*) FILTER (is_sent AND is_converted) AS converted,
    count(*) FILTER (is_sent AND counts_until > $as_of) AS still_open,
    sum(CASE WHEN is_sent THEN revenue ELSE 0 END)::DECIMAL(18, 4) AS revenue,
    sum(last_touch)::BIGINT AS last_touch,
    sum(last_touch_revenue)::DECIMAL(18, 4) AS last_touch_revenue,
    round(sum(shared), 6) AS shared,
    sum(shared_revenue)::DECIMAL(18, 4) AS shared_revenue,
    sum(cost)::DECIMAL(18, 4) AS cost
FROM outcomes
LEFT JOIN (
    SELECT customer_id, strftime(timezone($business_zone, coalesce(registered_at, first_at)), '%Y-%m')
        AS cohort
    FROM customers
    LEFT JOIN (SELECT customer_id, min(ordered_at) AS first_at FROM orders GROUP BY customer_id)
        USING (customer_id)
) USING (customer_id)
GROUP BY ALL
HAVING count(*) FILTER (is_sent) > 0
ORDER BY cohort DESC
