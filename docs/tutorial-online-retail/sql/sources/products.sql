-- One row per product: codes of five digits, or DCGS and a number. All other codes are fees and
-- corrections (POST, DOT, C2, M, D, S, B, BANK CHARGES, AMAZONFEE, CRUK, gift vouchers): they stay
-- as lines, where the money is, and are nobody's favourite. The file knows no categories: words of
-- the commonest description stand in for them.
WITH goods AS (
    SELECT StockCode AS product_id, nullif(trim(Description), '') AS name, count(*) AS times
    FROM source
    WHERE regexp_matches(StockCode, '^([0-9]{5}|DCGS)')
    GROUP BY ALL
), named AS (
    SELECT product_id, arg_max(name, (times, name)) AS name
    FROM goods
    GROUP BY product_id
)
SELECT
    product_id,
    name,
    CASE
        WHEN regexp_matches(name, 'CHRISTMAS|XMAS|ADVENT|SANTA|REINDEER') THEN 'christmas'
        WHEN regexp_matches(name, 'CAKE|MUG|CUP|TEA|PLATE|BOWL|LUNCH|JAR|COFFEE') THEN 'kitchen'
        WHEN regexp_matches(name, 'LIGHT|CANDLE|LANTERN|LAMP') THEN 'lights'
        WHEN regexp_matches(name, 'BAG|PURSE|SUITCASE|UMBRELLA') THEN 'bags'
        WHEN regexp_matches(name, 'CARD|WRAP|PAPER|NOTEBOOK|PENCIL') THEN 'stationery'
        ELSE 'home'
    END AS category
FROM named
ORDER BY product_id
