"""The lake: snapshots to read, one change at a time, pins and cleaning."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from antiphon.errors import LakeError
from antiphon.lake import manifest as manifests
from antiphon.lake import pins, searching
from antiphon.lake.change import Change
from antiphon.lake.erasure import Erased, Whom, erase
from antiphon.lake.failures import explained
from antiphon.lake.layout import Limits, Writer
from antiphon.lake.locks import pinning, writing
from antiphon.lake.manifest import MAX_BUCKETS, Manifest, Snapshot
from antiphon.lake.retention import Cleaned, Retention, clean
from antiphon.lake.searching import Known
from antiphon.lake.session import Session, engine, open_session
from antiphon.quoting import literal

if TYPE_CHECKING:
    import pyarrow as pa


def utc_now() -> datetime:
    """The machine's clock: the default of commands; tests and flows give their own."""
    return datetime.now(UTC)


class Lake:
    """Facts as Parquet files under one folder. Holds no connection and no lock by itself.

    `buckets`: a power of two that the lake grows to (it never shrinks); absent: by size.
    `attributes`: entity → the user's columns → DuckDB type, as declared now: sessions show them
    as null before the first pull brings them.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        memory: str = "4GB",
        threads: int = 2,
        buckets: int | None = None,
        attributes: Mapping[str, Mapping[str, str]] | None = None,
        clock: Callable[[], datetime] = utc_now,
        limits: Limits | None = None,
    ) -> None:
        if buckets is not None and (
            buckets < 1 or buckets & (buckets - 1) or buckets > MAX_BUCKETS
        ):
            raise LakeError(
                f"lake.buckets is {buckets}: write a power of two (1, 2, 4, 8, …) up to "
                f"{MAX_BUCKETS} in config/settings.yaml, or leave it out."
            )
        self.path = Path(path).absolute()
        self._memory = memory
        self._threads = threads
        self._buckets = buckets
        self._attributes = attributes or {}
        self._clock = clock
        self._limits = limits or Limits()

    def current(self) -> Snapshot:
        """The last published snapshot; id 0 and empty where there is none."""
        manifest = manifests.read_current(self.path) or Manifest(buckets=self._buckets or 1)
        return Snapshot(self.path, manifest)

    def snapshot(self, snapshot_id: int) -> Snapshot:
        """A snapshot by its id; LakeError when it was cleaned away or never was."""
        current = self.current()
        if snapshot_id == current.id:
            return current
        manifest = manifests.read_older(self.path, snapshot_id)
        if manifest is None:
            kept = [*manifests.older_ids(self.path), current.id]
            raise LakeError(
                f"{self.path}: snapshot {snapshot_id} is not kept. There are: "
                f"{', '.join(map(str, kept))}. Use one of these, or start a new run."
            )
        return Snapshot(self.path, manifest)

    @contextmanager
    def session(
        self,
        snapshot: Snapshot | None = None,
        *,
        bucket: int | None = None,
        tables: "Mapping[str, pa.Table] | None" = None,
    ) -> Iterator[Session]:
        """An engine over a snapshot (absent: the current one), which stays while it is open."""
        with ExitStack() as stack:
            with pinning(self.path, alone=False):
                chosen = snapshot or self.current()
                stack.enter_context(pins.reader_pin(self.path, chosen.id))
            if bucket is not None and not 0 <= bucket < chosen.buckets:
                raise LakeError(f"{self.path}: no bucket {bucket}, there are {chosen.buckets}")
            yield stack.enter_context(
                open_session(
                    chosen.with_attributes(self._attributes),
                    self._memory,
                    self._threads,
                    bucket,
                    tables or {},
                )
            )

    @contextmanager
    def change(self, holder: str, *, day: date | None = None) -> Iterator[Change]:
        """The one open change of the lake; LakeBusy while another process has one.

        Nothing is visible before `publish()`; without it, or after an error, nothing remains.
        `day`: the business day, from which new households date; absent: the clock's UTC day.
        """
        with (
            writing(self.path, holder),
            engine(self.path / "tmp", self._memory, self._threads) as connection,
        ):
            before = self.current()
            now = self._clock()
            change = Change(
                connection,
                before,
                limits=self._limits,
                buckets=self._buckets,
                now=now,
                day=day or now.date(),
            )
            try:
                yield change
            finally:
                change.close()

    def pin(self, snapshot_id: int, holder: str) -> None:
        """Keep a snapshot for a run until `unpin`, even if the run is killed."""
        with pinning(self.path, alone=False):
            self.snapshot(snapshot_id)
            pins.pin(self.path, snapshot_id, holder)

    def unpin(self, holder: str) -> None:
        """Give the run's snapshot free."""
        pins.unpin(self.path, holder)

    def clean(
        self, now: datetime, retention: Retention, keep: set[int] | frozenset[int] = frozenset()
    ) -> Cleaned:
        """Remove what no kept, pinned or `keep` snapshot needs; LakeBusy during a change."""
        with (
            writing(self.path, "cleaning"),
            pinning(self.path, alone=True),
            engine(self.path / "tmp", self._memory, self._threads) as connection,
        ):
            return clean(connection, self.current(), now, retention, keep)

    def known(self, customer_id: str) -> Known:
        """Who somebody is and was, as any snapshot tells."""
        with engine(self.path / "tmp", self._memory, self._threads) as connection:
            return searching.known(connection, self.path, customer_id)

    def shared(self, customer_id: str, known: Known) -> Known:
        """Of what is known of somebody, what the current snapshot says of others too."""
        with engine(self.path / "tmp", self._memory, self._threads) as connection:
            return searching.holders(connection, self.path, customer_id, known)

    def held(self, customer_id: str) -> dict[str, list[dict[str, Any]]]:
        """All rows of a customer: by entity, and by store (decisions, quarantine)."""
        mine = literal(customer_id)
        stores = {
            "decisions": f"customer_id = {mine}",
            "quarantine": f"json_extract_string(row, '$.customer_id') = {mine}",
        }
        with engine(self.path / "tmp", self._memory, self._threads) as connection:
            found = searching.held(connection, self.current(), customer_id)
            for store, condition in stores.items():
                if rows := searching.stored(connection, self.path, store, condition):
                    found[store] = rows
        return found

    def find(
        self, customer_id: str, words: Sequence[str], paths: Sequence[Path] | None = None
    ) -> dict[Path, int]:
        """Every Parquet file (or of `paths` those) with rows that name somebody, and how many
        rows."""
        paths = list(searching.parquet_files(self.path)) if paths is None else paths
        with engine(self.path / "tmp", self._memory, self._threads) as connection:
            return searching.find(connection, paths, customer_id, words)

    def erase(self, whom: Whom, *, day: date | None = None) -> Erased:
        """Take somebody out of every snapshot and of all that runs left beside them.

        Waits a while for readers of the old files; LakeBusy when one stays, or during a change.
        """
        with (
            writing(self.path, "forgetting"),
            pinning(self.path, alone=True),
            engine(self.path / "tmp", self._memory, self._threads) as connection,
        ):
            pins.wait_for_readers(self.path)
            return erase(Writer(connection, self.path), whom, day or self._clock().date())

    def staging(self, run_id: str) -> Path:
        """The folder of a run's staged files, made if need be."""
        path = self.path / "staging" / run_id
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path
