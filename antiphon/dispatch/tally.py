"""What one pass of dispatch did: counts of messages, and what a person should look at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from antiphon.ledger import Outcome
from antiphon.states import MessageState


@dataclass
class Tally:
    """Grows while a pass works; shared by its channels."""

    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    later: set[str] = field(default_factory=set)  # messages planned again and not claimed since
    unwritten: dict[str, Counter[str]] = field(default_factory=dict)  # campaign → reason → messages

    def count(self, what: str, messages: int = 1) -> None:
        """So many more of that kind."""
        if messages:
            self.counts[what] += messages

    def warn(self, line: str) -> None:
        """Say it once, however often it happened."""
        if line not in self.warnings:
            self.warnings.append(line)

    def moved(self, outcomes: Iterable[Outcome]) -> None:
        """What became of messages. One that waits for another try counts once, and only until it
        is claimed again."""
        for outcome in outcomes:
            if outcome.state is MessageState.PLANNED:
                self.later.add(outcome.message_id)
            else:
                self.counts[outcome.state.value] += 1

    def claimed(self, message_ids: Iterable[str]) -> None:
        """These are tried now."""
        if self.later:
            self.later.difference_update(message_ids)

    def unwritable(self, campaign: str, reason: str) -> None:
        """A message of the campaign could not be written."""
        self.unwritten.setdefault(campaign, Counter())[reason] += 1

    def result(self) -> dict[str, int]:
        """The counts that are not nothing."""
        counts = self.counts | Counter(planned=len(self.later))
        return {name: number for name, number in counts.items() if number}

    @property
    def remarks(self) -> list[str]:
        """What to look at: the warnings, and what could not be written, by campaign."""
        lines = list(self.warnings)
        for campaign, reasons in sorted(self.unwritten.items()):
            ((reason, _),) = reasons.most_common(1)
            others = ", and other reasons" if len(reasons) > 1 else ""
            lines.append(
                f"{campaign}: {reasons.total():,} messages could not be written and were "
                f"withdrawn: {reason}{others}. Their own reasons: antiphon message ID"
            )
        return lines
