"""Audit, proof and release: nothing leaves before all three."""

import json

from antiphon.errors import AuditFailed
from antiphon.message.templates import MessageHeld, TemplateFault, Unsendable
from antiphon.steps.auditing import Evidence, audit_day, told
from antiphon.steps.decide import day_of
from antiphon.steps.issuing import overdrawn
from antiphon.steps.reading import Reader
from antiphon.steps.run import Counts, Run, step


@step("audit")
def audit(run: Run) -> Counts:
    """Re-check what was planned, by code of its own; a breach leaves the run unreleased."""
    ledger, day = run.project.ledger, day_of(run)
    evidence = Evidence(
        ledger.history.planned_by(run.id),
        day.recent,
        ledger.people.suppressions_table(run.moment.as_of),
        ledger.messages.several(_proofs(run)),
    )
    found = audit_day(day, evidence)
    over = overdrawn(run.project, run.id)
    if found.breaches or over:
        lines = [*told(found.breaches), *over]
        run.warn(lines)
        raise AuditFailed(
            f"the audit of run {run.id} found breaches; nothing of it is sent\n  "
            + "\n  ".join(lines)
            + f"\n  Look at a message with `antiphon message ID`, then `antiphon abandon {run.id}`."
        )
    return {"messages": found.messages, "checks": len(found.rules), "breaches": 0}


def _proofs(run: Run) -> list[str]:
    """Ids of the messages that are printed before release."""
    ids: list[str] = json.loads((run.folder / "proofs.json").read_text(encoding="utf-8"))
    return ids


@step("render")
def render(run: Run) -> Counts:
    """Proof each campaign on real recipients; one that fails is held, the others go."""
    ledger = run.project.ledger
    reader = Reader(run.project)
    faults: dict[str, str] = {}
    unsendable: dict[str, str] = {}
    printed: set[str] = set()
    proofs = _proofs(run)
    for message in ledger.messages.several(proofs):
        if message.campaign in faults:
            continue
        try:
            reader.content(message)
            printed.add(message.campaign)
        except Unsendable as error:
            unsendable[message.campaign] = str(error)
        except MessageHeld:
            continue  # one person's null is no fault of the campaign
        except TemplateFault as error:
            faults[message.campaign] = str(error)
    # A text that comes out empty for one person is withheld from that one; for all, from all.
    faults |= {name: said for name, said in unsendable.items() if name not in printed}
    withdrawn = 0
    for campaign, fault in faults.items():
        withdrawn += ledger.messages.withdraw(
            f"held: {fault}", run.now, campaign=campaign, run_id=run.id
        )
        run.warn([f"campaign {campaign} is held back: {fault}"])
    return {"proofs": len(proofs), "campaigns_held": len(faults), "withdrawn": withdrawn}


@step("release")
def release(run: Run) -> Counts:
    """From now on the run's messages may leave."""
    run.project.ledger.messages.release(run.id, run.lease, run.now)
    return {}
