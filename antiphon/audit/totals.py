"""The auditor on what all customers get together: limits, capacity, warm-up, money, brakes.

Where a total is too high, the breach names one of the run's messages that are part of it.
"""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator
from decimal import Decimal

from antiphon.audit.queries import AuditQuery, Basis, length_us, texts
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Brake, PolicyRule
from antiphon.quoting import literal
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

TEN_THOUSANDTHS = 10_000


def totals(basis: Basis) -> Iterator[AuditQuery]:
    """Every rule on a total."""
    yield from _limits(basis)
    policy = basis.policy
    for capacity in basis.in_force(policy.capacity):
        for period, most in (("hour_at", capacity.per_hour), ("day", capacity.per_day)):
            if most is not None:
                yield _total(capacity, basis, period, "contacts", str(most))
    for warm_up in basis.in_force(policy.warm_up):
        assert warm_up.from_ is not None, "the check refuses a warm-up without a first day"
        days = ", ".join(map(str, warm_up.per_day))
        nth = f"date_diff('day', DATE '{warm_up.from_}', day) + 1"
        yield _total(warm_up, basis, "day", "contacts", f"list_extract([{days}], {nth})")
    for budget in basis.in_force(policy.budgets):
        yield _total(budget, basis, budget.per, "cost_e4", _money(budget.money))


def _total(rule: PolicyRule, basis: Basis, period: str, what: str, most: str) -> AuditQuery:
    """No period in which this run has a message holds more than allowed (null: any number)."""
    return AuditQuery(
        rule.title,
        f"""
        SELECT {literal(rule.title)} AS rule,
            max(message_id) FILTER ({_own(what)}) AS message_id,
            sum({what}) AS found, any_value({most}) AS allowed
        FROM audit_hours x WHERE {basis.scope(rule)}
        GROUP BY {period} HAVING found > allowed AND count(*) FILTER ({_own(what)}) > 0
        """,
    )


def _own(what: str) -> str:
    return f"is_planned AND NOT is_exempt AND {what} > 0"


def _money(money: Decimal) -> str:
    return str(int(money * TEN_THOUSANDTHS))


def _limits(basis: Basis) -> Iterator[AuditQuery]:
    """No campaign exceeds its own limits, an exempt one neither; control rows count as messages,
    and cost nothing."""
    limited = basis.campaigns
    if days := _values(limited, "messages_per_day"):
        yield _limit("limit", days, "audit_hours", "said", "day")
    if money := _values(limited, "money_per_day", TEN_THOUSANDTHS):
        yield _limit("budget", money, "audit_hours", "cost_e4", "day")
    if ever := _values(limited, "messages"):
        spoken = f"""(
            SELECT message_id, campaign, true AS is_planned, 1 AS said FROM planned
            UNION ALL
            SELECT NULL, campaign, false, 1 FROM contacts
            WHERE state IN {texts(OCCURRENCE_STATES)})"""
        yield _limit("limit", ever, spoken, "said", "x.campaign")


def _values(campaigns: list[Campaign], name: str, unit: int = 1) -> str:
    limits = {one.campaign: getattr(one.limits, name) for one in campaigns}
    return ", ".join(
        f"({literal(campaign)}, {int(most * unit)})"
        for campaign, most in limits.items()
        if most is not None
    )


def _limit(rule: str, values: str, source: str, what: str, period: str) -> AuditQuery:
    return AuditQuery(
        rule,
        f"""
        WITH rules(campaign, most) AS (VALUES {values})
        SELECT '{rule}' AS rule, max(x.message_id) FILTER (is_planned AND {what} > 0) AS message_id,
            sum({what}) AS found, any_value(r.most) AS allowed
        FROM {source} x JOIN rules r ON r.campaign = x.campaign
        GROUP BY x.campaign, {period}
        HAVING found > allowed AND count(*) FILTER (is_planned AND {what} > 0) > 0
        """,
    )


def brakes(basis: Basis) -> Iterator[AuditQuery]:
    """Nothing in the scope of a brake that stands on stop."""
    for brake in basis.in_force(basis.policy.brakes):
        yield AuditQuery(brake.title, _brake(brake, basis), {"as_of": basis.moment.as_of})


def _brake(brake: Brake, basis: Basis) -> str:
    """Contacts and answers of everybody in so long a time up to the run."""
    since = f"epoch_us($as_of) - {length_us(brake.per)}"
    counted = basis.scope(brake)
    return f"""
        WITH reading AS (
            SELECT (
                SELECT count(*) FROM contacts x
                WHERE {counted} AND x.state IN {texts(CONTACT_STATES)}
                    AND x.category NOT IN {texts(basis.policy.uncounted)}
                    AND x.contact_at <= $as_of AND epoch_us(x.contact_at) > {since}
            ) AS contacts, (
                SELECT count(*) FROM responses x
                WHERE {basis.answered_scope(brake)} AND x.kind = {literal(brake.response)}
                    AND x.occurred_at <= $as_of AND epoch_us(x.occurred_at) > {since}
            ) AS answers
        )
        SELECT {literal(brake.title)} AS rule, x.message_id, answers / contacts AS found,
            {brake.stop!r}::DOUBLE AS allowed
        FROM audit_log x, reading
        WHERE {basis.bound(brake)} AND contacts >= {brake.at_least}
            AND answers / contacts >= {brake.stop!r}::DOUBLE
        """
