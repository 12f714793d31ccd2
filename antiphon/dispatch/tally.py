"""What one pass of dispatch did: counts of messages, and what a person should look at."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Grows while a pass works; shared by its channels."""

    counts: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)

    def count(self, what: str, messages: int = 1) -> None:
        """So many more of that kind."""
        if messages:
            self.counts[what] += messages

    def count_all(self, several: Mapping[str, int] | Iterable[str]) -> None:
        """Many at once."""
        self.counts.update(several)

    def warn(self, line: str) -> None:
        """Say it once, however often it happened."""
        if line not in self.warnings:
            self.warnings.append(line)

    def result(self) -> dict[str, int]:
        """The counts that are not nothing."""
        return {name: number for name, number in self.counts.items() if number}
