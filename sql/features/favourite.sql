-- What the customer buys most often.
--
-- Every line of an order counts once for its product's category; an order without lines counts
-- once for its own category. Returns do not count. Of categories bought equally often, the first
-- by alphabet.
--
-- feature favourite_category text - nullable: category bought most often
-- feature second_category text - nullable: category bought most often but for the favourite one
-- reads: orders, order_lines, products
WITH bought AS (
    SELECT o.customer_id, o.category
    FROM orders o
    ANTI JOIN order_lines l ON l.order_id = o.order_id
    WHERE o.amount >= 0
        AND o.ordered_at <= $as_of
        AND o.ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
    UNION ALL
    SELECT l.customer_id, p.category
    FROM order_lines l
    JOIN products p ON p.product_id = l.product_id
    WHERE l.quantity > 0
        AND l.ordered_at <= $as_of
        AND l.ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), counted AS (
    SELECT customer_id, category, count(*) AS times
    FROM bought
    WHERE category IS NOT NULL
    GROUP BY customer_id, category
), ranked AS (
    SELECT customer_id, arg_min(category, {rank: -times, category: category}, 2) AS categories
    FROM counted
    GROUP BY customer_id
)
SELECT customer_id, categories[1] AS favourite_category, categories[2] AS second_category
FROM ranked
