"""What a run read of the ledger, kept with it: the ledger goes on, and a replay needs it as it was.

Two steps read it. `segment` sees who is suppressed and what chains have said, and a pass of the
triggers finds whom it concerns; `decide` sees what was sent until that moment.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.audience.derived import Constants
from antiphon.lake import Change, Snapshot
from antiphon.steps.ran import HISTORY as STORE
from antiphon.steps.run import Run

SUPPRESSIONS = "suppressions"
SEGMENTED = "contacts-of-segment"  # the ledger's contacts since the mark, as segment saw them
DECIDED = "contacts-of-decide"  # and as decide did
CUSTOMERS = "customers"  # whom a pass concerns; not there where a frame was made of everybody
CONSTANTS = "constants"  # what only a frame of everybody tells, as a pass got it


@dataclass(frozen=True)
class Few:
    """Whom a pass concerns, and what only a frame of everybody tells."""

    customers: pa.Table
    constants: Constants

    def tables(self) -> dict[str, pa.Table]:
        """To be kept."""
        constants = pa.table({"json": [json.dumps(self.constants.json())]})
        return {CUSTOMERS: self.customers, CONSTANTS: constants}


@dataclass(frozen=True)
class Reads:
    """What a day reads besides snapshot and files. `few`: of a pass of the triggers."""

    suppressions: pa.Table
    segmented: pa.Table
    decided: pa.Table
    few: Few | None = None


def keep(run: Run, snapshot: Snapshot, change: Change, tables: Mapping[str, pa.Table]) -> None:
    """Put tables beside what the run has kept already; a step done again replaces its own."""
    folder = run.place(STORE)
    with run.project.lake.session(snapshot) as session:
        for name, table in tables.items():
            session.register("kept", table)
            session.write("SELECT * FROM kept", folder / f"{name}.parquet")
    before = change.before.files(STORE, run.id)
    paths = {path.stem: path for path in before} | {
        name: folder / f"{name}.parquet" for name in tables
    }
    change.add_files(STORE, run.id, [paths[name] for name in sorted(paths)])


def reads_of(snapshot: Snapshot, run_id: str) -> Reads | None:
    """What a run read, as the current snapshot has it; None where it is not kept."""
    paths = {path.stem: path for path in snapshot.files(STORE, run_id)}
    if not {SUPPRESSIONS, SEGMENTED, DECIDED} <= paths.keys() or not _exist(paths):
        return None
    tables = {name: pq.read_table(path) for name, path in paths.items()}
    few = None
    if CUSTOMERS in tables:
        constants = Constants.from_json(json.loads(tables[CONSTANTS]["json"][0].as_py()))
        few = Few(tables[CUSTOMERS], constants)
    return Reads(tables[SUPPRESSIONS], tables[SEGMENTED], tables[DECIDED], few)


def _exist(paths: Mapping[str, Path]) -> bool:
    return all(path.exists() for path in paths.values())
