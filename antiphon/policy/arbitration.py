"""One winner per customer, or several where the policy allows: by priority, then by chance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import Cap
from antiphon.policy.caps import Contacts, FullWindows
from antiphon.policy.columns import Bools, Indices

Chosen = npt.NDArray[np.intp]
Tie = Callable[[Chosen], npt.NDArray[np.uint64]]
IsControl = Callable[[Chosen], Bools]


@dataclass
class Arbitration:
    """What became of each candidate (arrays by candidate).

    `won`; `cap`: position of the cap that refused it (−1: none); `lost_to`: the winner that took
    its customer's last slot (a candidate's position, −1: none); `counter`: position of its text
    in `texts` (−1: none).
    """

    won: Bools
    cap: npt.NDArray[np.int16]
    lost_to: npt.NDArray[np.int64]
    counter: Indices
    texts: list[pa.Array] = field(default_factory=list)


def arbitrate(
    candidates: Contacts,
    priority: npt.NDArray[np.int32],
    slots: Indices,
    contacts: Contacts,
    *,
    caps: Sequence[Cap],
    tie: Tie,
    is_control: IsControl,
) -> Arbitration:
    """Choose winners rank by rank; each rank sees the earlier winners in its caps.

    `candidates` stand in descending `priority`; `slots` is by customer: how many may still win.
    Winners that are control take a slot and use no cap. `tie` gives the stable number (the lowest
    wins) of candidates of equal priority.
    """
    count = len(priority)
    outcome = Arbitration(
        np.zeros(count, np.bool_),
        np.full(count, -1, np.int16),
        np.full(count, -1, np.int64),
        np.full(count, -1, np.int32),
    )
    open_ = np.arange(count)
    winner = np.full(len(slots), -1, np.int64)
    last_rank = int(slots.max(initial=0))
    for rank in range(1, last_rank + 1):
        running = open_[slots[candidates.customer[open_]] >= rank]
        refused = _refuse(
            outcome, candidates, running, contacts=contacts, caps=caps, customers=len(slots)
        )
        best = _best(candidates.customer, priority, running[~refused], len(slots), tie)
        outcome.won[best] = True
        winner[candidates.customer[best]] = best
        open_ = open_[~outcome.won[open_] & (outcome.cap[open_] < 0)]
        if rank < last_rank and len(open_):
            contacts = contacts.plus(candidates.where(best[~is_control(best)]))
    outcome.lost_to[open_] = winner[candidates.customer[open_]]
    return outcome


def _refuse(
    outcome: Arbitration,
    candidates: Contacts,
    open_: Chosen,
    *,
    contacts: Contacts,
    caps: Sequence[Cap],
    customers: int,
) -> Bools:
    """Refuse those whose window is full, by the first such cap; which of `open_` are refused."""
    asked = candidates.where(open_)
    refused = np.zeros(len(open_), np.bool_)
    contacts = contacts.in_order()
    for position, cap in enumerate(caps):
        windows = FullWindows(cap, contacts, customers)
        is_full, interval = windows.refused(asked)
        fresh = is_full & ~refused
        place, texts = windows.texts(interval[fresh])
        outcome.cap[open_[fresh]] = position
        outcome.counter[open_[fresh]] = place + sum(len(known) for known in outcome.texts)
        outcome.texts.append(texts)
        refused |= fresh
    return refused


def _best(
    customer: Indices,
    priority: npt.NDArray[np.int32],
    running: Chosen,
    customers: int,
    tie: Tie,
) -> Chosen:
    """The best of each customer's running candidates."""
    best = np.full(customers, -1, np.int64)
    best[customer[running[::-1]]] = running[::-1]  # of repeated places the last one stays
    top = running[priority[running] == priority[best[customer[running]]]]
    rivals = np.bincount(customer[top], minlength=customers)
    tied = top[rivals[customer[top]] > 1]
    if len(tied):
        worst_first = tied[np.argsort(tie(tied), kind="stable")[::-1]]
        best[customer[worst_first]] = worst_first
    return best[best >= 0]
