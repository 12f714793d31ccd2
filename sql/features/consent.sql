-- What the person agreed to or objected to, per channel and category; null: never acted.
--
-- An act for channel or category '*' holds for all of them. The latest act up to now wins; of acts
-- at the same instant the objection. An act without a date (an import) is older than any dated one,
-- and of those the objection wins: an import never overrides an objection.
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
        channel,
        category,
        granted,
        coalesce(2 * epoch_us(acted_at), -9000000000000000000) + (NOT granted)::BIGINT AS rank
    FROM consents
    WHERE acted_at IS NULL OR acted_at <= $as_of
)
SELECT
    customer_id,
    arg_max(granted, rank) FILTER (WHERE channel IN ('email', '*') AND category IN ('promo', '*'))
        AS consent_email_promo,
    arg_max(granted, rank) FILTER (WHERE channel IN ('email', '*') AND category IN ('lifecycle', '*'))
        AS consent_email_lifecycle,
    arg_max(granted, rank) FILTER (WHERE channel IN ('email', '*') AND category IN ('service', '*'))
        AS consent_email_service,
    arg_max(granted, rank) FILTER (WHERE channel IN ('sms', '*') AND category IN ('promo', '*'))
        AS consent_sms_promo,
    arg_max(granted, rank) FILTER (WHERE channel IN ('sms', '*') AND category IN ('lifecycle', '*'))
        AS consent_sms_lifecycle,
    arg_max(granted, rank) FILTER (WHERE channel IN ('sms', '*') AND category IN ('service', '*'))
        AS consent_sms_service
FROM acts
GROUP BY customer_id
