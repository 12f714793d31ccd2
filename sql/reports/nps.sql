-- The Net Promoter Score: of the answers 0 to 10 the share of 9–10 less the share of 0–6, in all of a
-- touchpoint, and there by product and by week (its Monday).
--
-- Of several answers to one message the latest counts. What a program did does not. A source's own
-- answers without a touchpoint stand under the name of their survey or campaign.
-- Parameter: $business_zone. Reads responses, products.
--
-- score nps: promoters less detractors of answers
WITH scored AS (
    SELECT
        coalesce(touchpoint, survey, campaign, '-') AS touchpoint,
        product_id,
        date_trunc('week', timezone($business_zone, occurred_at))::DATE AS week,
        TRY_CAST(value AS DOUBLE) AS score
    FROM responses
    WHERE kind = 'survey'
        AND NOT coalesce(is_machine, false)
        AND TRY_CAST(value AS DOUBLE) BETWEEN 0 AND 10
    QUALIFY row_number() OVER (
        PARTITION BY coalesce(message_id, response_id), survey
        ORDER BY occurred_at DESC, response_id
    ) = 1
), counted AS (
    SELECT
        touchpoint,
        product_id,
        week,
        grouping_id(product_id, week) AS grouped,
        count(*) AS answers,
        count(*) FILTER (score >= 9) AS promoters,
        count(*) FILTER (score > 6 AND score < 9) AS passives,
        count(*) FILTER (score <= 6) AS detractors,
        round(avg(score), 2) AS mean
    FROM scored
    GROUP BY GROUPING SETS ((touchpoint), (touchpoint, product_id), (touchpoint, week))
)
SELECT
    touchpoint,
    CASE grouped WHEN 3 THEN '' WHEN 1 THEN 'product' ELSE 'week' END AS by,
    CASE grouped
        WHEN 3 THEN 'all'
        WHEN 1 THEN coalesce(products.name, counted.product_id)
        ELSE week::VARCHAR
    END AS which,
    answers,
    promoters,
    passives,
    detractors,
    mean
FROM counted
LEFT JOIN products USING (product_id)
WHERE grouped <> 1 OR counted.product_id IS NOT NULL
ORDER BY touchpoint, grouped DESC, week DESC, answers DESC, which
