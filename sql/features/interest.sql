-- What the customer said to be interested in: the value of the events interest_stated.
--
-- Interests that a system of yours keeps as a list or a column of customers are an attribute
-- (config/sources.yaml) and need no event. Of two statements at one instant the later by alphabet.
--
-- feature interest text - nullable: the interest stated last
-- feature interest_count integer interests: different interests stated so far
-- reads: events
SELECT
    customer_id,
    arg_max(trim(value), {moment: occurred_at, value: trim(value)}) AS interest,
    count(DISTINCT trim(value)) AS interest_count
FROM events
WHERE event = 'interest_stated'
    AND trim(value) <> ''
    AND occurred_at <= $as_of
    AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
GROUP BY customer_id
