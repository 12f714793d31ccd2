-- One row per customer. The file has no contact details: they are made up from the id, so that
-- nobody is reached: addresses under example.com for nine of ten, and for the ids 17000 to 17999
-- London telephone numbers kept for fiction. Lines without a customer become one row without an
-- id, which goes to quarantine.
WITH people AS (
    SELECT
        nullif(CustomerID, '') AS customer_id,
        min(InvoiceDate) AS registered_at,
        max(InvoiceDate) AS updated_at,
        arg_max(Country, InvoiceDate || Country) AS market
    FROM source
    GROUP BY ALL
)
SELECT
    customer_id,
    CASE WHEN customer_id NOT LIKE '%0' THEN 'customer' || customer_id || '@example.com' END
        AS email,
    CASE WHEN customer_id LIKE '17%' THEN '+44 20 7946 0' || right(customer_id, 3) END AS phone,
    'Customer ' || customer_id AS first_name,
    'en' AS language,
    registered_at,
    updated_at,
    market
FROM people
ORDER BY customer_id
