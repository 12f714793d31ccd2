-- What the customer wished for, and what became of it.
--
-- A notice of the last 14 days answers a wish of the 90 days before it, for the same product; of
-- several notices the latest counts. The product of a cart is that of the last one left behind.
--
-- feature cart_product text - nullable: name of the product in the cart left behind last
-- feature back_product text - nullable: name of the product waited for (event waits_for_product) that is back in stock
-- feature cheaper_product text - nullable: name of the product whose price was watched (event price_watch) and has come down
-- feature cheaper_price money currency nullable: its new price, where the notice's value says it
-- reads: events, notices, products
WITH carts AS (
    SELECT customer_id, max_by(product_id, (occurred_at, event_id)) AS product_id
    FROM events
    WHERE event = 'cart_abandoned'
        AND product_id IS NOT NULL
        AND occurred_at <= $as_of
    GROUP BY customer_id
), answered AS (
    SELECT
        e.customer_id,
        n.notice,
        max_by(n.product_id, (n.occurred_at, n.notice_id)) AS product_id,
        max_by(n.value, (n.occurred_at, n.notice_id)) AS value
    FROM notices n
    JOIN events e ON e.product_id = n.product_id
        AND e.event = CASE n.notice
            WHEN 'back_in_stock' THEN 'waits_for_product'
            WHEN 'price_drop' THEN 'price_watch'
        END
        AND e.occurred_at BETWEEN n.occurred_at - INTERVAL 90 DAYS AND n.occurred_at
    WHERE n.occurred_at BETWEEN $as_of - INTERVAL 14 DAYS AND $as_of
    GROUP BY e.customer_id, n.notice
), wishes AS (
    SELECT customer_id, 'cart' AS wish, product_id, NULL AS value FROM carts
    UNION ALL
    SELECT customer_id, notice, product_id, value FROM answered
)
SELECT
    w.customer_id,
    max(p.name) FILTER (WHERE wish = 'cart') AS cart_product,
    max(p.name) FILTER (WHERE wish = 'back_in_stock') AS back_product,
    max(p.name) FILTER (WHERE wish = 'price_drop') AS cheaper_product,
    max(TRY_CAST(w.value AS DECIMAL(18, 4))) FILTER (WHERE wish = 'price_drop') AS cheaper_price
FROM wishes w
JOIN products p ON p.product_id = w.product_id
GROUP BY w.customer_id
