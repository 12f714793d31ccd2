"""The end of a run: contacts into the lake, cleaning up."""

import shutil
from collections import Counter
from datetime import date
from pathlib import Path

from antiphon.lake import Cleaned
from antiphon.offers.redeeming import redeem_orders
from antiphon.project import Project
from antiphon.steps.intake import LEDGER, ledger_mark, stage_own
from antiphon.steps.run import DAILY, Counts, Run, step


@step("collect")
def collect(run: Run) -> Counts:
    """Bring what was sent and came back into the lake, for the next run's features and caps."""
    lake, ledger = run.project.lake, run.project.ledger
    is_daily = run.record.flow == DAILY  # a pass of the triggers brings no orders
    redeemed = redeem_orders(run.project, lake.current()) if is_daily else Counter[str]()
    folder = lake.staging(run.id) / "collected"
    with lake.change(run.id, day=run.record.business_day) as change:
        mark = ledger.history.mark()
        counts = {
            entity: change.merge(entity, [folder / f"{entity}.parquet"])
            for entity in stage_own(ledger, ledger_mark(change.before), folder)
        }
        change.set_watermark(LEDGER, mark)
        run.publish(change)
    collected = {entity: merged.clean - merged.unchanged for entity, merged in counts.items()}
    return collected | {f"codes_{verdict}": count for verdict, count in sorted(redeemed.items())}


@step("report")
def report(run: Run) -> Counts:
    """The end: what is kept long enough goes."""
    summaries = run.summaries()
    lake = run.project.lake
    lake.unpin(run.id)
    cleaned = clean(run.project, run.record.business_day)
    shutil.rmtree(lake.path / "staging" / run.id, ignore_errors=True)
    return {"campaigns": len(summaries), "snapshots_cleaned": cleaned.snapshots}


def clean(project: Project, today: date) -> Cleaned:
    """Remove what `lake.retention` lets go: snapshots, stores, staged files, validation results."""
    retention = project.configuration.settings.lake.retention
    cleaned = project.lake.clean(project.clock(), retention)
    expire_validation(project.var / "runs", today - retention.validation)
    return cleaned


def expire_validation(runs: Path, first_kept: date) -> None:
    """Remove validation results of runs before a business day; their folders are named by it."""
    for folder in runs.glob("????-??-??-*"):
        if folder.name[:10] < first_kept.isoformat():
            shutil.rmtree(folder / "validation", ignore_errors=True)
