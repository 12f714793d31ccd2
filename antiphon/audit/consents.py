"""The auditor on whether we may speak at all: consent, suppression, address, one-click headers."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator

from antiphon.audit.queries import AuditQuery, Basis, table
from antiphon.campaigns.rules import ConsentRule, Policy
from antiphon.quoting import literal

ONE_CLICK = "List-Unsubscribe=One-Click"
LOOPBACK = r"http://(127\.0\.0\.1|localhost|\[::1\])(:[0-9]+)?/"


def consents(basis: Basis) -> Iterator[AuditQuery]:
    """Each message's last act of the person, and every rule on it that holds: each by itself.

    '*' stands for every channel or category; undated acts are older than all dated ones, and of
    acts at the same moment an objection wins. Acts after the run's moment are not known to it.
    """
    rules = basis.in_force(basis.policy.consent_rules)
    more = "confirmed_at, evidence, separate" if any(map(_is_exacting, rules)) else ""
    yield table(
        "audit_acts",
        f"""
        WITH acts AS (
            SELECT customer_id, channel, category, granted, acted_at, {more + "," if more else ""}
                coalesce(2 * epoch_us(acted_at), -9e18::BIGINT) + (NOT granted)::BIGINT AS rank
            FROM consents
            WHERE (acted_at IS NULL OR acted_at <= $as_of)
                AND customer_id IN (SELECT customer_id FROM audit_people)
        )
        SELECT p.message_id, a.* EXCLUDE (channel, category, customer_id)
        FROM planned p JOIN acts a ON a.customer_id = p.customer_id
            AND a.channel IN (p.channel, '*') AND a.category IN (p.category, '*')
        QUALIFY a.rank = max(a.rank) OVER (PARTITION BY p.message_id)
        """,
        {"as_of": basis.moment.as_of},
    )
    for rule in rules:
        if (lacks := _lacks(rule, basis)) is None:
            continue
        title = consent_title(rule, basis.policy)
        yield AuditQuery(
            title,
            f"""
            SELECT {literal(title)} AS rule, x.message_id, 1 AS found, 0 AS allowed
            FROM audit_log x WHERE {basis.bound(rule, exempt_too=True)} AND {lacks}
            """,
        )


def consent_title(rule: ConsentRule, policy: Policy) -> str:
    """`consent` for what the map of categories says, the rule's own title for others."""
    return rule.title if any(rule is one for one in policy.consents) else "consent"


def _is_exacting(rule: ConsentRule) -> bool:
    return rule.needs == "double_opt_in" or rule.proof or rule.separate


def _lacks(rule: ConsentRule, basis: Basis) -> str | None:
    """Whether a message `x` lacks what the rule asks for; None where it asks for nothing."""
    if rule.needs == "none" and not _is_exacting(rule):
        return None
    if rule.needs == "opt_out" and not _is_exacting(rule):
        return "x.message_id IN (SELECT message_id FROM audit_acts WHERE NOT granted)"
    wanted = ["granted"]
    if rule.needs == "double_opt_in":
        wanted.append(f"confirmed_at <= TIMESTAMPTZ {literal(basis.moment.as_of.isoformat())}")
    evident = (["trim(evidence) <> ''"] if rule.proof else []) + (
        ["separate"] if rule.separate else []
    )
    if evident:
        proven = " AND ".join(f"coalesce({one}, false)" for one in evident)
        if rule.acts_since is not None:
            day = f"DATE {literal(str(rule.acts_since))}"
            zone = literal(basis.moment.zone)
            proven = f"(({proven}) OR coalesce(timezone({zone}, acted_at)::DATE < {day}, false))"
        wanted.append(proven)
    return (
        "x.message_id NOT IN (SELECT message_id FROM audit_acts WHERE " + " AND ".join(wanted) + ")"
    )


def suppress(basis: Basis) -> Iterator[AuditQuery]:
    """Nothing to whom a rule suppresses."""
    for rule in basis.in_force(basis.policy.suppress):
        yield AuditQuery(
            rule.title,
            f"SELECT {literal(rule.title)} AS rule, x.message_id, 1 AS found, 0 AS allowed "
            f"FROM audit_log x WHERE {basis.bound(rule)}",
        )


def suppression() -> AuditQuery:
    """No message to a suppressed address, whoever has it."""
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


def address() -> AuditQuery:
    """A message needs a known customer with a valid address on its channel."""
    return AuditQuery(
        "no_address",
        """
        SELECT 'no_address' AS rule, p.message_id, 0 AS found, 1 AS allowed
        FROM planned p LEFT JOIN customers c ON c.customer_id = p.customer_id
        WHERE CASE p.channel WHEN 'email' THEN c.email_key WHEN 'sms' THEN c.phone_key END IS NULL
        """,
    )


def one_click(basis: Basis) -> Iterator[AuditQuery]:
    """Every e-mail that was printed for proof has both headers of RFC 8058, section 3.1.

    The headers of a campaign are the same for all; `proofs` has some e-mails of each. A rehearsal
    may lead to the machine itself without https.
    """
    begins = f"(https://|{LOOPBACK})" if basis.is_rehearsal else "https://"
    for rule in basis.in_force(basis.policy.one_click):
        yield AuditQuery(
            rule.title,
            f"""
            SELECT {literal(rule.title)} AS rule, x.message_id, 0 AS found, 1 AS allowed
            FROM audit_log x JOIN proofs USING (message_id)
            WHERE {basis.bound(rule)} AND x.channel = 'email' AND NOT (
                coalesce(regexp_matches(list_unsubscribe, '<{begins}[^<>\\s]+>'), false)
                AND coalesce(trim(list_unsubscribe_post) = '{ONE_CLICK}', false))
            """,
        )
