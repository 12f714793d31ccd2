"""From masks to candidates, under the rules on a campaign and a customer alone.

In the order in which they are asked: running, holds, brakes, test group, suppress rules, consent,
suppression and address, times, repeat rule, attempts; at last the second of two steps of a chain.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import CHANNELS
from antiphon.campaigns.touches import Touch
from antiphon.policy.arms import Arms
from antiphon.policy.asked import Asked
from antiphon.policy.brakes import BrakeReading, stops
from antiphon.policy.candidates import OPEN, Candidates, Chosen, RuleNames
from antiphon.policy.columns import (
    NEVER,
    Bools,
    Codes,
    Indices,
    Instants,
    instant_json,
    instant_texts,
)
from antiphon.policy.counters import NO_COUNTER, Counters
from antiphon.policy.leaving import Departures, Leaving
from antiphon.policy.moment import MICROSECOND
from antiphon.policy.occasions import Occasions
from antiphon.policy.reach import NO_CHANNEL, Reachability, whole_suppressions
from antiphon.policy.repeats import Occurrences, last_texts
from antiphon.policy.rules import MAX_ATTEMPTS, Rule
from antiphon.policy.setting import Setting


@dataclass
class Block:
    """The candidates of one touch while they are judged: parts of the arrays of Candidates."""

    touch: int
    customer: Indices
    occasion: Indices
    planned: Instants
    channel: Codes
    rule: npt.NDArray[np.int16]
    counter: Indices
    ordinal: Indices
    attempt: Indices

    def hold(
        self,
        which: Bools | Chosen,
        rule: int | npt.NDArray[np.int16],
        counter: int | Indices = NO_COUNTER,
    ) -> None:
        """Hold those of some candidates that no rule holds yet (`rule`, `counter`: for all, or by
        candidate of the block)."""
        rows = np.flatnonzero(which) if which.dtype == np.bool_ else which
        rows = rows[self.rule[rows] == OPEN]
        self.rule[rows] = rule[rows] if isinstance(rule, np.ndarray) else rule
        self.counter[rows] = counter[rows] if isinstance(counter, np.ndarray) else counter

    def open(self) -> Chosen:
        """Those that no rule holds."""
        return np.flatnonzero(self.rule == OPEN)


class Expansion:
    """Makes the candidates of a bucket, touch by touch in descending priority."""

    def __init__(
        self,
        asked: Asked,
        setting: Setting,
        names: RuleNames,
        *,
        leaving: Leaving,
        occurrences: Occurrences,
        occasions: Occasions,
        arms: Arms,
        brakes: Mapping[str, BrakeReading],
        holds: Mapping[str, str],
    ) -> None:
        self._asked, self._setting, self._names, self._leaving = asked, setting, names, leaving
        self._occurrences, self._occasions, self._arms = occurrences, occasions, arms
        self._counters = Counters()
        self._reachability = Reachability(setting, self._counters)
        self._rule_of_stop = np.array(
            [names.number(rule) if rule else OPEN for rule in self._reachability.rules], np.int16
        )
        self._pulled = [
            (brake, self._brake_text(brakes[brake.name], brake.stop))
            for brake in setting.in_force(setting.policy.brakes)
            if brake.name in brakes and stops(brake, brakes[brake.name])
        ]
        self._paused = {name: self._counters.put([text]) for name, text in sorted(holds.items())}
        self._exhausted = self._counters.put([f'{{"max":{MAX_ATTEMPTS}}}'])

    def candidates(self) -> Candidates:
        """All of them."""
        touches = self._asked.touches
        order = sorted(range(len(touches)), key=lambda k: (-touches[k].campaign.priority, k))
        found = [self._found(touch) for touch in order]
        ends = np.cumsum([0, *(len(rows) for rows, _ in found)]).tolist()
        count, nobody = ends[-1], np.zeros(0, np.int32)
        made = Candidates(
            asked=self._asked,
            bounds=tuple(zip(order, ends, ends[1:], strict=False)),
            touch=np.repeat(np.array(order, np.int16), np.diff(ends)),
            customer=np.concatenate([nobody, *(rows for rows, _ in found)]),
            occasion=np.concatenate([nobody, *(occasion for _, occasion in found)]),
            planned=np.full(count, self._setting.moment.planned_at, np.int64),
            channel=np.full(count, NO_CHANNEL, np.int8),
            rule=np.full(count, OPEN, np.int16),
            lost_to=np.full(count, -1, np.int16),
            ordinal=np.zeros(count, np.int32),
            attempt=np.zeros(count, np.int32),
            counters=self._counters,
        )
        del found
        self._counters.place = np.full(count, NO_COUNTER, np.int32)
        for touch, first, end in made.bounds:
            if first < end:
                self._judge(_block(made, touch, slice(first, end)))
        _hold_second_steps(made, self._occasions, self._names.number(Rule.LOST_TO))
        return made

    def _found(self, touch: int) -> tuple[Indices, Indices]:
        """Rows of people, and the position of each one's occasion (−1: none is needed)."""
        if self._asked.touches[touch].is_occasional:
            mine = self._occasions.of(touch)
            return self._occasions.customer[mine], mine.astype(np.int32)
        rows = self._asked.rows(touch)
        return rows, np.full(len(rows), -1, np.int32)

    def _judge(self, block: Block) -> None:
        touch = self._asked.touches[block.touch]
        if not touch.campaign.runs.includes(self._setting.moment.business_day):
            block.hold(block.open(), self._names.number(Rule.NOT_RUNNING))
            return
        if touch.name in self._paused:
            number = self._names.number(Rule.PAUSED)
            block.hold(block.open(), number, self._paused[touch.name])
            return
        reach = self._reachability.of(touch)
        block.channel[:] = reach.channel[block.customer]
        is_exempt = touch.campaign.category in self._setting.policy.exempt
        times = [] if is_exempt else self._plan(block, touch)
        if not is_exempt:
            self._brake(block, touch)
            self._test(block, touch)
            self._suppress(block, touch)
        stop = reach.rule[block.customer]
        block.hold(stop > 0, self._rule_of_stop[stop], reach.counter[block.customer])
        for late, rule, counter in times:
            block.hold(late, rule, counter)
        if touch.is_occasional:
            self._judge_occasions(block, touch)
        else:
            self._judge_repeat(block, touch)

    def _plan(
        self, block: Block, touch: Touch
    ) -> list[tuple[Chosen, npt.NDArray[np.int16], Indices]]:
        """Set the planned moments; those that would be stale by then, with rule and counter."""
        expires = self._setting.moment.planned_at + touch.campaign.expires_after // MICROSECOND
        stale = []
        for channel in touch.channels:
            rules = times_for(self._setting, touch, channel)
            if not rules:
                continue
            mine = np.flatnonzero(block.channel == CHANNELS.index(channel))
            departures = self._leaving.under(rules)
            place = departures.place[block.customer[mine]]
            is_late = departures.at_places >= expires
            late = is_late[place]
            block.planned[mine[~late]] = departures.at_places[place[~late]]
            if late.any():
                rule, counter = np.full_like(block.rule, OPEN), np.full_like(block.counter, -1)
                by_place, first = self._late_texts(departures, expires)
                rule[mine], counter[mine] = by_place[place], first + place
                stale.append((mine[late], rule, counter))
        return stale

    def _late_texts(
        self, departures: Departures, expires: int
    ) -> tuple[npt.NDArray[np.int16], int]:
        """By place the rule that forbids the run's moment, and the first place of the counters."""
        rules = [
            self._names.number(rule.title) if rule else OPEN for rule in departures.forbidden_by
        ]
        until = instant_texts(np.array([expires]))[0].as_py()
        texts = [
            f'{{"next":{next_},"expires":"{until}"}}'
            for next_ in instant_json(departures.at_places).to_pylist()
        ]
        return np.array(rules, np.int16), self._counters.put(texts)

    def _brake(self, block: Block, touch: Touch) -> None:
        for brake, counter in self._pulled:
            if brake.concerns(touch.campaign):
                mine = np.ones(len(block.customer), np.bool_)
                if brake.channel is not None:
                    codes = [CHANNELS.index(channel) for channel in brake.channel]
                    mine = np.isin(block.channel, codes)
                bound = self._setting.bound(brake)
                mine = mine if bound is None else mine & bound[block.customer]
                block.hold(mine, self._names.number(brake.title), counter)

    def _brake_text(self, reading: BrakeReading, stop: float) -> int:
        return self._counters.put(
            [
                f'{{"share":{reading.share:.6g},"stop":{stop:.6g},'
                f'"contacts":{reading.contacts},"responses":{reading.responses}}}'
            ]
        )

    def _test(self, block: Block, touch: Touch) -> None:
        test = touch.campaign.test
        if test is None:
            return
        units = self._asked.units.take(pa.array(block.customer))
        of = np.full(len(block.customer), block.touch, np.int16)
        group = self._arms.groups(of, units, block.planned)
        names = list(self._setting.policy.tests[test.layer].groups)
        texts = [f'{{"layer":"{test.layer}","group":"{name}"}}' for name in names]
        counter = (self._counters.put(texts) + group).astype(np.int32)
        number = self._names.number(Rule.TEST_GROUP)
        block.hold(group != names.index(test.group), number, counter)

    def _suppress(self, block: Block, touch: Touch) -> None:
        for rule in whole_suppressions(self._setting, touch.campaign):
            bound = self._setting.bound(rule)
            whom = (
                np.ones(len(block.customer), np.bool_) if bound is None else bound[block.customer]
            )
            block.hold(whom, self._names.number(rule.title))

    def _judge_repeat(self, block: Block, touch: Touch) -> None:
        rows = block.open()
        verdict = self._occurrences.verdict(
            int(self._asked.owner[block.touch]),
            touch.campaign,
            block.customer[rows],
            block.planned[rows],
        )
        block.ordinal[rows], block.attempt[rows] = verdict.ordinal, verdict.attempt
        self._already(block, touch, rows[verdict.sent], verdict.last[verdict.sent])
        self._exhaust(block, rows[verdict.exhausted])

    def _judge_occasions(self, block: Block, touch: Touch) -> None:
        """Once for each occasion, and not again on a day on which the campaign has spoken.

        `repeat_after` is a least pause besides, but not between the steps of a chain.
        """
        rows = block.open()
        own = block.occasion[rows]
        block.attempt[rows] = self._occasions.attempt[own]
        used_at = self._occasions.sent_at[own]
        owner = int(self._asked.owner[block.touch])
        last = self._occurrences.spoken_at(owner, block.customer[rows])
        bound = {"occasion": used_at != NEVER, "day": last >= self._occurrences.day_start}
        if touch.campaign.repeat_after is not None and touch.chain_step is None:
            pause = touch.campaign.repeat_after // MICROSECOND
            spoken = last != NEVER
            bound["pause"] = spoken & (block.planned[rows] < np.where(spoken, last, 0) + pause)
        for name, holds in bound.items():
            fresh = holds & (block.rule[rows] == OPEN)
            at = (used_at if name == "occasion" else last)[fresh]
            self._already(block, touch, rows[fresh], at, name)
        self._exhaust(block, rows[self._occasions.exhausted[own]])

    def _already(
        self, block: Block, touch: Touch, rows: Chosen, last: Instants, bound: str = ""
    ) -> None:
        if len(rows):
            counter = np.full_like(block.counter, NO_COUNTER)
            place, texts = last_texts(last, touch.campaign, bound)
            counter[rows] = place + self._counters.put_array(texts)
            block.hold(rows, self._names.number(Rule.ALREADY_SENT), counter)

    def _exhaust(self, block: Block, rows: Chosen) -> None:
        block.hold(rows, self._names.number(Rule.ATTEMPTS), self._exhausted)


def times_for(setting: Setting, touch: Touch, channel: str) -> tuple[int, ...]:
    """Positions (in policy.times) of the rules that concern the touch on this channel."""
    return tuple(
        place
        for place, rule in enumerate(setting.policy.times)
        if rule.holds_on(setting.moment.business_day) and rule.concerns(touch.campaign, channel)
    )


def _block(pairs: Candidates, touch: int, mine: slice) -> Block:
    return Block(
        touch,
        pairs.customer[mine],
        pairs.occasion[mine],
        pairs.planned[mine],
        pairs.channel[mine],
        pairs.rule[mine],
        pairs.counters.place[mine],
        pairs.ordinal[mine],
        pairs.attempt[mine],
    )


def _hold_second_steps(pairs: Candidates, occasions: Occasions, lost_to: int) -> None:
    """Of several steps of one campaign that a customer could get, leave the one due longest."""
    rows = np.flatnonzero((pairs.rule == OPEN) & (pairs.occasion >= 0))
    due, of = occasions.due[pairs.occasion[rows]], pairs.owner(rows)
    rows = rows[np.lexsort((pairs.touch[rows], due, pairs.customer[rows], of))]
    of, customer = pairs.owner(rows), pairs.customer[rows]
    second = rows[1:][(of[1:] == of[:-1]) & (customer[1:] == customer[:-1])]
    pairs.rule[second] = lost_to
    pairs.lost_to[second] = pairs.owner(second)
