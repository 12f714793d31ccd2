"""Control groups and variants: keyed hashes of (salt, experiment, unit, period), DESIGN §6."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.chance import Numbers, below, choose
from antiphon.policy.columns import Bools
from antiphon.policy.moment import Moment
from antiphon.policy.rules import CONTROL_ARM, UNIVERSAL_ARM

EVERYTHING = "*"  # the experiment of the universal control; no campaign can be called so


class Arms:
    """Draws for (campaign, unit) pairs: positions among the campaigns, and their units.

    The universal control changes with its declared period; a unit stays in a campaign's control,
    and in its variant, as long as the salt, the share and the variants stay.
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
        self._universal = policy.universal_control
        self._period = moment.period(self._universal.period) if self._universal else ""
        self._exempt = np.array([c.category in policy.exempt for c in campaigns], np.bool_)
        variants = {name for campaign in campaigns for name in campaign.arms}
        self.words = [UNIVERSAL_ARM, CONTROL_ARM, *sorted(variants)]

    def control(self, campaign: npt.NDArray[np.int16], units: pa.Array) -> npt.NDArray[np.int16]:
        """0: in the universal control; 1: in the campaign's; −1: in neither."""
        arm = np.full(len(campaign), -1, np.int16)
        asked = ~self._exempt[campaign]
        shares = np.array([c.control for c in self._campaigns])
        in_campaign = asked & (shares[campaign] > 0)
        numbers = self._draw("control", campaign[in_campaign], units.filter(pa.array(in_campaign)))
        rows = np.flatnonzero(in_campaign)
        for position in np.unique(campaign[rows]):
            mine = campaign[rows] == position
            arm[rows[mine][below(numbers[mine], float(shares[position]))]] = 1
        if self._universal is not None:
            rows = np.flatnonzero(asked)
            parts = [self._salt, EVERYTHING, units.filter(pa.array(asked)), self._period]
            arm[rows[below(self._numbers("control", parts), self._universal.share)]] = 0
        return arm

    def of(self, campaign: npt.NDArray[np.int16], units: pa.Array) -> npt.NDArray[np.int16]:
        """The arm of each pair, control included: positions in `words`."""
        arm = self.control(campaign, units)
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

    def ties(self, campaign: npt.NDArray[np.int16], units: pa.Array) -> npt.NDArray[np.uint64]:
        """The order among campaigns of equal priority, by unit."""
        return self._draw("tie", campaign, units)

    def _draw(
        self, purpose: str, campaign: npt.NDArray[np.int16], units: pa.Array
    ) -> npt.NDArray[np.uint64]:
        names = self._names.take(pa.array(campaign))
        return self._numbers(purpose, [self._salt, names, units, ""])


def is_control(arm: npt.NDArray[np.int16]) -> Bools:
    """Which arms (positions in `Arms.words`) receive nothing."""
    held_out: Bools = (arm == 0) | (arm == 1)
    return held_out
