"""The auditor on when: every message on its customer's own clock, by the engine's time zones."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator
from datetime import date, time

from antiphon.audit.queries import AuditQuery, Basis, length_us, texts
from antiphon.audit.tables import OWN
from antiphon.campaigns.conversions import DaySpan
from antiphon.campaigns.rules import Times
from antiphon.quoting import literal


def times(basis: Basis) -> Iterator[AuditQuery]:
    """A message may leave between its planned moment and its end; no minute of that is forbidden.

    Rules on time begin and end with minutes, so that one of them cannot lie between two samples.
    """
    for rule in basis.in_force(basis.policy.times):
        yield AuditQuery(
            rule.title,
            f"""
            WITH spans AS (
                SELECT x.message_id, p.country, p.timezone, x.contact_at, m.expires_at
                FROM audit_log x JOIN audit_people p ON p.customer_id = x.customer_id
                JOIN planned m ON m.message_id = x.message_id
                WHERE {basis.bound(rule)}
            ),
            clocks AS (
                SELECT country, timezone, contact_at, expires_at,
                    timezone(timezone, sampled) AS local
                FROM (SELECT DISTINCT * EXCLUDE message_id FROM spans),
                    unnest(generate_series(
                        contact_at, greatest(contact_at, expires_at - INTERVAL 1 microsecond),
                        INTERVAL 1 minute
                    )) AS samples(sampled)
            ),
            wrong AS (
                SELECT DISTINCT country, timezone, contact_at, expires_at
                FROM clocks WHERE {" OR ".join(_forbidden(rule)) or "false"}
            )
            SELECT {literal(rule.title)} AS rule, message_id, 1 AS found, 0 AS allowed
            FROM spans SEMI JOIN wrong USING (country, timezone, contact_at, expires_at)
            """,
        )


def _forbidden(rule: Times) -> Iterator[str]:
    if rule.hours:
        yield f"NOT ({_within(*rule.hours)})"
    if rule.quiet:
        yield _within(*rule.quiet)
    if rule.days != frozenset(range(7)):
        yield f"isodow(local) - 1 NOT IN ({', '.join(map(str, sorted(rule.days))) or 'NULL'})"
    for span in rule.blackout:
        yield _in_span(span)
    if rule.holidays:
        own = "code = country OR " if OWN in rule.holidays else ""
        codes = texts([code for code in rule.holidays if code != OWN])
        yield (
            "EXISTS (SELECT 1 FROM audit_holidays h WHERE h.day = local::DATE "
            f"AND ({own}code IN {codes}))"
        )


def _within(first: time, end: time) -> str:
    """The start is in it, the end is not; it may run over midnight."""
    both = "AND" if first < end else "OR"
    return f"(local::TIME >= TIME '{first}' {both} local::TIME < TIME '{end}')"


def _in_span(span: DaySpan) -> str:
    if isinstance(span.first, date):
        return f"local::DATE BETWEEN DATE '{span.first}' AND DATE '{span.last}'"
    assert not isinstance(span.last, date)
    first, last = (month * 100 + day for month, day in (span.first, span.last))
    day = "(month(local) * 100 + day(local))"
    both = "AND" if first <= last else "OR"
    return f"({day} >= {first} {both} {day} <= {last})"


def stale(basis: Basis) -> AuditQuery:
    """A message is planned for the run's moment or later, and leaves before it is stale."""
    values = ", ".join(
        f"({literal(one.campaign)}, {length_us(one.expires_after)})" for one in basis.campaigns
    )
    return AuditQuery(
        "stale",
        f"""
        WITH lives(campaign, lasting) AS (VALUES {values or "('', 0)"})
        SELECT 'stale' AS rule, p.message_id, 1 AS found, 0 AS allowed
        FROM planned p JOIN lives USING (campaign)
        WHERE p.contact_at < $as_of OR p.contact_at >= p.expires_at
            OR epoch_us(p.expires_at) > epoch_us($as_of) + lasting
        """,
        {"as_of": basis.moment.as_of},
    )
