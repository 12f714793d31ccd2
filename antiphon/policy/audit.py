"""The independent auditor: what was decided, re-checked in SQL against the rules themselves.

It shares nothing with the arbiter but the parsed policy and campaigns. The queries read six
relations, which the task provides, and return breaches: rule, message_id (null where the breach is
not one message's), found, allowed. No personal value leaves them.

- planned: this run's messages, control rows included (columns of the entity contacts)
- contacts: every other contact up to the history mark (columns of the entity contacts)
- consents: the acts as they were recorded (columns of the entity consents)
- suppressions: channel, address_key
- customers: customer_id, email_key, phone_key
- occasions: touch (position among the touches of the day), customer_id, anchor
"""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from antiphon import keys
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Cap, Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.audit_queries import AuditQuery, texts
from antiphon.policy.audit_repeats import occasional, repeat
from antiphon.policy.moment import Moment
from antiphon.quoting import literal
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

MAX_ATTEMPTS = 3


def audit(
    touches: Sequence[Touch], policy: Policy, moment: Moment, *, salt: str
) -> list[AuditQuery]:
    """Every check of a run's messages; the run may be released when none returns a row."""
    campaigns = list({touch.name: touch.campaign for touch in touches}.values())
    return [
        _running(touches, moment),
        _consent(policy, moment),
        _suppression(),
        _address(),
        _occurrence(),
        _attempts(),
        *repeat(campaigns),
        *occasional(touches, moment),
        _day(policy, moment),
        *(_cap(cap, policy) for cap in policy.caps),
        *_control(campaigns, policy, moment, salt),
        *_limits(campaigns, moment),
    ]


def _running(touches: Sequence[Touch], moment: Moment) -> AuditQuery:
    """Only campaigns and steps that exist and run on the business day, in their own category."""
    day = moment.business_day
    nobody: tuple[str, str, str, date, date, list[int]] = ("", "", "", date.max, date.min, [])
    runs = [(touch, touch.campaign.runs) for touch in touches]
    rows = [  # a day may have no campaign, a list of VALUES not be empty
        nobody,
        *(
            (t.name, t.step, t.campaign.category, r.from_, r.until or date.max, sorted(r.days))
            for t, r in runs
        ),
    ]
    values = ", ".join(
        f"({literal(name)}, {literal(step)}, {literal(category)}, DATE {literal(str(first))}, "
        f"DATE {literal(str(last))}, {days!r}::INTEGER[])"
        for name, step, category, first, last, days in rows
    )
    return AuditQuery(
        "not_running",
        f"""
        WITH runs(campaign, step, category, first_day, last_day, weekdays) AS (VALUES {values})
        SELECT 'not_running' AS rule, p.message_id, 1 AS found, 0 AS allowed
        FROM planned p LEFT JOIN runs r
            ON r.campaign = p.campaign AND r.step = p.step AND r.category = p.category
        WHERE r.campaign IS NULL
           OR $business_day NOT BETWEEN r.first_day AND r.last_day
           OR NOT list_contains(r.weekdays, isodow($business_day) - 1)
        """,
        {"business_day": day},
    )


def _consent(policy: Policy, moment: Moment) -> AuditQuery:
    """The person's latest act for the channel and category allows each message.

    '*' stands for every channel or category; undated acts are older than all dated ones, and of
    acts at the same moment an objection wins. Acts after the run's moment are not known to it.
    """
    needs = ", ".join(
        f"({literal(category)}, {literal(need)})"
        for category, need in [("", "opt_in"), *policy.consent.items()]
    )
    return AuditQuery(
        "consent",
        f"""
        WITH needs(category, need) AS (VALUES {needs}),
        latest AS (
            SELECT p.message_id, arg_min(
                a.granted,
                (-coalesce(epoch_us(a.acted_at), -9e18::BIGINT), a.granted::INTEGER)
            ) AS granted
            FROM planned p JOIN consents a ON a.customer_id = p.customer_id
                AND a.channel IN (p.channel, '*') AND a.category IN (p.category, '*')
            WHERE a.acted_at IS NULL OR a.acted_at <= $as_of
            GROUP BY p.message_id
        )
        SELECT 'consent' AS rule, p.message_id, 1 AS found, 0 AS allowed
        FROM planned p LEFT JOIN latest l ON l.message_id = p.message_id
        LEFT JOIN needs n ON n.category = p.category
        WHERE CASE coalesce(n.need, 'opt_in')
            WHEN 'opt_in' THEN coalesce(NOT l.granted, true)
            WHEN 'opt_out' THEN coalesce(NOT l.granted, false)
            ELSE false END
        """,
        {"as_of": moment.as_of},
    )


def _suppression() -> AuditQuery:
    return AuditQuery(
        "suppressed",
        """
        SELECT 'suppressed' AS rule, p.message_id, count(*) AS found, 0 AS allowed
        FROM planned p JOIN customers c ON c.customer_id = p.customer_id
        JOIN suppressions s ON s.channel = p.channel
            AND s.address_key = CASE p.channel WHEN 'email' THEN c.email_key ELSE c.phone_key END
        GROUP BY p.message_id
        """,
    )


def _address() -> AuditQuery:
    """A message needs a known customer with a valid address on its channel."""
    return AuditQuery(
        "no_address",
        """
        SELECT 'no_address' AS rule, p.message_id, 0 AS found, 1 AS allowed
        FROM planned p LEFT JOIN customers c ON c.customer_id = p.customer_id
        WHERE CASE p.channel WHEN 'email' THEN c.email_key WHEN 'sms' THEN c.phone_key END IS NULL
        """,
    )


def _occurrence() -> AuditQuery:
    """An occurrence lives once, each of its attempts is one message, and its key says which."""
    return AuditQuery(
        "occurrence",
        f"""
        WITH every AS (
            SELECT occurrence_key, attempt, state, message_id, true AS is_planned FROM planned
            UNION ALL BY NAME
            SELECT occurrence_key, attempt, state, message_id, false AS is_planned FROM contacts
        )
        SELECT 'occurrence' AS rule, max(message_id) FILTER (is_planned) AS message_id,
            greatest(count(*) FILTER (state IN {texts(OCCURRENCE_STATES)}),
                     count(*) - count(DISTINCT attempt) + 1) AS found, 1 AS allowed
        FROM every
        WHERE occurrence_key IN (SELECT occurrence_key FROM planned)
        GROUP BY occurrence_key HAVING found > allowed
        UNION ALL
        SELECT 'occurrence', message_id, 1, 0 FROM planned
        WHERE occurrence_key <> concat_ws('|', campaign, step, anchor, unit)
        """,
    )


def _attempts() -> AuditQuery:
    return AuditQuery(
        "attempts",
        f"""
        SELECT 'attempts' AS rule, message_id, attempt AS found, {MAX_ATTEMPTS} AS allowed
        FROM planned WHERE attempt > {MAX_ATTEMPTS}
        """,
    )


def _day(policy: Policy, moment: Moment) -> AuditQuery:
    """No customer gets more than the day's messages, control counted, exempt ones not."""
    return AuditQuery(
        "day_slot",
        f"""
        WITH taking AS (
            SELECT message_id, customer_id, contact_at, category, true AS is_planned FROM planned
            UNION ALL
            SELECT message_id, customer_id, contact_at, category, false FROM contacts
            WHERE state IN {texts(OCCURRENCE_STATES)}
        )
        SELECT 'day_slot' AS rule, max(message_id) FILTER (is_planned) AS message_id,
            count(*) AS found, {policy.winners_per_day} AS allowed
        FROM taking
        WHERE category NOT IN {texts(policy.exempt)}
            AND customer_id IN (SELECT customer_id FROM planned)
        GROUP BY customer_id, timezone($zone, contact_at)::DATE
        HAVING found > allowed AND count(*) FILTER (is_planned) > 0
        """,
        {"zone": moment.zone},
    )


def _cap(cap: Cap, policy: Policy) -> AuditQuery:
    """No window of the cap that holds a planned message (not an exempt one) is over-full.

    Every window worth looking at begins with one of its contacts, so the windows are those
    that begin with a contact at most `per` before the message. Half open: the end is outside.
    """
    scope = "".join(
        f" AND {name} IN {texts(value)}"
        for name, value in (("channel", cap.channel), ("category", cap.category))
        if value is not None
    )
    per = cap.per // timedelta(microseconds=1)
    return AuditQuery(
        f"cap:{cap.name}",
        f"""
        WITH counted AS (
            SELECT message_id, customer_id, category, epoch_us(contact_at) AS us,
                true AS is_planned
            FROM planned WHERE state IN {texts(CONTACT_STATES)}{scope}
            UNION ALL
            SELECT message_id, customer_id, category, epoch_us(contact_at), false
            FROM contacts WHERE state IN {texts(CONTACT_STATES)}{scope}
                AND customer_id IN (SELECT customer_id FROM planned)
        ),
        windows AS (
            SELECT customer_id, us AS begins, count(*) OVER (
                PARTITION BY customer_id ORDER BY us
                RANGE BETWEEN CURRENT ROW AND {max(per - 1, 0)} FOLLOWING
            ) AS held
            FROM counted
        )
        SELECT {literal("cap:" + cap.name)} AS rule, m.message_id, max(w.held) AS found,
            {cap.max} AS allowed
        FROM counted m JOIN windows w ON w.customer_id = m.customer_id
            AND w.begins <= m.us AND w.begins > m.us - {max(per, 1)}
        WHERE m.is_planned AND m.category NOT IN {texts(policy.exempt)} AND w.held > {cap.max}
        GROUP BY m.message_id
        """,
    )


def _control(
    campaigns: Sequence[Campaign], policy: Policy, moment: Moment, salt: str
) -> Iterator[AuditQuery]:
    """Who is in a control group gets nothing, who is in none is no control row: the share of
    keyed hashes (salt, experiment, unit, period) below the declared share (DESIGN §6).
    """
    shares = ", ".join(
        f"({literal(c.campaign)}, {_edge(0.0 if c.category in policy.exempt else c.control)})"
        for c in campaigns
    )
    if not shares:
        return
    universal = policy.universal_control
    period = moment.period(universal.period) if universal else ""
    everywhere = keys.number_sql("control", "$salt", "'*'", "p.unit", "$period")
    own = keys.number_sql("control", "$salt", "p.campaign", "p.unit", "''")
    yield AuditQuery(
        "control",
        f"""
        WITH rules(campaign, edge) AS (VALUES {shares}),
        expected AS (
            SELECT p.message_id, p.state, p.arm, CASE
                WHEN p.category NOT IN {texts(policy.exempt)}
                    AND {everywhere} < {_edge(universal.share if universal else 0.0)}
                THEN 'universal_control'
                WHEN {own} < r.edge THEN 'control' END AS control
            FROM planned p JOIN rules r ON r.campaign = p.campaign
        )
        SELECT 'control' AS rule, message_id, 1 AS found, 0 AS allowed FROM expected
        WHERE (control IS NULL) <> (state <> 'control')
           OR (control IS NULL AND arm IN ('control', 'universal_control'))
           OR (control IS NOT NULL AND arm <> control)
        """,
        {"salt": salt, "period": period},
    )


def _limits(campaigns: Sequence[Campaign], moment: Moment) -> Iterator[AuditQuery]:
    """No campaign exceeds its limit of the day, control rows counted."""
    limits = ", ".join(
        f"({literal(c.campaign)}, {c.limits.messages_per_day})"
        for c in campaigns
        if c.limits.messages_per_day is not None
    )
    if not limits:
        return
    yield AuditQuery(
        "limit",
        f"""
        WITH rules(campaign, most) AS (VALUES {limits}),
        spoken AS (
            SELECT campaign, contact_at, true AS is_planned FROM planned
            UNION ALL
            SELECT campaign, contact_at, false FROM contacts
            WHERE state IN {texts(OCCURRENCE_STATES)}
        )
        SELECT 'limit' AS rule, NULL::VARCHAR AS message_id, count(*) AS found,
            any_value(r.most) AS allowed
        FROM spoken s JOIN rules r ON r.campaign = s.campaign
        GROUP BY s.campaign, timezone($zone, s.contact_at)::DATE
        HAVING found > allowed AND count(*) FILTER (is_planned) > 0
        """,
        {"zone": moment.zone},
    )


def _edge(share: float) -> str:
    """The first 64-bit number beyond the share, exactly."""
    return f"{int(share * 2**64)}::HUGEINT"
