-- Rows taken out, per run, entity and reason. A row with two reasons counts under both together.
-- Reads quarantine; `row` there is the row itself, as JSON.
SELECT run_id AS run, entity, array_to_string(reasons, '; ') AS reason, count(*) AS rows
FROM quarantine
GROUP BY ALL
ORDER BY run DESC, entity, rows DESC, reason
