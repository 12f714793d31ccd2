-- What came back: answers to our messages, complaints, surveys.
--
-- An answer is a response of kind open, click, reply, conversion or survey, unless a mail program
-- did it by itself (is_machine). A channel is that of the response, where the source knows it.
--
-- feature days_since_response integer days nullable: days since the last answer
-- feature days_since_response_email integer days nullable: days since the last answer to an e-mail
-- feature days_since_response_sms integer days nullable: days since the last answer to an SMS
-- feature open_count_30d integer responses: openings of e-mails in the last 30 days, today included
-- feature open_count_365d integer responses: openings of e-mails in the last 365 days, today included
-- feature click_count_30d integer responses: clicks in the last 30 days, today included
-- feature click_count_365d integer responses: clicks in the last 365 days, today included
-- feature click_count_email_365d integer responses: clicks in e-mails in the last 365 days, today included
-- feature click_count_sms_365d integer responses: clicks in SMS in the last 365 days, today included
-- feature reply_count_30d integer responses: replies in the last 30 days, today included
-- feature reply_count_365d integer responses: replies in the last 365 days, today included
-- feature reply_count_email_365d integer responses: replies to e-mails in the last 365 days, today included
-- feature reply_count_sms_365d integer responses: replies to SMS in the last 365 days, today included
-- feature conversion_count_30d integer responses: conversions in the last 30 days, today included
-- feature conversion_count_365d integer responses: conversions in the last 365 days, today included
-- feature conversion_count_email_365d integer responses: conversions after e-mails in the last 365 days, today included
-- feature conversion_count_sms_365d integer responses: conversions after SMS in the last 365 days, today included
-- feature complaint_count_30d integer responses: complaints in the last 30 days, today included
-- feature complaint_count_365d integer responses: complaints in the last 365 days, today included
-- feature complaint_count_email_365d integer responses: complaints about e-mails in the last 365 days, today included
-- feature complaint_count_sms_365d integer responses: complaints about SMS in the last 365 days, today included
-- feature last_survey_score number points nullable: score of the last survey that was answered with a number
-- feature days_since_survey integer days nullable: days since a survey was last answered
-- reads: responses
WITH came AS (
    SELECT
        customer_id,
        response_id,
        occurred_at,
        kind,
        kind IN ('open', 'click', 'reply', 'conversion', 'survey') AS is_answer,
        channel = 'email' AS by_email,
        channel = 'sms' AS by_sms,
        occurred_at >= timezone($business_zone, ($business_day - 29)::TIMESTAMP) AS within_30d,
        occurred_at >= timezone($business_zone, ($business_day - 364)::TIMESTAMP) AS within_365d,
        CASE WHEN kind = 'survey' THEN TRY_CAST(value AS DOUBLE) END AS score
    FROM responses
    WHERE NOT coalesce(is_machine, false)
        AND occurred_at <= $as_of
        AND occurred_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
), counted AS (
    SELECT
        customer_id,
        max(occurred_at) FILTER (is_answer) AS last_at,
        max(occurred_at) FILTER (is_answer AND by_email) AS last_email_at,
        max(occurred_at) FILTER (is_answer AND by_sms) AS last_sms_at,
        count(*) FILTER (kind = 'open' AND within_30d) AS open_count_30d,
        count(*) FILTER (kind = 'open' AND within_365d) AS open_count_365d,
        count(*) FILTER (kind = 'click' AND within_30d) AS click_count_30d,
        count(*) FILTER (kind = 'click' AND within_365d) AS click_count_365d,
        count(*) FILTER (kind = 'click' AND by_email AND within_365d) AS click_count_email_365d,
        count(*) FILTER (kind = 'click' AND by_sms AND within_365d) AS click_count_sms_365d,
        count(*) FILTER (kind = 'reply' AND within_30d) AS reply_count_30d,
        count(*) FILTER (kind = 'reply' AND within_365d) AS reply_count_365d,
        count(*) FILTER (kind = 'reply' AND by_email AND within_365d) AS reply_count_email_365d,
        count(*) FILTER (kind = 'reply' AND by_sms AND within_365d) AS reply_count_sms_365d,
        count(*) FILTER (kind = 'conversion' AND within_30d) AS conversion_count_30d,
        count(*) FILTER (kind = 'conversion' AND within_365d) AS conversion_count_365d,
        count(*) FILTER (kind = 'conversion' AND by_email AND within_365d)
            AS conversion_count_email_365d,
        count(*) FILTER (kind = 'conversion' AND by_sms AND within_365d)
            AS conversion_count_sms_365d,
        count(*) FILTER (kind = 'complaint' AND within_30d) AS complaint_count_30d,
        count(*) FILTER (kind = 'complaint' AND within_365d) AS complaint_count_365d,
        count(*) FILTER (kind = 'complaint' AND by_email AND within_365d)
            AS complaint_count_email_365d,
        count(*) FILTER (kind = 'complaint' AND by_sms AND within_365d)
            AS complaint_count_sms_365d,
        arg_max(score, {moment: occurred_at, id: response_id}) FILTER (isfinite(score))
            AS last_survey_score,
        max(occurred_at) FILTER (kind = 'survey') AS survey_at
    FROM came
    GROUP BY customer_id
)
SELECT
    customer_id,
    ($business_day - timezone($business_zone, last_at)::DATE)::BIGINT AS days_since_response,
    ($business_day - timezone($business_zone, last_email_at)::DATE)::BIGINT
        AS days_since_response_email,
    ($business_day - timezone($business_zone, last_sms_at)::DATE)::BIGINT
        AS days_since_response_sms,
    open_count_30d,
    open_count_365d,
    click_count_30d,
    click_count_365d,
    click_count_email_365d,
    click_count_sms_365d,
    reply_count_30d,
    reply_count_365d,
    reply_count_email_365d,
    reply_count_sms_365d,
    conversion_count_30d,
    conversion_count_365d,
    conversion_count_email_365d,
    conversion_count_sms_365d,
    complaint_count_30d,
    complaint_count_365d,
    complaint_count_email_365d,
    complaint_count_sms_365d,
    last_survey_score,
    ($business_day - timezone($business_zone, survey_at)::DATE)::BIGINT AS days_since_survey
FROM counted
