"""The table of the day: per campaign the audience, sent, held out, and held back by which rule."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

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


def summarise(decisions: Iterable[pa.Table]) -> list[CampaignSummary]:
    """One summary per campaign, by name; `held` by falling counts. Takes tables of DECISIONS
    one by one (buckets, or batches), so that they need not be in memory together.
    """
    counts: Counter[tuple[str, str, str | None]] = Counter()
    by = ["campaign", "outcome", "rule"]
    for table in decisions:
        grouped = table.select(by).unify_dictionaries().group_by(by).aggregate([([], "count_all")])
        columns = (grouped.column(name).cast(pa.string()).to_pylist() for name in by)
        numbers = grouped.column("count_all").to_pylist()
        for campaign, outcome, rule, count in zip(*columns, numbers, strict=True):
            counts[campaign, outcome, rule] += count
    return [_of(campaign, counts) for campaign in sorted({key[0] for key in counts})]


def _of(campaign: str, counts: Counter[tuple[str, str, str | None]]) -> CampaignSummary:
    held = {
        str(rule): count
        for (name, outcome, rule), count in sorted(
            counts.items(), key=lambda item: (-item[1], str(item[0][2]))
        )
        if name == campaign and outcome == Outcome.HELD
    }
    return CampaignSummary(
        campaign,
        sent=counts[campaign, Outcome.SEND, None],
        control=counts[campaign, Outcome.CONTROL, None],
        held=held,
    )
