"""The first executor: Great Expectations, over every pulled row. It gives the verdict.

Row rules run chunk by chunk, rules that need all keys on hash partitions of the key columns, and
rules on the whole pull on one column or a count, so that memory stays bounded. Importing this
module imports pandas; Great Expectations itself (seconds) comes with the first `Judge`.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from antiphon import keys
from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError
from antiphon.quoting import quoted
from antiphon.validation.arguments import Argument, Reference
from antiphon.validation.batch import Batch, parquet
from antiphon.validation.contract import Check
from antiphon.validation.frames import encoded, frame
from antiphon.validation.predicates import present
from antiphon.validation.rules import RULES, Scope

POSITIONS_KEPT = 1000
KEY_CHUNKS = 4  # chunks to a partition: key projections are narrow
FRESHNESS = "expect_column_max_to_be_between"
UNIQUE_COUNT = "expect_column_unique_value_count_to_be_between"
NON_NULL_SHARE = "expect_column_proportion_of_non_null_values_to_be_between"
RE2_ONLY = "(?-U)"
"""A flag of RE2 that Python's `re` cannot read, and that changes nothing: with it pandas leaves a
pattern to RE2, which DuckDB also uses, instead of imitating Python's dialect of patterns."""

_FORMAT = {
    "result_format": "COMPLETE",
    "partial_unexpected_count": 0,
    "include_unexpected_rows": False,
    "return_unexpected_index_query": False,
}


@dataclass
class Tally:
    """What Great Expectations found about one check, added up over the parts of the pull.

    `positions`: (source, row) of the first failing rows. `judged`: false where there was nothing
    to judge. `agrees_with_itself`: every part's verdict followed from its count.
    """

    check: Check
    judged: bool = True
    rows: int = 0
    missing: int = 0
    unexpected: int = 0
    observed: Any = None
    holds: bool = True
    agrees_with_itself: bool = True
    positions: list[tuple[str, int]] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """The verdict, `mostly` considered."""
        if self.check.rule.scope is Scope.SET or self.check.mostly == 1:
            return self.holds and self.unexpected == 0
        values = self.rows - self.missing
        return values - self.unexpected >= self.check.mostly * values

    def add(self, result: Any, places: pa.Table | None) -> None:
        """Add one part's result; `places`: _source and _row of the part's rows."""
        found = result.result
        self.holds = self.holds and bool(result.success)
        if places is None:
            self.observed = found.get("observed_value")
            return
        unexpected = int(found["unexpected_count"])
        self.rows += int(found["element_count"])
        self.missing += int(found.get("missing_count") or 0)
        self.unexpected += unexpected
        self.agrees_with_itself = self.agrees_with_itself and result.success == (unexpected == 0)
        wanted = found.get("unexpected_index_list", [])[: POSITIONS_KEPT - len(self.positions)]
        kept = places.take(pa.array(wanted, pa.int64()))
        self.positions += zip(kept["_source"].to_pylist(), kept["_row"].to_pylist(), strict=True)


class Judge:
    """Great Expectations, offline and quiet, judging DataFrames by our checks."""

    def __init__(self) -> None:
        os.environ["GX_ANALYTICS_ENABLED"] = "false"
        logging.getLogger("great_expectations").setLevel(logging.WARNING)
        import great_expectations as gx  # noqa: PLC0415 - takes seconds: only this step pays

        # This one module gives its logger a level of its own.
        quiet = logging.getLogger("great_expectations.data_context.types.base")
        quiet.setLevel(logging.WARNING)

        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        source = context.data_sources.add_pandas("pull")
        asset = source.add_dataframe_asset("rows")
        self._suite = gx.ExpectationSuite
        self._batch = asset.add_batch_definition_whole_dataframe("all")

    def results(self, checks: Sequence[Check], rows: pd.DataFrame) -> dict[str, Any]:
        """Check id → Great Expectations' result."""
        from great_expectations.expectations.expectation_configuration import (  # noqa: PLC0415
            ExpectationConfiguration,
        )

        expectations = []
        for check in checks:
            configuration = ExpectationConfiguration(
                type=check.rule.name, kwargs=arguments(check), meta={"check": check.id}
            )
            expectations.append(configuration.to_domain_obj())
        suite = self._suite(name="contract", expectations=expectations)
        batch = self._batch.get_batch({"dataframe": rows})
        found: dict[str, Any] = {}
        for result in batch.validate(suite, result_format=_FORMAT).results:
            check_id = result.expectation_config.meta["check"]
            if result.exception_info and result.exception_info.get("raised_exception", True):
                raise AntiphonError(f"Great Expectations could not judge {check_id}")
            found[check_id] = result
        if missing := [check.id for check in checks if check.id not in found]:
            raise AntiphonError(f"Great Expectations left out {', '.join(missing)}")
        return found


def arguments(check: Check) -> dict[str, Any]:
    """The check as keyword arguments of Great Expectations, values encoded as in `frames`."""
    kwargs: dict[str, Any] = {}
    named = iter(check.columns)
    for key, kind in check.rule.arguments.items():
        if kind is Argument.COLUMN:
            kwargs[key] = next(named)
        elif kind is Argument.COLUMNS:
            kwargs[key] = list(named)
        elif key in check.arguments:
            kwargs[key] = _argument(check.arguments[key], kind, check)
    if "column_A" in kwargs:
        kwargs["ignore_row_if"] = "either_value_is_missing"
    if "column_list" in kwargs:
        kwargs["ignore_row_if"] = "all_values_are_missing"
    return kwargs


def _argument(value: Any, kind: Argument, check: Check) -> Any:
    if isinstance(value, Reference):
        return [f"{value.entity}.{value.column}"]
    if isinstance(value, tuple):
        return [encoded(one, check.types[0]) for one in value]
    if kind is Argument.REGEX:
        return RE2_ONLY + value
    if kind in (Argument.BOUND, Argument.NUMBER):
        return encoded(value, check.types[0])
    return float(value) if isinstance(value, Decimal) else value


def judge(judge: Judge, batch: Batch, checks: Sequence[Check]) -> dict[str, Tally]:
    """Check id → what Great Expectations found over all rows of the batch."""
    tallies = {check.id: Tally(check) for check in checks}
    by_row = [check for check in checks if check.scope is Scope.ROW]
    if by_row:
        types = _types(by_row)
        for chunk in batch.chunks(list(types)):
            for check_id, result in judge.results(by_row, frame(chunk, types)).items():
                tallies[check_id].add(result, chunk)
    for check in checks:
        if check.scope is Scope.KEY and batch.files:
            _by_key(judge, batch, tallies[check.id])
        elif check.scope is Scope.SET:
            _by_set(judge, batch, tallies[check.id])
    return tallies


def _types(checks: Sequence[Check]) -> dict[str, ColumnType]:
    return {
        column: type_
        for check in checks
        for column, type_ in zip(check.columns, check.types, strict=True)
    }


def _by_key(judge: Judge, batch: Batch, tally: Tally) -> None:
    check = tally.check
    for table in _parts(batch, check):
        if check.reference:
            _by_reference(judge, tally, table)
        else:
            result = judge.results([check], frame(table, _types([check])))
            tally.add(result[check.id], table)


def _by_reference(judge: Judge, tally: Tally, table: pa.Table) -> None:
    """Judges the keys beside those found: one that was not found is null there.

    As one list of values the known keys would cost Great Expectations minutes.
    """
    check = tally.check
    (name,) = check.columns
    there = table.filter(pc.is_valid(table[name]))
    nulls = table.num_rows - there.num_rows
    rows = frame(there, _types([check]))
    rows[name] = rows[name].where(there["_known"].to_numpy())
    found = replace(check, rule=RULES["expect_column_values_to_not_be_null"], arguments={})
    tally.rows += nulls
    tally.missing += nulls
    tally.add(judge.results([found], rows)[check.id], there)


def _parts(batch: Batch, check: Check) -> Iterator[pa.Table]:
    """The key columns with _source, _row and (of a reference) whether the key is `_known`, in
    parts of about KEY_CHUNKS chunks; equal keys stay together.

    Many parts go through a file sorted by part, so that each reads its own rows only.
    """
    names = [quoted(column) for column in check.columns]
    columns = [*names, "_source", "_row"]
    if check.reference:
        columns.append(f"{names[0]} IN ({batch.references[check.reference]}) AS _known")
    sql = f"SELECT {', '.join(columns)} FROM {batch.rows}"  # noqa: S608 - quoted names
    count = -(-batch.count() // (KEY_CHUNKS * batch.chunk_rows))
    if count <= 1:
        yield batch.session.arrow(sql)
        return
    texts = [f"coalesce({name}::VARCHAR, '')" for name in names]
    number = f"({keys.number_sql('validation', *texts)} % {count})::INTEGER AS _part"
    batch.scratch.mkdir(parents=True, exist_ok=True)
    path = batch.scratch / f"{batch.entity}.parquet"
    batch.session.write(
        f"SELECT *, {number} FROM ({sql}) ORDER BY _part, _source, _row",  # noqa: S608
        path,
    )
    for part in range(count):
        yield batch.session.arrow(
            f"SELECT * EXCLUDE (_part) FROM {parquet([path])} WHERE _part = {part}"  # noqa: S608
        )
    path.unlink()


def _by_set(judge: Judge, batch: Batch, tally: Tally) -> None:
    check = tally.check
    tally.rows = batch.count()
    rows = _set_frame(batch, check)
    if rows is None:
        tally.judged = False
        return
    tally.add(judge.results([check], rows)[check.id], None)


def _set_frame(batch: Batch, check: Check) -> pd.DataFrame | None:
    """What a rule on the whole pull has to look at; None where there is nothing to judge."""
    if not check.columns:
        return pd.DataFrame(index=pd.RangeIndex(batch.count())) if batch.files else None
    (name,), (type_,) = check.columns, check.types
    column, there = quoted(name), present(name, type_)
    if check.rule.name == NON_NULL_SHARE:
        mark = f"CASE WHEN {there} THEN 1::BIGINT END AS {column}"
        table = _selected(batch, mark)
        return frame(table, {name: ColumnType.INTEGER}) if table else None
    if check.rule.name == UNIQUE_COUNT:
        table = _selected(batch, f"DISTINCT {column}", there)
        return frame(table, {name: type_}) if table is not None else None
    if check.rule.name == FRESHNESS:
        table = _latest(batch, column, there)
    else:
        table = _selected(batch, column, there)
    return frame(table, {name: type_}) if table else None


def _latest(batch: Batch, column: str, where: str) -> pa.Table | None:
    """The latest value, all that freshness is judged by; where nothing new came, the lake's."""
    latest = f"max({column}) AS {column}"
    staged = _selected(batch, latest, f"{where} HAVING count(*) > 0")
    if staged:
        return staged
    lake = f"SELECT {latest} FROM {quoted(batch.entity)} WHERE {where} HAVING count(*) > 0"  # noqa: S608
    return batch.session.arrow(lake)


def _selected(batch: Batch, what: str, where: str = "TRUE") -> pa.Table | None:
    """Rows of the batch; None where nothing was staged."""
    if not batch.files:
        return None
    return batch.session.arrow(f"SELECT {what} FROM {batch.rows} WHERE {where}")  # noqa: S608
