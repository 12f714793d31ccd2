"""The candidates of one bucket: (touch, customer) pairs, and what was decided of each so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.asked import Asked
from antiphon.policy.caps import CATEGORIES, CHANNELS, Contacts
from antiphon.policy.columns import Bools, Codes, Indices, Instants
from antiphon.policy.moment import MICROSECOND, Moment
from antiphon.policy.occasions import Occasions
from antiphon.policy.reach import RULE_OF_STOP, Reachability, stop_texts
from antiphon.policy.repeats import NEVER, Occurrences, last_texts
from antiphon.policy.rules import CAP, MAX_ATTEMPTS, Rule

Chosen = npt.NDArray[np.intp]


class Counters:
    """Texts of counters (JSON), and for each candidate the position of its own (−1: none)."""

    def __init__(self, candidates: int) -> None:
        self._texts: list[pa.Array] = []
        self._known = 0
        self._position = np.full(candidates, -1, np.int32)

    def set(self, rows: Chosen | slice, places: npt.NDArray[np.integer], texts: pa.Array) -> None:
        """Give candidates `rows` the texts at `places` (−1: none)."""
        known = np.int32(self._known)
        self._position[rows] = np.where(places < 0, -1, places.astype(np.int32) + known)
        self._texts.append(texts.cast(pa.string()))
        self._known += len(texts)

    def column(self, rows: Chosen) -> pa.DictionaryArray:
        """The counters of some candidates, dictionary-encoded without repetition."""
        position = self._position[rows]
        if not self._texts:
            return pa.nulls(len(rows), pa.dictionary(pa.int32(), pa.string()))
        encoded = pa.concat_arrays(self._texts).dictionary_encode()
        code = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
        indices = pa.array(code[position] if len(code) else position, mask=position < 0)
        return pa.DictionaryArray.from_arrays(indices, encoded.dictionary)


@dataclass
class Candidates:
    """Arrays by candidate, in descending priority of their campaigns.

    `touch`: position among the touches; `owner`: position of its campaign among the campaigns;
    `customer`: row of people; `channel`: position in CHANNELS (−1: none); `rule`: position among
    the rules' names (−1: nothing binds so far); `lost_to`: the campaign that won (−1: none);
    `ordinal` and `attempt` of the occurrence a message would be; `occasion`: position among the
    occasions (−1: it needs none).
    """

    touch: npt.NDArray[np.int16]
    owner: npt.NDArray[np.int16]
    customer: Indices
    planned: Instants
    channel: Codes
    rule: npt.NDArray[np.int16]
    lost_to: npt.NDArray[np.int16]
    ordinal: Indices
    attempt: Indices
    occasion: Indices
    counters: Counters
    category: Codes
    priority: npt.NDArray[np.int32]

    def open(self, chosen: Bools | None = None) -> Chosen:
        """Positions of the candidates that no rule holds (and are `chosen`)."""
        is_open = self.rule < 0
        return np.flatnonzero(is_open if chosen is None else is_open & chosen)

    def contacts(self, rows: Chosen) -> Contacts:
        """What these candidates would be as contacts."""
        return Contacts(
            self.customer[rows], self.planned[rows], self.channel[rows], self.category[rows]
        )


def rule_names(policy: Policy) -> list[str]:
    """Names by the positions in `Candidates.rule`."""
    return [*(rule.value for rule in Rule), *(CAP + cap.name for cap in policy.caps)]


RULES = {rule: np.int16(position) for position, rule in enumerate(Rule)}


def expand(
    asked: Asked,
    policy: Policy,
    moment: Moment,
    occurrences: Occurrences,
    occasions: Occasions,
) -> Candidates:
    """The pairs that are asked for, under the rules on a campaign and a customer alone:
    running, consent, suppression, address, repeat, attempts.
    """
    touches = asked.touches
    order = sorted(range(len(touches)), key=lambda k: (-touches[k].campaign.priority, k))
    found = [_found(asked, occasions, position) for position in order]
    pairs = _blank(asked, order, found, moment)
    reachability = Reachability(asked.people, policy)
    start = 0
    for position, (rows, _) in zip(order, found, strict=True):
        block = slice(start, start + len(rows))
        start += len(rows)
        touch = touches[position]
        if not len(rows):
            continue
        if not touch.campaign.runs.includes(moment.business_day):
            pairs.rule[block] = RULES[Rule.NOT_RUNNING]
            continue
        _choose_channel(pairs, block, touch, reachability)
        if touch.is_occasional:
            _judge_occasions(pairs, block, touch, occurrences, occasions)
        else:
            _judge_repeat(pairs, block, touch, occurrences)
    _hold_second_steps(pairs, occasions)
    return pairs


def _found(asked: Asked, occasions: Occasions, touch: int) -> tuple[Indices, Indices]:
    """Rows of people, and the position of each one's occasion (−1: none is needed)."""
    if asked.touches[touch].is_occasional:
        mine = occasions.of(touch)
        return occasions.customer[mine], mine.astype(np.int32)
    rows = asked.rows(touch)
    return rows, np.full(len(rows), -1, np.int32)


def _blank(
    asked: Asked,
    order: Sequence[int],
    found: Sequence[tuple[Indices, Indices]],
    moment: Moment,
) -> Candidates:
    campaigns = [touch.campaign for touch in asked.touches]
    sizes = [len(rows) for rows, _ in found]
    count = sum(sizes)
    touch = np.repeat(np.array(order, np.int16), sizes)
    category = np.array([CATEGORIES.index(each.category) for each in campaigns], np.int8)
    priority = np.array([each.priority for each in campaigns], np.int32)
    nobody = np.zeros(0, np.int32)
    return Candidates(
        touch=touch,
        owner=asked.owner[touch],
        customer=np.concatenate([nobody, *(rows for rows, _ in found)]),
        planned=np.full(count, moment.planned_at, np.int64),
        channel=np.full(count, -1, np.int8),
        rule=np.full(count, -1, np.int16),
        lost_to=np.full(count, -1, np.int16),
        ordinal=np.zeros(count, np.int32),
        attempt=np.zeros(count, np.int32),
        occasion=np.concatenate([nobody, *(occasion for _, occasion in found)]),
        counters=Counters(count),
        category=category[touch],
        priority=priority[touch],
    )


def _choose_channel(
    pairs: Candidates, block: slice, touch: Touch, reachability: Reachability
) -> None:
    reach = reachability.of(touch.channels, touch.campaign.category)
    rows = pairs.customer[block]
    codes = np.array([CHANNELS.index(channel) for channel in touch.channels] + [-1], np.int8)
    rules = np.array([-1 if rule is None else RULES[rule] for rule in RULE_OF_STOP], np.int16)
    chosen = reach.channel[rows]
    stopped = chosen < 0
    pairs.channel[block] = codes[chosen]
    pairs.rule[block] = np.where(stopped, rules[reach.stop[rows]], -1)
    pairs.counters.set(
        block, np.where(stopped, reach.stops[rows], -1), pa.array(stop_texts(touch.channels))
    )


def _judge_repeat(pairs: Candidates, block: slice, touch: Touch, occurrences: Occurrences) -> None:
    rows = block.start + np.flatnonzero(pairs.rule[block] < 0)
    verdict = occurrences.verdict(
        int(pairs.owner[block.start]), touch.campaign, pairs.customer[rows], pairs.planned[rows]
    )
    pairs.ordinal[rows], pairs.attempt[rows] = verdict.ordinal, verdict.attempt
    sent = rows[verdict.sent]
    if len(sent):
        pairs.rule[sent] = RULES[Rule.ALREADY_SENT]
        pairs.counters.set(sent, *last_texts(verdict.last[verdict.sent], touch.campaign))
    _exhaust(pairs, rows[verdict.exhausted])


def _judge_occasions(
    pairs: Candidates,
    block: slice,
    touch: Touch,
    occurrences: Occurrences,
    occasions: Occasions,
) -> None:
    """Once for each occasion, and not again on a day on which the campaign has spoken.

    `repeat_after` is a least pause besides, but not between the steps of a chain.
    """
    rows = block.start + np.flatnonzero(pairs.rule[block] < 0)
    own = pairs.occasion[rows]
    pairs.attempt[rows] = occasions.attempt[own]
    used_at = occasions.sent_at[own]
    last = occurrences.spoken_at(int(pairs.owner[block.start]), pairs.customer[rows])
    bound = {"occasion": used_at != NEVER, "day": last >= occurrences.day_start}
    if touch.campaign.repeat_after is not None and touch.chain_step is None:
        pause = touch.campaign.repeat_after // MICROSECOND
        spoken = last != NEVER
        bound["pause"] = spoken & (pairs.planned[rows] < np.where(spoken, last, 0) + pause)
    for name, holds in bound.items():
        fresh = holds & (pairs.rule[rows] < 0)
        if fresh.any():
            pairs.rule[rows[fresh]] = RULES[Rule.ALREADY_SENT]
            at = (used_at if name == "occasion" else last)[fresh]
            pairs.counters.set(rows[fresh], *last_texts(at, touch.campaign, name))
    _exhaust(pairs, rows[occasions.exhausted[own] & (pairs.rule[rows] < 0)])


def _exhaust(pairs: Candidates, rows: Chosen) -> None:
    if len(rows):
        pairs.rule[rows] = RULES[Rule.ATTEMPTS]
        nothing = np.zeros(len(rows), np.int32)
        pairs.counters.set(rows, nothing, pa.array([f'{{"max":{MAX_ATTEMPTS}}}']))


def _hold_second_steps(pairs: Candidates, occasions: Occasions) -> None:
    """Of several steps of one campaign that a customer could get, leave the one due longest."""
    rows = np.flatnonzero((pairs.rule < 0) & (pairs.occasion >= 0))
    due = occasions.due[pairs.occasion[rows]]
    rows = rows[np.lexsort((pairs.touch[rows], due, pairs.customer[rows], pairs.owner[rows]))]
    of, customer = pairs.owner[rows], pairs.customer[rows]
    second = rows[1:][(of[1:] == of[:-1]) & (customer[1:] == customer[:-1])]
    pairs.rule[second] = RULES[Rule.LOST_TO]
    pairs.lost_to[second] = pairs.owner[second]
