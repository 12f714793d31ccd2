"""The repeat rule: once ever or again after a while, and attempts of an occurrence that failed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import Campaign
from antiphon.policy.columns import (
    NEVER,
    Bools,
    Indices,
    Instants,
    instant_texts,
    texts,
    whole_numbers,
)
from antiphon.policy.moment import MICROSECOND, Moment
from antiphon.policy.past import Past
from antiphon.policy.rules import MAX_ATTEMPTS

_ATTEMPT_BITS = 20  # an ordinal and an attempt in one number, so that one maximum finds both


@dataclass(frozen=True)
class Verdict:
    """One campaign's candidates under the repeat rule, in their order.

    `sent`: the occurrence was used; `last`: when (NEVER: it was not). `exhausted`: it failed
    MAX_ATTEMPTS times. For the others the ordinal of the occurrence (1, 2, …) and its attempt.
    """

    sent: Bools
    last: Instants
    exhausted: Bools
    ordinal: Indices
    attempt: Indices


class Occurrences:
    """What each campaign has said to each unit so far."""

    def __init__(
        self, history: pa.Table, past: Past, unit: Indices, names: Sequence[str], moment: Moment
    ) -> None:
        """`past`: of the same history; `unit`: for each of its rows the position of its unit, −1
        where it is none of ours; `names`: of the campaigns, each once."""
        self.day_start = moment.day_bounds()[0]
        campaign = past.campaign(names)
        known = np.flatnonzero((unit >= 0) & (campaign >= 0))
        self._units = int(unit.max(initial=-1)) + 1
        key = campaign[known].astype(np.int64) * self._units + unit[known]
        order = np.argsort(key)
        rows, key = known[order], key[order]
        first = np.flatnonzero(
            np.concatenate([np.ones(1, np.bool_), key[1:] != key[:-1]])[: len(key)]
        )
        alive, at = past.is_occurrence[rows], past.at[rows]
        attempt = whole_numbers(history, "attempt")[rows]
        step = (_ordinals(texts(history, "anchor"))[rows] << _ATTEMPT_BITS) + attempt

        def latest(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
            return np.maximum.reduceat(values, first) if len(first) else values

        key = key[first]
        self._unit = key % max(self._units, 1)
        self._bounds = np.searchsorted(key, np.arange(len(names) + 1) * self._units)
        self._alive_at, self._at = latest(np.where(alive, at, NEVER)), latest(at)
        self._alive_step, self._step = latest(np.where(alive, step, 0)), latest(step)
        self._attempt = latest(attempt)

    def spoken_at(self, position: int, unit: Indices) -> Instants:
        """When a campaign last spoke to each unit, whatever of; NEVER where it has not."""
        place, known = self._find(position, unit)
        if not len(self._alive_at):
            return np.full(len(unit), NEVER, np.int64)
        return np.where(known, self._alive_at[place], NEVER)

    def verdict(
        self, position: int, campaign: Campaign, unit: Indices, planned: Instants
    ) -> Verdict:
        """Judge the candidates of one standing campaign (`unit`: positions among the units).

        Twice on one day is refused whatever the rule says, so that a day decided again adds
        nothing. A dead occurrence (every attempt refused, withdrawn or expired) is tried again
        under its own ordinal; after MAX_ATTEMPTS a repeating campaign waits for its next turn.
        """
        place, known = self._find(position, unit)

        def of(values: npt.NDArray[np.int64], unknown: int) -> npt.NDArray[np.int64]:
            return (
                np.where(known, values[place], unknown)
                if len(values)
                else np.full(len(unit), unknown, np.int64)
            )

        last = of(self._alive_at, NEVER)
        spoken = last != NEVER
        if campaign.repeat_after is None:
            attempt = of(self._attempt, 0) + 1
            exhausted = ~spoken & (attempt > MAX_ATTEMPTS)
            ordinal = np.ones(len(unit), np.int64)
            return Verdict(
                spoken, last, exhausted, ordinal.astype(np.int32), attempt.astype(np.int32)
            )
        pause = campaign.repeat_after // MICROSECOND
        step = of(self._step, 0)
        ordinal, tried = step >> _ATTEMPT_BITS, step & ((1 << _ATTEMPT_BITS) - 1)
        is_dead = of(self._alive_step, 0) >> _ATTEMPT_BITS != ordinal
        sent = spoken & ((planned < np.where(spoken, last, 0) + pause) | (last >= self.day_start))
        exhausted = ~sent & is_dead & (tried >= MAX_ATTEMPTS)
        waited = exhausted & (planned >= np.where(known, of(self._at, 0), 0) + pause)
        again = is_dead & ~waited
        return Verdict(
            sent,
            last,
            exhausted & ~waited,
            np.where(again, ordinal, ordinal + 1).astype(np.int32),
            np.where(again, tried + 1, 1).astype(np.int32),
        )

    def _find(self, position: int, unit: Indices) -> tuple[npt.NDArray[np.intp], Bools]:
        begin, end = self._bounds[position : position + 2]
        if begin == end:
            return np.zeros(len(unit), np.intp), np.zeros(len(unit), np.bool_)
        mine = self._unit[begin:end]
        place = np.minimum(np.searchsorted(mine, unit), len(mine) - 1)
        return place + begin, mine[place] == unit


def _ordinals(anchors: pa.Array) -> npt.NDArray[np.int64]:
    """The ordinal an anchor stands for; `once` and any other word is the first."""
    is_ordinal = pc.match_substring_regex(anchors, r"^[1-9][0-9]{0,8}$")
    ordinals = pc.if_else(is_ordinal, anchors, "1").cast(pa.int64())
    numbers: npt.NDArray[np.int64] = ordinals.to_numpy(zero_copy_only=False)
    return numbers


def last_texts(last: Instants, campaign: Campaign, bound: str = "") -> tuple[Indices, pa.Array]:
    """The counters of `already_sent`: for each time the position of its text, and the texts.

    `bound`: what binds a campaign that speaks on occasions (`occasion`, `pause` or `day`).
    """
    encoded = pa.array(last).dictionary_encode()
    rule = (
        '"repeat_after":null'
        if campaign.repeat_after is None
        else f'"repeat_after":{campaign.repeat_after // MICROSECOND // 1_000_000}'
    )
    rule += f',"bound":"{bound}"' if bound else ""
    times = instant_texts(encoded.dictionary.to_numpy(zero_copy_only=False))
    json = pc.binary_join_element_wise('{"last":"', times, '",' + rule + "}", "")
    return encoded.indices.to_numpy(zero_copy_only=False), json
