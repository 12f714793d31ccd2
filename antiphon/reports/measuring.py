"""The table of any experiment, read from a file and compared as campaigns are."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon.errors import UserFilesError
from antiphon.response.experiment import CONTROL, Comparison, compare, grouped, is_share
from antiphon.response.means import CONFIDENCE
from antiphon.response.verdicts import Unit

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a table: `arm` and `outcome` are columns; `unit` the column of what was
    randomised, `before` of the same unit's number before the experiment; `shares` the declared
    ones of the arms; `day` of `days` of an experiment that still runs."""

    arm: str
    outcome: str
    unit: str | None = None
    before: str | None = None
    control: str = CONTROL
    shares: Mapping[str, float] | None = None
    confidence: float = CONFIDENCE
    day: int | None = None
    days: int | None = None
    told_in: Unit | None = None

    @property
    def columns(self) -> list[str]:
        """The columns it needs, each once."""
        named = (self.arm, self.outcome, self.unit, self.before)
        return list(dict.fromkeys(name for name in named if name))


def measure(path: Path, question: Question) -> list[Comparison]:
    """Every arm of a CSV or Parquet file against control.

    Outcomes of 0 and 1 (true and false) are compared as shares, others as amounts. UserFilesError
    where the file cannot be read, lacks a column or an arm, has gaps, or has a unit in two arms.
    """
    frame = read_table(path, question.columns)
    _refuse_gaps(frame, path, question)
    frame[question.arm] = frame[question.arm].astype(str)
    arms = sorted(frame[question.arm].unique())
    _refuse_arms(path, question, arms)
    if question.unit:
        several = frame.groupby(question.unit)[question.arm].nunique().gt(1).sum()
        if several:
            raise UserFilesError(
                f"{path}: {several:,} of the {question.unit} are in more than one arm.\n"
                "  A unit stays in its arm: remove these rows, or name the column that was drawn."
            )
    shares_only = is_share(frame, question.outcome)
    groups = grouped(
        frame,
        arm=question.arm,
        outcome=question.outcome,
        cluster=question.unit,
        before=question.before,
    )
    return compare(
        groups,
        control=question.control,
        is_share=shares_only,
        shares=question.shares,
        confidence=question.confidence,
        unit=question.told_in,
        day=question.day,
        days=question.days,
    )


def read_table(path: Path, columns: list[str]) -> "pd.DataFrame":
    """These columns of a CSV or Parquet file; UserFilesError where one is not there."""
    import pandas as pd  # noqa: PLC0415 (slow to import)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    is_parquet = path.suffix.lower() in {".parquet", ".pq"}
    try:
        if is_parquet:
            names = pq.read_schema(path).names
        else:
            names = list(pd.read_csv(path, nrows=0).columns)
        missing = [name for name in columns if name not in names]
        if missing:
            raise UserFilesError(
                f"{path}: no column {missing[0]!r}.\n  Its columns: {', '.join(map(str, names))}."
            )
        if is_parquet:
            return pd.read_parquet(path, columns=columns)
        # an arm may be called None, or NA
        return pd.read_csv(path, usecols=columns, keep_default_na=False, na_values=[""])
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UserFilesError(
            f"{path}: cannot be read as {'Parquet' if is_parquet else 'CSV in UTF-8'}: {reason}.\n"
            "  The first line names the columns, separated by commas; or give a .parquet file."
        ) from None


def _refuse_gaps(frame: "pd.DataFrame", path: Path, question: Question) -> None:
    """UserFilesError where a value is missing, or is no number where one is needed."""
    import pandas as pd  # noqa: PLC0415

    for name in (question.outcome, question.before):
        if name is None:
            continue
        numbers: Any = pd.to_numeric(frame[name], errors="coerce")
        words = int((numbers.isna() & frame[name].notna()).sum())
        if words:
            raise UserFilesError(
                f"{path}: column {name!r} has {words:,} values that are no numbers.\n"
                "  Write 1 and 0 for yes and no, amounts with a point and no currency."
            )
        frame[name] = numbers.astype(float)
    for name in question.columns:
        gaps = int(frame[name].isna().sum())
        if gaps:
            raise UserFilesError(
                f"{path}: column {name!r} is empty in {gaps:,} of {len(frame):,} rows.\n"
                "  Whoever bought nothing has an outcome of 0; rows left out bias the comparison."
            )


def _refuse_arms(path: Path, question: Question, arms: list[str]) -> None:
    """UserFilesError where control is not among the arms, or shares name others."""
    if question.control not in arms:
        raise UserFilesError(
            f"{path}: no row's {question.arm} is {question.control!r}.\n"
            f"  Say which arm is the control with --control: {', '.join(arms[:20]) or 'no rows'}."
        )
    if question.shares is not None and (odd := sorted(set(question.shares) ^ set(arms))):
        raise UserFilesError(
            f"{path}: the planned shares and the arms differ: {', '.join(odd)}.\n"
            f"  Give every arm its share: {', '.join(f'{arm}=…' for arm in arms[:20])}."
        )
