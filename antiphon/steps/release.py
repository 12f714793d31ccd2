"""Audit, proof and release: nothing leaves before all three."""

import json
from collections import Counter, defaultdict

from antiphon.errors import AuditFailed
from antiphon.ledger import Message
from antiphon.message.content import Sms
from antiphon.message.templates import MessageHeld, TemplateFault
from antiphon.policy.audit import audit as audit_queries
from antiphon.steps.composing import occasions_sql
from antiphon.steps.decide import day_of
from antiphon.steps.deciding import history_sql
from antiphon.steps.reading import Reader
from antiphon.steps.run import Counts, Run, step


@step("audit")
def audit(run: Run) -> Counts:
    """Re-check what was planned, by code of its own; a breach leaves the run unreleased."""
    day = day_of(run)
    configuration = run.project.configuration
    with run.project.ledger.history.contacts_since(run.history_mark) as reader:
        table = reader.read_all()
    suppressions = run.project.ledger.people.suppressions_table(run.moment.as_of)
    tables = {"everything": table, "suppressions": suppressions, "recent": day.recent()}
    breaches = Counter[str]()
    examples: dict[str, list[str]] = defaultdict(list)
    with run.project.lake.session(day.snapshot, tables=tables) as session:
        session.execute(f"CREATE TEMP TABLE planned AS FROM everything WHERE run_id = '{run.id}'")
        # The auditor's `contacts` are the lake's and the ledger's newer ones.
        session.execute(f"CREATE TEMP TABLE history AS {history_sql(day)}")
        session.execute("CREATE OR REPLACE TEMP VIEW contacts AS FROM history")
        session.execute(f"CREATE TEMP VIEW occasions AS FROM {occasions_sql(day.occasions)}")
        ((planned,),) = session.rows("SELECT count(*) FROM planned")
        queries = audit_queries(
            day.touches, configuration.policy, run.moment, salt=configuration.settings.salt
        )
        for query in queries:
            for rule, message_id, _, _ in session.rows(query.sql, dict(query.parameters) or None):
                breaches[rule] += 1
                if message_id and len(examples[rule]) < 3:
                    examples[rule].append(message_id)
    if breaches:
        lines = [
            f"{rule}: {count:,} breaches, for example {', '.join(examples[rule]) or 'a total'}"
            for rule, count in sorted(breaches.items())
        ]
        run.warn(lines)
        raise AuditFailed(
            f"the audit of run {run.id} found breaches; nothing of it is sent\n  "
            + "\n  ".join(lines)
            + f"\n  Look at a message with `antiphon message ID`, then `antiphon abandon {run.id}`."
        )
    return {"messages": int(planned), "checks": len(queries), "breaches": 0}


@step("render")
def render(run: Run) -> Counts:
    """Proof each campaign on real recipients; one that fails is held, the others go."""
    ledger = run.project.ledger
    reader = Reader(run.project)
    faults: dict[str, str] = {}
    proofs = json.loads((run.folder / "proofs.json").read_text(encoding="utf-8"))
    for message in ledger.messages.several(proofs):
        if message.campaign in faults:
            continue
        if fault := _proof(reader, message):
            faults[message.campaign] = fault
    withdrawn = 0
    for campaign, fault in faults.items():
        withdrawn += ledger.messages.withdraw(
            f"held: {fault}", run.now, campaign=campaign, run_id=run.id
        )
        run.warn([f"campaign {campaign} is held back: {fault}"])
    return {"proofs": len(proofs), "campaigns_held": len(faults), "withdrawn": withdrawn}


def _proof(reader: Reader, message: Message) -> str:
    """What is wrong with the campaign, '' where it can be printed (one person's null is not)."""
    try:
        content = reader.content(message)
    except MessageHeld:
        return ""
    except TemplateFault as error:
        return str(error)
    parts = [content.text] if isinstance(content, Sms) else [content.subject, content.html]
    if not all(part.strip() for part in parts):
        return f"its message comes out empty for {message.channel} in {message.language}"
    return ""


@step("release")
def release(run: Run) -> Counts:
    """From now on the run's messages may leave."""
    run.project.ledger.messages.release(run.id, run.lease, run.now)
    return {}
