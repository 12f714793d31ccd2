"""What is to be known of a run besides its decisions, kept with them: to ask of the past quickly.

The ledger knows the same, and more; it takes a while to open.
"""

# ruff: noqa: S608  (paths are ours)

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from antiphon.lake import Session
from antiphon.quoting import literal

if TYPE_CHECKING:
    import pyarrow as pa

HISTORY = "history"  # the store of what a run read, beside which this is kept
RAN = "run"
FIELDS = ("run_id", "flow", "business_day", "as_of", "files_hash", "parameters")


class Known(Protocol):
    """A run on record, or what is kept of it here."""

    @property
    def run_id(self) -> str: ...
    @property
    def flow(self) -> str: ...
    @property
    def business_day(self) -> date: ...
    @property
    def as_of(self) -> datetime: ...
    @property
    def files_hash(self) -> str | None: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Ran:
    """One run, as far as its decisions are read by it."""

    run_id: str
    flow: str
    business_day: date
    as_of: datetime
    files_hash: str | None
    parameters: Mapping[str, Any]


def facts(run: Known) -> "pa.Table":
    """To be kept with the run."""
    import pyarrow as pa  # noqa: PLC0415 (who reads needs it not)

    return pa.table(
        {
            "run_id": [run.run_id],
            "flow": [run.flow],
            "business_day": [run.business_day],
            "as_of": pa.array([run.as_of], pa.timestamp("us", tz="UTC")),
            "files_hash": pa.array([run.files_hash], pa.string()),
            "parameters": [json.dumps(dict(run.parameters))],
        }
    )


def kept(session: Session, run_ids: Sequence[str]) -> list[Ran] | None:
    """Those runs, the latest first; None where one of them is not kept, and the ledger is asked."""
    paths = [path for run_id in run_ids if (path := _path(session, run_id))]
    if len(paths) < len(run_ids):
        return None
    listed = ", ".join(literal(str(path)) for path in paths)
    rows = session.rows(
        f"SELECT {', '.join(FIELDS)} FROM read_parquet([{listed}]) ORDER BY as_of DESC, run_id"
    )
    return [
        Ran(run_id, flow, day, as_of, files_hash, json.loads(parameters))
        for run_id, flow, day, as_of, files_hash, parameters in rows
    ]


def _path(session: Session, run_id: str) -> Path | None:
    files = session.snapshot.files(HISTORY, run_id)
    return next((path for path in files if path.stem == RAN and path.exists()), None)
