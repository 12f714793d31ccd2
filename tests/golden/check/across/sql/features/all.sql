-- feature order_count integer orders: orders so far
-- feature age integer years nullable: age
-- feature email_reachable boolean -: reachable
-- feature suppressed_email boolean -: suppressed
-- feature consent_email_promo boolean - nullable: consent
-- feature consent_email_lifecycle boolean - nullable: consent
-- feature consent_email_service boolean - nullable: consent
-- feature sms_reachable boolean -: reachable
-- feature suppressed_sms boolean -: suppressed
-- feature consent_sms_promo boolean - nullable: consent
-- feature consent_sms_lifecycle boolean - nullable: consent
-- feature consent_sms_service boolean - nullable: consent
-- reads: customers, orders
SELECT
    customer_id,
    1 AS order_count,
    30 AS age,
    true AS email_reachable,
    false AS suppressed_email,
    true AS consent_email_promo,
    true AS consent_email_lifecycle,
    true AS consent_email_service,
    true AS sms_reachable,
    false AS suppressed_sms,
    true AS consent_sms_promo,
    true AS consent_sms_lifecycle,
    true AS consent_sms_service
FROM customers
