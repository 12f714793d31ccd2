"""The auditor on rests: after what the customer did, and after messages that were ignored."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator

from antiphon.audit.queries import AuditQuery, Basis, length_us
from antiphon.campaigns.rules import CoolDown, Pause
from antiphon.quoting import literal

ORDER = "order"
ANSWERS = "('open', 'click', 'reply', 'conversion')"


def pauses(basis: Basis) -> Iterator[AuditQuery]:
    """Nothing so soon after the last such fact that the run knew."""
    for pause in basis.in_force(basis.policy.pauses):
        yield AuditQuery(
            pause.title,
            f"""
            WITH facts AS ({_facts(pause)}),
            last AS (
                SELECT customer_id, max(epoch_us(happened_at)) AS us FROM facts
                WHERE happened_at <= $as_of
                    AND customer_id IN (SELECT customer_id FROM audit_people)
                GROUP BY customer_id
            )
            SELECT {literal(pause.title)} AS rule, x.message_id, 1 AS found, 0 AS allowed
            FROM audit_log x JOIN last USING (customer_id)
            WHERE {basis.bound(pause)} AND x.us < last.us + {length_us(pause.rest)}
            """,
            {"as_of": basis.moment.as_of},
        )


def _facts(pause: Pause) -> str:
    if pause.after == ORDER:
        return "SELECT customer_id, ordered_at AS happened_at FROM orders"
    name = literal(pause.after)
    responses = f"SELECT customer_id, occurred_at AS happened_at FROM responses WHERE kind = {name}"
    if pause.survey is not None:
        responses += f" AND survey = {literal(pause.survey)}"
    if pause.below is not None:
        responses += f" AND TRY_CAST(value AS DOUBLE) < {pause.below}"
    if pause.survey is not None or pause.below is not None:
        return responses
    events = f"SELECT customer_id, occurred_at FROM events WHERE event = {name}"
    return f"{responses} UNION ALL {events}"


def cool_downs(basis: Basis) -> Iterator[AuditQuery]:
    """Where the last so many contacts were all ignored, nothing until the rest is over."""
    for rule in basis.in_force(basis.policy.cool_downs):
        yield AuditQuery(rule.title, _cool_down(rule, basis), {"as_of": basis.moment.as_of})


def _cool_down(rule: CoolDown, basis: Basis) -> str:
    """What the run itself planned is no matter of it: nobody could have ignored that yet."""
    return f"""
        WITH answers AS (
            SELECT customer_id, max(epoch_us(occurred_at)) AS us FROM responses
            WHERE kind IN {ANSWERS} AND occurred_at <= $as_of
                AND customer_id IN (SELECT customer_id FROM audit_people)
            GROUP BY customer_id
        ),
        counted AS (
            SELECT x.customer_id, x.us FROM audit_log x
            WHERE {basis.scope(rule)} AND x.is_counted AND NOT x.is_planned
                AND x.us > epoch_us($as_of) - {length_us(rule.within)}
        ),
        seen AS (
            SELECT x.message_id, x.customer_id, x.us AS own_us, c.us,
                row_number() OVER (PARTITION BY x.message_id ORDER BY c.us DESC) AS place
            FROM audit_log x JOIN counted c ON c.customer_id = x.customer_id
                AND c.us <= x.us AND c.us > x.us - {length_us(rule.within)}
            WHERE {basis.bound(rule)}
        ),
        lasting AS (
            SELECT message_id, customer_id, own_us, max(us) AS newest, min(us) AS oldest
            FROM seen WHERE place <= {rule.ignored} GROUP BY message_id, customer_id, own_us
            HAVING count(*) = {rule.ignored}
        )
        SELECT {literal(rule.title)} AS rule, l.message_id, {rule.ignored} AS found,
            {rule.ignored - 1} AS allowed
        FROM lasting l LEFT JOIN answers a USING (customer_id)
        WHERE l.newest < epoch_us($as_of) AND (a.us IS NULL OR a.us < l.oldest)
            AND l.own_us < l.newest + {length_us(rule.rest)}
        """
