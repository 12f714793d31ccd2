"""Work on all buckets of a lake, several at a time: a thread each."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import pyarrow as pa

from antiphon.lake import Session, Snapshot
from antiphon.project import Project

T = TypeVar("T")


def each_bucket(
    project: Project,
    snapshot: Snapshot,
    work: Callable[[int], T],
    buckets: Iterable[int] | None = None,
) -> list[T]:
    """What `work` returns for each bucket (absent: of all), in their order.

    At most `lake.threads` buckets at a time: engine and numpy leave Python's lock while they
    work, and several small queries use the cores better than one query with several threads.
    """
    threads = project.configuration.settings.lake.threads
    with ThreadPoolExecutor(min(threads, snapshot.buckets)) as pool:
        return list(pool.map(work, range(snapshot.buckets) if buckets is None else buckets))


@contextmanager
def bucket_session(
    project: Project, snapshot: Snapshot, bucket: int, **tables: pa.Table
) -> Iterator[Session]:
    """A session over one bucket, with one thread where others work beside it.

    Joins build on their right side, as frames are written: the engine guesses too many groups and
    would build on the wide rows of customers, which takes an eighth longer.
    """
    with project.lake.session(snapshot, bucket=bucket, tables=tables) as session:
        session.execute("SET disabled_optimizers = 'build_side_probe_side'")
        if snapshot.buckets > 1:
            session.execute("SET threads = 1")
        yield session
