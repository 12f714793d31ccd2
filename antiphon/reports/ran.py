"""One run as it is read afterwards: its steps, counts and warnings, and where it left its files."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from antiphon.errors import UserFilesError
from antiphon.ledger import Run as Record
from antiphon.ledger import Step
from antiphon.policy.words.summary import CampaignSummary
from antiphon.project import Project
from antiphon.steps.run import WARNINGS, read_summaries


@dataclass(frozen=True, slots=True)
class RunStory:
    """All that is kept of a run. `messages`: state → how many; `places`: what → file or folder."""

    record: Record
    steps: tuple[Step, ...]
    warnings: tuple[str, ...]
    summaries: tuple[CampaignSummary, ...]
    messages: Mapping[str, int]
    places: Mapping[str, Path]

    @property
    def seconds(self) -> float | None:
        """Of all its finished steps; None before the first one is."""
        lasted = [step_seconds(one) for one in self.steps]
        known = [one for one in lasted if one is not None]
        return sum(known) if known else None


def run_story(project: Project, run_id: str | None = None) -> RunStory:
    """The run of that id, absent: the newest; UserFilesError where there is none."""
    runs = project.ledger.runs
    record = runs.get(run_id) if run_id else runs.newest()
    if record is None:
        told = f"there is no run {run_id}: `antiphon runs` lists them."
        raise UserFilesError(told if run_id else "there is no run yet: `antiphon run`.")
    folder = project.var / "runs" / record.run_id
    counts = Counter[str]()
    for count in project.ledger.messages.counts(record.run_id):
        counts[count.state.value] += count.messages
    return RunStory(
        record,
        tuple(sorted(runs.steps(record.run_id), key=_order)),
        warnings_of(folder),
        tuple(read_summaries(folder)),
        dict(sorted(counts.items())),
        {name: place for name, place in _places(folder).items() if place.exists()},
    )


def step_seconds(step: Step) -> float | None:
    """How long it worked; None while it does, or where it died."""
    if step.finished_at is None:
        return None
    return (step.finished_at - step.started_at).total_seconds()


def warnings_of(folder: Path) -> tuple[str, ...]:
    """What the run warned of, each line once."""
    path = folder / WARNINGS
    if not path.exists():
        return ()
    return tuple(dict.fromkeys(path.read_text(encoding="utf-8").splitlines()))


def _order(step: Step) -> tuple[int, datetime]:
    """In the order of a whole run: a resumed one began some of its steps later."""
    from antiphon.steps.daily import steps_of  # noqa: PLC0415 (imports every step)

    order = {do.__name__: place for place, do in enumerate(steps_of(dry_run=False))}
    return order.get(step.step, len(order)), step.started_at


def _places(folder: Path) -> dict[str, Path]:
    return {
        "table of the day": folder / "report.csv",
        "log": folder / "run.log",
        "data quality": folder / "validation",
        "page": folder / "report.html",
    }
