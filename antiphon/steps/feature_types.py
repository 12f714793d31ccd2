"""Features whose type is not that of the last run: somebody should look at what uses them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from antiphon.audience.dictionary import Feature
from antiphon.audience.values import type_name
from antiphon.errors import Problem
from antiphon.lake import Session
from antiphon.quoting import literal
from antiphon.steps.feature_checks import SPELLED, noun
from antiphon.steps.frames import last_sizes
from antiphon.steps.run import Run


def report_types(run: Run) -> None:
    """Warn of features whose type differs from that in the frames of the last finished run."""
    last, *_ = last_sizes(run.project, run.record.flow, before=run.id)
    lake = run.project.lake
    frames = lake.current().files("frames", last) if last else []
    with lake.session() as session:
        features = run.project.configuration.features
        run.warn(str(problem) for problem in changed_types(session, frames, features))


def changed_types(
    session: Session, frames: Sequence[Path], features: Mapping[str, Feature]
) -> list[Problem]:
    """A warning for each feature whose type is not that of its column in those frames."""
    if not frames:
        return []
    rows = session.rows(f"DESCRIBE SELECT * FROM read_parquet({literal(str(frames[0]))})")  # noqa: S608
    before = {row[0]: SPELLED.get(row[1], row[1]) for row in rows}
    return [
        Problem(
            feature.file,
            0,
            0,
            f"feature '{feature.name}' is {type_name(feature.type)} now and was "
            f"{noun(before[feature.name])} in the last run",
            hint="Look at the conditions and templates that use it, or give it another name.",
            is_warning=True,
        )
        for feature in features.values()
        if feature.name in before and before[feature.name] != feature.type.value
    ]
