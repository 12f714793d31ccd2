"""Where everybody stands in a chain, by the last run's enrolments and what was sent since."""

# ruff: noqa: S608  (names are ours and checked campaigns'; values are literals)

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from antiphon.audience.chains import chain_sql, standing_sql
from antiphon.campaigns.conversions import duration_text
from antiphon.clock import business_day
from antiphon.lake import Session
from antiphon.policy.moment import Moment
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.states import MessageState
from antiphon.steps.intake import ledger_mark, recent_contacts
from antiphon.steps.occasions import told_sql
from antiphon.steps.planning import pulled


@dataclass(frozen=True)
class StepStanding:
    """One step: `here` get it next, the first at `next_due_at`; what became of it for the others.

    `after` is None of a step that the file no longer has. `missed`: reason → times.
    """

    step: str
    after: str | None
    here: int
    next_due_at: datetime | None
    sent: int
    control: int
    waiting: int
    missed: Mapping[str, int]


@dataclass(frozen=True)
class Standing:
    """A whole chain: times entered, people in it now, and reason → times left."""

    campaign: str
    entered: int
    present: int
    left: Mapping[str, int]
    steps: tuple[StepStanding, ...]


def standing(project: Project, name: str) -> Standing:
    """Where the customers of a chain stand now; conditions and exits are left to the next run."""
    snapshot, zone = pulled(project), project.configuration.settings.business.timezone
    chain = project.configuration.campaigns[name].chain
    assert chain is not None
    now = project.clock()
    recent = recent_contacts(project, ledger_mark(snapshot))
    with project.lake.session(snapshot, tables={"recent": recent}) as session:
        session.execute(f"CREATE TEMP TABLE told AS {told_sql([name])}")
        moment = Moment(now, business_day(now, zone), zone)
        sql = chain_sql(name, chain, moment, standing_sql(name, chain), everybody=False)
        ahead = session.rows(
            f"SELECT place, count(*), min(due_at) FROM ({sql}) WHERE left_at IS NULL GROUP BY place"
        )
        ways = session.rows(
            "SELECT left_for, count(*) FROM enrolments "
            f"WHERE campaign = {literal(name)} GROUP BY left_for ORDER BY 2 DESC, 1"
        )
        missed, spoken = _missed(session, name), _spoken(session)
    here = {place: (count, due) for place, count, due in ahead}
    known = {step.step: duration_text(step.after) for step in chain.steps}
    names = [*known, *sorted({step for step, _ in [*missed, *spoken]} - known.keys())]
    steps = []
    for place, step in enumerate(names):
        count, due = here.get(place, (0, None))
        states = {state: n for (of, state), n in spoken.items() if of == step}
        waiting = sum(states.pop(one, 0) for one in (MessageState.PLANNED, MessageState.SENDING))
        control = states.pop(MessageState.CONTROL, 0)
        why = {reason: n for (of, reason), n in missed.items() if of == step}
        sent = sum(states.values())
        steps.append(StepStanding(step, known.get(step), count, due, sent, control, waiting, why))
    return Standing(
        name,
        sum(count for _, count in ways),
        sum(count for reason, count in ways if reason is None),
        {reason: count for reason, count in ways if reason is not None},
        tuple(steps),
    )


def _missed(session: Session, name: str) -> Counter[tuple[str, str]]:
    """(step, reason) → times."""
    rows = session.rows(
        "SELECT split_part(entry, ':', 1), split_part(entry, ':', 2), count(*) FROM ("
        "SELECT unnest(string_split(missed, ',')) AS entry FROM enrolments "
        f"WHERE campaign = {literal(name)}) GROUP BY ALL ORDER BY ALL"
    )
    return Counter({(step, reason): count for step, reason, count in rows})


def _spoken(session: Session) -> Counter[tuple[str, str]]:
    """(step, state) → messages that count."""
    return Counter(
        {
            (step, state): count
            for step, state, count in session.rows(
                "SELECT step, state, count(*) FROM told GROUP BY ALL"
            )
        }
    )
