"""A project folder with a lake, and a way to pull one source of it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from antiphon.campaigns.models import Source
from antiphon.files import ProjectFiles
from antiphon.lake.manifest import Manifest, Snapshot
from antiphon.lake.session import Session, open_session
from antiphon.sources.pull import Pull, Pulled, pull_source

SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


class EmptyLake:
    """The lake's own engine, over a snapshot without facts."""

    def __init__(self, root: Path) -> None:
        self.snapshot = Snapshot(root, Manifest(buckets=1))

    def session(self, snapshot: Any = None) -> AbstractContextManager[Session]:
        return open_session(snapshot or self.snapshot, "1GB", 2, None, {})


@dataclass
class Project:
    """A folder of files, pulled with German settings as of 12 May 2026."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    sql: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8") if isinstance(text, str) else text)
        return path

    @property
    def lake(self) -> EmptyLake:
        return EmptyLake(self.root / "lake")

    def settings(self, **changes: Any) -> Pull:
        self.runs += 1
        settings = Pull(
            root=self.root,
            files=ProjectFiles({f"sql/sources/{name}": text for name, text in self.sql.items()}),
            lake=self.lake,
            snapshot=None,
            staging=self.root / "staging" / str(self.runs),
            environment=self.environment,
            as_of=datetime(2026, 5, 12, 8, tzinfo=UTC),
            zone="Europe/Berlin",
            country="DE",
            salt="pepper",
        )
        return replace(settings, **changes)

    def pull(
        self,
        entity: str,
        file: str | None = None,
        *,
        mark: Mapping[str, Any] | None = None,
        name: str = "shop",
        **options: Any,
    ) -> Pulled:
        source = Source.model_validate({"entity": entity, "file": file, **options})
        return pull_source(name, source, self.settings(), mark)


def rows(pulled: Pulled) -> list[dict[str, Any]]:
    """The staged rows, in the order of the source."""
    tables = [pq.read_table(path) for path in pulled.files]
    return sorted(
        pa.concat_tables(tables, promote_options="default").to_pylist(), key=lambda row: row["_row"]
    )
