-- What left, what is waiting and what was held out, per business day, campaign, channel and arm.
-- An attempt that was followed by another one is not counted: its person is, by the latest.
-- Reads occurrences, the ledger's latest changes included.
SELECT
    day,
    campaign,
    channel,
    arm,
    count(*) FILTER (state IN ('accepted', 'delivered', 'bounced')) AS sent,
    count(*) FILTER (is_control) AS control,
    count(*) FILTER (is_waiting) AS waiting,
    count(*) FILTER (state = 'in_doubt') AS in_doubt,
    count(*) FILTER (state IN ('refused', 'withdrawn', 'expired')) AS not_sent
FROM occurrences
GROUP BY ALL
ORDER BY day DESC, campaign, channel, arm
