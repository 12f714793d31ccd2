"""Which earlier contacts can matter to a day's decisions, so that no others are read."""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from antiphon.audience.policy_inputs import scope_sql
from antiphon.audience.windows import instant
from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Cap, Exclusion, Policy, PolicyRule
from antiphon.policy.moment import EPOCH, MICROSECOND, Moment
from antiphon.policy.settling.usage import counted_since
from antiphon.quoting import literal
from antiphon.states import CONTACT_STATES

R = TypeVar("R", bound=PolicyRule)
SLOTS = timedelta(days=2)  # of the business day, and of a repetition on the same day
# How long ago a calendar period that holds the run's moment may have begun, in whatever zone.
CALENDAR = {
    Calendar.DAY: timedelta(days=2),
    Calendar.WEEK: timedelta(days=8),
    Calendar.MONTH: timedelta(days=32),
    Calendar.QUARTER: timedelta(days=93),
    Calendar.YEAR: timedelta(days=367),
}
EVER = timedelta.max


def counting_sql(
    policy: Policy, campaigns: Collection[Campaign], today: Collection[str], moment: Moment
) -> str:
    """Whether a contact may matter: SQL over the columns of the entity contacts.

    All of the campaigns that speak today (`today`: once ever, and totals); of the others what some
    rule in force counts, as far back as it looks. `campaigns`: of the configuration.
    """
    since = min(moment.as_of - SLOTS, EPOCH + counted_since(policy, moment) * MICROSECOND)
    parts = [f"contact_at >= {instant(since.astimezone(UTC))}"]
    if today:
        parts.append(f"campaign IN ({', '.join(map(literal, sorted(today)))})")
    states = ", ".join(literal(state) for state in sorted(CONTACT_STATES))
    for scope, reach in _reaches(policy, campaigns, moment).items():
        far = "" if reach == EVER else f" AND contact_at > {instant(_back(moment, reach))}"
        if reach > SLOTS:
            parts.append(f"(state IN ({states}){far} AND {scope})")
    return " OR ".join(parts)


def _reaches(
    policy: Policy, campaigns: Collection[Campaign], moment: Moment
) -> dict[str, timedelta]:
    """Scope (SQL) → how far back the rules look that count it; none that another one includes."""
    found: dict[str, timedelta] = {}
    for scope, reach in _looking(policy, campaigns, moment):
        found[scope] = max(found.get(scope, timedelta()), reach)
    everything = found.get("TRUE", timedelta())
    return {scope: reach for scope, reach in found.items() if scope == "TRUE" or reach > everything}


def _looking(
    policy: Policy, campaigns: Collection[Campaign], moment: Moment
) -> Iterator[tuple[str, timedelta]]:
    """The scope of each rule in force, and how far back it looks."""

    def in_force(rules: tuple[R, ...]) -> list[R]:
        return [rule for rule in rules if rule.holds_on(moment.business_day)]

    for cap in in_force(policy.caps):
        yield scope_sql(cap, campaigns), _window(cap)
    for gap in in_force(policy.gaps):
        yield scope_sql(gap, campaigns), gap.at_least
    for rest in in_force(policy.cool_downs):
        yield scope_sql(rest, campaigns), rest.within
    for ratio in in_force(policy.ratios):
        yield scope_sql(ratio, campaigns), ratio.per
    for exclusion in in_force(policy.exclusions):
        yield _named(_grouped(exclusion, campaigns)), exclusion.per or EVER
    for sequence in in_force(policy.sequences):
        yield _named(sequence.after), sequence.within or EVER


def _window(cap: Cap) -> timedelta:
    if isinstance(cap.per, timedelta):
        return cap.per
    return CALENDAR.get(cap.per, EVER)


def _grouped(rule: Exclusion, campaigns: Collection[Campaign]) -> set[str]:
    """Campaigns that are in one of its groups."""
    tagged = {one.campaign for one in campaigns if set(one.tags) & set(rule.tags)}
    return tagged.union(rule.campaigns)


def _named(names: Collection[str]) -> str:
    return f"campaign IN ({', '.join(map(literal, sorted(names))) or literal('')})"


def _back(moment: Moment, reach: timedelta) -> datetime:
    """So long before the run's moment; as early as there are instants."""
    try:
        return (moment.as_of - reach).astimezone(UTC)
    except OverflowError:
        return datetime(1, 1, 2, tzinfo=UTC)
