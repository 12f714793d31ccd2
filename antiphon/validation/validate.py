"""One pull, validated: the verdict, the clean rows, the quarantine and the stored results.

Great Expectations gives the verdict; the same checks, compiled for the lake's engine, take the
failing rows out. Where both count differently, we trust neither and stop as our own fault.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError, ExecutorsDisagree, ValidationStopped
from antiphon.quoting import quoted
from antiphon.validation import predicates, results
from antiphon.validation.arguments import Reference
from antiphon.validation.batch import CHUNK_ROWS, Batch, Session, parquet
from antiphon.validation.circumstances import Circumstances
from antiphon.validation.contract import ORDER, Check
from antiphon.validation.predicates import literal
from antiphon.validation.results import Result, Verdict
from antiphon.validation.suite import Judge, Tally, judge

PARENTS = {"order_lines": ("orders", "order_id")}
"""Entity → the entity and key without whose row its own rows mean nothing."""

log = logging.getLogger("antiphon.validation")


@dataclass(frozen=True)
class Validation:
    """Validates the entities of one run. `staging`: the run's folder of staged files.

    `stored`: folder of this run's results and Data Docs. `session`: of the snapshot the run
    began with, so that references see what is already known.
    """

    circumstances: Circumstances
    session: Session
    staging: Path
    stored: Path
    chunk_rows: int = CHUNK_ROWS

    def pull(
        self, files: Mapping[str, Sequence[Path]], checks: Mapping[str, Sequence[Check]]
    ) -> dict[str, Verdict]:
        """Entity → verdict, for every entity; results and Data Docs are stored first.

        Raises ValidationStopped when a `stop` rule failed, ExecutorsDisagree when the executors
        counted differently; the staged files stay as they are.
        """
        executor = Judge()
        verdicts: dict[str, Verdict] = {}
        for entity in ORDER:
            verdict = self.entity(executor, entity, files.get(entity, ()), checks.get(entity, ()))
            verdicts[entity] = verdict
            results.store(verdict, self.circumstances, self.stored)
        from antiphon.validation import datadocs  # noqa: PLC0415 - imports Great Expectations

        datadocs.write(list(verdicts.values()), self.circumstances, self.stored)
        if stopped := [line for verdict in verdicts.values() for line in verdict.stopped]:
            failed = [
                f"config/expectations/{v.entity}.yaml" for v in verdicts.values() if v.stopped
            ]
            raise ValidationStopped(
                "the pull failed validation and nothing of it was published\n  "
                + "\n  ".join(stopped)
                + f"\n  Results: {self.stored}"
                + f"\n  Mend the source, or the rule in {', '.join(failed)}, and run again."
            )
        return verdicts

    def entity(
        self, executor: Judge, entity: str, files: Sequence[Path], checks: Sequence[Check]
    ) -> Verdict:
        """One entity: judged by both executors, clean and quarantined rows written."""
        resolved = [self.circumstances.resolve(check, entity) for check in checks]
        judged = [check for check in resolved if check]
        batch = self._batch(entity, files, judged)
        tallies = judge(executor, batch, judged)
        rows_in = batch.count()
        clean = quarantined = problems = 0
        if files:
            compiled = [check for check in judged if check.rule.compiled]
            failures = self._failures(batch, compiled)
            self._compare(tallies, compiled, failures)
            clean, quarantined = self._split(batch, failures)
            if clean + quarantined != rows_in:
                raise AntiphonError(
                    f"{entity}: {rows_in} rows in, {clean} clean and {quarantined} quarantined"
                )
            problems = self._one(f"{batch.staged} WHERE len(_problems) > 0")
        found = tuple(_result(check, tallies.get(check.id)) for check in checks)
        verdict = Verdict(entity, rows_in, clean, quarantined, problems, found)
        log.info("%s: %d in, %d clean, %d quarantined", entity, rows_in, clean, quarantined)
        return verdict

    def _batch(self, entity: str, files: Sequence[Path], checks: Sequence[Check]) -> Batch:
        types: dict[str, ColumnType] = {}
        for check in checks:
            types |= dict(zip(check.columns, check.types, strict=True))
        wanted = {check.reference for check in checks if check.reference}
        references = {reference: self._known(reference) for reference in wanted}
        scratch = self.staging / "keys"
        return Batch(
            entity, tuple(files), types, self.session, scratch, references, self.chunk_rows
        )

    def _known(self, reference: Reference) -> str:
        """SELECT of a column's values in the lake and among this pull's clean rows."""
        column = quoted(reference.column)
        relations = [quoted(reference.entity)]
        if files := self._written("clean", reference.entity):
            relations.append(parquet(files))
        return " UNION ALL ".join(
            f"SELECT {column} FROM {relation} WHERE {column} IS NOT NULL"  # noqa: S608
            for relation in relations
        )

    def _written(self, kind: str, entity: str) -> list[Path]:
        return sorted((self.staging / kind / entity).glob("*.parquet"))

    def _path(self, kind: str, entity: str) -> Path:
        folder = self.staging / kind / entity
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "rows.parquet"

    def _failures(self, batch: Batch, checks: Sequence[Check]) -> str:
        """The failing rows (predicates.failures_sql), written beside the staged files."""
        path = self._path("failures", batch.entity)
        parents = self._quarantined_parents(batch.entity)
        sql = predicates.failures_sql(checks, batch.rows, batch.references, parents)
        self.session.write(sql, path)
        return parquet([path])

    def _quarantined_parents(self, entity: str) -> tuple[str, str] | None:
        if entity not in PARENTS:
            return None
        parent, key = PARENTS[entity]
        files = self._written("quarantine", parent)
        if not files:
            return None
        value = f"json_extract_string(row, {literal(f'$.{key}')})"
        reason = f"'its {parent.removesuffix('s')} was quarantined: '"
        select = (
            f"SELECT {value} AS {quoted(key)}, "  # noqa: S608
            f"{reason} || min(array_to_string(reasons, '; ')) AS reason FROM {parquet(files)} "
            f"WHERE {value} NOT IN ({self._known(Reference(parent, key))}) GROUP BY 1"
        )
        return key, select

    def _compare(
        self, tallies: Mapping[str, Tally], compiled: Sequence[Check], failures: str
    ) -> None:
        counted = (
            f"SELECT rule, count(*) FROM (SELECT unnest(rules) AS rule FROM {failures}) GROUP BY 1"  # noqa: S608
        )
        counts: dict[int, int] = dict(self.session.rows(counted))
        for number, check in enumerate(compiled):
            tally, count = tallies[check.id], counts.get(number, 0)
            if tally.unexpected != count or not tally.agrees_with_itself:
                raise ExecutorsDisagree(
                    f"{check.id} ({check.rule.name}): Great Expectations found "
                    f"{tally.unexpected} failing rows, the compiled contract {count}. "
                    "This is a fault of Antiphon; nothing was published."
                )

    def _split(self, batch: Batch, failures: str) -> tuple[int, int]:
        """Writes the clean and the quarantined rows; how many each."""
        out = f"(SELECT _source, _row, reasons FROM {failures} WHERE len(reasons) > 0)"  # noqa: S608
        clean = self.session.write(
            f"SELECT staged.* EXCLUDE (_problems, _raw) FROM {batch.staged} AS staged "  # noqa: S608
            f"ANTI JOIN {out} AS taken USING (_source, _row)",
            self._path("clean", batch.entity),
        )
        ours = {"_source", "_row", "_problems", "_raw"}
        named = [quoted(name) for name in batch.names if name not in ours]
        columns = ", ".join(f"{name} := {name}::VARCHAR" for name in named)
        quarantined = self.session.write(
            f"SELECT {literal(self.circumstances.run_id)} AS run_id, "  # noqa: S608
            f"{literal(batch.entity)} AS entity, _source AS source, _row AS row_number, "
            f"to_json(struct_pack({columns}))::VARCHAR AS row, _raw AS raw, reasons "
            f"FROM {batch.staged} AS staged JOIN {out} AS taken USING (_source, _row)",
            self._path("quarantine", batch.entity),
        )
        return clean, quarantined

    def _one(self, relation: str) -> int:
        return int(self.session.rows(f"SELECT count(*) FROM {relation}")[0][0])  # noqa: S608


def _result(check: Check, tally: Tally | None) -> Result:
    """What is kept of one check; `tally` is None where it could not be resolved."""
    if tally is None or not tally.judged:
        return Result(check, judged=False, passed=True)
    return Result(
        tally.check,
        judged=True,
        passed=tally.passed,
        rows=tally.rows,
        missing=tally.missing,
        unexpected=tally.unexpected,
        observed=results.storable(check, tally.observed),
        positions=tuple(tally.positions),
    )
