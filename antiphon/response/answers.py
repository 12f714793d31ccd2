"""What came back of each message, as SQL text (pure): one row per message that was answered."""

# ruff: noqa: S608  (names are ours)

from datetime import datetime

ANSWERED_WITHIN_DAYS = 30  # a response that names its campaign alone belongs to a message so recent


def answers_sql(as_of: datetime, *, has_unnamed: bool) -> str:
    """One row per message with anything on record: message_id and flags.

    `opened`: by a person; `machine_opened`: by a mail program alone. Clicks and the rest count
    only where a person made them. `has_unnamed`: whether some responses name only a campaign; the
    customer's last message of it before them is then theirs (as in the feature response_rate).
    """
    known = f"occurred_at <= TIMESTAMPTZ '{as_of.isoformat()}'"
    named = (
        "SELECT message_id, kind, is_machine FROM responses "
        f"WHERE message_id IS NOT NULL AND {known}"
    )
    unnamed = f"""
    UNION ALL
    SELECT c.message_id, r.kind, r.is_machine
    FROM (
        SELECT customer_id, campaign, kind, is_machine, occurred_at FROM responses
        WHERE message_id IS NULL AND campaign IS NOT NULL AND {known}
    ) AS r
    ASOF JOIN every_occurrence AS c
        ON c.customer_id = r.customer_id AND c.campaign = r.campaign
        AND c.contact_at <= r.occurred_at
    WHERE c.is_sent AND r.occurred_at < c.contact_at + to_days({ANSWERED_WITHIN_DAYS})"""
    return f"""
SELECT
    message_id,
    coalesce(bool_or(by_person AND kind = 'open'), false) AS opened,
    coalesce(bool_or(NOT by_person AND kind = 'open'), false)
        AND NOT coalesce(bool_or(by_person AND kind = 'open'), false) AS machine_opened,
    coalesce(bool_or(by_person AND kind = 'click'), false) AS clicked,
    coalesce(bool_or(kind = 'reply'), false) AS replied,
    coalesce(bool_or(kind = 'bounce'), false) AS hard_bounced,
    coalesce(bool_or(kind = 'complaint'), false) AS complained,
    coalesce(bool_or(kind = 'opt_out'), false) AS unsubscribed,
    coalesce(bool_or(kind = 'redemption'), false) AS redeemed,
    coalesce(bool_or(kind = 'survey'), false) AS surveyed
FROM (
    SELECT message_id, kind, NOT coalesce(is_machine, false) AS by_person
    FROM ({named}{unnamed if has_unnamed else ""})
)
GROUP BY message_id
"""
