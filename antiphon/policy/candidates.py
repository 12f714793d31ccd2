"""The candidates of one bucket: (campaign, customer) pairs, and what was decided of each so far."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import Campaign, Policy
from antiphon.policy.caps import CATEGORIES, CHANNELS, Contacts
from antiphon.policy.columns import Bools, Codes, Indices, Instants, masks
from antiphon.policy.moment import Moment
from antiphon.policy.reach import RULE_OF_STOP, Reachability, stop_texts
from antiphon.policy.repeats import Occurrences, last_texts
from antiphon.policy.rules import CAP, MAX_ATTEMPTS, Rule

BITS = 62  # of a mask
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

    `campaign`: position among the campaigns; `customer`: row of people; `channel`: position in
    CHANNELS (−1: none); `rule`: position among the rules' names (−1: nothing binds so far);
    `ordinal` and `attempt` of the occurrence a message would be.
    """

    campaign: npt.NDArray[np.int16]
    customer: Indices
    planned: Instants
    channel: Codes
    rule: npt.NDArray[np.int16]
    ordinal: Indices
    attempt: Indices
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
    people: pa.Table,
    campaigns: Sequence[Campaign],
    policy: Policy,
    moment: Moment,
    occurrences: Occurrences,
) -> Candidates:
    """The pairs that the masks ask for, under the rules on a campaign and a customer alone:
    running, consent, suppression, address, repeat, attempts.
    """
    order = sorted(range(len(campaigns)), key=lambda k: (-campaigns[k].priority, k))
    words = {k: masks(people, f"mask_{k}") for k in sorted({each // BITS for each in order})}
    customers = [_asked(words[position // BITS], position % BITS) for position in order]
    pairs = _blank(campaigns, order, customers, moment)
    reachability = Reachability(people, policy)
    start = 0
    for position, rows in zip(order, customers, strict=True):
        block = slice(start, start + len(rows))
        start += len(rows)
        campaign = campaigns[position]
        if not campaign.runs.includes(moment.business_day):
            pairs.rule[block] = RULES[Rule.NOT_RUNNING]
            continue
        _choose_channel(pairs, block, campaign, reachability)
        _judge_repeat(pairs, block, campaign, position, occurrences)
    return pairs


def _asked(mask: npt.NDArray[np.uint64], bit: int) -> Indices:
    return np.flatnonzero(mask & np.uint64(1 << bit)).astype(np.int32)


def _blank(
    campaigns: Sequence[Campaign],
    order: Sequence[int],
    customers: Sequence[Indices],
    moment: Moment,
) -> Candidates:
    sizes = [len(rows) for rows in customers]
    count = sum(sizes)
    campaign = np.repeat(np.array(order, np.int16), sizes)
    category = np.array([CATEGORIES.index(c.category) for c in campaigns], np.int8)
    priority = np.array([c.priority for c in campaigns], np.int32)
    return Candidates(
        campaign=campaign,
        customer=np.concatenate([np.zeros(0, np.int32), *customers]),
        planned=np.full(count, moment.planned_at, np.int64),
        channel=np.full(count, -1, np.int8),
        rule=np.full(count, -1, np.int16),
        ordinal=np.zeros(count, np.int32),
        attempt=np.zeros(count, np.int32),
        counters=Counters(count),
        category=category[campaign],
        priority=priority[campaign],
    )


def _choose_channel(
    pairs: Candidates, block: slice, campaign: Campaign, reachability: Reachability
) -> None:
    reach = reachability.of(campaign.channels, campaign.category)
    rows = pairs.customer[block]
    codes = np.array([CHANNELS.index(channel) for channel in campaign.channels] + [-1], np.int8)
    rules = np.array([-1 if rule is None else RULES[rule] for rule in RULE_OF_STOP], np.int16)
    chosen = reach.channel[rows]
    stopped = chosen < 0
    pairs.channel[block] = codes[chosen]
    pairs.rule[block] = np.where(stopped, rules[reach.stop[rows]], -1)
    pairs.counters.set(
        block, np.where(stopped, reach.stops[rows], -1), pa.array(stop_texts(campaign.channels))
    )


def _judge_repeat(
    pairs: Candidates, block: slice, campaign: Campaign, position: int, occurrences: Occurrences
) -> None:
    asked = block.start + np.flatnonzero(pairs.rule[block] < 0)
    verdict = occurrences.verdict(position, campaign, pairs.customer[asked], pairs.planned[asked])
    pairs.ordinal[asked], pairs.attempt[asked] = verdict.ordinal, verdict.attempt
    sent, exhausted = asked[verdict.sent], asked[verdict.exhausted]
    if len(sent):
        pairs.rule[sent] = RULES[Rule.ALREADY_SENT]
        pairs.counters.set(sent, *last_texts(verdict.last[verdict.sent], campaign))
    if len(exhausted):
        pairs.rule[exhausted] = RULES[Rule.ATTEMPTS]
        nothing = np.zeros(len(exhausted), np.int32)
        pairs.counters.set(exhausted, nothing, pa.array([f'{{"max":{MAX_ATTEMPTS}}}']))
