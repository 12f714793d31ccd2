-- What left, what is waiting and what was held out, per business day, campaign, channel and arm.
-- An attempt that was followed by another one is not counted: its person is, by the latest.
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
ANTI JOIN (
    SELECT occurrence_key, unnest(range(1, max(attempt))) AS attempt
    FROM contacts
    GROUP BY occurrence_key
    HAVING max(attempt) > 1
) AS followed USING (occurrence_key, attempt)
GROUP BY ALL
ORDER BY day DESC, campaign, channel, arm
