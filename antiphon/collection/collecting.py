"""One pass of all that comes back: polled, read, settled, matched; old requests removed."""

from collections import Counter
from dataclasses import dataclass, field

from antiphon.collection.inbox import Parsed, expire, parse
from antiphon.collection.matching import match_late
from antiphon.collection.polling import poll
from antiphon.project import Project
from antiphon.surveys.settling import settle

CHANGES = ("moved", "suppressed", "lifted", "objected", "agreed", "withdrawn", "repeated")


@dataclass(frozen=True)
class Collected:
    """What one pass did. `counts`: responses by kind and what followed; `events`: what providers
    told, by their own names; `troubles`: accounts that could not be asked, and why."""

    parsed: Parsed
    counts: Counter[str]
    events: Counter[str]
    matched: int
    expired: int
    troubles: list[str] = field(default_factory=list)

    def result(self) -> dict[str, int]:
        """For a flow: what there is to say, by name."""
        told = {"requests": self.parsed.requests, "unreadable": self.parsed.unreadable}
        told |= {**self.counts, "matched": self.matched, "expired": self.expired}
        return {name: count for name, count in told.items() if count}


def collect(project: Project) -> Collected:
    """Polls, reads the inbox, settles taps on scores, looks for owners of what nobody owned."""
    polled, parsed = poll(project), parse(project)
    now = project.clock()
    counts, events = Counter[str](), Counter[str]()
    for name, count in (*polled.counts.items(), *(parsed.counts or {}).items()):
        (events if " " in name else counts)[name] += count
    counts += settle(project, now)
    matched = match_late(project, now)
    return Collected(parsed, counts, events, matched, expire(project, now), polled.troubles)
