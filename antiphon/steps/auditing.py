"""The auditor's relations of one run, and what its checks find in them."""

# ruff: noqa: S608  (names are ours, values are literals)

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import available_timezones

import pyarrow as pa

from antiphon.lake import Session
from antiphon.ledger import Message
from antiphon.message.content import Email
from antiphon.message.templates import MessageHeld, TemplateFault
from antiphon.policy.audit import audit
from antiphon.policy.audit_queries import AuditQuery, Breach, find_breaches
from antiphon.policy.audit_tables import is_stratified
from antiphon.policy.rules import Rule
from antiphon.policy.terms import Terms
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.steps.composing import occasions_sql
from antiphon.steps.deciding import Day
from antiphon.steps.reading import Reader

CHANNEL_EMAIL = "email"
EXAMPLES = 3
_PROOFS = pa.schema(
    dict.fromkeys(("message_id", "list_unsubscribe", "list_unsubscribe_post"), pa.string())
)


@dataclass(frozen=True)
class Audited:
    """What was checked of one run: messages, the rules asked, and what does not hold."""

    messages: int
    rules: tuple[str, ...]
    breaches: tuple[Breach, ...]


def audit_day(
    day: Day,
    planned: pa.Table,
    contacts: pa.Table,
    suppressions: pa.Table,
    proofs: Sequence[Message],
) -> Audited:
    """Asks every rule about the messages of a day's run.

    `planned`: those messages (ledger.history.PLANNED). `contacts`: the ledger's other rows since
    the day's mark, which the lake's contacts are completed by. `proofs`: some of the messages, to
    be printed.
    """
    configuration = day.project.configuration
    tables = {
        "planned": planned,
        "newer": contacts,
        "suppressions": suppressions,
        "zones": pa.table({"name": sorted(available_timezones())}),
        "proofs": proofs_table(day.project, proofs),
    }
    with day.project.lake.session(day.snapshot, tables=tables) as session:
        _lay_out(session, day)
        queries = audit(
            day.touches,
            configuration.policy,
            day.moment,
            salt=configuration.settings.salt,
            terms=Terms(),
            known=list(configuration.campaigns.values()),
            late=_late(session, day),
        )
        breaches = find_breaches(queries, session.rows)
    return Audited(planned.num_rows, _asked(queries), tuple(breaches))


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


def _asked(queries: Sequence[AuditQuery]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(query.rule for query in queries if not query.makes))


def _lay_out(session: Session, day: Day) -> None:
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
    session.execute(f"CREATE VIEW frame AS SELECT * FROM {day.frames.relation()} AS frame")
    session.execute(
        "CREATE VIEW people_times AS SELECT customer_id, "
        f"CASE WHEN timezone IN (SELECT name FROM zones) THEN timezone "
        f"ELSE {literal(business.timezone)} END AS timezone, "
        f"coalesce(country, {literal(business.country)}) AS country "
        "FROM customers WHERE customer_id IN (SELECT customer_id FROM planned)"
    )


def _late(session: Session, day: Day) -> Mapping[str, int]:
    """Campaign → messages that were held after arms were drawn, where shares are exact."""
    paths = day.project.lake.current().files("decisions", day.run_id)
    if not paths or not any(
        is_stratified(one, day.project.configuration.policy) for one in day.campaigns
    ):
        return {}
    files = ", ".join(literal(str(path)) for path in paths)
    return dict(
        session.rows(
            f"SELECT campaign, count(*) FROM read_parquet([{files}], union_by_name = true) "
            f"WHERE rule IN ('{Rule.MISSING_VALUE}', '{Rule.BUDGET}') OR rule LIKE 'budget:%' "
            "GROUP BY campaign"
        )
    )


def proofs_table(project: Project, proofs: Sequence[Message]) -> pa.Table:
    """The headers of RFC 8058 of those of the messages that are e-mails and can be printed."""
    asked = project.configuration.policy.one_click
    reader, rows = Reader(project), []
    for message in proofs if asked else ():
        if message.channel != CHANNEL_EMAIL:
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
