"""Enrolments in chains, kept with the run that found them: never an older look over a newer one."""

from typing import Any

from antiphon.entities import ENROLMENTS
from antiphon.errors import UserFilesError
from antiphon.lake import Change, Snapshot
from antiphon.steps.occasions import Occasions
from antiphon.steps.run import Run

ENROLLED = "@enrolled"  # the run whose enrolments the snapshot holds; no source is called so


def enrol(run: Run, change: Change, occasions: Occasions) -> None:
    """Merge what the run found; done again it changes nothing. A dry run enrols nobody.

    Raises UserFilesError where another run has enrolled since this one pinned its snapshot.
    """
    if run.record.dry_run or not any(campaign.chain for campaign in run.campaigns):
        return
    pinned = run.project.lake.snapshot(run.snapshot_id)
    latest = _enroller(change.before)
    if latest not in (_enroller(pinned), run.id):
        raise UserFilesError(
            f"run {run.id} looked before run {latest} moved customers on in their chains: it is "
            "over.\n  Repeat it: a new run looks again."
        )
    if occasions.enrolments:
        change.merge(ENROLMENTS.name, occasions.enrolments)
        change.set_watermark(ENROLLED, {"run_id": run.id})


def _enroller(snapshot: Snapshot) -> str:
    """The run that wrote the latest enrolments, '' where none has."""
    written: Any = snapshot.watermarks.get(ENROLLED) or {"run_id": ""}
    return str(written["run_id"])
