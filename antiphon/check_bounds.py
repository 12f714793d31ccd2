"""What rules of the policy, limits of campaigns and one another make impossible or useless."""

import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta

from antiphon.campaigns.configuration import POLICY, campaign_file
from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import (
    Budget,
    Cap,
    Capacity,
    CoolDown,
    Exclusion,
    Gap,
    PolicyRule,
    Sequence,
    SuppressRule,
)
from antiphon.check_rules import SCOPE, Fault, Pair, Scene

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
# The longest and the shortest of each, clocks being put forward and back by an hour.
_LONGEST = {
    Calendar.DAY: _DAY + _HOUR,
    Calendar.WEEK: 7 * _DAY + _HOUR,
    Calendar.MONTH: 31 * _DAY + _HOUR,
    Calendar.QUARTER: 92 * _DAY + _HOUR,
    Calendar.YEAR: 366 * _DAY,
}
_SHORTEST = {
    Calendar.DAY: _DAY - _HOUR,
    Calendar.WEEK: 7 * _DAY - _HOUR,
    Calendar.MONTH: 28 * _DAY - _HOUR,
    Calendar.QUARTER: 90 * _DAY - _HOUR,
    Calendar.YEAR: 365 * _DAY - _HOUR,
}


def bound_faults(scene: Scene) -> Iterator[Fault]:
    """What the rules make of one another, and of the campaigns."""
    yield from _useless_windows(scene)
    yield from _sequences(scene)
    yield from _forbidden(scene)
    for campaign in scene.campaigns.values():
        yield from _too_high_minimum(campaign, scene)


# ---------------------------------------------------------------- windows


def _useless_windows(scene: Scene) -> Iterator[Fault]:
    """Caps, gaps and cool-downs that stricter rules leave nothing to do."""
    caps = [(one, _cap(one.rule)) for one in scene.rules if isinstance(one.rule, Cap | Gap)]
    told: set[str] = set()
    for placed, cap in caps:
        if placed.file != POLICY or not isinstance(cap.max, int):
            continue
        rule = placed.rule
        stricter = next(
            (
                other.rule
                for other, by in caps
                if other.rule.name != rule.name
                and other.rule.name not in told
                and _covers(by, cap)
                and _most(by, cap.per) <= cap.max
            ),
            None,
        )
        if stricter:
            told.add(rule.name)
            message = f"{rule.title} never binds: {stricter.title} is at least as strict"
            hint = "Take it out, or make it stricter than the other in some window."
            yield placed.fault("max", message, hint, is_warning=True)
        elif cap.of == "customer" and _winners(scene, rule, cap.per) <= cap.max:
            message = (
                f"{rule.title} never binds: "
                f"'winners_per_day: {scene.policy.winners_per_day}' allows no more"
            )
            hint = "Write a smaller 'max', a longer 'per', or take it out."
            yield placed.fault("max", message, hint, is_warning=True)
    for placed in scene.rules:
        rule = placed.rule
        if isinstance(rule, CoolDown) and placed.file == POLICY:
            most = [_most(by, rule.within) for _, by in caps if _covers(by, rule)]
            most.append(_winners(scene, rule, rule.within))
            if min(most) < rule.ignored:
                message = f"{rule.title} never binds: at most {min(most):g} are sent in that time"
                hint = "Write a smaller 'ignored', or a longer 'within'."
                yield placed.fault("ignored", message, hint, is_warning=True)


def _cap(rule: Cap | Gap) -> Cap:
    return rule.cap if isinstance(rule, Gap) else rule


def _most(cap: Cap, window: timedelta | Calendar) -> float:
    """So many contacts that a cap allows can at most lie in a window."""
    if not isinstance(cap.max, int):
        return math.inf
    if cap.per in (window, Calendar.EVER):
        return cap.max
    if window == Calendar.EVER:
        return math.inf
    length = _LONGEST[window] if isinstance(window, Calendar) else window
    if isinstance(cap.per, Calendar):
        return cap.max * (math.ceil(length / _SHORTEST[cap.per]) + 1)
    return cap.max * math.ceil(length / cap.per)


def _winners(scene: Scene, rule: PolicyRule, window: timedelta | Calendar) -> float:
    """So many messages to one customer that the day's slots allow in a window."""
    policy = scene.policy
    counted = {one for one in policy.exempt if one not in policy.uncounted}
    if counted & set(rule.category or counted):
        return math.inf  # those take no slot, and are counted
    return _most(Cap(name="slots", max=policy.winners_per_day, per=Calendar.DAY), window) * (
        2 if window == Calendar.DAY else 1  # the business day is not the customer's
    )


def _covers(wide: Cap, narrow: Cap | CoolDown) -> bool:
    """Whether every contact and customer that the narrow rule concerns is the wide one's too, on
    every day on which it holds."""
    if isinstance(narrow, Cap):
        if wide.each not in (None, narrow.each) or (wide.of, narrow.of) == (
            "customer",
            "household",
        ):
            return False
    elif wide.each is not None:
        return False
    return (
        all(_is_within(getattr(narrow, key), getattr(wide, key)) for key in SCOPE)
        and (not wide.is_personal or (wide.segment, wide.where) == (narrow.segment, narrow.where))
        and (wide.from_ or date.min) <= (narrow.from_ or date.min)
        and (narrow.until or date.max) <= (wide.until or date.max)
    )


def _is_within(narrow: tuple[str, ...] | None, wide: tuple[str, ...] | None) -> bool:
    """Whether one scope lies in the other; None is every word."""
    return wide is None or (narrow is not None and set(narrow) <= set(wide))


# ---------------------------------------------------------------- sequences


def _sequences(scene: Scene) -> Iterator[Fault]:
    """Campaigns that wait for one another, or for what excludes them."""
    sequences = [one for one in scene.rules if isinstance(one.rule, Sequence)]
    exclusions = [one.rule for one in scene.rules if isinstance(one.rule, Exclusion)]

    def waits(campaign: Campaign, rule: Sequence, known: set[str]) -> bool:
        names = [one for one in rule.after if one in known or one not in scene.campaigns]
        return not any(
            not any(_shuts(one, rule, campaign, scene.campaigns.get(name)) for one in exclusions)
            for name in names
        )

    open_: set[str] = set()
    while True:
        more = {
            name
            for name, campaign in scene.campaigns.items()
            if name not in open_
            and not any(
                one.rule.concerns(campaign) and waits(campaign, one.rule, open_)
                for one in sequences
            )
        }
        if not more:
            break
        open_ |= more
    for placed in sequences:
        rule = placed.rule
        if rule.campaign is None and rule.tag is None:
            continue  # answered by itself
        shut = [
            name
            for name, campaign in scene.campaigns.items()
            if name not in open_ and rule.concerns(campaign) and waits(campaign, rule, open_)
        ]
        if shut:
            whom = f"campaign {shut[0]!r}" if len(shut) == 1 else f"campaigns {', '.join(shut)}"
            message = f"{whom} can never be sent: what {rule.title} wants before never comes"
            hint = "They wait for each other, or an exclusion forbids it: change 'after'."
            yield placed.fault("after", message, hint)


def _shuts(rule: Exclusion, sequence: Sequence, one: Campaign, before: Campaign | None) -> bool:
    """Whether an exclusion forbids the one after the other, in the time the sequence gives."""
    if before is None or rule.is_personal or rule.from_ or rule.until:
        return False
    if rule.per is not None and (sequence.within is None or sequence.within > rule.per):
        return False
    mine, others = _groups(rule, one), _groups(rule, before)
    return bool(mine and others) and any(others - {group} and group not in others for group in mine)


def _groups(rule: Exclusion, campaign: Campaign) -> set[str]:
    if not rule.concerns(campaign):
        return set()
    tags = {f"tag {tag}" for tag in rule.tags if tag in campaign.tags}
    return tags | {name for name in rule.campaigns if name == campaign.campaign}


# ---------------------------------------------------------------- nothing at all


def _forbidden(scene: Scene) -> Iterator[Fault]:
    """Rules that let nothing of a campaign through, on any day and to any customer."""
    bound = [pair for pair in scene.pairs if not scene.is_exempt(pair.campaign)]
    if not bound:
        return
    stops: dict[tuple[str, str], int] = {}  # by which rule
    for number, placed in enumerate(scene.rules):
        for pair in bound:
            if _lets_nothing_through(placed.rule, pair, scene):
                stops.setdefault((pair.campaign.campaign, pair.channel), number)
    silent: defaultdict[int, list[str]] = defaultdict(list)
    for name in scene.campaigns:
        mine = [(name, pair.channel) for pair in bound if pair.campaign.campaign == name]
        if mine and all(one in stops for one in mine):
            silent[stops[mine[0]]].append(name)
    is_all = sum(map(len, silent.values())) == len({pair.campaign.campaign for pair in bound})
    for number, names in silent.items():
        placed = scene.rules[number]
        message = f"{placed.rule.title} lets nothing through of {', '.join(names)}"
        if is_all and scene.is_whole:
            message = f"the policy forbids everything: {placed.rule.title} lets nothing through"
        hint = "Allow more, or give the rule a scope or days on which it holds."
        yield placed.fault("name", message, hint, is_warning=True)


def _lets_nothing_through(rule: PolicyRule, pair: Pair, scene: Scene) -> bool:
    if not rule.concerns(*pair) or rule.from_ or rule.until or rule.is_personal:
        return False
    match rule:
        case Cap():
            stops = rule.max == 0
        case SuppressRule():
            stops = True
        case Capacity():
            stops = 0 in (rule.per_hour, rule.per_day)
        case Budget():
            stops = rule.money == 0 and bool(getattr(scene.policy.costs, pair.channel))
        case _:
            stops = False
    return stops


# ---------------------------------------------------------------- minimum volumes


def _too_high_minimum(campaign: Campaign, scene: Scene) -> Iterator[Fault]:
    """A minimum that no day can reach, whatever the audience. Control rows count as messages."""
    limits = campaign.limits
    least = limits.at_least_per_day
    if not least:
        return
    sent = math.ceil(round(least * (1 - campaign.control), 6))
    above = [
        (limits.messages_per_day, least, "'messages_per_day'"),
        (limits.messages, least, "'messages'"),
        *_ceilings(campaign, sent, scene),
    ]
    for most, wanted, what in above:
        if most is not None and most < wanted:
            message = f"a minimum of {least} a day can never be reached: {what} allows {most:g}"
            hint = f"Write at most {most:g} after 'at_least_per_day:', or allow more there."
            path = ("limits", "at_least_per_day")
            yield Fault(campaign_file(campaign.campaign), path, message, hint)
            return


def _ceilings(
    campaign: Campaign, sent: int, scene: Scene
) -> Iterator[tuple[float | None, int, str]]:
    """So many messages a day that rules leave to a campaign, and which."""
    costs = [
        float(getattr(scene.policy.costs, pair.channel))
        for pair in scene.pairs
        if pair.campaign is campaign
    ]
    money = campaign.limits.money_per_day
    if money is not None and all(costs):
        yield math.floor(float(money) / min(costs)), sent, "'money_per_day'"
    mine = [pair for pair in scene.pairs if pair.campaign is campaign]
    for placed in scene.rules:
        rule = placed.rule
        if scene.is_exempt(campaign):
            return  # nothing but its own limits cuts it
        if rule.from_ or rule.until or not all(rule.concerns(*pair) for pair in mine):
            continue
        if isinstance(rule, Capacity):
            numbers = [rule.per_day, None if rule.per_hour is None else 25 * rule.per_hour]
            most = min((one for one in numbers if one is not None), default=None)
            yield most, sent, rule.title
        elif isinstance(rule, Budget) and all(costs):
            yield math.floor(float(rule.money) / min(costs)), sent, rule.title
        elif isinstance(rule, Cap) and rule.max == 0 and not rule.is_personal:
            yield 0, sent, rule.title
