"""The table of the day: per campaign the audience, sent, held out, and held back by which rule."""

import csv
import io
from collections import Counter
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


@dataclass(frozen=True, order=True)
class Count:
    """How many decisions of one campaign, step and cell came out alike."""

    campaign: str
    step: str
    cell: str
    outcome: str
    rule: str | None
    decisions: int


def summarise(counts: Iterable[Count], campaigns: Sequence[str]) -> list[CampaignSummary]:
    """One summary for each of `campaigns`, in their order, all steps and cells together.

    `held` by falling counts. `counts`: each combination once.
    """
    together = Counter[tuple[str, str, str]]()
    for one in counts:
        together[one.campaign, one.outcome, str(one.rule)] += one.decisions
    tables: dict[str, CampaignSummary] = {name: CampaignSummary(name) for name in campaigns}
    for (name, outcome, rule), count in sorted(
        together.items(), key=lambda item: (-item[1], item[0][2])
    ):
        table = tables[name]
        match outcome:
            case Outcome.SEND:
                tables[name] = replace(table, sent=count)
            case Outcome.CONTROL:
                tables[name] = replace(table, control=count)
            case _:
                table.held[rule] = count
    return list(tables.values())


def day_csv(counts: Iterable[Count], campaigns: Sequence[str]) -> str:
    """The table of the day: a row per campaign, step, cell, outcome and reason.

    Sent and control always have a row, also of a campaign without candidates; then comes the
    commonest reason.
    """
    known = {(one.campaign, one.step, one.cell, one.outcome, one.rule): one for one in counts}
    groups = {key[:3] for key in known}
    groups |= {(name, "", "") for name in set(campaigns) - {campaign for campaign, _, _ in groups}}
    for group in groups:
        for outcome in _WRITTEN:
            known.setdefault((*group, outcome, None), Count(*group, outcome, None, 0))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["campaign", "step", "cell", "outcome", "reason", "customers"])
    for one in sorted(known.values(), key=_place):
        outcome = _WRITTEN.get(one.outcome, one.outcome)
        writer.writerow([one.campaign, one.step, one.cell, outcome, one.rule or "", one.decisions])
    return text.getvalue()


_WRITTEN = {Outcome.SEND.value: "sent", Outcome.CONTROL.value: "control"}


def _place(one: Count) -> tuple[str, str, str, int, int, str]:
    outcomes = [*_WRITTEN, Outcome.HELD.value]
    rank = outcomes.index(one.outcome)
    return one.campaign, one.step, one.cell, rank, -one.decisions, one.rule or ""
