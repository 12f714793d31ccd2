"""Runs on record: what each had pinned, how far it came, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, func, insert, select, update

from antiphon.errors import LedgerError
from antiphon.ledger.engine import RUNS_LOCK, lock, reading, writing
from antiphon.ledger.inserting import insert_into
from antiphon.ledger.leases import Lease, guard
from antiphon.ledger.moving import withdraw_planned
from antiphon.ledger.schema import messages, run_steps, runs


class RunState(StrEnum):
    """Where a run stands. A killed one stays `running`: its lease tells."""

    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    HELD = "held"  # its audit found a breach: never released unless repaired and resumed
    ABANDONED = "abandoned"


UNFINISHED = frozenset({RunState.RUNNING, RunState.FAILED, RunState.HELD})


@dataclass(frozen=True, slots=True)
class Run:
    """One run. What it pinned (snapshot, files, history mark, engines) is null until pinned."""

    run_id: str
    flow: str
    business_day: date
    ordinal: int
    as_of: datetime
    dry_run: bool
    parameters: Mapping[str, Any]
    state: RunState
    snapshot_id: int | None
    files_hash: str | None
    history_mark: int | None
    engine_versions: Mapping[str, str] | None
    lease_token: int | None
    started_at: datetime
    finished_at: datetime | None
    released_at: datetime | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run; `finished_at` is null while it works, or where it died."""

    run_id: str
    step: str
    started_at: datetime
    finished_at: datetime | None
    counts: Mapping[str, int]


class Runs:
    """The runs of one ledger. With a lease given, a change happens only while the lease holds."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(
        self,
        flow: str,
        business_day: date,
        as_of: datetime,
        now: datetime,
        *,
        dry_run: bool = False,
        parameters: Mapping[str, Any] | None = None,
        lease: Lease | None = None,
    ) -> Run:
        """A new run, `2026-05-12-daily-1`: the day, the flow, and a number from 1."""
        with writing(self._engine) as connection:
            _guard(connection, lease)
            lock(connection, RUNS_LOCK)
            earlier = select(func.max(runs.c.ordinal)).where(
                runs.c.business_day == business_day, runs.c.flow == flow
            )
            ordinal = (connection.execute(earlier).scalar() or 0) + 1
            run_id = f"{business_day}-{flow}-{ordinal}"
            row = {
                "run_id": run_id,
                "flow": flow,
                "business_day": business_day,
                "ordinal": ordinal,
                "as_of": as_of,
                "dry_run": dry_run,
                "parameters": dict(parameters or {}),
                "state": RunState.RUNNING,
                "lease_token": lease.token if lease else None,
                "started_at": now,
                "verdict": "",
            }
            connection.execute(insert(runs), row)
            return _run(connection, run_id)

    def pin(
        self,
        run_id: str,
        now: datetime,
        *,
        lease: Lease | None = None,
        snapshot_id: int | None = None,
        files_hash: str | None = None,
        history_mark: int | None = None,
        engine_versions: Mapping[str, str] | None = None,
    ) -> Run:
        """Writes down what the run works from; what was pinned before stays: see the result."""
        given = {
            "snapshot_id": snapshot_id,
            "files_hash": files_hash,
            "history_mark": history_mark,
            "engine_versions": dict(engine_versions) if engine_versions else None,
        }
        with writing(self._engine) as connection:
            _guard(connection, lease)
            run = _run(connection, run_id)
            fresh = {
                name: value
                for name, value in given.items()
                if value is not None and getattr(run, name) is None
            }
            return _change(connection, run_id, fresh) if fresh else run

    def resume(self, run_id: str, now: datetime, *, lease: Lease | None = None) -> Run:
        """The run, running again with what it had pinned; LedgerError when it is over."""
        with writing(self._engine) as connection:
            _guard(connection, lease)
            run = _run(connection, run_id)
            if run.state not in UNFINISHED:
                raise LedgerError(f"run {run_id} is {run.state} and cannot go on: begin a new one.")
            return _change(
                connection,
                run_id,
                {
                    "state": RunState.RUNNING,
                    "finished_at": None,
                    "lease_token": lease.token if lease else None,
                },
            )

    def finish(
        self,
        run_id: str,
        state: RunState,
        verdict: str,
        now: datetime,
        *,
        lease: Lease | None = None,
    ) -> Run:
        """The end of the run: finished, failed or held, with a sentence for people."""
        if state not in {RunState.FINISHED, RunState.FAILED, RunState.HELD}:
            raise ValueError(f"a run does not finish as {state}")
        with writing(self._engine) as connection:
            _guard(connection, lease)
            run = _run(connection, run_id)
            if run.state is not RunState.RUNNING:
                raise LedgerError(f"run {run_id} is {run.state}, not running: resume it first.")
            end = {"state": state, "verdict": verdict, "finished_at": now}
            return _change(connection, run_id, end)

    def abandon(self, run_id: str, reason: str, now: datetime) -> int:
        """Ends an unfinished run for good and withdraws what it planned; how many messages."""
        with writing(self._engine) as connection:
            run = _run(connection, run_id)
            if run.state not in UNFINISHED:
                raise LedgerError(f"run {run_id} is {run.state}: there is nothing to abandon.")
            end = {"state": RunState.ABANDONED, "verdict": reason, "finished_at": now}
            _change(connection, run_id, end)
            return withdraw_planned(
                connection, messages.c.run_id == run_id, f"run abandoned: {reason}", now
            )

    def get(self, run_id: str) -> Run | None:
        """The run of that id."""
        with reading(self._engine) as connection:
            row = connection.execute(_query().where(runs.c.run_id == run_id)).mappings().first()
        return _as_run(row) if row else None

    def latest(self, flow: str | None = None, limit: int = 50) -> list[Run]:
        """The latest runs, newest business day first, its runs by falling number."""
        newest = (runs.c.business_day.desc(), runs.c.ordinal.desc(), runs.c.flow)
        query = _query().order_by(*newest).limit(limit)
        if flow is not None:
            query = query.where(runs.c.flow == flow)
        return self._runs(query)

    def newest(self) -> Run | None:
        """The finished run, of any flow, with the latest moment; dry runs decide nothing."""
        query = _query().where(runs.c.state == RunState.FINISHED, runs.c.dry_run.is_(False))
        found = self._runs(query.order_by(runs.c.as_of.desc(), runs.c.run_id).limit(1))
        return found[0] if found else None

    def unfinished(self, flow: str, business_day: date) -> list[Run]:
        """Runs of that day that wait to be resumed or abandoned (dry runs never do), in order."""
        query = _query().where(
            runs.c.flow == flow,
            runs.c.business_day == business_day,
            runs.c.state.in_(UNFINISHED),
            runs.c.dry_run.is_(False),
        )
        return self._runs(query.order_by(runs.c.ordinal))

    def never_released(self) -> list[str]:
        """Runs of which nothing may leave, or none may yet; in order."""
        query = select(runs.c.run_id).where(runs.c.released_at.is_(None)).order_by(runs.c.run_id)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def begun_after(self, moment: datetime) -> list[str]:
        """Runs that decided as of a later moment; in order."""
        query = select(runs.c.run_id).where(runs.c.as_of > moment).order_by(runs.c.run_id)
        with reading(self._engine) as connection:
            return list(connection.execute(query).scalars())

    def _runs(self, query: Select[Any]) -> list[Run]:
        with reading(self._engine) as connection:
            return [_as_run(row) for row in connection.execute(query).mappings()]

    def begin_step(
        self, run_id: str, step: str, now: datetime, *, lease: Lease | None = None
    ) -> None:
        """The step works from now on; one done before is done again."""
        with writing(self._engine) as connection:
            _guard(connection, lease)
            again: dict[str, Any] = {"started_at": now, "finished_at": None, "counts": {}}
            row = {"run_id": run_id, "step": step, **again}
            upsert = insert_into(connection, run_steps).on_conflict_do_update(
                index_elements=["run_id", "step"], set_=again
            )
            connection.execute(upsert, row)

    def finish_step(
        self,
        run_id: str,
        step: str,
        counts: Mapping[str, int],
        now: datetime,
        *,
        lease: Lease | None = None,
    ) -> None:
        """The step is done, with what it counted; LedgerError when it was never begun."""
        with writing(self._engine) as connection:
            _guard(connection, lease)
            change = (
                update(run_steps)
                .where(run_steps.c.run_id == run_id, run_steps.c.step == step)
                .values(finished_at=now, counts=dict(counts))
            )
            if connection.execute(change).rowcount != 1:
                raise LedgerError(f"step {step!r} of run {run_id} was never begun.")

    def steps(self, run_id: str) -> list[Step]:
        """The steps of a run in the order they began."""
        query = select(run_steps).where(run_steps.c.run_id == run_id)
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(run_steps.c.started_at)).mappings()
            return [Step(**row) for row in rows]


def _guard(connection: Connection, lease: Lease | None) -> None:
    if lease is not None:
        guard(connection, lease)


def _query() -> Select[Any]:
    return select(runs)


def _run(connection: Connection, run_id: str) -> Run:
    query = _query().where(runs.c.run_id == run_id).with_for_update()
    row = connection.execute(query).mappings().first()
    if row is None:
        raise LedgerError(f"there is no run {run_id}: `antiphon runs` lists them.")
    return _as_run(row)


def _change(connection: Connection, run_id: str, values: dict[str, Any]) -> Run:
    connection.execute(update(runs).where(runs.c.run_id == run_id).values(values))
    return _run(connection, run_id)


def _as_run(row: RowMapping) -> Run:
    return Run(**{**row, "state": RunState(row["state"])})
