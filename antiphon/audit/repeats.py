"""The auditor on saying a thing once: pauses, occasions, and the steps of chains in their order."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Collection, Iterator, Sequence

from antiphon.audit.queries import ALIVE, AuditQuery, microseconds, texts
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.touches import Touch
from antiphon.policy.moment import Moment
from antiphon.quoting import literal
from antiphon.states import OCCURRENCE_STATES

MAX_ATTEMPTS = 3


def occurrence() -> AuditQuery:
    """An occurrence lives once, each of its attempts is one message, and its key says which."""
    return AuditQuery(
        "occurrence",
        f"""
        WITH every AS (
            SELECT occurrence_key, attempt, state, message_id FROM planned
            UNION ALL
            SELECT occurrence_key, attempt, state, NULL FROM contacts
            WHERE occurrence_key IN (SELECT occurrence_key FROM planned)
        )
        SELECT 'occurrence' AS rule, max(message_id) AS message_id,
            greatest(count(*) FILTER (state IN {texts(OCCURRENCE_STATES)}),
                     count(*) - count(DISTINCT attempt) + 1) AS found, 1 AS allowed
        FROM every
        GROUP BY occurrence_key HAVING found > allowed
        UNION ALL
        SELECT 'occurrence', message_id, 1, 0 FROM planned
        WHERE occurrence_key <> concat_ws('|', campaign, step, anchor, unit)
        """,
    )


def attempts() -> AuditQuery:
    """An occurrence is tried so often at most."""
    return AuditQuery(
        "attempts",
        f"""
        SELECT 'attempts' AS rule, message_id, attempt AS found, {MAX_ATTEMPTS} AS allowed
        FROM planned WHERE attempt > {MAX_ATTEMPTS}
        """,
    )


def repeat(campaigns: Sequence[Campaign]) -> Iterator[AuditQuery]:
    """A campaign speaks once to a unit whatever its cell, or again only after its pause.

    One that speaks on occasions has a pause only where it is declared, a chain has none.
    """
    standing = [c for c in campaigns if not (c.anniversary or c.on or c.chain)]
    paused = [c for c in campaigns if (c.anniversary or c.on) and c.repeat_after is not None]
    values = ", ".join(
        f"({literal(c.campaign)}, {microseconds(c.repeat_after)})" for c in [*standing, *paused]
    )
    if not values:
        return
    yield AuditQuery(
        "already_sent",
        f"""
        WITH rules(campaign, pause) AS (VALUES {values}),
        {ALIVE}
        SELECT 'already_sent' AS rule, p.message_id, count(*) + 1 AS found, 1 AS allowed
        FROM planned p JOIN rules r ON r.campaign = p.campaign
        JOIN alive a ON a.campaign = p.campaign AND a.unit = p.unit
            AND a.message_id IS DISTINCT FROM p.message_id
        WHERE r.pause IS NULL OR abs(epoch_us(a.contact_at) - epoch_us(p.contact_at)) < r.pause
        GROUP BY p.message_id
        """,
    )


def occasional(
    touches: Sequence[Touch], moment: Moment, *, has_occasions: bool = True
) -> Iterator[AuditQuery]:
    """What speaks on occasions: on one that is due, once for each, and once a day."""
    names = {t.name for t in touches if t.campaign.anniversary or t.campaign.on or t.campaign.chain}
    if not names:
        return
    if has_occasions:
        yield _due(touches, names)
    together = {
        "occasion": "a.step = p.step AND a.anchor = p.anchor",
        "campaign_day": "timezone($zone, a.contact_at)::DATE = timezone($zone, p.contact_at)::DATE",
    }
    for rule, are_one in together.items():
        yield AuditQuery(
            rule,
            f"""
            WITH {ALIVE}
            SELECT '{rule}' AS rule, p.message_id, count(*) + 1 AS found, 1 AS allowed
            FROM planned p JOIN alive a ON a.campaign = p.campaign AND a.unit = p.unit
                AND a.message_id IS DISTINCT FROM p.message_id
            WHERE p.campaign IN {texts(names)} AND {are_one}
            GROUP BY p.message_id
            """,
            {"zone": moment.zone} if "$zone" in are_one else {},
        )
    yield from _order(touches)


def _due(touches: Sequence[Touch], names: Collection[str]) -> AuditQuery:
    """Each message has an occasion that the run found."""
    steps = ", ".join(
        f"({place}, {literal(t.name)}, {literal(t.step)})" for place, t in enumerate(touches)
    )
    return AuditQuery(
        "no_occasion",
        f"""
        WITH steps(touch, campaign, step) AS (VALUES {steps}),
        due AS (SELECT DISTINCT campaign, step, customer_id, anchor
                FROM occasions JOIN steps USING (touch))
        SELECT 'no_occasion' AS rule, p.message_id, 0 AS found, 1 AS allowed
        FROM planned p ANTI JOIN due USING (campaign, step, customer_id, anchor)
        WHERE p.campaign IN {texts(names)}
        """,
    )


def _order(touches: Sequence[Touch]) -> Iterator[AuditQuery]:
    """The steps of a chain come in the order of their `after`; unknown ones stand nowhere."""
    steps = ", ".join(
        f"({literal(t.name)}, {literal(t.step)}, {microseconds(t.chain_step.after)})"
        for t in touches
        if t.chain_step
    )
    if not steps:
        return
    yield AuditQuery(
        "chain_order",
        f"""
        WITH steps(campaign, step, after_us) AS (VALUES {steps}),
        {ALIVE},
        told AS (SELECT * FROM alive JOIN steps USING (campaign, step))
        SELECT 'chain_order' AS rule, p.message_id, count(*) AS found, 0 AS allowed
        FROM told p JOIN told a ON a.campaign = p.campaign AND a.unit = p.unit
            AND a.anchor = p.anchor AND a.step <> p.step
        WHERE p.is_planned AND (a.after_us < p.after_us) <> (a.contact_at < p.contact_at)
        GROUP BY p.message_id
        """,
    )
