"""Contacts of a bucket's customers, those of history and those chosen in this run, in order."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from antiphon.policy.columns import Bools, Indices, Instants

Chosen = npt.NDArray[np.intp]

_LARGEST = 2**63


@dataclass(frozen=True)
class Contacts:
    """Contacts by customer (row of people), then by moment; `kind` is a number among the Kinds.

    `is_new`: chosen in this run. A limit may still take it back, so that no rule may rest on it.
    """

    customer: Indices
    at: Instants
    kind: Indices
    is_new: Bools
    customers: int

    def where(self, chosen: Bools | npt.NDArray[np.integer[Any]] | slice) -> "Contacts":
        """Some of the contacts, by mask or by position (in order)."""
        return Contacts(
            self.customer[chosen],
            self.at[chosen],
            self.kind[chosen],
            self.is_new[chosen],
            self.customers,
        )

    def plus(self, customer: Indices, at: Instants, kind: Indices) -> "Contacts":
        """These and some that this run has chosen."""
        if not len(customer):
            return self
        is_new = np.ones(len(customer), np.bool_)
        return in_order(
            np.concatenate([self.customer, customer]),
            np.concatenate([self.at, at]),
            np.concatenate([self.kind, kind]),
            np.concatenate([self.is_new, is_new]),
            self.customers,
        )

    @cached_property
    def starts(self) -> npt.NDArray[np.int64]:
        """Position of each customer's first contact; one more at the end."""
        counts = np.bincount(self.customer, minlength=self.customers)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])

    def of(self, customers: Indices) -> tuple[Chosen, npt.NDArray[np.int64]]:
        """Positions of these customers' contacts, one customer after another, and how many each
        has."""
        first = self.starts[customers]
        counts = self.starts[customers + 1] - first
        return ranges(first, counts), counts


def in_order(
    customer: Indices, at: Instants, kind: Indices, is_new: Bools, customers: int
) -> Contacts:
    """Contacts that come in any order; of those at the same moment the lowest kind comes first."""
    order = _order(customer, at, kind)
    return Contacts(customer[order], at[order], kind[order], is_new[order], customers)


def _order(customer: Indices, at: Instants, kind: Indices) -> Chosen:
    """By customer, moment and kind; one sort of one number where that can hold them."""
    first, last = (int(at.min()), int(at.max())) if len(at) else (0, 0)
    span = last - first + 1
    if (int(customer.max(initial=0)) + 1) * span >= _LARGEST:
        return np.lexsort((kind, at, customer))
    number = customer * np.int64(span) + (at - first)
    order = np.argsort(number)
    number = number[order]
    same = number[1:] == number[:-1]
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    rows = order[tied]
    order[tied] = rows[np.lexsort((kind[rows], number[tied]))]
    return order


def ranges(first: npt.NDArray[Any], counts: npt.NDArray[Any]) -> Chosen:
    """first[0], first[0] + 1, … (counts[0] of them), then first[1], …"""
    before = np.cumsum(counts) - counts
    return np.repeat(first - before, counts) + np.arange(int(counts.sum()))


def first_of_each(customer: Indices) -> Chosen:
    """Positions of the first contact of every customer, of contacts in order."""
    is_first = np.append(np.ones(1, np.bool_), customer[1:] != customer[:-1])
    return np.flatnonzero(is_first[: len(customer)])


def last_of_each(customer: Indices) -> Chosen:
    """Positions of the last contact of every customer, of contacts in order."""
    return np.flatnonzero(
        np.append(customer[1:] != customer[:-1], np.ones(min(len(customer), 1), np.bool_))
    )
