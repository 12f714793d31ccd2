-- What we have sent, in whatever state counts as a contact: control rows, refused, withdrawn and
-- expired messages do not.
--
-- feature days_since_contact integer days nullable: days since the last message
-- feature days_since_contact_email integer days nullable: days since the last e-mail
-- feature days_since_contact_sms integer days nullable: days since the last SMS
-- feature contact_count integer messages: messages so far
-- feature contact_count_30d integer messages: messages in the last 30 days, today included
-- feature contact_count_email_30d integer messages: e-mails in the last 30 days, today included
-- feature contact_count_sms_30d integer messages: SMS in the last 30 days, today included
-- feature contact_count_365d integer messages: messages in the last 365 days, today included
-- feature contact_count_email_365d integer messages: e-mails in the last 365 days, today included
-- feature contact_count_sms_365d integer messages: SMS in the last 365 days, today included
-- reads: contacts
WITH known AS (
    SELECT
        customer_id,
        contact_at,
        channel = 'email' AS by_email,
        channel = 'sms' AS by_sms,
        contact_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP) AS within_30d,
        contact_at >= timezone($business_zone, ($business_day - 364)::TIMESTAMP) AS within_365d
    FROM contacts
    WHERE state IN ('planned', 'sending', 'accepted', 'delivered', 'bounced', 'in_doubt')
        AND contact_at <= $as_of
        AND contact_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), sent AS (
    SELECT
        customer_id,
        max(contact_at) AS last_at,
        max(contact_at) FILTER (WHERE by_email) AS last_email_at,
        max(contact_at) FILTER (WHERE by_sms) AS last_sms_at,
        count(*) AS contact_count,
        count(*) FILTER (WHERE within_30d) AS contact_count_30d,
        count(*) FILTER (WHERE by_email AND within_30d) AS contact_count_email_30d,
        count(*) FILTER (WHERE by_sms AND within_30d) AS contact_count_sms_30d,
        count(*) FILTER (WHERE within_365d) AS contact_count_365d,
        count(*) FILTER (WHERE by_email AND within_365d) AS contact_count_email_365d,
        count(*) FILTER (WHERE by_sms AND within_365d) AS contact_count_sms_365d
    FROM known
    GROUP BY customer_id
)
SELECT
    customer_id,
    ($business_day - timezone($business_zone, last_at)::DATE)::BIGINT AS days_since_contact,
    ($business_day - timezone($business_zone, last_email_at)::DATE)::BIGINT
        AS days_since_contact_email,
    ($business_day - timezone($business_zone, last_sms_at)::DATE)::BIGINT
        AS days_since_contact_sms,
    contact_count,
    contact_count_30d,
    contact_count_email_30d,
    contact_count_sms_30d,
    contact_count_365d,
    contact_count_email_365d,
    contact_count_sms_365d
FROM sent
