"""Whether the arms that came out of a day are in the proportions that were declared.

A sample ratio that chance does not explain means that something between the draw and the outbox
took more of one arm than of another: what is measured would then compare unlike with unlike.
Fabijan et al., Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD 2019.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.arms import is_stratified
from antiphon.policy.rules import CONTROL_ARM
from antiphon.response.sample_ratio import ALARM, chance


@dataclass(frozen=True)
class Mismatch:
    """A campaign whose arms are out of proportion. `arms`: arm → how many, and how many would be
    expected; `chance`: how likely a worse one is if nothing is wrong."""

    campaign: str
    arms: Mapping[str, tuple[int, float]]
    chance: float

    def __str__(self) -> str:
        told = ", ".join(
            f"{name} {count:,} (expected {expected:,.0f})"
            for name, (count, expected) in self.arms.items()
        )
        return (
            f"campaign {self.campaign}: its groups are out of proportion, which chance alone does "
            f"once in {1 / max(self.chance, 1e-12):,.0f} times: {told}. Its effect cannot be "
            "trusted until the reason is found."
        )


def mismatches(
    counts: Mapping[str, Mapping[str, int]], campaigns: Iterable[Campaign], policy: Policy
) -> list[Mismatch]:
    """The campaigns whose sample ratio chance does not explain (Pearson's chi-square test).

    `counts`: campaign → arm → messages or control rows. The universal control is left out: its
    units have had no messages for long, so that caps hold fewer of them. Stratified campaigns are
    exact by their making.
    """
    found = []
    for one in campaigns:
        if is_stratified(one, policy):
            continue
        control = 0.0 if one.category in policy.exempt else one.control
        shares = {CONTROL_ARM: control} | {
            name: share * (1 - control) for name, share in one.arms.items()
        }
        shares = {name: share for name, share in shares.items() if share > 0}
        mine = counts.get(one.campaign, {})
        observed = {name: mine.get(name, 0) for name in shares}
        likely = chance(observed, shares)
        if likely is not None and likely < ALARM:
            size = sum(observed.values())
            arms = {name: (observed[name], share * size) for name, share in shares.items()}
            found.append(Mismatch(one.campaign, arms, likely))
    return found
