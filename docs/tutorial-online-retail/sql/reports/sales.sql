-- Sales as analysts of this file count them: goods and fees sold to known customers, without
-- cancellations, returns and what was given away.
SELECT
    count(*) AS lines,
    count(DISTINCT order_id) AS invoices,
    count(DISTINCT customer_id) AS customers,
    sum(amount)::DECIMAL(18, 2) AS revenue
FROM order_lines
WHERE quantity > 0 AND unit_price > 0
