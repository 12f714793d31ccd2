"""The auditor's relations of one run, and what its checks find in them."""

# ruff: noqa: S608  (names are ours, values are literals)

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from antiphon.audience.policy_inputs import ZONES
from antiphon.audit.auditor import audit
from antiphon.audit.queries import Breach, find_breaches
from antiphon.audit.tables import is_stratified
from antiphon.lake import Session
from antiphon.ledger import Message
from antiphon.message.content import Email
from antiphon.message.templates import MessageHeld, TemplateFault
from antiphon.policy.rules import Rule
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.steps.asking import zones_table
from antiphon.steps.composing import occasions_sql
from antiphon.steps.deciding import Day
from antiphon.steps.reading import Reader
from antiphon.steps.terms import policy_terms

EMAIL = "email"
EXAMPLES = 3
_PROOFS = pa.schema(
    dict.fromkeys(("message_id", "list_unsubscribe", "list_unsubscribe_post"), pa.string())
)


@dataclass(frozen=True)
class Evidence:
    """What is audited, as the ledger has it, and what it is held against.

    `planned`: the run's messages (ledger.history.PLANNED). `contacts`: the ledger's other rows
    since the day's mark, which complete the lake's. `suppressions`: those in force at the run's
    moment. `proofs`: some of the messages, to be printed.
    """

    planned: pa.Table
    contacts: pa.Table
    suppressions: pa.Table
    proofs: Sequence[Message]


@dataclass(frozen=True)
class Audited:
    """What was checked of one run: messages, the rules asked, and what does not hold."""

    messages: int
    rules: tuple[str, ...]
    breaches: tuple[Breach, ...]


def audit_day(day: Day, evidence: Evidence, *, has_frame: bool = True) -> Audited:
    """Asks every rule about the messages of a day's run.

    Without its frame (a past run's is kept only for a while) rules are left out that need it.
    """
    configuration = day.project.configuration
    tables = {
        "planned": evidence.planned,
        "newer": evidence.contacts,
        "suppressions": evidence.suppressions,
        ZONES: zones_table(),
        "proofs": _proofs_table(day.project, evidence.proofs),
    }
    with day.project.lake.session(day.snapshot, tables=tables) as session:
        _lay_out(session, day, has_frame=has_frame)
        queries = audit(
            day.touches,
            configuration.policy,
            day.moment,
            salt=configuration.settings.salt,
            terms=policy_terms(configuration),
            known=list(configuration.campaigns.values()),
            late=_late(session, day),
            has_frame=has_frame,
            held=day.holds,
            is_rehearsal=configuration.settings.environment != "live",
        )
        breaches = find_breaches(queries, session.rows)
    rules = dict.fromkeys(query.rule for query in queries if not query.makes)
    return Audited(evidence.planned.num_rows, tuple(rules), tuple(breaches))


def told(breaches: Sequence[Breach]) -> list[str]:
    """A line for each rule that does not hold, with at most three of the messages."""
    found: dict[str, list[str]] = {}
    counts = Counter(one.rule for one in breaches)
    for one in breaches:
        examples = found.setdefault(one.rule, [])
        if one.message_id and len(examples) < EXAMPLES:
            examples.append(one.message_id)
    return [
        f"{rule}: {counts[rule]:,} breaches, for example {', '.join(examples) or 'a total'}"
        for rule, examples in sorted(found.items())
    ]


def _lay_out(session: Session, day: Day, *, has_frame: bool) -> None:
    """The relations that a session does not have by itself.

    The lake's own are read as they are. A customer whose zone is none lives by the business's.
    """
    business = day.project.configuration.settings.business
    session.execute("ALTER VIEW contacts RENAME TO lake_contacts")
    session.execute(
        "CREATE VIEW contacts AS SELECT * FROM lake_contacts ANTI JOIN newer USING (message_id) "
        "UNION ALL BY NAME SELECT * FROM newer"
    )
    session.execute(f"CREATE VIEW occasions AS FROM {occasions_sql(day.occasions)}")
    if has_frame:
        session.execute(f"CREATE VIEW frame AS SELECT * FROM {day.frames.relation()} AS frame")
    session.execute(
        "CREATE VIEW people_times AS SELECT customer_id, "
        f"CASE WHEN timezone IN (SELECT name FROM {ZONES}) THEN timezone "
        f"ELSE {literal(business.timezone)} END AS timezone, "
        f"coalesce(country, {literal(business.country)}) AS country "
        "FROM customers WHERE customer_id IN (SELECT customer_id FROM planned)"
    )


def _late(session: Session, day: Day) -> Mapping[str, int]:
    """Campaign → messages that were held after arms were drawn, where shares are exact."""
    policy = day.project.configuration.policy
    paths = day.project.lake.current().files("decisions", day.run_id)
    if not paths or not any(is_stratified(one, policy) for one in day.campaigns):
        return {}
    files = ", ".join(literal(str(path)) for path in paths)
    return dict(
        session.rows(
            f"SELECT campaign, count(*) FROM read_parquet([{files}], union_by_name = true) "
            f"WHERE rule IN ('{Rule.MISSING_VALUE}', '{Rule.OFFER}', '{Rule.BUDGET}') "
            "OR rule LIKE 'budget:%' "
            "GROUP BY campaign"
        )
    )


def _proofs_table(project: Project, proofs: Sequence[Message]) -> pa.Table:
    """The headers of RFC 8058 of those of the messages that are e-mails and can be printed."""
    asked = project.configuration.policy.one_click
    reader, rows = Reader(project), []
    for message in proofs if asked else ():
        if message.channel != EMAIL:
            continue
        try:
            content = reader.content(message)
        except (MessageHeld, TemplateFault):
            continue  # it cannot leave: the proof of its campaign says so
        assert isinstance(content, Email)
        rows.append(
            {
                "message_id": message.message_id,
                "list_unsubscribe": content.headers.get("List-Unsubscribe"),
                "list_unsubscribe_post": content.headers.get("List-Unsubscribe-Post"),
            }
        )
    return pa.Table.from_pylist(rows, schema=_PROOFS)
