-- One row per invoice; its moment is its first line's (43 invoices run over a minute's end).
-- Cancellations (C…) have negative amounts: they count in what was paid, not as orders. Sums are
-- exact, as prices are cast to decimals and not to floats.
SELECT
    InvoiceNo AS order_id,
    any_value(nullif(CustomerID, '')) AS customer_id,
    min(InvoiceDate) AS ordered_at,
    sum(Quantity::INTEGER * UnitPrice::DECIMAL(18, 4)) AS amount,
    CASE WHEN InvoiceNo LIKE 'C%' THEN 'cancelled' ELSE 'paid' END AS status
FROM source
GROUP BY InvoiceNo
ORDER BY InvoiceNo
