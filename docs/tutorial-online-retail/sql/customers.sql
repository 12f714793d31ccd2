-- One row per customer. The file has no contact details: they are made up from the id, with
-- addresses under example.com and London numbers kept for fiction, so that nobody is reached.
-- Rows without a customer are one row without an id, which goes to quarantine: nobody is lost.
SELECT
    CustomerID AS customer_id,
    CASE WHEN CustomerID <> '' THEN 'customer' || CustomerID || '@example.com' END AS email,
    CASE WHEN CustomerID <> '' THEN '+442079460' || right('00' || (CustomerID::INTEGER % 1000), 3)
        END AS phone,
    'Customer ' || CustomerID AS first_name,
    'en' AS language,
    min(InvoiceDate) AS registered_at,
    max(InvoiceDate) AS updated_at
FROM source
GROUP BY CustomerID
ORDER BY CustomerID
