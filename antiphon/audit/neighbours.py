"""The auditor on which campaign beside which: exclusion, sequence, chains at a time."""
# ruff: noqa: S608  (what enters the texts is quoted here, and comes from checked configuration)

from collections.abc import Iterator

from antiphon.audit.queries import AuditQuery, Basis, length_us, texts
from antiphon.campaigns.rules import ChainLimit, Exclusion
from antiphon.quoting import literal

# What a message of this run may be compared with: what stood before the run chose, exempt
# messages of the run, and (unless it is a control row) whatever else the run chose.
BESIDE = """c.customer_id = x.customer_id AND c.is_counted
                AND c.message_id IS DISTINCT FROM x.message_id
                AND (NOT c.is_planned OR c.is_exempt OR x.is_contact)"""


def exclusions(basis: Basis) -> Iterator[AuditQuery]:
    """Whoever got one of these got none that is in other groups, whichever came first."""
    for rule in basis.in_force(basis.policy.exclusions):
        if groups := _groups(rule, basis):
            near = "" if rule.per is None else f"AND abs(c.us - x.us) < {length_us(rule.per)}"
            scope = basis.scope(rule).replace("x.", "c.")
            yield AuditQuery(
                rule.title,
                f"""
                WITH grouped(campaign, groups) AS (VALUES {groups})
                SELECT {literal(rule.title)} AS rule, x.message_id, count(*) AS found, 0 AS allowed
                FROM audit_log x JOIN grouped own ON own.campaign = x.campaign
                JOIN audit_log c ON {BESIDE} {near} AND {scope}
                JOIN grouped other ON other.campaign = c.campaign
                WHERE {basis.bound(rule)} AND own.groups <> other.groups
                GROUP BY x.message_id
                """,
            )


def _groups(rule: Exclusion, basis: Basis) -> str:
    """Campaign and the groups it is in, as rows of VALUES."""
    groups: dict[str, list[str]] = {name: [f"campaign {name}"] for name in rule.campaigns}
    for tag in rule.tags:
        for name in basis.tagged([tag]):
            groups.setdefault(name, []).append(f"tag {tag}")
    return ", ".join(
        f"({literal(name)}, [{', '.join(map(literal, mine))}])" for name, mine in groups.items()
    )


def sequences(basis: Basis) -> Iterator[AuditQuery]:
    """Before each message there was a contact of one of the campaigns it must follow."""
    for rule in basis.in_force(basis.policy.sequences):
        within = "" if rule.within is None else f"AND c.us > x.us - {length_us(rule.within)}"
        yield AuditQuery(
            rule.title,
            f"""
            SELECT {literal(rule.title)} AS rule, x.message_id, 0 AS found, 1 AS allowed
            FROM audit_log x WHERE {basis.bound(rule)} AND NOT EXISTS (
                SELECT 1 FROM audit_log c WHERE c.customer_id = x.customer_id AND c.is_counted
                    AND c.message_id IS DISTINCT FROM x.message_id
                    AND c.campaign IN {texts(rule.after)}
                    AND c.us <= x.us - {length_us(rule.wait)} {within}
            )
            """,
        )


def chain_limits(basis: Basis) -> Iterator[AuditQuery]:
    """A message that begins a chain finds its customer in fewer others than allowed."""
    chains = [one.campaign for one in basis.campaigns if one.chain]
    for rule in basis.in_force(basis.policy.chains):
        if not chains:
            return
        yield AuditQuery(
            rule.title,
            f"""
            WITH begun AS (
                SELECT x.message_id, x.customer_id, x.campaign, x.is_contact, x.is_exempt
                FROM audit_log x
                WHERE x.is_planned AND x.campaign IN {texts(chains)} AND {basis.scope(rule)}
                    AND NOT EXISTS (
                    SELECT 1 FROM audit_log c WHERE NOT c.is_planned AND c.is_said
                        AND c.campaign = x.campaign AND c.anchor = x.anchor AND c.unit = x.unit)
            ),
            present AS (
                SELECT customer_id, campaign FROM enrolments
                WHERE left_at IS NULL AND {_concerns(rule, basis)}
                    AND customer_id IN (SELECT customer_id FROM audit_people)
            ),
            others AS (
                SELECT b.message_id, e.campaign FROM begun b
                JOIN present e ON e.customer_id = b.customer_id AND e.campaign <> b.campaign
                UNION
                SELECT b.message_id, c.campaign FROM begun b
                JOIN begun c ON c.customer_id = b.customer_id AND c.campaign <> b.campaign
                    AND c.is_contact AND (b.is_contact OR c.is_exempt)
            )
            SELECT {literal(rule.title)} AS rule, x.message_id, count(*) + 1 AS found,
                {rule.max} AS allowed
            FROM audit_log x JOIN begun USING (message_id) LEFT JOIN others USING (message_id)
            WHERE {basis.bound(rule)}
            GROUP BY x.message_id HAVING count(others.campaign) >= {rule.max}
            """,
        )


def _concerns(rule: ChainLimit, basis: Basis) -> str:
    """Whether a chain (`campaign`) is in the rule's scope; of one that has no file any more only
    its name is known."""
    inside = [one.campaign for one in basis.known if rule.concerns(one)]
    named = "true" if rule.campaign is None else f"campaign IN {texts(rule.campaign)}"
    if rule.tag is not None or rule.category is not None:
        return f"campaign IN {texts(inside)}"
    known = texts([one.campaign for one in basis.known])
    return f"(campaign IN {texts(inside)} OR (campaign NOT IN {known} AND {named}))"
