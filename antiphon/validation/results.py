"""What a validation found, and how it is kept: counts and positions, never customers' values."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from antiphon.validation.arguments import DaysFromRun, Reference, ShareOfPrevious, Value
from antiphon.validation.circumstances import Circumstances
from antiphon.validation.contract import Check

COUNTS = frozenset(
    {
        "expect_table_row_count_to_be_between",
        "expect_column_unique_value_count_to_be_between",
        "expect_column_proportion_of_non_null_values_to_be_between",
    }
)
"""Rules whose observed value is a count or a share. A greatest value is somebody's value."""


@dataclass(frozen=True, slots=True)
class Result:
    """One check of one entity. `positions`: (source, row) of the first failing rows.

    Where it was judged, the check's days and volumes are those of the run. `judged` is false where
    there was nothing to judge or to compare with; it passes then.
    """

    check: Check
    judged: bool
    passed: bool
    rows: int = 0
    missing: int = 0
    unexpected: int = 0
    observed: float | int | None = None
    positions: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        """One line for logs and errors, without values."""
        found = f"{self.unexpected} of {self.rows} rows"
        if not self.positions:
            found = f"found {self.observed}" if self.observed is not None else "does not hold"
        return f"{self.check.id} {self.check.reason} ({self.check.rule.name}): {found}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One entity of one pull: rows_in = clean + quarantined.

    `conversion_problems`: rows with a value that was not of its type, all quarantined.
    """

    entity: str
    rows_in: int
    clean: int
    quarantined: int
    conversion_problems: int
    results: tuple[Result, ...]

    def _failed(self, on_failure: str) -> tuple[str, ...]:
        return tuple(
            str(result)
            for result in self.results
            if not result.passed and result.check.on_failure == on_failure
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """What failed and is declared `warn`."""
        return self._failed("warn")

    @property
    def stopped(self) -> tuple[str, ...]:
        """What failed and is declared `stop`."""
        return self._failed("stop")


def storable(check: Check, observed: Any) -> float | int | None:
    """The observed value where it is a count or share, else None."""
    if observed is None or check.rule.name not in COUNTS:
        return None
    return float(observed) if isinstance(observed, float) else int(observed)


def store(verdict: Verdict, circumstances: Circumstances, folder: Path) -> Path:
    """Writes folder/<entity>.json, whole or not at all."""
    document = {
        "run_id": circumstances.run_id,
        "as_of": circumstances.as_of.isoformat(),
        "business_day": circumstances.business_day.isoformat(),
        "entity": verdict.entity,
        "pulled": bool(verdict.rows_in),
        "rows_in": verdict.rows_in,
        "clean": verdict.clean,
        "quarantined": verdict.quarantined,
        "conversion_problems": verdict.conversion_problems,
        "expectations": [_document(result) for result in verdict.results],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{verdict.entity}.json"
    unfinished = path.with_suffix(".json.tmp")
    unfinished.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    return unfinished.replace(path)


def _document(result: Result) -> dict[str, Any]:
    check = result.check
    return {
        "id": check.id,
        "expect": check.rule.name,
        "columns": list(check.columns),
        "arguments": {key: shown(value) for key, value in check.arguments.items()},
        "mostly": float(check.mostly),
        "on_failure": check.on_failure,
        "reason": check.reason,
        "judged": result.judged,
        "passed": result.passed,
        "rows": result.rows,
        "missing": result.missing,
        "unexpected": result.unexpected,
        "observed": result.observed,
        "positions": [{"source": source, "row": row} for source, row in result.positions],
        "positions_left_off": result.unexpected - len(result.positions),
    }


def shown(value: Value) -> Any:
    """An argument as its file has it, for JSON and pages."""
    if isinstance(value, Reference):
        return {"from": f"{value.entity}.{value.column}"}
    if isinstance(value, DaysFromRun):
        return {"days_after" if value.days >= 0 else "days_ago": abs(value.days)}
    if isinstance(value, ShareOfPrevious):
        return {"share_of_previous": f"{value.share * 100:f}%"}
    if isinstance(value, tuple):
        return [shown(one) for one in value]
    return value if isinstance(value, bool | int | float) else str(value)


def usual_rows(pulls: Mapping[str, Sequence[int]]) -> dict[str, Decimal]:
    """Entity → median of the row counts of its latest previous pulls, where there are any.

    Give it pulls of one kind: a first, whole pull says nothing about the next day's increment.
    """
    return {entity: Decimal(median(counts)) for entity, counts in pulls.items() if counts}
