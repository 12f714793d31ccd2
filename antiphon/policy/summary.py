"""The table of the day: per campaign the audience, sent, held out, and held back by which rule."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from antiphon.policy.rules import Outcome


@dataclass(frozen=True)
class CampaignSummary:
    """Counts of one campaign's candidates: audience = sent + control + all held."""

    campaign: str
    sent: int = 0
    control: int = 0
    held: dict[str, int] = field(default_factory=dict)

    @property
    def audience(self) -> int:
        """How many candidates there were."""
        return self.sent + self.control + sum(self.held.values())


def summarise(
    counts: Iterable[tuple[str, str, str | None, int]], campaigns: Sequence[str]
) -> list[CampaignSummary]:
    """One summary for each of `campaigns`, in their order; `held` by falling counts.

    `counts`: (campaign, outcome, rule, decisions), each combination once.
    """
    tables: dict[str, CampaignSummary] = {name: CampaignSummary(name) for name in campaigns}
    for name, outcome, rule, count in sorted(counts, key=lambda row: (-row[3], str(row[2]))):
        one = tables[name]
        match outcome:
            case Outcome.SEND:
                tables[name] = replace(one, sent=count)
            case Outcome.CONTROL:
                tables[name] = replace(one, control=count)
            case _:
                one.held[str(rule)] = count
    return list(tables.values())
