-- By which channels the customer can be reached. A suppression is filed under the address, so it
-- holds for every customer who shares it.
--
-- feature email_reachable boolean -: a valid e-mail address is known
-- feature sms_reachable boolean -: a valid telephone number is known
-- feature suppressed_email boolean -: the e-mail address is suppressed
-- feature suppressed_sms boolean -: the telephone number is suppressed
-- reads: customers, suppressions
SELECT
    customer_id,
    email_address IS NOT NULL AND coalesce(email_valid, false) AS email_reachable,
    phone_e164 IS NOT NULL AND coalesce(phone_valid, false) AS sms_reachable,
    coalesce(email_key IN (SELECT address_key FROM suppressions WHERE channel = 'email'), false)
        AS suppressed_email,
    coalesce(phone_key IN (SELECT address_key FROM suppressions WHERE channel = 'sms'), false)
        AS suppressed_sms
FROM customers
