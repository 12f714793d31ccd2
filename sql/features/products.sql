-- What the customer bought last, and which product is expected to be used up next.
--
-- Counts what was bought in the last 730 days, from order lines: an order without lines says
-- nothing of products. Returns on the day of a purchase lower its quantity; later ones do not count.
--
-- A product lasts, from the last day it was bought, for its pack_days times the quantity of that
-- day; where it has no pack_days, for the customer's own rhythm: the mean of the days between the
-- days it was bought, of which there must be three. One that should have been used up more than 30
-- days ago is taken as given up, and one that is no longer sold does not run out.
--
-- The last product is that of the last day with an order, of several the one most was paid for; of
-- products that run out on the same day, the first by id.
--
-- feature last_product text - nullable: id of the product bought last
-- feature last_product_name text - nullable: name of the product bought last
-- feature last_product_category text - nullable: category of the product bought last
-- feature run_out_day day - nullable: when the first of the customer's products is expected to be used up
-- feature days_to_run_out integer days nullable: days from today to run_out_day, below 0 when it has passed
-- feature run_out_product text - nullable: id of the product that is used up on run_out_day
-- feature run_out_product_name text - nullable: name of that product
-- feature run_out_category text - nullable: category of that product
-- reads: order_lines, products
WITH days AS (
    SELECT
        customer_id,
        product_id,
        timezone($business_zone, ordered_at)::DATE AS day,
        sum(TRY_CAST(quantity AS DECIMAL(18, 3))) AS quantity,
        sum(amount) AS amount
    FROM order_lines
    WHERE ordered_at <= $as_of
        AND ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
        AND ordered_at >= timezone($business_zone, ($business_day - 729)::TIMESTAMP)
    GROUP BY ALL
    HAVING sum(TRY_CAST(quantity AS DECIMAL(18, 3))) > 0
), bought AS (
    SELECT
        customer_id,
        product_id,
        max(day) AS last_day,
        arg_max(quantity, day) AS quantity,
        arg_max(amount, day) AS amount,
        CASE WHEN count(*) >= 3 THEN (max(day) - min(day)) / (count(*) - 1) END AS rhythm_days
    FROM days
    GROUP BY customer_id, product_id
), lasting AS (
    SELECT
        b.customer_id,
        b.product_id,
        b.last_day,
        coalesce(b.amount, 0) AS amount,
        CASE WHEN p.product_id IS NOT NULL
            THEN coalesce(p.pack_days * b.quantity, b.rhythm_days)
        END AS lasts_days
    FROM bought b
    LEFT JOIN products p ON p.product_id = b.product_id
), dated AS (
    SELECT
        customer_id,
        product_id,
        last_day,
        amount,
        CASE WHEN lasts_days IS NOT NULL
            THEN last_day + least(round(lasts_days), 36500)::INTEGER
        END AS run_out_day
    FROM lasting
), picked AS (
    SELECT
        customer_id,
        arg_max(product_id, {day: last_day, amount: amount, id: product_id}) AS last_product,
        min({day: run_out_day, id: product_id}) FILTER (run_out_day >= $business_day - 30)
            AS next
    FROM dated
    GROUP BY customer_id
)
SELECT
    b.customer_id,
    b.last_product,
    l.name AS last_product_name,
    l.category AS last_product_category,
    b.next.day AS run_out_day,
    (b.next.day - $business_day)::BIGINT AS days_to_run_out,
    b.next.id AS run_out_product,
    n.name AS run_out_product_name,
    n.category AS run_out_category
FROM picked b
LEFT JOIN products l ON l.product_id = b.last_product
LEFT JOIN products n ON n.product_id = b.next.id
