"""Released runs audited again: with the files they had, against the contacts of that time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from antiphon.audit.queries import Breach, needs_frame
from antiphon.audit.tables import is_stratified
from antiphon.errors import AntiphonError, ConfigError, LakeError, LedgerError
from antiphon.ledger import Lease, Message
from antiphon.ledger import Run as Record
from antiphon.project import Project, with_files
from antiphon.steps.auditing import Audited, Evidence, audit_day
from antiphon.steps.decide import day_of
from antiphon.steps.deciding import Day
from antiphon.steps.history import reads_of
from antiphon.steps.run import LEASE, Run

EVERY_RUN = 10_000
PROOFS = "proofs.json"


@dataclass(frozen=True)
class Finding:
    """One rule of one run. `checked`: messages of the run; `gone`: why it cannot be checked any
    more, '' where it was. `rule` is '' where that concerns every rule."""

    run_id: str
    business_day: date
    rule: str
    checked: int = 0
    breaches: tuple[Breach, ...] = ()
    gone: str = ""


def audit_again(project: Project, since: date) -> Iterator[Finding]:
    """Every rule of every released run of a business day from `since` on, the newest run first.

    Facts, frame and files are the run's own; the contacts are those that earlier runs had planned
    or sent by then, from the lake's snapshot and the ledger's log.
    """
    for record in project.ledger.runs.latest(limit=EVERY_RUN):
        if record.business_day >= since and record.released_at is not None:
            yield from _audit_run(project, record)


def first_day(today: date, days: int) -> date:
    """The first of so many business days, the last of which is today."""
    return today - timedelta(days=days - 1)


def _audit_run(project: Project, record: Record) -> Iterator[Finding]:
    try:
        run = _past(project, record)
        day = _day(run)
    except AntiphonError as error:
        yield Finding(record.run_id, record.business_day, "", gone=str(error))
        return
    has_frame = bool(day.frames.paths)
    proofs = _proofs(run)
    # One recorded since, of an earlier moment, was not known to the run: what it read is kept.
    reads = reads_of(project.lake.current(), record.run_id)
    known = project.ledger.people.suppressions_table(record.as_of)
    evidence = Evidence(
        project.ledger.history.planned_by(record.run_id),
        project.ledger.history.contacts_before(record.run_id, run.history_mark),
        reads.suppressions if reads else known,
        proofs,
    )
    yield from _found(record, audit_day(day, evidence, has_frame=has_frame))
    yield from _unasked(run, day, has_frame=has_frame, has_proofs=bool(proofs))


def _past(project: Project, record: Record) -> Run:
    """The run as it was, to look at: its lease is over and lets nobody write."""
    try:
        files = project.ledger.contents.files(record.files_hash or "")
        pinned = with_files(project.root, files, project.clock)
    except LedgerError:
        raise AntiphonError("the ledger has lost the files of the run") from None
    except ConfigError:
        raise AntiphonError("this version cannot read the files of the run") from None
    over = Lease(LEASE, "", record.lease_token or 0, record.as_of, record.as_of)
    return Run(pinned, record, over)


def _day(run: Run) -> Day:
    """What the run pinned; AntiphonError where some of it is gone."""
    try:
        run.project.lake.snapshot(run.snapshot_id)
    except LakeError:
        raise AntiphonError(
            f"snapshot {run.snapshot_id}, on which it decided, is no longer kept"
        ) from None
    try:
        return day_of(run)
    except AntiphonError:
        raise AntiphonError("the run's folder, which describes its frame, is gone") from None


def _found(record: Record, audited: Audited) -> Iterator[Finding]:
    for rule in audited.rules:
        mine = tuple(one for one in audited.breaches if one.rule == rule)
        yield Finding(record.run_id, record.business_day, rule, audited.messages, mine)


def _unasked(run: Run, day: Day, *, has_frame: bool, has_proofs: bool) -> Iterator[Finding]:
    """Rules of the run that want something which is gone."""
    record, policy = run.record, run.project.configuration.policy
    framed, printed = "the run's customer frame is no longer kept", "its proofs are no longer named"
    gone: dict[str, str] = {}
    if not has_frame:
        gone |= {rule.title: framed for rule in policy.rules() if needs_frame(rule)}
        if any(touch.is_occasional for touch in day.touches):
            gone["no_occasion"] = "what was due is no longer kept"
        if any(is_stratified(one, policy) for one in day.campaigns):
            gone["strata"] = framed
    if not has_proofs:
        gone |= {rule.title: printed for rule in policy.one_click}
    for rule, reason in gone.items():
        yield Finding(record.run_id, record.business_day, rule, gone=reason)


def _proofs(run: Run) -> Sequence[Message]:
    path = run.folder / PROOFS
    if not path.exists():
        return ()
    return run.project.ledger.messages.several(json.loads(path.read_text(encoding="utf-8")))
