"""Segment: the customer frame of the day, who is in which segment, and what is due to whom."""

import json
from collections.abc import Sequence

import pyarrow as pa

from antiphon.campaigns.touches import Touch, touches
from antiphon.lake import Snapshot
from antiphon.project import Project
from antiphon.steps.composing import survey_values, templates_of, used_by
from antiphon.steps.drift import report_drift
from antiphon.steps.enrolling import enrol
from antiphon.steps.feature_types import report_types
from antiphon.steps.frames import build_frames, last_constants
from antiphon.steps.history import SEGMENTED, SUPPRESSIONS, Few, keep
from antiphon.steps.intake import HAPPENINGS, Intake, recent_contacts
from antiphon.steps.occasions import find_occasions
from antiphon.steps.run import TRIGGERS, Counts, Run, step
from antiphon.steps.triggering import News, concerned, seen


@step("segment")
def segment(run: Run) -> Counts:
    """Build the customer frame, find the day's occasions, move everybody on in their chains.

    A pass of the triggers does so for the customers whom its events concern.
    """
    project, lake, spoken = run.project, run.project.lake, touches(run.campaigns)
    snapshot = lake.snapshot(run.snapshot_id)
    recent = recent_contacts(project, run.history_mark, run.id)
    suppressions = project.ledger.people.suppressions_table(run.moment.as_of)
    few = _few(run, snapshot, recent) if run.record.flow == TRIGGERS else None
    frames = build_frames(
        project,
        snapshot,
        run.moment,
        spoken,
        run.place("frames"),
        needed=printed(project, spoken) if few else None,
        only=few.customers if few else None,
        constants=few.constants if few else None,
        suppressions=suppressions,
    )
    occasions = find_occasions(
        project,
        snapshot,
        run.moment,
        frames,
        run.place("occasions"),
        spoken=spoken,
        recent=recent,
        everybody=few is None,
    )
    with lake.change(run.id, day=run.record.business_day) as change:
        change.add_files("frames", run.id, frames.paths)
        change.add_files("occasions", run.id, occasions.paths)
        read = {SUPPRESSIONS: suppressions, SEGMENTED: recent, **(few.tables() if few else {})}
        keep(run, snapshot, change, read)
        enrol(run, change, occasions)
        run.publish(change)
    frames.save(run)
    if few is None:
        run.write("segments.json", json.dumps(frames.segments, indent=1))
        report_drift(run, frames)
        report_types(run)
    return {
        "customers": frames.customers,
        "segments": len(frames.segments),
        "occasions": occasions.count,
        "entered": sum(occasions.entered.values()),
        "left": sum(occasions.left.values()),
    }


def _few(run: Run, snapshot: Snapshot, recent: pa.Table) -> Few | None:
    """None before the first daily run: the frame is then made of everybody."""
    constants = last_constants(run.project)
    if constants is None:
        return None
    staging = run.project.lake.staging(run.id)
    clean = {
        entity: sorted((staging / "clean" / entity).glob("*.parquet")) for entity in HAPPENINGS
    }
    news = News(clean, seen(run.project, Intake.load(staging).published))
    customers = concerned(
        run.project, snapshot, run.moment, run.campaigns, recent=recent, news=news
    )
    return Few(customers, constants)


def printed(project: Project, spoken: Sequence[Touch]) -> frozenset[str]:
    """What the templates print, and what notices are compared with: a frame of a few has no more
    than these columns, besides what conditions read."""
    templates = templates_of(project)
    started = [one.campaign.on for one in spoken]
    compared = [one.same for one in started if one and one.same]
    return frozenset(compared).union(
        *(
            used_by(templates, touch) | survey_values(project.configuration, touch)
            for touch in spoken
        )
    )
