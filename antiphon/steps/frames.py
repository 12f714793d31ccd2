"""The customer frame on disk, bucket by bucket, and what is built on it without being stored."""

# ruff: noqa: S608  (expressions are checked conditions and our own)

import json
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from antiphon import keys
from antiphon.audience.calls import Call
from antiphon.audience.conditions import Condition, combine, parse
from antiphon.audience.definitions import Definitions
from antiphon.audience.derived import Constants, derived_sql, find_constants
from antiphon.audience.expressions import RELATION
from antiphon.audience.frame import (
    count_sql,
    frame_sql,
    moment_parameters,
)
from antiphon.audience.segment_files import SegmentFile
from antiphon.campaigns.configuration import Configuration
from antiphon.campaigns.models import Audience, Campaign, ChainStart
from antiphon.campaigns.touches import Touch
from antiphon.entities import ENTITIES
from antiphon.errors import AntiphonError
from antiphon.lake import QueryError, Session, Snapshot
from antiphon.ledger import RunState
from antiphon.policy.moment import Moment
from antiphon.policy.terms import Terms
from antiphon.project import Project
from antiphon.quoting import literal, quoted
from antiphon.steps.buckets import bucket_session, each_bucket
from antiphon.steps.feature_checks import verify_columns, verify_files
from antiphon.steps.run import Run
from antiphon.steps.terms import asked_by, own_columns, terms_of

FILE = "frame.json"
EVERYBODY = Condition("true", "TRUE", frozenset())


@dataclass(frozen=True)
class Frames:
    """One Parquet file per bucket, and what a reader must know besides.

    `segments`: their sizes. `dimensions`: of each dimension and cross, name → customers. `columns`:
    what the frame was built for; None: every feature.
    """

    paths: tuple[Path, ...]
    definitions: Definitions
    customers: int
    segments: Mapping[str, int]
    dimensions: Mapping[str, Mapping[str, int]]
    constants: Constants
    columns: frozenset[str] | None = None

    def relation(self, bucket: int | None = None) -> str:
        """The frame of a bucket (or of all), scores, dimensions and crosses included.

        Write `FROM {relation} AS frame`.
        """
        source = _files(self.paths if bucket is None else [self.paths[bucket]])
        return derived_sql(source, self.definitions, self.constants, self.columns)

    def save(self, run: Run) -> None:
        """Keep it with the run, whose later steps `load` it."""
        kept = {
            "customers": self.customers,
            "segments": dict(self.segments),
            "dimensions": {name: dict(sizes) for name, sizes in self.dimensions.items()},
            "constants": self.constants.json(),
            "columns": None if self.columns is None else sorted(self.columns),
        }
        run.write(FILE, json.dumps(kept, indent=1))

    @staticmethod
    def load(run: Run) -> "Frames":
        """The frames that the run's segment step built."""
        kept = _kept(run.folder)
        if kept is None:
            raise AntiphonError(f"run {run.id} has no {FILE}: its segment step has not been done.")
        return Frames(
            tuple(run.project.lake.current().files("frames", run.id)),
            run.project.configuration.definitions,
            kept["customers"],
            kept["segments"],
            kept["dimensions"],
            Constants.from_json(kept["constants"]),
            None if kept["columns"] is None else frozenset(kept["columns"]),
        )


def _kept(folder: Path) -> dict[str, Any] | None:
    path = folder / FILE
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept


def last_constants(project: Project, flow: str = "daily") -> Constants | None:
    """Those of the latest run of that flow that built frames: for frames of a few customers."""
    for record in project.ledger.runs.latest(flow):
        if kept := _kept(project.var / "runs" / record.run_id):
            return Constants.from_json(kept["constants"])
    return None


def last_sizes(
    project: Project, flow: str = "daily", before: str = ""
) -> tuple[str | None, dict[str, int], dict[str, dict[str, int]]]:
    """The last finished run of that flow but `before`, and its segments and dimensions.

    None and nothing where there is no such run.
    """
    for record in project.ledger.runs.latest(flow):
        if record.run_id != before and record.state is RunState.FINISHED:
            kept = _kept(project.var / "runs" / record.run_id)
            if kept:
                return record.run_id, kept["segments"], kept["dimensions"]
    return None, {}, {}


def last_segments(project: Project) -> tuple[str | None, dict[str, int]]:
    """The last finished daily run, and its segments' sizes."""
    run_id, segments, _ = last_sizes(project)
    return run_id, segments


# ---------------------------------------------------------------- conditions


def touch_conditions(configuration: Configuration, touches: Sequence[Touch]) -> list[Condition]:
    """For whom each touch is meant: its campaign's audience and, in a chain, the step's `where`."""
    conditions = []
    for touch in touches:
        asked = _audience(configuration, touch.campaign, touch.campaign.audience)
        if touch.chain_step:
            asked += _where(configuration, touch.campaign, touch.chain_step.where)
        conditions.append(combine(asked or [EVERYBODY]))
    return conditions


def chain_conditions(
    configuration: Configuration, campaign: Campaign
) -> tuple[Condition | None, dict[str, Condition]]:
    """Who enters the campaign's chain (None: who did its event), and who leaves it, by reason."""
    if campaign.chain is None:
        return None, {}
    start = campaign.chain.start
    entering = _audience(configuration, campaign, start)
    leaving = {
        name: combine(_where(configuration, campaign, text))
        for name, text in campaign.chain.exits.items()
    }
    return (combine(entering) if entering else None), leaving


def _audience(
    configuration: Configuration, campaign: Campaign, audience: Audience | ChainStart | None
) -> list[Condition]:
    if audience is None:
        return []
    segments = configuration.definitions.segments
    named = [segments[audience.segment]] if audience.segment else []
    return [*named, *_where(configuration, campaign, audience.where)]


def _where(configuration: Configuration, campaign: Campaign, text: str | None) -> list[Condition]:
    if not text:
        return []
    parsed = parse(text, configuration.definitions.vocabulary(campaign))
    if isinstance(parsed, Condition):
        return [parsed]
    raise AntiphonError(f"a condition passed the check and does not parse: {parsed[0].message}")


# ---------------------------------------------------------------- building


def build_frames(
    project: Project,
    snapshot: Snapshot,
    moment: Moment,
    touches: Sequence[Touch],
    folder: Path,
    *,
    needed: Collection[str] | None = None,
    only: pa.Table | None = None,
    constants: Constants | None = None,
    asked: Sequence[Condition] = (),
    suppressions: pa.Table | None = None,
) -> Frames:
    """Write the frame of every bucket into `folder`; features count facts up to the moment.

    `asked`: conditions that will be put to the frame, besides those of the touches. `needed`: build
    only these columns, what the conditions read and what the policy needs, and count no segments.
    `only`: for these customers alone (one column, customer_id). `constants`:
    of an earlier frame, where those of so few customers would mean nothing. `suppressions`: those
    in force, where they are not those that the ledger knows now.

    Raises ConfigError when a feature file gives a customer more than one row.
    """
    wanted = _wanted(project.configuration, touches, needed, asked, moment.business_day)
    configuration = project.configuration
    query = frame_sql(
        configuration.files,
        configuration.sources,
        wanted.used,
        calls=wanted.calls,
        by_hand=wanted.by_hand,
        needed=None if needed is None else wanted.used,
    )
    parameters = moment_parameters(moment.as_of, moment.business_day, moment.zone)
    if suppressions is None:
        suppressions = project.ledger.people.suppressions_table(moment.as_of)
    tables = {"suppressions": suppressions}

    def build(bucket: int) -> Path:
        path = folder / _name(bucket)
        with bucket_session(project, snapshot, bucket, **tables) as session:
            if only is not None:
                _narrow(session, only)
            try:
                for name, select in query.tables.items():
                    session.execute(f"CREATE TEMP TABLE {name} AS {select}", parameters)
                rows = session.write(query.select, path, parameters)
            except QueryError:
                verify_files(session, configuration.files, parameters)  # names the file
                raise
            ((customers,),) = session.rows("SELECT count(*) FROM customers")
            if rows != customers or _holds_nobody(session, query.tables):
                verify_files(session, configuration.files, parameters)
            if rows != customers:
                raise AntiphonError(f"{customers:,} customers became {rows:,} rows of the frame.")
        return path

    if only is None and needed is None:
        with bucket_session(project, snapshot, 0, **tables) as session:
            verify_columns(session, configuration.files, parameters)
    buckets = range(snapshot.buckets) if only is None else _buckets(only, snapshot)
    built = each_bucket(project, snapshot, build, buckets)
    with project.lake.session(snapshot) as session:
        paths = _complete(session, snapshot, folder, built)
        source = _files(paths)

        def scan(query: str) -> Sequence[Any]:
            (row,) = session.rows(query)
            return row

        definitions = configuration.definitions
        found = find_constants(source, definitions, scan, wanted.columns, constants)
        relation = derived_sql(source, definitions, found, wanted.columns)
        divided = [name for name in definitions.dimensions if name in wanted.derived]
        segments = definitions.segments if needed is None else {}
        counts = ["count(*)", *(f"histogram({quoted(name)})" for name in divided)]
        counts += [count_sql(condition) for condition in segments.values()]
        customers, *sizes = scan(f"SELECT {', '.join(counts)} FROM {relation} AS {RELATION}")
    dimensions = {
        name: _ordered(definitions.dimensions[name].names, size or {})
        for name, size in zip(divided, sizes, strict=False)
    }
    crosses = {name: cells.sizes for name, cells in found.cells.items()}
    return Frames(
        paths,
        definitions,
        customers,
        dict(zip(segments, sizes[len(divided) :], strict=True)),
        {**dimensions, **crosses},
        found,
        wanted.columns,
    )


@dataclass(frozen=True)
class _Wanted:
    """What a frame must hold. `columns`: as of Frames; `used`: every column something reads."""

    columns: frozenset[str] | None
    derived: frozenset[str]
    used: frozenset[str]
    calls: dict[str, Call]
    by_hand: tuple[SegmentFile, ...]


def _wanted(
    configuration: Configuration,
    touches: Sequence[Touch],
    needed: Collection[str] | None,
    conditions: Sequence[Condition],
    day: date,
) -> _Wanted:
    definitions = configuration.definitions
    campaigns = list({touch.name: touch.campaign for touch in touches}.values())
    terms = terms_of(configuration, campaigns, day) if touches else Terms()
    asked = [*conditions, *touch_conditions(configuration, touches), *asked_by(terms)]
    for campaign in campaigns:
        entering, leaving = chain_conditions(configuration, campaign)
        asked += [*([entering] if entering else []), *leaving.values()]
    if needed is None:
        asked += definitions.segments.values()
        columns, derived = None, definitions.derived
        reads = frozenset[str]()
    else:
        crosses = {one.for_each for one in campaigns if one.for_each}
        own = {*crosses, *own_columns(campaigns)}
        columns = frozenset(needed).union(own, *(one.columns for one in asked))
        derived = definitions.closure(columns) & definitions.derived
        reads = columns
    asked += [condition for name in sorted(derived) for condition in definitions.conditions(name)]
    used = reads.union(*map(definitions.reads, derived), *(one.columns for one in asked))
    calls = {name: call for condition in asked for name, call in condition.calls.items()}
    named = frozenset[str]().union(*(condition.segments for condition in asked))
    by_hand = tuple(file for name, file in definitions.by_hand.items() if name in named)
    return _Wanted(columns, derived, used, dict(sorted(calls.items())), by_hand)


def _holds_nobody(session: Session, tables: Iterable[str]) -> bool:
    """Whether one of the tables has a row without a customer_id."""
    everybody = " UNION ALL ".join(f"SELECT customer_id FROM {name}" for name in tables)
    sql = f"SELECT count(*) > 0 FROM ({everybody}) WHERE customer_id IS NULL"
    return bool(everybody) and bool(session.rows(sql)[0][0])


def _files(paths: Iterable[Path]) -> str:
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}])"


def _name(bucket: int) -> str:
    return f"b{bucket:03d}.parquet"


def _buckets(only: pa.Table, snapshot: Snapshot) -> list[int]:
    """Where the customers are; one bucket where there are none."""
    customers = only["customer_id"].to_pylist()
    return sorted({keys.bucket_of(customer, snapshot.buckets) for customer in customers}) or [0]


def _narrow(session: Session, only: pa.Table) -> None:
    """Let the session's views know these customers alone."""
    session.register("only_customers", only)
    views = [name for name, entity in ENTITIES.items() if entity.by_customer]
    for view in [*views, "households"]:
        session.execute(f"ALTER VIEW {quoted(view)} RENAME TO {quoted(f'all_{view}')}")
        session.execute(
            f"CREATE VIEW {quoted(view)} AS SELECT * FROM {quoted(f'all_{view}')} "
            "SEMI JOIN only_customers USING (customer_id)"
        )


def _complete(
    session: Session, snapshot: Snapshot, folder: Path, built: Sequence[Path]
) -> tuple[Path, ...]:
    """A file for each bucket: an empty one where nobody was asked for."""
    paths = tuple(folder / _name(bucket) for bucket in range(snapshot.buckets))
    missing = [path for path in paths if path not in built]
    if missing:
        session.write(f"SELECT * FROM {_files(built)} LIMIT 0", missing[0])
        for path in missing[1:]:
            shutil.copyfile(missing[0], path)
    return paths


def _ordered(names: Iterable[str], sizes: Mapping[str, int]) -> dict[str, int]:
    return {name: sizes.get(name, 0) for name in names}
