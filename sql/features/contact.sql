-- What we have sent, in whatever state counts as a contact: control rows, refused, withdrawn and
-- expired messages do not.
--
-- feature days_since_contact integer days nullable: days since the last message
-- feature days_since_contact_email integer days nullable: days since the last e-mail
-- feature days_since_contact_sms integer days nullable: days since the last SMS
-- feature contact_count_30d integer messages: messages in the last 30 days, today included
-- reads: contacts
WITH sent AS (
    SELECT
        customer_id,
        max(contact_at) AS last_at,
        max(contact_at) FILTER (WHERE channel = 'email') AS last_email_at,
        max(contact_at) FILTER (WHERE channel = 'sms') AS last_sms_at,
        count(*) FILTER (
            WHERE contact_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP)
        ) AS contact_count_30d
    FROM contacts
    WHERE state IN ('planned', 'sending', 'accepted', 'delivered', 'bounced', 'in_doubt')
        AND contact_at <= $as_of
        AND contact_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
    GROUP BY customer_id
)
SELECT
    customer_id,
    ($business_day - timezone($business_zone, last_at)::DATE)::BIGINT AS days_since_contact,
    ($business_day - timezone($business_zone, last_email_at)::DATE)::BIGINT
        AS days_since_contact_email,
    ($business_day - timezone($business_zone, last_sms_at)::DATE)::BIGINT
        AS days_since_contact_sms,
    contact_count_30d
FROM sent
