"""Intake: pull fresh facts, validate them, publish a new snapshot of the lake."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antiphon.campaigns.models import Sources
from antiphon.collection.inbox import parse
from antiphon.entities import SOURCE_ENTITIES, ColumnType
from antiphon.errors import UserFilesError
from antiphon.lake import Change, Snapshot
from antiphon.ledger import Ledger
from antiphon.privacy.tombstones import left_out, lift_agreed
from antiphon.project import Project
from antiphon.quoting import literal
from antiphon.sources.pull import Pull, Pulled, pull_sources
from antiphon.steps.objections import withdraw_objected
from antiphon.steps.run import TRIGGERS, Counts, Run, step
from antiphon.validation.circumstances import Circumstances
from antiphon.validation.contract import Check, read
from antiphon.validation.results import usual_rows

# Watermarks of our own, beside those of the sources (whose names hold no @).
LEDGER = "@ledger"  # how far contacts, responses and the like were pulled from the ledger
PULLS = "@pulls"  # entity → rows of the latest incremental pulls, the newest last
PUBLISHED = "@published"  # the run that published the snapshot, with its counts
PULLS_KEPT = 14
FROM_LEDGER = ("consents", "contacts", "responses", "statements", "codes")
HAPPENINGS = {"events": "event_id", "notices": "notice_id"}  # what a trigger pass pulls, by key


@dataclass(frozen=True)
class Intake:
    """What a run pulled, kept beside its staged files.

    `base`: the snapshot it was compared with, `published`: the run that had published it (''),
    `mark`: of the ledger, before pulling.
    """

    base: int
    published: str
    mark: int
    sources: tuple[Pulled, ...]
    firsts: tuple[str, ...]  # entities with a source that was never pulled before

    def files(self, entity: str) -> list[Path]:
        """Staged files of an entity, in the order of their pull."""
        return [path for one in self.sources if one.entity == entity for path in one.files]

    def save(self, staging: Path) -> None:
        """Write it down, with paths relative to the staging folder."""
        document = asdict(self)
        for source in document["sources"]:
            source["files"] = [str(path.relative_to(staging)) for path in source["files"]]
        (staging / "intake.json").write_text(json.dumps(document), encoding="utf-8")

    @classmethod
    def load(cls, staging: Path) -> "Intake":
        """Read what `save` wrote."""
        document = json.loads((staging / "intake.json").read_text(encoding="utf-8"))
        sources = tuple(
            Pulled(**{**one, "files": tuple(staging / path for path in one["files"])})
            for one in document["sources"]
        )
        return cls(
            document["base"],
            document["published"],
            document["mark"],
            sources,
            tuple(document["firsts"]),
        )


@step("pull")
def pull(run: Run) -> Counts:
    """Stage what is new in every source and in the ledger; the lake is only read."""
    project = run.project
    if not run.record.dry_run:
        parse(project)  # what was said a minute ago counts
    shutil.rmtree(project.lake.staging(run.id))  # what a killed attempt left
    staging = project.lake.staging(run.id)
    base = project.lake.current()
    project.lake.pin(base.id, run.id)
    mark = project.ledger.history.mark()
    if run.record.flow == TRIGGERS:
        pulled = pull_happenings(project, base, staging, run.record.as_of)
    else:
        pulled = _pulled(project, base, staging, run.record.as_of)
    pulled, forgotten = left_out(project, pulled, base)
    stage_own(project.ledger, ledger_mark(base), staging / "own")
    fresh = tuple(one for one in pulled if not one.skipped)
    firsts = tuple(sorted({one.entity for one in fresh if one.source not in base.watermarks}))
    Intake(base.id, publisher(base), mark, fresh, firsts).save(staging)
    counts = Counter[str]()
    for one in pulled:
        counts[one.entity] += one.rows
    if forgotten:
        counts["forgotten"] = forgotten
    return dict(counts)


def _pulled(
    project: Project, base: Snapshot, staging: Path, as_of: datetime, *entities: str
) -> list[Pulled]:
    """What is new in the sources (of these entities, where some are named) since the snapshot."""
    configuration = project.configuration
    settings = configuration.settings
    sources = {
        name: source
        for name, source in configuration.sources.sources.items()
        if not entities or source.entity in entities
    }
    return pull_sources(
        Sources(version=configuration.sources.version, sources=sources),
        Pull(
            root=project.root,
            files=configuration.files,
            lake=project.lake,
            snapshot=base,
            staging=staging,
            environment=project.environment,
            as_of=as_of,
            zone=settings.business.timezone,
            country=settings.business.country,
            salt=settings.salt,
        ),
        base.watermarks,  # type: ignore[arg-type]
    )


def pull_happenings(
    project: Project, base: Snapshot, staging: Path, as_of: datetime
) -> list[Pulled]:
    """Events and notices that the snapshot does not have, of customers it knows.

    The daily run reads the same rows again, for the watermarks stay where they are: it brings the
    customers first, so that somebody who registered today is no unknown customer.
    """
    narrowed = []
    with project.lake.session(base) as session:
        for one in _pulled(project, base, staging, as_of, *HAPPENINGS):
            files, rows, key = [], 0, HAPPENINGS[one.entity]
            known = "SEMI JOIN customers USING (customer_id)" if one.entity == "events" else ""
            for path in one.files:
                fresh = path.with_name(f"fresh-{path.name}")
                count = session.write(
                    f"SELECT s.* FROM read_parquet({literal(str(path))}) s {known} "  # noqa: S608
                    f"ANTI JOIN {one.entity} l ON l.{key} = s.{key} WHERE len(s._problems) = 0",
                    fresh,
                )
                path.unlink()
                if count:
                    files.append(fresh)
                rows += count
            skipped = not rows
            narrowed.append(
                replace(one, files=tuple(files), rows=rows, skipped=skipped, is_full=False)
            )
    return narrowed


def recent_contacts(project: Project, mark: int, run_id: str = "") -> pa.Table:
    """The ledger's contacts since a mark, without those of a run."""
    with project.ledger.history.contacts_since(mark) as reader:
        table = reader.read_all()
    return table.filter(pc.not_equal(table["run_id"], run_id))


def stage_own(ledger: Ledger, since: int, folder: Path) -> list[str]:
    """What the ledger knows since a mark, as rows ready to merge: a file for each entity of which
    there is anything; which these are."""
    with ledger.history.contacts_since(since) as reader:
        _write_own(iter(reader), reader.schema, folder / "contacts.parquet")
    with ledger.responses.table_since(since) as reader:
        _write_own(iter(reader), reader.schema, folder / "responses.parquet")
    tables = {
        "consents": ledger.people.consents_since(since),
        "statements": ledger.statements.table_since(since),
        "codes": ledger.codes.table_since(since),
    }
    for entity, table in tables.items():
        _write_own(iter(table.to_batches()), table.schema, folder / f"{entity}.parquet")
    return [entity for entity in FROM_LEDGER if (folder / f"{entity}.parquet").exists()]


def publisher(snapshot: Snapshot) -> str:
    """The run that brought the snapshot its facts, '' for an empty lake."""
    published: Any = snapshot.watermarks.get(PUBLISHED) or {"run_id": ""}
    return str(published["run_id"])


def ledger_mark(snapshot: Snapshot) -> int:
    """The mark up to which a snapshot holds what the ledger knows."""
    return int(snapshot.watermarks.get(LEDGER) or 0)  # type: ignore[arg-type]


def _write_own(batches: Iterator[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = schema.append(pa.field("_source", pa.string())).append(pa.field("_row", pa.int64()))
    row = 0
    with pq.ParquetWriter(path, staged) as writer:
        for batch in batches:
            count = batch.num_rows
            ours = [pa.array([LEDGER] * count), pa.array(range(row + 1, row + count + 1))]
            writer.write_batch(pa.RecordBatch.from_arrays([*batch.columns, *ours], schema=staged))
            row += count
    if not row:
        path.unlink()


@step("validate")
def validate(run: Run) -> Counts:
    """Great Expectations judges every pulled row; failing ones go to quarantine."""
    # Imports pandas, for which commands that only look would wait half a second.
    from antiphon.validation.validate import Validation  # noqa: PLC0415

    lake, staging = run.project.lake, run.project.lake.staging(run.id)
    intake = Intake.load(staging)
    base = lake.snapshot(intake.base)
    files = {entity: intake.files(entity) for entity in SOURCE_ENTITIES}
    pulls: dict[str, list[int]] = base.watermarks.get(PULLS) or {}  # type: ignore[assignment]
    comparable = {
        entity: rows
        for entity, rows in pulls.items()
        if entity not in intake.firsts and run.record.flow != TRIGGERS  # a pass is no day
    }
    with lake.session(base) as session:
        verdicts = Validation(
            circumstances=Circumstances(
                run.id, run.record.as_of, run.record.business_day, usual_rows(comparable)
            ),
            session=session,
            staging=staging,
            stored=run.folder / "validation",
        ).pull(files, _checks(run))
    for verdict in verdicts.values():
        run.warn(verdict.warnings)
    return {
        "rows": sum(verdict.rows_in for verdict in verdicts.values()),
        "clean": sum(verdict.clean for verdict in verdicts.values()),
        "quarantined": sum(verdict.quarantined for verdict in verdicts.values()),
    }


def _checks(run: Run) -> dict[str, Sequence[Check]]:
    """By entity; a pass of the triggers is judged by what it pulls alone."""
    configuration = run.project.configuration
    attributes: dict[str, dict[str, ColumnType]] = {}
    for source in configuration.sources.sources.values():
        own = {name: ColumnType[column.type.upper()] for name, column in source.attributes.items()}
        attributes.setdefault(source.entity, {}).update(own)
    return {
        entity: read(entity, expectations, attributes.get(entity, {}))[0]
        for entity, expectations in configuration.expectations.items()
        if run.record.flow != TRIGGERS or entity in HAPPENINGS
    }


@step("publish")
def publish(run: Run) -> Counts:
    """Merge the clean rows, keep the quarantine, publish one snapshot, and pin it."""
    lake, staging = run.project.lake, run.project.lake.staging(run.id)
    with lake.change(run.id, day=run.record.business_day) as change:
        intake = Intake.load(staging)
        latest = publisher(change.before)
        if latest == run.id:  # killed after publishing and before saying so
            done: Any = change.before.watermarks[PUBLISHED]
            counts, snapshot = done["counts"], change.before
        elif latest != intake.published:
            raise UserFilesError(
                f"run {run.id} pulled before run {latest} published newer facts: it is over.\n"
                "  Repeat it: a new run pulls again."
            )
        else:
            counts = _merge(change, intake, staging, moves=run.record.flow != TRIGGERS)
            change.set_watermark(PUBLISHED, {"run_id": run.id, "counts": {**counts}})
            if quarantine := sorted((staging / "quarantine").glob("*/*.parquet")):
                change.add_files("quarantine", run.id, quarantine)
            snapshot = run.publish(change)
    lake.pin(snapshot.id, run.id)
    run.pin(snapshot_id=snapshot.id, history_mark=ledger_mark(snapshot))
    if run.record.flow == TRIGGERS or run.record.dry_run:
        return dict(counts)
    lift_agreed(run.project, snapshot)
    withdrawn = withdraw_objected(run, snapshot)
    return {**counts, "objected": withdrawn} if withdrawn else dict(counts)


def _merge(change: Change, intake: Intake, staging: Path, *, moves: bool) -> Counts:
    """Merge everything; with `moves` the sources' watermarks move."""
    counts = Counter[str]()
    pulls: dict[str, Any] = dict(change.before.watermarks.get(PULLS) or {})  # type: ignore[arg-type]
    for entity in dict.fromkeys((*SOURCE_ENTITIES, *FROM_LEDGER)):
        sources = [one for one in intake.sources if one.entity == entity]
        merging = sorted((staging / "clean" / entity).glob("*.parquet"))
        merging += (staging / "own").glob(f"{entity}.parquet")
        full = [one.source for one in sources if one.is_full]
        for position, source in enumerate(full or [None]):
            merged = change.merge(
                entity,
                merging if position == 0 else (),
                full_source=source,
                present=intake.files(entity),
            )
            counts.update(asdict(merged))
        for one in sources if moves else ():
            change.set_watermark(one.source, one.watermark)
        if moves and sources and entity not in intake.firsts:
            rows = sum(one.rows for one in sources)
            pulls[entity] = [*pulls.get(entity, []), rows][-PULLS_KEPT:]
    change.set_watermark(PULLS, pulls)
    change.set_watermark(LEDGER, intake.mark)
    return {name: count for name, count in counts.items() if name != "rows_in"}
