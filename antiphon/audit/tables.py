"""What the auditor's checks read: made once, of what concerns the customers with planned messages.

- audit_people: each customer with a planned message, on their own clock, with their household and
  what rules and campaigns ask of them
- audit_log: the run's messages, and every contact of these customers, their households and units
  (without message_id and arm: narrow, as there may be many)
- audit_hours: what all customers were sent, by campaign, channel, category and clock hour
- audit_holidays: country or region (as the policy writes it), day
"""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from functools import lru_cache

from antiphon.audience.expressions import RELATION
from antiphon.audit.queries import AuditQuery, Basis, in_column, max_column, table, texts
from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Cap, Policy
from antiphon.quoting import literal, quoted
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

OWN = "own"
FARTHEST = timedelta(days=400)  # a message is never planned that far ahead
LOGGED = "customer_id, unit, campaign, step, anchor, channel, category, state, contact_at"


def tables(basis: Basis) -> Iterator[AuditQuery]:
    """The tables that this policy's checks read."""
    yield table("audit_people", _people_sql(basis), {"zone": basis.moment.zone})
    yield table("audit_log", _log_sql(basis), {"zone": basis.moment.zone})
    if needs_hours(basis):
        yield table("audit_hours", _hours_sql(basis), {"zone": basis.moment.zone})
    codes = {code for rule in basis.in_force(basis.policy.times) for code in rule.holidays}
    if codes:
        first = basis.moment.business_day - timedelta(days=2)
        values = ", ".join(
            f"({literal(code)}, DATE '{day}')"
            for code in sorted(codes)
            for code, day in holidays_of(code, first, first + FARTHEST)
        )
        none = "SELECT '' AS code, DATE '1970-01-01' AS day"
        rows = f" UNION ALL (VALUES {values})" if values else ""
        yield table("audit_holidays", none + rows)


def caps_of(basis: Basis) -> list[tuple[str, Cap]]:
    """The caps and gaps in force by their titles; a gap is a cap of one."""
    caps = [(cap.title, cap) for cap in basis.in_force(basis.policy.caps)]
    return caps + [(gap.title, gap.cap) for gap in basis.in_force(basis.policy.gaps)]


def is_stratified(campaign: Campaign, policy: Policy) -> bool:
    """Whether its control and variants are drawn in exact shares."""
    is_exempt = campaign.category in policy.exempt
    return campaign.strata is not None and campaign.repeat_after is None and not is_exempt


def needs_hours(basis: Basis) -> bool:
    """Whether some rule limits what all customers get together."""
    policy = basis.policy
    rules = [*policy.capacity, *policy.warm_up, *policy.budgets]
    limits = [one.limits for one in basis.campaigns]
    return bool(basis.in_force(rules)) or any(
        one.messages_per_day is not None or one.money_per_day is not None for one in limits
    )


def has_money(basis: Basis) -> bool:
    """Whether some rule limits money."""
    limited = any(one.limits.money_per_day is not None for one in basis.campaigns)
    return bool(basis.in_force(basis.policy.budgets)) or limited


def _people_sql(basis: Basis) -> str:
    columns, joins = ["p.customer_id"], []
    caps = [cap for _, cap in caps_of(basis)]
    if any(cap.of == "household" for cap in caps):
        columns.append("coalesce(h.household_id, p.customer_id) AS household_id")
        joins.append("LEFT JOIN households h ON h.customer_id = p.customer_id")
    else:
        columns.append("p.customer_id AS household_id")
    if basis.in_force(basis.policy.times) or any(isinstance(cap.per, Calendar) for cap in caps):
        columns.append("coalesce(t.timezone, $zone) AS timezone, t.country")
        joins.append("LEFT JOIN people_times t ON t.customer_id = p.customer_id")
    else:
        columns.append("$zone AS timezone, NULL::VARCHAR AS country")
    if asked := list(_asked(basis)):
        names = ", ".join(f"f.{quoted(name)}" for name, _ in asked)
        values = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in asked)
        columns.append(names)
        joins.append(
            f"LEFT JOIN (SELECT {RELATION}.customer_id, {values} FROM frame AS {RELATION} "
            f"WHERE {RELATION}.customer_id IN (SELECT customer_id FROM planned)) f "
            "ON f.customer_id = p.customer_id"
        )
    return (
        f"SELECT {', '.join(columns)} FROM (SELECT DISTINCT customer_id FROM planned) p "
        + " ".join(joins)
    )


def _asked(basis: Basis) -> Iterator[tuple[str, str]]:
    """Columns of audit_people over the customer frame, with their SQL."""
    for rule in basis.in_force(basis.policy.rules()):
        if rule.is_personal:
            yield in_column(rule), f"coalesce({basis.terms.scopes[rule.name].sql}, false)"
    for cap in basis.in_force(basis.policy.caps):
        if isinstance(cap.max, str):
            most = f"TRY_CAST(floor({basis.terms.maxima[cap.name].sql}) AS BIGINT)"
            yield max_column(cap), f"greatest(coalesce({most}, 0), 0)"
    strata = {one.strata for one in basis.campaigns if one.strata and basis.has_frame}
    for name in sorted(strata):
        yield f"stratum:{name}", f"coalesce(CAST({RELATION}.{quoted(name)} AS VARCHAR), '')"


def _log_sql(basis: Basis) -> str:
    """Contacts of whoever shares a customer, a household or a unit with a planned message."""
    is_shared = any(cap.of == "household" for _, cap in caps_of(basis))
    members = (
        "SELECT customer_id, household_id FROM households "
        "WHERE household_id IN (SELECT household_id FROM audit_people)"
        if is_shared
        else "SELECT customer_id, household_id FROM audit_people"
    )
    uncounted = basis.policy.uncounted
    return f"""
        WITH members AS (
            {members} UNION SELECT customer_id, household_id FROM audit_people
        ),
        every AS (
            SELECT message_id, arm, {LOGGED}, true AS is_planned FROM planned
            UNION ALL
            SELECT NULL, NULL, {LOGGED}, false FROM contacts
            WHERE customer_id IN (SELECT customer_id FROM members)
            UNION ALL
            SELECT NULL, NULL, {LOGGED}, false FROM contacts
            WHERE unit <> customer_id AND unit IN (SELECT unit FROM planned)
                AND customer_id NOT IN (SELECT customer_id FROM members)
        )
        SELECT every.*, epoch_us(contact_at) AS us,
            timezone($zone, contact_at)::DATE AS day,
            coalesce(m.household_id, every.customer_id) AS household_id,
            state IN {texts(OCCURRENCE_STATES)} AS is_said,
            state IN {texts(CONTACT_STATES)} AS is_contact,
            state IN {texts(CONTACT_STATES)} AND category NOT IN {texts(uncounted)} AS is_counted,
            category IN {texts(basis.policy.exempt)} AS is_exempt
        FROM every LEFT JOIN members m ON m.customer_id = every.customer_id
        """


def _hours_sql(basis: Basis) -> str:
    """Of the months of the planned messages; hours begin as the business zone's clocks have it."""
    cost = "cost_e4" if has_money(basis) else "0 AS cost_e4"
    columns = f"message_id, campaign, channel, category, state, contact_at, {cost}"
    local = "timezone($zone, contact_at)"
    return f"""
        WITH every AS (
            SELECT {columns}, true AS is_planned FROM planned
            UNION ALL
            SELECT {columns}, false FROM contacts
            WHERE state IN {texts(OCCURRENCE_STATES)}
                AND contact_at >= (SELECT min(contact_at) - INTERVAL 32 DAY FROM planned)
        )
        SELECT campaign, channel, category, is_planned,
            {local}::DATE AS day, date_trunc('month', {local})::DATE AS month,
            contact_at - ({local} - date_trunc('hour', {local})) AS hour_at,
            category IN {texts(basis.policy.exempt)} AS is_exempt,
            count(*) FILTER (state IN {texts(OCCURRENCE_STATES)}) AS said,
            count(*) FILTER (is_counted) AS contacts,
            sum(cost_e4) FILTER (is_counted) AS cost_e4,
            max(message_id) AS message_id
        FROM (SELECT *, state IN {texts(CONTACT_STATES)}
                AND category NOT IN {texts(basis.policy.uncounted)} AS is_counted FROM every)
        GROUP BY ALL
        """


def holidays_of(code: str, first: date, last: date) -> list[tuple[str, date]]:
    """(code, day) of public holidays: DE, DE-BY; `own`: of every country there is."""
    import holidays  # noqa: PLC0415  (a fifth of a second, and most policies name none)

    codes = [code]
    if code == OWN:
        codes = [one for one in holidays.list_supported_countries() if len(one) == 2]
    years = range(first.year, last.year + 1)
    return [
        (one, day) for one in sorted(codes) for day in _days(one, years) if first <= day <= last
    ]


@lru_cache(maxsize=1024)
def _days(code: str, years: Iterable[int]) -> tuple[date, ...]:
    import holidays  # noqa: PLC0415

    country, _, region = code.partition("-")
    found = holidays.country_holidays(country, subdiv=region or None, years=years)
    return tuple(sorted(found))
