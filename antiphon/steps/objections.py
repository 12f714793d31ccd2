"""Messages that wait, against what a later pull brought: whoever withdrew consent gets nothing.

What people say to us is looked at as each message leaves (antiphon.dispatch.last_look). What their
own systems record comes with a pull, so every run looks through all that still waits.
"""

from antiphon.audit.consents import consents
from antiphon.audit.queries import Basis, find_breaches
from antiphon.campaigns.touches import touches
from antiphon.lake import Snapshot
from antiphon.ledger import Ledger
from antiphon.policy.terms import Terms
from antiphon.steps.run import Run

WAITING = "planned"  # as the checks of the audit call what they look at
LOG = "SELECT *, true AS is_planned FROM planned"


def withdraw_objected(run: Run, snapshot: Snapshot) -> int:
    """Take back planned messages of every run that their people's consent does not cover any more,
    by the snapshot's facts and the run's policy; how many.

    Rules on consent that hold for some customers only are not asked: they need a frame.
    """
    configuration, ledger = run.project.configuration, run.project.ledger
    waiting = ledger.neighbours.waiting()
    if not waiting.num_rows:
        return 0
    campaigns = list(configuration.campaigns.values())
    basis = Basis(
        touches(campaigns),
        configuration.policy,
        run.moment,
        configuration.settings.salt,
        Terms(),
        campaigns,
        has_frame=False,
    )
    with run.project.lake.session(snapshot, tables={WAITING: waiting}) as session:
        session.execute("CREATE VIEW audit_people AS SELECT DISTINCT customer_id FROM planned")
        session.execute(f"CREATE VIEW audit_log AS {LOG}")
        found = find_breaches(consents(basis), session.rows)
    taken = _withdraw(ledger, {one.message_id: one.rule for one in found if one.message_id}, run)
    if taken:
        run.warn(
            [
                f"{taken:,} planned messages were withdrawn: since they were planned, their people "
                "objected, or took back their agreement."
            ]
        )
    return taken


def _withdraw(ledger: Ledger, found: dict[str, str], run: Run) -> int:
    taken = 0
    for rule in sorted(set(found.values())):
        ids = [message_id for message_id, broken in found.items() if broken == rule]
        reason = f"no consent any more, as a later pull tells ({rule})"
        taken += ledger.messages.withdraw(reason, run.now, ids=ids)
    return taken
