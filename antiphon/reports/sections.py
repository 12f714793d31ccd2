"""What the page of a day tells, section by section, before anything is drawn."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from antiphon.campaigns.rules import Policy
from antiphon.policy.words.titles import title
from antiphon.project import Project
from antiphon.reports.ran import RunStory
from antiphon.reports.rates import ReportTable
from antiphon.response.rates import Rate
from antiphon.states import MessageState
from antiphon.steps.drift import FILE as DRIFT
from antiphon.steps.frames import last_sizes

MOST_REASONS, MOST_MOVED = 20, 15
ONE_WEEK = timedelta(days=7)
RATES = {  # what a message led to → in words; of each a chart by campaign
    "delivered": "Delivered",
    "opened": "Opened by a person",
    "clicked": "Clicked",
    "converted": "Converted",
    "unsubscribed": "Unsubscribed",
    "bounced": "Bounced",
    "complained": "Complained",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a chart of counts."""

    name: str
    count: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A line of a chart of rates."""

    name: str
    rate: Rate

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The interval's; None of nothing."""
        return self.rate.interval() or (None, None)


@dataclass(frozen=True, slots=True)
class Moved:
    """A segment or a name of a dimension, then and now."""

    name: str
    before: int
    now: int

    @property
    def change(self) -> int:
        """How many more there are."""
        return self.now - self.before


def held_back(story: RunStory, policy: Policy) -> list[Bar]:
    """Why candidates of the day were not written to, the commonest reason first."""
    reasons = Counter[str]()
    for one in story.summaries:
        reasons.update(one.held)
    found = [
        Bar(rule, count, "" if (words := title(rule, policy)) == rule else words)
        for rule, count in reasons.most_common()
    ]
    rest = sum(one.count for one in found[MOST_REASONS:])
    return found[:MOST_REASONS] + ([Bar("others", rest)] if rest else [])


def funnel(table: ReportTable) -> list[Share]:
    """All campaigns together: what became of the messages that left."""
    rates = {one.name: one for one in table.rates}
    found = [
        Share(words, Rate(_total(table, rates[name].part), _total(table, rates[name].whole)))
        for name, words in RATES.items()
        if name in rates
    ]
    return [one for one in found if one.rate.whole]


def by_name(table: ReportTable, column: str, rate: str) -> list[Share]:
    """A rate of each row of a report that had messages, named by `column`."""
    found = next((one for one in table.rates if one.name == rate), None)
    if found is None:
        return []
    names = [str(name) for name in table.counts[column].to_pylist()]
    pairs = zip(names, table.column(found), strict=True)
    return [Share(name, one) for name, one in pairs if one.whole]


def _total(table: ReportTable, column: str) -> int:
    return sum(int(value or 0) for value in table.counts[column].to_pylist())


def moved(project: Project, story: RunStory) -> tuple[str | None, list[Moved]]:
    """The last run before that grouped everybody, and the groups that changed most since it."""
    kept = _json(project.var / "runs" / story.record.run_id / "frame.json")
    if not kept:
        return None, []
    flow, run_id = story.record.flow, story.record.run_id
    before_id, segments, dimensions = last_sizes(project, flow, before=run_id)
    if before_id is None:
        return None, []
    pairs = [("", kept["segments"], segments)]
    pairs += [
        (f"{name}: ", sizes, dimensions.get(name, {}))
        for name, sizes in kept["dimensions"].items()
        if name in project.configuration.segments.dimensions
    ]
    found = [
        Moved(f"{prefix}{name}", before.get(name, 0), size)
        for prefix, sizes, before in pairs
        for name, size in sizes.items()
        if before
    ]
    changed = sorted((one for one in found if one.change), key=lambda one: -abs(one.change))
    return before_id, changed[:MOST_MOVED]


def drift(folder: Path) -> dict[str, float]:
    """Dimension → population stability index since the last run; empty of a first one."""
    indices: dict[str, float] = _json(folder / DRIFT).get("indices", {})
    return indices


@dataclass(frozen=True, slots=True)
class Quality:
    """What validation made of an entity. `failed`: rule, rows that broke it, what was done."""

    entity: str
    rows_in: int
    clean: int
    quarantined: int
    failed: tuple[tuple[str, int, str], ...]


def quality(folder: Path) -> list[Quality]:
    """The entities that the run pulled, by name."""
    found = []
    for path in sorted((folder / "validation").glob("*.json")):
        kept = _json(path)
        if not kept.get("pulled"):
            continue
        failed = tuple(
            (one["reason"] or one["expect"], int(one["unexpected"] or 0), one["on_failure"])
            for one in kept["expectations"]
            if one["judged"] and not one["passed"]
        )
        rows_in, clean, out = (int(kept[name]) for name in ("rows_in", "clean", "quarantined"))
        found.append(Quality(kept["entity"], rows_in, clean, out, failed))
    return found


TROUBLE = (
    MessageState.REFUSED,
    MessageState.BOUNCED,
    MessageState.IN_DOUBT,
    MessageState.EXPIRED,
)


def provider_trouble(project: Project) -> list[str]:
    """What a person should know of providers and of what came back: sentences, none of all well."""
    ledger, now = project.ledger, project.clock()
    states = Counter[MessageState]()
    for one in ledger.messages.outbox(now, ONE_WEEK):
        states[one.state] += one.messages
    lines = [
        f"{states[state]:,} messages {state.value.replace('_', ' ')} in the last seven days"
        for state in TROUBLE
        if states[state]
    ]
    for account in ledger.accounts.standing():
        if account.is_paused(now):
            lines.append(f"account {account.name} is paused: {account.pause_reason}")
    for held in ledger.holds.open().values():
        lines.append(f"campaign {held.campaign} is {held.kind.value}: {held.reason}")
    counted = ledger.tallies.since((now - ONE_WEEK).date())
    lines += [f"{name}: {count:,} in the last seven days" for name, count in _odd(counted)]
    return lines


def _odd(counted: dict[str, int]) -> Sequence[tuple[str, int]]:
    """Of what is only counted that which should not be: refused, unknown, unreadable."""
    words = ("refused", "unknown", "unreadable", "malformed", "bad")
    return [
        (name, count)
        for name, count in sorted(counted.items())
        if count and any(word in name for word in words)
    ]


def _json(path: Path) -> dict[str, Any]:
    """What was kept there; nothing where it is gone."""
    if not path.exists():
        return {}
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return kept
