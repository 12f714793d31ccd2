"""Control groups and variants: keyed hashes of (salt, experiment, unit, period), DESIGN §6."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Layer, Policy
from antiphon.policy.chance import Numbers, below, choose
from antiphon.policy.columns import Bools, Instants
from antiphon.policy.moment import Moment
from antiphon.policy.rules import CONTROL_ARM, UNIVERSAL_ARM
from antiphon.policy.settling.hours import hours_around, period_of

EVERYTHING = "*"  # the experiment of the universal control; no campaign can be called so


class Arms:
    """Draws for (campaign, unit) pairs: positions among the campaigns, and their units.

    The universal control changes with its declared period, the one that holds the `planned`
    moment (microseconds); so do test groups. A unit stays in a campaign's control, and in its
    variant, as long as the salt, the share and the variants stay. Who is drawn within strata
    (`Campaign.strata`) is known only among all survivors: here they are in no control but the
    universal one.
    """

    def __init__(
        self,
        campaigns: Sequence[Campaign],
        policy: Policy,
        moment: Moment,
        salt: str,
        numbers: Numbers,
    ) -> None:
        self._campaigns, self._salt, self._numbers = campaigns, salt, numbers
        self._names = pa.array([campaign.campaign for campaign in campaigns], pa.string())
        self._universal, self._tests, self._zone = (
            policy.universal_control,
            policy.tests,
            moment.zone,
        )
        self._exempt = np.array([c.category in policy.exempt for c in campaigns], np.bool_)
        self._shares = np.array(
            [0.0 if is_stratified(c, policy) else c.control for c in campaigns], np.float64
        )
        variants = {name for campaign in campaigns for name in campaign.arms}
        self.words = [UNIVERSAL_ARM, CONTROL_ARM, *sorted(variants)]

    def control(
        self, campaign: npt.NDArray[np.int16], units: pa.Array, planned: Instants
    ) -> npt.NDArray[np.int16]:
        """0: in the universal control; 1: in the campaign's; −1: in neither."""
        arm = np.full(len(campaign), -1, np.int16)
        asked = ~self._exempt[campaign]
        rows = np.flatnonzero(asked & (self._shares[campaign] > 0))
        numbers = self._draw("control", campaign[rows], units.take(pa.array(rows)))
        for position in np.unique(campaign[rows]):
            mine = campaign[rows] == position
            arm[rows[mine][below(numbers[mine], float(self._shares[position]))]] = 1
        if self._universal is not None:
            for name, rows in self._periods(np.flatnonzero(asked), planned, self._universal.period):
                parts = [self._salt, EVERYTHING, units.take(pa.array(rows)), name]
                arm[rows[below(self._numbers("control", parts), self._universal.share)]] = 0
        return arm

    def of(
        self, campaign: npt.NDArray[np.int16], units: pa.Array, planned: Instants
    ) -> npt.NDArray[np.int16]:
        """The arm of each pair, control included: positions in `words`."""
        arm = self.control(campaign, units, planned)
        treated = arm < 0
        varied = np.array([len(c.arms) > 1 for c in self._campaigns], np.bool_)
        drawn = np.flatnonzero(treated & varied[campaign])
        numbers = self._draw("arm", campaign[drawn], units.take(pa.array(drawn)))
        for position in np.unique(campaign[treated]):
            arms = self._campaigns[position].arms
            codes = np.array([self.words.index(name) for name in arms], np.int16)
            if len(arms) == 1:
                arm[treated & (campaign == position)] = codes[0]
            else:
                mine = campaign[drawn] == position
                arm[drawn[mine]] = codes[choose(numbers[mine], arms)]
        return arm

    def groups(
        self, campaign: npt.NDArray[np.int16], units: pa.Array, planned: Instants
    ) -> npt.NDArray[np.int16]:
        """The unit's group in the layer of the campaign's test: its position among the layer's
        groups; −1 where the campaign has no test."""
        group = np.full(len(campaign), -1, np.int16)
        layers = [c.test.layer if c.test else None for c in self._campaigns]
        for layer in dict.fromkeys(filter(None, layers)):
            declared = self._tests[layer]
            mine = np.array([each == layer for each in layers], np.bool_)
            shares = layer_shares(declared)
            for name, rows in self._periods(
                np.flatnonzero(mine[campaign]), planned, declared.period
            ):
                parts = [self._salt, layer, units.take(pa.array(rows)), name]
                group[rows] = choose(self._numbers("test", parts), shares)
        return group

    def ties(self, campaign: npt.NDArray[np.int16], units: pa.Array) -> npt.NDArray[np.uint64]:
        """The order among campaigns of equal priority and value, by unit."""
        return self._draw("tie", campaign, units)

    def _draw(
        self, purpose: str, campaign: npt.NDArray[np.int16], units: pa.Array
    ) -> npt.NDArray[np.uint64]:
        names = self._names.take(pa.array(campaign))
        return self._numbers(purpose, [self._salt, names, units, ""])

    def _periods(
        self, rows: npt.NDArray[np.intp], planned: Instants, length: str | None
    ) -> Iterator[tuple[str, npt.NDArray[np.intp]]]:
        """The rows by the name of the period that holds their planned moment; '' for ever."""
        if length is None or not len(rows):
            yield from [("", rows)] if len(rows) else []
            return
        at = planned[rows]
        hours = hours_around(self._zone, at)
        first, last = (
            period_of(date.fromordinal(int(day)), length)
            for day in hours.day_of(np.array([at.min(), at.max()]))
        )
        if first == last:
            yield first, rows
            return
        days = hours.day_of(at)
        known, place = np.unique(days, return_inverse=True)
        names = [period_of(date.fromordinal(int(day)), length) for day in known]
        for name in dict.fromkeys(names):
            yield name, rows[np.array([each == name for each in names])[place]]


def is_stratified(campaign: Campaign, policy: Policy) -> bool:
    """Whether control and variants are drawn in exact shares, once all survivors are known."""
    is_exempt = campaign.category in policy.exempt
    return campaign.strata is not None and campaign.repeat_after is None and not is_exempt


def layer_shares(layer: Layer) -> dict[str, float]:
    """Group → its share of all units, summing to one."""
    whole = float(sum(layer.groups.values()))
    return {name: float(weight) / whole for name, weight in layer.groups.items()}


def is_control(arm: npt.NDArray[np.int16]) -> Bools:
    """Which arms (positions in `Arms.words`) receive nothing."""
    held_out: Bools = (arm == 0) | (arm == 1)
    return held_out
