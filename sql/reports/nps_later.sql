-- What people did in the 180 days after they gave a score, by what they are: promoters (9–10),
-- passives (7–8), detractors (0–6).
--
-- Each customer counts once, with the latest of their answers whose 180 days are over. `spent` is
-- the mean of what they paid in that time, returns deducted, with the normal interval of a mean
-- (95 %); `lost`: they ordered nothing. Who is unhappy may differ in other ways too: this is what
-- followed, not what the score caused.
-- Parameter: $as_of. Reads responses, orders.
--
-- rate lost: lost of customers
WITH answers AS (
    SELECT
        customer_id,
        occurred_at,
        CASE
            WHEN TRY_CAST(value AS DOUBLE) >= 9 THEN '1 promoters'
            WHEN TRY_CAST(value AS DOUBLE) > 6 THEN '2 passives'
            ELSE '3 detractors'
        END AS who
    FROM responses
    WHERE kind = 'survey'
        AND NOT coalesce(is_machine, false)
        AND TRY_CAST(value AS DOUBLE) BETWEEN 0 AND 10
        AND occurred_at + INTERVAL 180 DAY <= $as_of
    QUALIFY row_number() OVER (
        PARTITION BY customer_id ORDER BY occurred_at DESC, response_id
    ) = 1
), followed AS (
    SELECT
        who,
        answers.customer_id,
        coalesce(sum(amount), 0) AS spent,
        count(*) FILTER (amount > 0) AS orders
    FROM answers
    LEFT JOIN orders
        ON orders.customer_id = answers.customer_id
        AND orders.ordered_at > answers.occurred_at
        AND orders.ordered_at <= answers.occurred_at + INTERVAL 180 DAY
    GROUP BY who, answers.customer_id
)
SELECT
    who[3:] AS who,
    count(*) AS customers,
    count(*) FILTER (orders = 0) AS lost,
    avg(spent)::DECIMAL(18, 4) AS spent,
    (avg(spent) - 1.96 * stddev_samp(spent) / sqrt(count(*)))::DECIMAL(18, 4) AS spent_low,
    (avg(spent) + 1.96 * stddev_samp(spent) / sqrt(count(*)))::DECIMAL(18, 4) AS spent_high,
    avg(orders)::DOUBLE AS orders
FROM followed
GROUP BY followed.who
ORDER BY followed.who
