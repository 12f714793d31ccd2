"""Occasions of the touches that speak on them: for each customer the first not used up."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.policy.asked import Asked
from antiphon.policy.columns import (
    INSTANT,
    NEVER,
    Bools,
    Indices,
    Instants,
    instants,
    positions,
    texts,
    whole_numbers,
)
from antiphon.policy.rules import MAX_ATTEMPTS
from antiphon.states import OCCURRENCE_STATES

OCCASIONS = pa.schema(
    {
        "touch": pa.int32(),
        "customer_id": pa.string(),
        "anchor": pa.string(),
        "due_at": INSTANT,
        "product_id": pa.string(),
        "value": pa.string(),
    }
)
"""What is due: position of the touch, whom it is for, its anchor, since when. `product_id` and
`value` are those of the event or notice it starts from, null where it starts from none.
"""


@dataclass(frozen=True)
class Occasions:
    """One occasion for each touch and customer, by touch and then by customer.

    `customer`: row of people; `due`: since when; `sent_at`: when it was used (NEVER: it was not);
    `attempt`: which one a message of it would be.
    """

    touch: npt.NDArray[np.int16]
    customer: Indices
    anchor: pa.Array
    due: Instants
    sent_at: Instants
    attempt: Indices

    @property
    def exhausted(self) -> Bools:
        """Which of them failed MAX_ATTEMPTS times."""
        failed: Bools = (self.sent_at == NEVER) & (self.attempt > MAX_ATTEMPTS)
        return failed

    def columns(self, chosen: Indices) -> dict[str, pa.Array]:
        """`anchor` and `due_at` of the occasions at these positions, null where −1; empty where
        there is no occasion at all."""
        if not len(self.due):
            return {}
        place = pa.array(chosen, mask=chosen < 0)
        due = pa.array(self.due).cast(INSTANT)
        return {"anchor": self.anchor.take(place), "due_at": due.take(place)}

    def of(self, touch: int) -> npt.NDArray[np.intp]:
        """Positions of one touch's occasions."""
        begin, end = np.searchsorted(self.touch, [touch, touch + 1])
        return np.arange(begin, end)


def first_open(table: pa.Table, history: pa.Table, asked: Asked) -> Occasions:
    """Of each touch and customer the earliest occasion that is not used up; else the earliest.

    `table`: columns of OCCASIONS; only those count whose touch asks for the customer. Raises
    ValueError where an occasion is there twice.
    """
    touch = whole_numbers(table, "touch").astype(np.int16)
    whom = texts(table, "customer_id")
    customer = positions(whom, asked.customers if len(whom) else whom)  # looking up hashes all
    meant = np.zeros(len(touch), np.bool_)
    for position in np.unique(touch).tolist():  # plain integers: 1 << 16 is 0 in 16 bits
        if asked.touches[position].is_occasional:
            mine = np.flatnonzero((touch == position) & (customer >= 0))
            meant[mine] = asked.holds(position)[customer[mine]]
    rows = np.flatnonzero(meant)
    touch, customer = touch[rows], customer[rows]
    anchor = texts(table, "anchor").take(pa.array(rows))
    due = instants(table, "due_at")[rows]
    sent_at, attempt = _used(history, asked, touch, anchor, customer)
    is_used = (sent_at != NEVER) | (attempt > MAX_ATTEMPTS)
    order = _sorted(touch, customer, is_used, due, anchor)
    pair = touch[order].astype(np.int64) * max(len(asked.customers), 1) + customer[order]
    first = order[np.concatenate([np.ones(1, np.bool_), pair[1:] != pair[:-1]])[: len(order)]]
    return Occasions(
        touch[first],
        customer[first],
        anchor.take(pa.array(first)),
        due[first],
        sent_at[first],
        attempt[first],
    )


def _used(
    history: pa.Table,
    asked: Asked,
    touch: npt.NDArray[np.int16],
    anchor: pa.Array,
    customer: Indices,
) -> tuple[Instants, Indices]:
    """When each occasion was used (NEVER: it was not), and the attempt that comes next."""
    owners = pa.array([f"{each.name}|{each.step}" for each in asked.touches], pa.string())
    unit = asked.units.take(pa.array(customer))
    keys = pc.binary_join_element_wise(owners.take(pa.array(touch)), anchor, unit, "|")
    if pc.count_distinct(keys).as_py() != len(keys):
        raise ValueError("an occasion may stand only once, and have no null")
    sent_at, attempt = np.full(len(keys), NEVER, np.int64), np.zeros(len(keys), np.int64)
    if not len(keys):
        return sent_at, attempt.astype(np.int32)
    place = positions(texts(history, "occurrence_key"), keys)
    known = np.flatnonzero(place >= 0)
    alive = positions(texts(history, "state").take(pa.array(known)), sorted(OCCURRENCE_STATES)) >= 0
    np.maximum.at(sent_at, place[known[alive]], instants(history, "contact_at")[known[alive]])
    np.maximum.at(attempt, place[known], whole_numbers(history, "attempt")[known])
    return sent_at, (attempt + 1).astype(np.int32)


def _sorted(
    touch: npt.NDArray[np.int16], customer: Indices, is_used: Bools, due: Instants, anchor: pa.Array
) -> npt.NDArray[np.intp]:
    """By touch and customer, then those not used up, then the earliest."""
    columns = [pa.array(column) for column in (touch, customer, is_used.astype(np.int8), due)]
    names = ["touch", "customer", "is_used", "due", "anchor"]
    rows = pa.table([*columns, anchor], names=names)
    order: npt.NDArray[np.uint64] = pc.sort_indices(
        rows, sort_keys=[(name, "ascending") for name in names]
    ).to_numpy()
    return order.astype(np.intp)
