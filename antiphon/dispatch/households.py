"""Who shares a household with whom, kept small enough to be asked of every batch.

Some 30 bytes for each customer who shares one: read once a snapshot, where a rule is on households.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from antiphon.lake import Session
from antiphon.project import Project

SHARED = "SELECT customer_id, household_id FROM households WHERE since_day IS NOT NULL"


@dataclass(frozen=True)
class Households:
    """Those who share one: `customers` as UTF-8, household by household from `starts` on;
    `by_name`: their positions in the order of their names."""

    customers: npt.NDArray[np.bytes_]
    starts: npt.NDArray[np.int32]
    by_name: npt.NDArray[np.int32]

    def of(self, customer_ids: Collection[str]) -> dict[str, str]:
        """Customer → household, of these people and of all who share theirs.

        Not of who lives alone; a household is called by its first member.
        """
        if not len(self.customers):
            return {}
        asked = np.array([one.encode() for one in customer_ids], self._wide(customer_ids))
        place = np.searchsorted(self.customers, asked, sorter=self.by_name)
        found = self.by_name[np.minimum(place, len(self.by_name) - 1)]
        found = found[self.customers[found] == asked]
        homes = np.unique(np.searchsorted(self.starts, found, side="right") - 1)
        return {
            member.decode(): self.customers[self.starts[home]].decode()
            for home in homes.tolist()
            for member in self.customers[self.starts[home] : self._end(home)].tolist()
        }

    def _end(self, home: int) -> int:
        following = home + 1
        return int(self.starts[following]) if following < len(self.starts) else len(self.customers)

    def _wide(self, customer_ids: Collection[str]) -> str:
        longest = max((len(one.encode()) for one in customer_ids), default=1)
        return f"S{max(longest, self.customers.itemsize)}"


def households(project: Project) -> Households:
    """Of the lake's present snapshot."""
    return _households(project, project.lake.current().id)


@lru_cache(maxsize=2)
def _households(project: Project, _snapshot_id: int) -> Households:
    with project.lake.session() as session:
        return read_households(session)


def read_households(session: Session) -> Households:
    """From the view `households`."""
    longest = f"SELECT coalesce(max(strlen(customer_id)), 1), count(*) FROM ({SHARED})"  # noqa: S608
    ((width, count),) = session.rows(longest)
    customers: npt.NDArray[Any] = np.zeros(count, f"S{width}")
    is_first = np.zeros(count, np.bool_)
    done, last = 0, None
    for batch in session.batches(f"{SHARED} ORDER BY household_id, customer_id"):
        names, homes = (batch.column(place).to_pylist() for place in (0, 1))
        for place, home in enumerate(homes, done):
            is_first[place] = home != last
            last = home
        customers[done : done + len(names)] = [name.encode() for name in names]
        done += len(names)
    starts = np.flatnonzero(is_first).astype(np.int32)
    return Households(customers, starts, np.argsort(customers, kind="stable").astype(np.int32))
