"""By which channel a customer may be reached: consent, suppression, address."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import pyarrow as pa

from antiphon.campaigns.models import Category, Channel
from antiphon.campaigns.rules import Policy
from antiphon.policy.columns import Bools, Codes, flags
from antiphon.policy.rules import Rule

# What stopped a channel, in the order in which the rules are asked.
STOPS = ("", "objected", "not_agreed", "suppressed", "no_address")
RULE_OF_STOP = (None, Rule.CONSENT, Rule.CONSENT, Rule.SUPPRESSED, Rule.NO_ADDRESS)


@dataclass(frozen=True)
class Reach:
    """For each customer: position of the channel in the campaign's order (−1: none), the last
    stop (position in STOPS) where there is none, and the code of all stops (see `stop_texts`).
    """

    channel: Codes
    stop: Codes
    stops: Codes


class Reachability:
    """Answers for (channels in order, category), computed once for each such pair."""

    def __init__(self, people: pa.Table, policy: Policy) -> None:
        self._people = people
        self._consent: Mapping[Category, str] = policy.consent
        self._known: dict[tuple[tuple[Channel, ...], Category], Reach] = {}
        self._stops: dict[tuple[Channel, Category], Codes] = {}

    def of(self, channels: tuple[Channel, ...], category: Category) -> Reach:
        """The first channel that nothing stops. Where every channel is stopped, the rule that
        binds is the one that took the last channel away: the furthest any of them came.
        """
        key = (channels, category)
        if key not in self._known:
            stops = [self._stopped(channel, category) for channel in channels]
            count = len(stops[0])
            chosen = np.full(count, -1, np.int8)
            furthest = np.zeros(count, np.int8)
            code = np.zeros(count, np.int8)
            for position, stop in reversed(list(enumerate(stops))):
                chosen[stop == 0] = position
                furthest = np.maximum(furthest, stop)
            for stop in stops:
                code = code * np.int8(len(STOPS)) + stop
            self._known[key] = Reach(chosen, furthest, code)
        return self._known[key]

    def _stopped(self, channel: Channel, category: Category) -> Codes:
        key = (channel, category)
        if key not in self._stops:
            people = self._people
            stop = np.zeros(people.num_rows, np.int8)
            stop[~flags(people, f"{channel}_reachable", null=False)] = 4
            stop[flags(people, f"suppressed_{channel}", null=True)] = 3
            for code, refused in self._refused(channel, category).items():
                stop[refused] = code
            self._stops[key] = stop
        return self._stops[key]

    def _refused(self, channel: Channel, category: Category) -> dict[int, Bools]:
        """Whom consent stops; a category the policy does not name needs agreement."""
        needed = self._consent.get(category, "opt_in")
        if needed == "none":
            return {}
        name = f"consent_{channel}_{category}"
        objected = ~flags(self._people, name, null=True)
        if needed == "opt_out":
            return {1: objected}
        return {2: ~flags(self._people, name, null=False) & ~objected, 1: objected}


def stop_texts(channels: tuple[Channel, ...]) -> list[str]:
    """Counters (JSON) of each code of `Reach.stops`: {"email":"objected","sms":"no_address"}."""
    return [
        "{" + ",".join(f'"{c}":"{s}"' for c, s in zip(channels, combination, strict=True)) + "}"
        for combination in product(STOPS, repeat=len(channels))
    ]
