"""The lake: the facts, as immutable Parquet files behind an atomic manifest, read with DuckDB."""

from antiphon.lake.change import Change
from antiphon.lake.erasure import Erased, Whom
from antiphon.lake.failures import QueryError
from antiphon.lake.lake import Lake
from antiphon.lake.layout import Limits
from antiphon.lake.locks import LakeBusy
from antiphon.lake.manifest import Snapshot
from antiphon.lake.merge import MergeCounts
from antiphon.lake.retention import Cleaned, Retention
from antiphon.lake.searching import Known
from antiphon.lake.session import Session

__all__ = [
    "Change",
    "Cleaned",
    "Erased",
    "Known",
    "Lake",
    "LakeBusy",
    "Limits",
    "MergeCounts",
    "QueryError",
    "Retention",
    "Session",
    "Snapshot",
    "Whom",
]
