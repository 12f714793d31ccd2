"""Validation results are kept as long as settings.yaml says."""

from datetime import date
from pathlib import Path

from antiphon.steps.report import expire_validation


def test_only_results_before_the_first_kept_day_go(tmp_path: Path) -> None:
    for name in ("2026-01-01-daily-1", "2026-02-01-daily-1", "other"):
        (tmp_path / name / "validation").mkdir(parents=True)
        (tmp_path / name / "report.csv").touch()
    expire_validation(tmp_path, date(2026, 2, 1))
    left = sorted(path.parent.name for path in tmp_path.glob("*/validation"))
    assert left == ["2026-02-01-daily-1", "other"]
    assert len(list(tmp_path.glob("*/report.csv"))) == 3
