"""By which channel a customer may be reached: consent, suppression, address."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from antiphon.campaigns.models import CHANNELS, LIKED, Campaign, Channel
from antiphon.campaigns.rules import ConsentRule, SuppressRule
from antiphon.campaigns.touches import Touch
from antiphon.policy.columns import Bools, Codes, Indices, flags, numbered, positions, texts
from antiphon.policy.counters import NO_COUNTER, Counters
from antiphon.policy.rules import Rule
from antiphon.policy.setting import Setting

NO_CHANNEL = -1
_EVIDENCE = ("not_confirmed", "not_proven")


@dataclass(frozen=True)
class Stop:
    """Why a channel is closed: the rule, as decisions name it, and a word for the counters."""

    rule: str
    word: str


@dataclass(frozen=True)
class Reach:
    """For each customer the channel (position in CHANNELS, NO_CHANNEL: none is open); where there
    is none the rule (position in Reachability.rules) and the place of the counters."""

    channel: Codes
    rule: npt.NDArray[np.int16]
    counter: Indices


class Reachability:
    """Answers for touches, once for all that are alike: the first channel that nothing stops.

    `rules`: what may close channels. Where every channel is closed, the rule that binds is the one
    that took the last channel away: the furthest any of them came in the order of asking.
    """

    def __init__(self, setting: Setting, counters: Counters) -> None:
        self._setting, self._people, self._counters = setting, setting.people, counters
        policy = setting.policy
        by_category = len(policy.consent_rules) - len(policy.consents)
        self._consents = [
            (Rule.CONSENT.value if place < by_category else rule.title, rule)
            for place, rule in enumerate(policy.consent_rules)
            if rule.holds_on(setting.moment.business_day)
        ]
        self._suppress = [
            rule for rule in setting.in_force(policy.suppress) if rule.channel is not None
        ]
        words = ("objected", "not_agreed", *_EVIDENCE)
        self._stops = [
            Stop("", ""),
            *(Stop(rule.title, rule.title) for rule in self._suppress),
            *(Stop(title, word) for title, _ in self._consents for word in words),
            Stop(Rule.SUPPRESSED.value, Rule.SUPPRESSED.value),
            Stop(Rule.NO_ADDRESS.value, Rule.NO_ADDRESS.value),
        ]
        self._place = {stop: place for place, stop in enumerate(self._stops)}
        self._known: dict[object, Reach] = {}
        self._closed: dict[object, npt.NDArray[np.int16]] = {}

    @property
    def rules(self) -> list[str]:
        """The rule of each stop, '' first."""
        return [stop.rule for stop in self._stops]

    def of(self, touch: Touch) -> Reach:
        """By which of the touch's channels each customer may be reached."""
        campaign, channels = touch.campaign, touch.channels
        asked = tuple(self._asked(campaign, channel) for channel in channels)
        key = (channels, campaign.category, asked, campaign.channel_by)
        if key not in self._known:
            self._known[key] = self._reach(touch, asked)
        return self._known[key]

    def _reach(self, touch: Touch, asked: tuple[tuple[str, ...], ...]) -> Reach:
        channels = touch.channels
        closed = [
            self._closed_by(touch.campaign, channel, names)
            for channel, names in zip(channels, asked, strict=True)
        ]
        count, base = self._people.num_rows, len(self._stops)
        channel = np.full(count, NO_CHANNEL, np.int8)
        code = np.zeros(count, np.int64)
        for name, stop in reversed(list(zip(channels, closed, strict=True))):
            channel[stop == 0] = CHANNELS.index(name)
        for stop in closed:
            code = code * base + stop
        if touch.campaign.channel_by in LIKED:
            liked = texts(self._people, LIKED[touch.campaign.channel_by])
            first = positions(liked, channels)
            for place, stop in enumerate(closed):
                channel[(first == place) & (stop == 0)] = CHANNELS.index(channels[place])
        none = channel == NO_CHANNEL
        rule = np.where(none, np.maximum.reduce(closed), 0).astype(np.int16)
        known, place_of = numbered(np.where(none, code, 0), base ** len(channels))
        first_place = self._counters.put([self._text(channels, int(each)) for each in known])
        counter = np.where(none, first_place + place_of, NO_COUNTER).astype(np.int32)
        return Reach(channel, rule, counter)

    def _asked(self, campaign: Campaign, channel: Channel) -> tuple[str, ...]:
        """Names of the rules that concern a campaign on a channel."""
        rules: list[ConsentRule | SuppressRule] = [rule for _, rule in self._consents]
        return tuple(
            rule.title for rule in [*self._suppress, *rules] if rule.concerns(campaign, channel)
        )

    def _closed_by(
        self, campaign: Campaign, channel: Channel, names: tuple[str, ...]
    ) -> npt.NDArray[np.int16]:
        """For each customer the first stop of a channel (position in `_stops`; 0: none)."""
        key = (channel, campaign.category, names)
        if key not in self._closed:
            people = self._people
            stop = np.zeros(people.num_rows, np.int16)
            closed = {
                Rule.NO_ADDRESS: ~flags(people, f"{channel}_reachable", null=False),
                Rule.SUPPRESSED: flags(people, f"suppressed_{channel}", null=True),
            }
            for rule, whom in closed.items():
                stop[whom] = self._place[Stop(rule.value, rule.value)]
            for title, consent in reversed(self._consents):
                if consent.concerns(campaign, channel):
                    for word, whom in self._lacking(consent, channel, campaign.category):
                        stop[whom] = self._place[Stop(title, word)]
            for suppress in reversed(self._suppress):
                if suppress.concerns(campaign, channel):
                    bound = self._setting.bound(suppress)
                    stop[slice(None) if bound is None else bound] = self._place[
                        Stop(suppress.title, suppress.title)
                    ]
            self._closed[key] = stop
        return self._closed[key]

    def _lacking(
        self, rule: ConsentRule, channel: Channel, category: str
    ) -> list[tuple[str, Bools]]:
        """Whose consent is not what the rule needs, the gravest reason last."""
        name, bound = f"consent_{channel}_{category}", self._setting.bound(rule)
        objected = ~flags(self._people, name, null=True)
        found = []
        if rule.needs == "double_opt_in" or rule.proof or rule.separate:
            word = _EVIDENCE[0] if rule.needs == "double_opt_in" else _EVIDENCE[1]
            column = f"agreed:{rule.name}:{channel}:{category}"
            found.append((word, ~flags(self._people, column, null=False)))
        if rule.needs in ("opt_in", "double_opt_in"):
            found.append(("not_agreed", ~flags(self._people, name, null=False)))
        if rule.needs != "none":
            found.append(("objected", objected))
        return [(word, whom if bound is None else whom & bound) for word, whom in found]

    def _text(self, channels: Sequence[str], code: int) -> str:
        """{"email":"objected","sms":"no_address"}."""
        words = []
        for channel in reversed(channels):
            code, stop = divmod(code, len(self._stops))
            words.append(f'"{channel}":"{self._stops[stop].word}"')
        return "{" + ",".join(reversed(words)) + "}"


def whole_suppressions(setting: Setting, campaign: Campaign) -> list[SuppressRule]:
    """The suppress rules that concern the campaign by every channel."""
    rules = setting.in_force(setting.policy.suppress)
    return [rule for rule in rules if rule.channel is None and rule.concerns(campaign)]
