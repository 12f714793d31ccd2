"""How far customers have moved between the names of each dimension since the last run."""

import json
import logging

from antiphon.audience.drift import stability_index
from antiphon.steps.frames import Frames, last_sizes
from antiphon.steps.run import Run

FILE = "drift.json"
log = logging.getLogger("antiphon.run")


def report_drift(run: Run, frames: Frames) -> None:
    """Log the index of each dimension, keep it with the run, and warn over the limit.

    Compared is the last finished run of the same flow; a dimension whose names have changed since
    is not.
    """
    run_id, _, before = last_sizes(run.project, run.record.flow, before=run.id)
    if run_id is None:
        return
    found = {
        name: index
        for name in frames.definitions.dimensions
        if (index := stability_index(frames.dimensions.get(name, {}), before.get(name, {})))
        is not None
    }
    run.write(FILE, json.dumps({"since": run_id, "indices": found}, indent=1))
    for name, index in found.items():
        log.info("drift of %s since %s: %.3f", name, run_id, index)
    limit = float(run.project.configuration.segments.drift_over)
    run.warn(
        f"customers moved between the names of {name!r} since {run_id}: population stability "
        f"index {index:.2f}, over {limit:g}"
        for name, index in found.items()
        if index > limit
    )
