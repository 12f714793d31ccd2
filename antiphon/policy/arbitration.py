"""Who wins a customer's days: by priority, then value, then chance, one winner after another."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from antiphon.policy.candidates import OPEN, Candidates, Chosen
from antiphon.policy.columns import Bools
from antiphon.policy.slots import Slots

Tie = Callable[[Chosen], npt.NDArray[np.uint64]]
Worth = Callable[[Chosen], npt.NDArray[np.float64]] | None
Judge = Callable[[Chosen, Chosen | None], None]
"""Holds those of some candidates that a rule refuses, now that others (None: nobody yet) won."""


def arbitrate(
    pairs: Candidates,
    rivals: Chosen,
    place: npt.NDArray[np.int64],
    slots: Slots,
    *,
    judge: Judge,
    worth: Worth,
    tie: Tie,
    lost_to: int,
) -> None:
    """Of the rivals (rising; `place`: of their slots) winners stay open, all others are held.

    Again and again each customer's best candidate wins, the others are judged with it counted, and
    those without a slot on their day are lost to whoever took the last one. `worth`: the values of
    candidates, None where no campaign has one; `tie`: a stable number, of which the lowest wins.
    """
    judge(rivals, None)
    is_open = pairs.rule[rivals] == OPEN
    rivals, place = rivals[is_open], place[is_open]
    while len(rivals):
        won = _best(pairs, rivals, worth, tie)
        winners = rivals[won]
        slots.take(place[won], winners)
        rest = np.ones(len(rivals), np.bool_)
        rest[won] = False
        rivals, place = rivals[rest], place[rest]
        is_late = slots.is_full(place)
        late = rivals[is_late]
        pairs.rule[late] = lost_to
        pairs.lost_to[late] = pairs.owner(slots.last_winner(place[is_late]))
        rivals, place = rivals[~is_late], place[~is_late]
        if len(rivals):
            judge(rivals, winners)
            is_open = pairs.rule[rivals] == OPEN
            rivals, place = rivals[is_open], place[is_open]


def _best(pairs: Candidates, rivals: Chosen, worth: Worth, tie: Tie) -> npt.NDArray[np.intp]:
    """Positions in `rivals` of each customer's best one."""
    customer = pairs.customer[rivals]
    places = np.arange(len(rivals))
    best = np.full(int(customer.max()) + 1, -1, np.int64)
    best[customer[::-1]] = places[::-1]  # of repeated places the last one stays: top priority
    priority = pairs.priority(rivals)
    top = places[priority == priority[best[customer]]]
    if worth is not None:
        top = _rivalling(top, customer)
        best_worth = np.full(len(best), -np.inf)
        value = worth(rivals[top])
        np.maximum.at(best_worth, customer[top], value)
        top = top[value == best_worth[customer[top]]]
        best[customer[top[::-1]]] = top[::-1]
    tied = _rivalling(top, customer)
    if len(tied):
        worst_first = tied[np.argsort(tie(rivals[tied]), kind="stable")[::-1]]
        best[customer[worst_first]] = worst_first
    return np.sort(best[best >= 0])


def _rivalling(
    places: npt.NDArray[np.intp], customer: npt.NDArray[np.int32]
) -> npt.NDArray[np.intp]:
    """Those of the places whose customer has several of them."""
    if not len(places):
        return places
    rivals: Bools = np.bincount(customer[places])[customer[places]] > 1
    return places[rivals]
