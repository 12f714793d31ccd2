"""A pause: an objection now, and at its end what the person had agreed to before."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

from antiphon.campaigns.models import CHANNELS, Category
from antiphon.ledger import Act
from antiphon.ledger.people import ANY
from antiphon.project import Project
from antiphon.quoting import literal

PAUSE = "pause"
OLDEST = datetime.min.replace(tzinfo=UTC)
CATEGORIES: tuple[Category, ...] = get_args(Category)
Said = tuple[datetime | None, bool]  # when, and whether it was an agreement


def resumption(project: Project, objection: Act, until: datetime) -> list[Act]:
    """The acts dated `until` by which an objection ends: for each channel and category that it
    concerns and that the person had not objected to before.

    Nothing is agreed to that was not: where a category needs an agreement, there must be one.
    """
    said = _said_before(project, objection)
    channels = CHANNELS if objection.channel == ANY else (objection.channel,)
    categories = CATEGORIES if objection.category == ANY else (objection.category,)
    consent: Mapping[str, str] = project.configuration.policy.consent  # type: ignore[assignment]
    acts = []
    for channel in channels:
        for category in categories:
            latest = _latest(said, channel, category)
            needs = consent.get(category, "opt_in") in ("opt_in", "double_opt_in")
            if latest or (latest is None and not needs):
                acts.append(
                    Act(
                        objection.customer_id,
                        channel,
                        category,
                        granted=True,
                        acted_at=until,
                        source=PAUSE,
                        evidence=objection.evidence,
                    )
                )
    return acts


def called_off(objections: Sequence[tuple[Act, datetime | None]], ends: Iterable[Act]) -> list[Act]:
    """Acts that take back `ends` of pauses which an objection outlasts: all of its channels and
    categories, or those before it ends itself. Of one instant the objection stands."""
    by_customer = defaultdict[str, list[Act]](list)
    for end in ends:
        by_customer[end.customer_id].append(end)
    return [
        replace(end, granted=False, evidence=objection.evidence)
        for objection, until in objections
        for end in by_customer[objection.customer_id]
        if end.acted_at > objection.acted_at
        and (until is None or end.acted_at < until)
        and objection.channel in (ANY, end.channel)
        and objection.category in (ANY, end.category)
    ]


def _latest(said: list[tuple[str, str, Said]], channel: str, category: str) -> bool | None:
    """What the person last said of it; None: nothing. Of one instant the objection stands, and
    what has no date is older than what has one."""
    mine = [
        told
        for of_channel, of_category, told in said
        if of_channel in (ANY, channel) and of_category in (ANY, category)
    ]
    if not mine:
        return None
    return max(mine, key=lambda one: (one[0] or OLDEST, not one[1]))[1]


def _said_before(project: Project, objection: Act) -> list[tuple[str, str, Said]]:
    """Channel, category, and what was said of them before, here and in the company's sources; with
    the ends of pauses under way, which tell what was so before these."""
    found = [
        (act.channel, act.category, (act.acted_at, act.granted))
        for act in project.ledger.people.acts_of(objection.customer_id)
        if act.acted_at < objection.acted_at or act.source == PAUSE
    ]
    with project.lake.session() as session:
        rows = session.rows(
            "SELECT channel, category, acted_at, granted FROM consents "  # noqa: S608
            f"WHERE customer_id = {literal(objection.customer_id)} AND (acted_at IS NULL "
            f"OR acted_at < TIMESTAMPTZ {literal(objection.acted_at.isoformat())})"
        )
    return [
        *found,
        *((channel, category, (at, granted)) for channel, category, at, granted in rows),
    ]
