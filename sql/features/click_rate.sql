-- What people did with our messages, to be counted over groups of customers.
--
-- A message counts as clicked when the person, not a mail program, clicked in it or replied to it:
-- the response names the message, or its campaign alone within 30 days of it. A message of the last
-- three days does not count yet: whoever has not had time to read it has not declined.
--
-- feature clickable_count_365d integer messages: messages that reached the customer 3 to 365 days ago
-- feature clicked_count_365d integer messages: those of them that were clicked or replied to
-- reads: contacts, responses
WITH sent AS (
    SELECT customer_id, message_id, campaign, contact_at
    FROM contacts
    WHERE state IN ('accepted', 'delivered', 'in_doubt')
        AND contact_at <= $as_of
        AND contact_at < timezone($business_zone, ($business_day - 2)::TIMESTAMP)
        AND contact_at >= timezone($business_zone, ($business_day - 364)::TIMESTAMP)
), answers AS (
    SELECT customer_id, message_id, campaign, occurred_at
    FROM responses
    WHERE kind IN ('click', 'reply')
        AND is_machine IS NOT TRUE
        AND occurred_at <= $as_of
        AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), clicked AS (
    SELECT message_id FROM answers WHERE message_id IS NOT NULL
    UNION
    SELECT s.message_id
    FROM answers a
    ASOF JOIN sent s
        ON s.customer_id = a.customer_id
        AND s.campaign = a.campaign
        AND s.contact_at <= a.occurred_at
    WHERE a.message_id IS NULL AND a.occurred_at < s.contact_at + to_days(30)
)
SELECT
    s.customer_id,
    count(*) AS clickable_count_365d,
    count(c.message_id) AS clicked_count_365d
FROM sent s
LEFT JOIN clicked c ON c.message_id = s.message_id
GROUP BY s.customer_id
