-- The person: age and birthday, in the customer's own time zone (the business's where none is
-- known). Somebody born on 29 February has the birthday on 28 February in other years.
--
-- feature local_day day - nullable: today's date where the customer lives
-- feature age integer years nullable: completed years of age
-- feature days_to_birthday integer days nullable: days to the next birthday, 0 on the day itself
-- feature registration_day day - nullable: business day of registration
-- feature days_since_registration integer days nullable: days since registration
-- reads: customers
WITH zones AS (
    SELECT name AS timezone, timezone(name, $as_of)::DATE AS today FROM pg_timezone_names()
), people AS (
    SELECT
        c.customer_id,
        c.birthday,
        coalesce(z.today, timezone($business_zone, $as_of)::DATE) AS local_day,
        c.registered_at
    FROM customers c
    LEFT JOIN zones z ON z.timezone = c.timezone
), birthdays AS (
    SELECT
        customer_id,
        birthday,
        local_day,
        year(local_day) - year(birthday) AS years,
        (birthday + to_years((year(local_day) - year(birthday))::INTEGER))::DATE AS this_year,
        (birthday + to_years((year(local_day) - year(birthday) + 1)::INTEGER))::DATE AS next_year,
        registered_at
    FROM people
)
SELECT
    customer_id,
    local_day,
    CASE WHEN birthday <= local_day THEN years - (this_year > local_day)::BIGINT END AS age,
    CASE
        WHEN birthday > local_day THEN NULL
        WHEN this_year >= local_day THEN this_year - local_day
        ELSE next_year - local_day
    END AS days_to_birthday,
    CASE WHEN registered_at <= $as_of
        THEN timezone($business_zone, registered_at)::DATE
    END AS registration_day,
    CASE WHEN registered_at <= $as_of
        THEN ($business_day - timezone($business_zone, registered_at)::DATE)::BIGINT
    END AS days_since_registration
FROM birthdays
