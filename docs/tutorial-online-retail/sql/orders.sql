-- One row per invoice; its moment is its first line's. Cancellations (C…) and returns have
-- negative amounts; sums are exact, as prices are cast to decimals and not to floats.
SELECT
    InvoiceNo AS order_id,
    any_value(CustomerID) AS customer_id,
    min(InvoiceDate) AS ordered_at,
    sum(Quantity::INTEGER * UnitPrice::DECIMAL(18, 4)) AS amount,
    CASE WHEN InvoiceNo LIKE 'C%' THEN 'cancelled' ELSE 'paid' END AS status,
    count(*) AS lines
FROM source
GROUP BY InvoiceNo
ORDER BY InvoiceNo
