"""Kinds of contacts: a campaign by a channel in a category, which is all that scopes tell apart."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import PolicyRule
from antiphon.policy.columns import Bools, Indices

Each = Literal["campaign", "offer", "channel", "category"]
NO_GROUP = -1


@dataclass(frozen=True, slots=True, order=True)
class Kind:
    """What one message has in common with others. `category` is its own, as it was sent."""

    campaign: str
    channel: str
    category: str


class Kinds:
    """All kinds of contacts of a bucket, numbered in the order of their names; answers are arrays
    by that number.

    Tags and offers are those of the campaign as it is configured now: what a campaign that no
    longer exists has sent has none, but its name, channel and category.
    """

    def __init__(self, kinds: Iterable[Kind], campaigns: Mapping[str, Campaign]) -> None:
        self.all = sorted(set(kinds))
        self._number = {kind: number for number, kind in enumerate(self.all)}
        self._campaigns = campaigns

    def number(self, kind: Kind) -> int:
        """Its number (KeyError where it is unknown)."""
        return self._number[kind]

    def in_scope(self, rule: PolicyRule) -> Bools:
        """Whether the rule counts and binds contacts of the kind, its customers apart."""
        tagged = self.tagged(rule.tag) if rule.tag is not None else None
        scopes = ((rule.channel, "channel"), (rule.category, "category"))
        inside = self.of_campaigns(rule.campaign) if rule.campaign is not None else self._every()
        for allowed, field in scopes:
            if allowed is not None:
                inside &= self._where([getattr(kind, field) in allowed for kind in self.all])
        return inside if tagged is None else inside & tagged

    def tagged(self, tags: Collection[str]) -> Bools:
        """Whether its campaign has one of these tags."""
        return self._where([bool(self._tags(kind).intersection(tags)) for kind in self.all])

    def of_campaigns(self, names: Collection[str]) -> Bools:
        """Whether its campaign is one of these."""
        return self._where([kind.campaign in names for kind in self.all])

    def concerns(self, rule: PolicyRule, name: str) -> bool:
        """Whether a campaign, by whatever channel, is in the rule's scope."""
        campaign = self._campaigns.get(name)
        if campaign is not None:
            return rule.concerns(campaign)
        is_named = rule.campaign is None or name in rule.campaign
        return is_named and rule.tag is None and rule.category is None

    def groups(self, each: Each | None) -> Indices:
        """Numbers of what a rule counts apart; all 0 without `each`, NO_GROUP without an offer."""
        if each is None:
            return np.zeros(len(self.all), np.int32)
        words = [self._offer(kind) if each == "offer" else getattr(kind, each) for kind in self.all]
        place = {word: number for number, word in enumerate(dict.fromkeys(words))}
        codes = [NO_GROUP if word is None else place[word] for word in words]
        return np.array(codes, np.int32)

    def _tags(self, kind: Kind) -> set[str]:
        campaign = self._campaigns.get(kind.campaign)
        return set(campaign.tags) if campaign else set()

    def _offer(self, kind: Kind) -> str | None:
        campaign = self._campaigns.get(kind.campaign)
        return campaign.promise if campaign else None

    def _every(self) -> Bools:
        return np.ones(len(self.all), np.bool_)

    def _where(self, answers: list[bool]) -> Bools:
        return np.array(answers, np.bool_)
