"""The rules on contacts, asked together: who is refused a message, by the first rule that binds.

Candidates of one kind that leave together are alike to every rule. For each such class the rules
answer for all customers at once, and each candidate looks up its customer's answer.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import CHANNELS
from antiphon.campaigns.rules import Cap, Gap
from antiphon.policy.candidates import OPEN, Candidates, Chosen, RuleNames
from antiphon.policy.caps import CapRule
from antiphon.policy.chain_limits import ChainRule
from antiphon.policy.columns import Indices
from antiphon.policy.contacts import Contacts
from antiphon.policy.counters import NO_COUNTER
from antiphon.policy.exclusions import ExclusionRule
from antiphon.policy.expanding import times_for
from antiphon.policy.kinds import Kind
from antiphon.policy.leaving import Departures, Leaving
from antiphon.policy.pauses import CoolDownRule, PauseRule
from antiphon.policy.ratios import RatioRule
from antiphon.policy.refusals import ContactRule
from antiphon.policy.sequences import SequenceRule
from antiphon.policy.setting import Setting

Begun = tuple[Indices, pa.Array]
"""Chains that this run has begun: customers and names of campaigns."""


@dataclass(frozen=True)
class Answers:
    """For each customer the rule that refuses (OPEN: none does) and the place of its counters."""

    rule: npt.NDArray[np.int16]
    counter: Indices


class Rulebook:
    """The rules on contacts that hold today, in the order in which they are asked."""

    def __init__(self, setting: Setting, names: RuleNames, leaving: Leaving) -> None:
        self._setting, self._names, self.leaving = setting, names, leaving
        self._classes: dict[tuple[int, str], tuple[int, Departures]] = {}

    def hold(
        self, pairs: Candidates, rows: Chosen, contacts: Contacts, begun: Begun, *, is_first: bool
    ) -> None:
        """Hold those of the candidates (rising) that some rule refuses.

        Rules that no contact chosen in this run can make stricter are asked the first time only.
        """
        rules = self._rules(contacts, begun, is_first=is_first)
        if rules:
            asking = _Asking(self._setting, self._names, pairs, rules)
            for touch, mine in pairs.by_touch(rows):
                for channel, begins, some in _split(pairs, touch, mine):
                    asking.hold(some, *self._class(pairs, touch, channel), begins)

    def _rules(self, contacts: Contacts, begun: Begun, *, is_first: bool) -> list[ContactRule]:
        setting, policy = self._setting, self._setting.policy
        caps: list[Cap | Gap] = [*policy.caps, *policy.gaps]
        in_force = setting.in_force
        rules: list[ContactRule] = []
        if is_first:
            past = contacts.where(~contacts.is_new)
            rules += [SequenceRule(rule, setting, past) for rule in in_force(policy.sequences)]
        rules += [ExclusionRule(rule, setting, contacts) for rule in in_force(policy.exclusions)]
        if is_first:
            rules += [PauseRule(rule, setting) for rule in in_force(policy.pauses)]
            rules += [CoolDownRule(rule, setting, past) for rule in in_force(policy.cool_downs)]
        rules += [ChainRule(rule, setting, begun) for rule in in_force(policy.chains)]
        rules += [CapRule(rule, setting, contacts) for rule in in_force(caps)]
        rules += [RatioRule(rule, setting, contacts) for rule in in_force(policy.ratios)]
        return rules

    def _class(self, pairs: Candidates, touch: int, channel: str) -> tuple[int, Departures]:
        key = (touch, channel)
        if key not in self._classes:
            of = pairs.asked.touches[touch]
            kind = self._setting.kinds.number(Kind(of.name, channel, of.campaign.category))
            departures = self.leaving.under(times_for(self._setting, of, channel))
            self._classes[key] = kind, departures
        return self._classes[key]


class _Asking:
    """One round of questions; what is alike is asked once."""

    def __init__(
        self, setting: Setting, names: RuleNames, pairs: Candidates, rules: list[ContactRule]
    ) -> None:
        self._setting, self._pairs, self._rules = setting, pairs, rules
        self._numbers = [names.number(rule.rule.title) for rule in rules]
        self._bound = [setting.bound(rule.rule) for rule in rules]
        self._refused: dict[Hashable, tuple[Indices, int]] = {}
        self._answers: dict[Hashable, Answers] = {}

    def hold(self, rows: Chosen, kind: int, departures: Departures, begins: bool) -> None:
        answers = self._answer(kind, departures, begins)
        pairs = self._pairs
        customer = pairs.customer[rows]
        rule = answers.rule[customer]
        held = np.flatnonzero(rule != OPEN)
        pairs.rule[rows[held]] = rule[held]
        pairs.counters.place[rows[held]] = answers.counter[customer[held]]

    def _answer(self, kind: int, departures: Departures, begins: bool) -> Answers:
        keys = [rule.key(kind, begins) for rule in self._rules]
        of = (id(departures), *keys)
        if of not in self._answers:
            rule = np.full(self._setting.customers, OPEN, np.int16)
            counter = np.full(self._setting.customers, NO_COUNTER, np.int32)
            for place in reversed(range(len(keys))):  # the first rule is written last
                if keys[place] is not None:
                    customer, first = self._ask(place, keys[place], departures)
                    rule[customer] = self._numbers[place]
                    counter[customer] = np.arange(first, first + len(customer), dtype=np.int32)
            self._answers[of] = Answers(rule, counter)
        return self._answers[of]

    def _ask(self, place: int, key: Hashable, departures: Departures) -> tuple[Indices, int]:
        """Whom a rule refuses, and the first place of the counters."""
        of = (place, key, id(departures))
        if of not in self._refused:
            refusals = self._rules[place].refused(key, departures)
            bound = self._bound[place]
            if bound is not None:
                refusals = refusals.among(bound)
            first = self._pairs.counters.reserve(len(refusals.customer), refusals.counters)
            self._refused[of] = refusals.customer, first
        return self._refused[of]


def _split(pairs: Candidates, touch: int, rows: Chosen) -> list[tuple[str, bool, Chosen]]:
    """One touch's candidates by channel, and by whether they would begin a chain."""
    channels = pairs.asked.touches[touch].channels
    code = pairs.channel[rows]
    parts = [(name, rows[code == CHANNELS.index(name)]) for name in channels]
    if pairs.begins is None:
        return [(name, False, mine) for name, mine in parts if len(mine)]
    split = [
        (name, begins, mine[pairs.begins[mine] == begins])
        for name, mine in parts
        for begins in (False, True)
    ]
    return [one for one in split if len(one[2])]
