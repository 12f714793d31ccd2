-- How often the customer answers.
--
-- The response rate is the share of the messages sent so far that got an answer: a response of kind
-- open, click, reply, conversion or survey that names the message, or that names its campaign alone
-- and came within 30 days of it (the last message of the campaign before the response counts).
-- What a mail program did by itself (is_machine) is no answer. Not every one can be told: rely on
-- clicks where that matters.
-- The best channel is the one whose rate has the higher lower bound (Wilson, 95 %): two answers to
-- two messages are less sure than eight to ten. Between equals it is e-mail.
--
-- feature answered_count integer messages: messages so far that got an answer
-- feature response_rate number - nullable: share of messages that got an answer, 0 to 1; null without messages
-- feature response_rate_email number - nullable: share of e-mails that got an answer, 0 to 1; null without e-mails
-- feature response_rate_sms number - nullable: share of SMS that got an answer, 0 to 1; null without SMS
-- feature best_channel text - nullable: email or sms: where answers are surest, of channels with three messages or more and an answer
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
        AND NOT coalesce(is_machine, false)
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
), counted AS (
    SELECT
        s.customer_id,
        count(*) AS messages,
        count(a.message_id) AS answers,
        count(*) FILTER (s.channel = 'email') AS email_messages,
        count(a.message_id) FILTER (s.channel = 'email') AS email_answers,
        count(*) FILTER (s.channel = 'sms') AS sms_messages,
        count(a.message_id) FILTER (s.channel = 'sms') AS sms_answers
    FROM sent s
    LEFT JOIN answered a ON a.message_id = s.message_id
    GROUP BY s.customer_id
), bounded AS (
    SELECT
        *,
        -- Wilson (1927), z = 1.96: z² = 3.8416, z² / 2 = 1.9208, z² / 4 = 0.9604
        CASE WHEN email_messages >= 3 AND email_answers > 0 THEN (email_answers + 1.9208
            - 1.96 * sqrt(email_answers * (email_messages - email_answers) / email_messages
                + 0.9604)) / (email_messages + 3.8416) ELSE 0 END AS email_sure,
        CASE WHEN sms_messages >= 3 AND sms_answers > 0 THEN (sms_answers + 1.9208
            - 1.96 * sqrt(sms_answers * (sms_messages - sms_answers) / sms_messages
                + 0.9604)) / (sms_messages + 3.8416) ELSE 0 END AS sms_sure
    FROM counted
)
SELECT
    customer_id,
    answers AS answered_count,
    answers / messages AS response_rate,
    email_answers / nullif(email_messages, 0) AS response_rate_email,
    sms_answers / nullif(sms_messages, 0) AS response_rate_sms,
    CASE
        WHEN email_sure > 0 AND email_sure >= sms_sure THEN 'email'
        WHEN sms_sure > 0 THEN 'sms'
    END AS best_channel
FROM bounded
