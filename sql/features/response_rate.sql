-- How often the customer answers.
--
-- The response rate is the share of the messages sent so far that got an answer: a response of kind
-- open, click, reply, conversion or survey that names the message, or that names its campaign alone
-- and came within 30 days of it (the last message of the campaign before the response counts).
-- Some mail programs open every message by themselves: rely on clicks where that matters.
--
-- feature answered_count integer messages: messages so far that got an answer
-- feature response_rate number - nullable: share of messages that got an answer, 0 to 1; null without messages
-- feature response_rate_email number - nullable: share of e-mails that got an answer, 0 to 1; null without e-mails
-- feature response_rate_sms number - nullable: share of SMS that got an answer, 0 to 1; null without SMS
-- reads: contacts, responses
WITH sent AS (
    SELECT customer_id, message_id, campaign, channel, contact_at
    FROM contacts
    WHERE state IN ('planned', 'sending', 'accepted', 'delivered', 'bounced', 'in_doubt')
        AND contact_at <= $as_of
        AND contact_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), answers AS (
    SELECT customer_id, message_id, campaign, occurred_at
    FROM responses
    WHERE kind IN ('open', 'click', 'reply', 'conversion', 'survey')
        AND occurred_at <= $as_of
        AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), answered AS (
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
    count(a.message_id) AS answered_count,
    count(a.message_id) / count(*) AS response_rate,
    count(a.message_id) FILTER (s.channel = 'email')
        / nullif(count(*) FILTER (s.channel = 'email'), 0) AS response_rate_email,
    count(a.message_id) FILTER (s.channel = 'sms')
        / nullif(count(*) FILTER (s.channel = 'sms'), 0) AS response_rate_sms
FROM sent s
LEFT JOIN answered a ON a.message_id = s.message_id
GROUP BY s.customer_id
