-- What left, what is waiting and what was held out, per business day, campaign, channel and arm.
-- Parameter: $business_zone. Reads contacts, the ledger's latest changes included.
SELECT
    timezone($business_zone, contact_at)::DATE AS day,
    campaign,
    channel,
    arm,
    count(*) FILTER (state IN ('accepted', 'delivered', 'bounced')) AS sent,
    count(*) FILTER (state = 'control') AS control,
    count(*) FILTER (state IN ('planned', 'sending')) AS waiting,
    count(*) FILTER (state = 'in_doubt') AS in_doubt,
    count(*) FILTER (state IN ('refused', 'withdrawn', 'expired')) AS not_sent
FROM contacts
GROUP BY ALL
ORDER BY day DESC, campaign, channel, arm
