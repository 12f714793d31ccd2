-- What the person agreed to or objected to, per channel and category; null: never acted.
--
-- An act for channel or category '*' holds for all of them. The latest act up to now wins; of acts
-- at the same instant the objection. An act without a date (an import) is older than any dated one,
-- and of those the objection wins: an import never overrides an objection. Acts are ranked by
-- twice their microsecond, plus one for an objection: the highest rank is even for an agreement.
--
-- feature consent_email_promo boolean - nullable: promo by e-mail: agreed (true), objected (false)
-- feature consent_email_lifecycle boolean - nullable: lifecycle by e-mail: agreed (true), objected (false)
-- feature consent_email_service boolean - nullable: service by e-mail: agreed (true), objected (false)
-- feature consent_sms_promo boolean - nullable: promo by SMS: agreed (true), objected (false)
-- feature consent_sms_lifecycle boolean - nullable: lifecycle by SMS: agreed (true), objected (false)
-- feature consent_sms_service boolean - nullable: service by SMS: agreed (true), objected (false)
-- reads: consents
WITH acts AS (
    SELECT
        customer_id,
        channel IN ('email', '*') AS for_email,
        channel IN ('sms', '*') AS for_sms,
        category IN ('promo', '*') AS for_promo,
        category IN ('lifecycle', '*') AS for_lifecycle,
        category IN ('service', '*') AS for_service,
        coalesce(2 * epoch_us(acted_at), -9000000000000000000) + (NOT granted)::BIGINT AS rank
    FROM consents
    WHERE acted_at IS NULL OR acted_at <= $as_of
)
SELECT
    customer_id,
    max(rank) FILTER (WHERE for_email AND for_promo) % 2 = 0 AS consent_email_promo,
    max(rank) FILTER (WHERE for_email AND for_lifecycle) % 2 = 0 AS consent_email_lifecycle,
    max(rank) FILTER (WHERE for_email AND for_service) % 2 = 0 AS consent_email_service,
    max(rank) FILTER (WHERE for_sms AND for_promo) % 2 = 0 AS consent_sms_promo,
    max(rank) FILTER (WHERE for_sms AND for_lifecycle) % 2 = 0 AS consent_sms_lifecycle,
    max(rank) FILTER (WHERE for_sms AND for_service) % 2 = 0 AS consent_sms_service
FROM acts
GROUP BY customer_id
