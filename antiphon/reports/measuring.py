"""The table of any experiment, read from a file and compared as campaigns are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon.errors import UserFilesError
from antiphon.response.experiment import CONTROL, Comparison, compare, grouped, is_share
from antiphon.response.means import CONFIDENCE
from antiphon.response.verdicts import Unit

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 1e100  # its square can still be summed
WHOLE = 1 - 1e-9  # a share of variance that no number from before an experiment takes away


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
    texts = [name for name in (question.arm, question.unit) if name]
    frame = read_table(path, question.columns, texts)
    _refuse_words(frame, path, question)
    _refuse_gaps(frame, path, question)
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
    _refuse_sameness(frame, path, question, is_plain_share=shares_only and not question.before)
    groups = grouped(
        frame,
        arm=question.arm,
        outcome=question.outcome,
        cluster=question.unit,
        before=question.before,
    )
    found = compare(
        groups,
        control=question.control,
        is_share=shares_only,
        shares=question.shares,
        confidence=question.confidence,
        unit=question.told_in,
        day=question.day,
        days=question.days,
    )
    if any(one.lift and one.lift.reduction > WHOLE for one in found):
        raise UserFilesError(
            f"{path}: {question.before!r} tells {question.outcome!r} to the last digit.\n"
            "  --before takes a number from before the experiment, which cannot hold its outcome."
        )
    return found


def read_table(path: Path, columns: list[str], texts: Sequence[str] = ()) -> "pd.DataFrame":
    """These columns of a CSV or Parquet file; UserFilesError where one is missing or there twice.

    `texts`: columns read as they are written (01 is not 1), without the spaces around.
    """
    import pandas as pd  # noqa: PLC0415 (slow to import)
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    is_parquet = path.suffix.lower() in {".parquet", ".pq"}
    try:
        if is_parquet:
            names = pq.read_schema(path).names
        else:
            # as a row of values: a header would have its second `arm` renamed
            first = pd.read_csv(path, nrows=1, header=None, dtype=str, keep_default_na=False)
            names = first.iloc[0].tolist()
        missing = [name for name in columns if name not in names]
        if missing:
            raise UserFilesError(
                f"{path}: no column {missing[0]!r}.\n  Its columns: {', '.join(map(str, names))}."
            )
        if twice := [name for name in columns if names.count(name) > 1]:
            raise UserFilesError(
                f"{path}: {names.count(twice[0])} columns are called {twice[0]!r}.\n"
                "  Give each column a name of its own, so that it is clear which one counts."
            )
        if is_parquet:
            # whole numbers with a gap among them stay whole
            frame: pd.DataFrame = pq.read_table(path, columns=columns).to_pandas(
                integer_object_nulls=True
            )
        else:
            # an arm may be called None, or NA
            types = dict.fromkeys(texts, str)
            frame = pd.read_csv(
                path, usecols=columns, keep_default_na=False, na_values=[""], dtype=types
            )
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise UserFilesError(
            f"{path}: cannot be read as {'Parquet' if is_parquet else 'CSV in UTF-8'}: {reason}.\n"
            "  The first line names the columns, separated by commas; or give a .parquet file."
        ) from None
    for name in texts:
        written = frame[name].astype(object).map(lambda one: str(one).strip(), na_action="ignore")
        frame[name] = written.where(written != "")
    return frame


def _refuse_words(frame: "pd.DataFrame", path: Path, question: Question) -> None:
    """UserFilesError where a value is no number, or none to calculate with; makes them floats."""
    import pandas as pd  # noqa: PLC0415

    for name in (question.outcome, question.before):
        if name is None:
            continue
        numbers: Any = pd.to_numeric(frame[name], errors="coerce")
        words = numbers.isna() & frame[name].notna()
        if words.any():
            raise UserFilesError(
                f"{path}: column {name!r} has {words.sum():,} values that are no numbers, the "
                f"first in row {_first(words)}.\n"
                "  Write 1 and 0 for yes and no, amounts with a point and no currency."
            )
        numbers = numbers.astype(float)
        endless = numbers.abs() > LARGEST
        if endless.any():
            raise UserFilesError(
                f"{path}: column {name!r} has {endless.sum():,} values that are not finite, or "
                f"beyond {LARGEST:g}, the first in row {_first(endless)}.\n"
                "  Correct them where they come from: no mean can be taken of them."
            )
        frame[name] = numbers


def _first(wrong: Any) -> str:
    """The row of the first that is wrong, counted from 1 below the header."""
    return f"{int(wrong.to_numpy().argmax()) + 1:,}"


def _refuse_gaps(frame: "pd.DataFrame", path: Path, question: Question) -> None:
    """UserFilesError where a value is missing."""
    for name in question.columns:
        gaps = frame[name].isna()
        if gaps.any():
            raise UserFilesError(
                f"{path}: column {name!r} is empty in {gaps.sum():,} of {len(frame):,} rows, the "
                f"first of them row {_first(gaps)}.\n"
                "  Whoever bought nothing has an outcome of 0; rows left out bias the comparison."
            )


def _refuse_sameness(
    frame: "pd.DataFrame", path: Path, question: Question, *, is_plain_share: bool
) -> None:
    """UserFilesError where no outcome differs from another, which has no spread to judge by; all
    or none of a share (`is_plain_share`) still is a finding."""
    outcome, before = frame[question.outcome], question.before
    if not is_plain_share and frame.groupby(question.arm)[question.outcome].nunique().max() == 1:
        raise UserFilesError(
            f"{path}: within each arm every {question.outcome} is the same: without any variation "
            "no difference can be judged.\n"
            "  Look at how the column was made: people differ in what they do."
        )
    if before and (outcome == frame[before]).all():
        raise UserFilesError(
            f"{path}: {before!r} is the same as {question.outcome!r} in every row.\n"
            "  --before takes the number from before the experiment; leave it out without one."
        )


def _refuse_arms(path: Path, question: Question, arms: list[str]) -> None:
    """UserFilesError where control is not among the arms, two of them differ by case only, or
    shares name others."""
    spelt: dict[str, str] = {}
    for arm in arms:
        other = spelt.setdefault(arm.casefold(), arm)
        if other != arm:
            raise UserFilesError(
                f"{path}: the arms {other!r} and {arm!r} differ by capital letters only.\n"
                "  Spell each arm one way: as they stand they would count as two groups."
            )
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
