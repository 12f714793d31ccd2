"""When a message that was held back, or moved, could leave: by its rule, then by the clock."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from antiphon.campaigns.rules import Capacity, Times
from antiphon.policy.rules import Rule
from antiphon.policy.times import forbidding, next_allowed
from antiphon.policy.words.phrases import instant
from antiphon.policy.words.reasons import Scene, Seen

ONE_DAY = timedelta(days=1)
LOOK_AHEAD = 366  # days in which a campaign that still runs runs again
BY_DAY = frozenset({Rule.DAY_SLOT, Rule.LOST_TO, Rule.LIMIT, Rule.BUDGET})
PASSING_KINDS = frozenset(
    {"cap", "gap", "pause", "cool_down", "ratio", "exclusion", "sequence", "chains", "time"}
    | {"brake", "capacity", "warm_up", "budget"}
)
BY_DAY_KINDS = frozenset({"capacity", "warm_up", "budget"})


def is_passing(rule: str) -> bool:
    """Whether time alone may free what the rule held: it need not bind tomorrow."""
    return rule in BY_DAY or rule.partition(":")[0] in PASSING_KINDS


def next_moment(rule: str, seen: Seen, scene: Scene) -> datetime | None:
    """The first moment at which neither the rule nor the clock forbids the message.

    None where only something that happens could free it (an agreement, a new address), or nothing.
    Other rules may still hold it then; those on some customers only are not looked at.
    """
    freed = _freed_at(rule, seen, scene)
    while freed is not None:
        running = _running(freed, scene)
        at = None if running is None else _allowed(running, scene)
        if at is None or at == freed:
            return at
        freed = at
    return None


def moved_by(scene: Scene, as_of: datetime) -> Times | Capacity | None:
    """The rule for which a message waits from the run's moment until it is planned."""
    rule = forbidding(as_of, _own_zone(scene), scene.country or "", _times(scene, as_of))
    if rule is not None:
        return rule
    campaign, day = scene.touch.campaign, as_of.astimezone(scene.local).date()
    return next(
        (
            rule
            for rule in scene.policy.capacity
            if rule.per_hour is not None
            and rule.holds_on(day)
            and rule.concerns(campaign, scene.channel)
        ),
        None,
    )


def _freed_at(rule: str, seen: Seen, scene: Scene) -> datetime | None:
    """When the rule that bound no longer does."""
    if rule == Rule.ALREADY_SENT:
        pause = scene.touch.campaign.repeat_after
        if pause is None or seen.get("bound") in ("occasion", "day"):
            return None
        return instant(seen["last"]) + pause
    if rule in BY_DAY or rule.partition(":")[0] in BY_DAY_KINDS:
        if seen.get("per") == "all":
            return None
        return _next_turn(seen.get("per", "day"), scene)
    text = seen.get("next")
    return instant(text) if text else None


def _next_turn(per: str, scene: Scene) -> datetime:
    """The start of the next business day, or month."""
    day = scene.day + ONE_DAY
    if per == "month":
        day = (scene.day.replace(day=1) + timedelta(days=31)).replace(day=1)
    return _midnight(day, scene)


def _midnight(day: date, scene: Scene) -> datetime:
    return datetime.combine(day, time(), scene.local)


def _running(at: datetime, scene: Scene) -> datetime | None:
    """The first moment from `at` on a day on which the campaign runs."""
    runs, first = scene.touch.campaign.runs, at.astimezone(scene.local).date()
    if runs.includes(first):
        return at
    later = (first + timedelta(days=n) for n in range(1, LOOK_AHEAD))
    day = next((one for one in later if runs.includes(one)), None)
    return None if day is None else _midnight(day, scene)


def _allowed(at: datetime, scene: Scene) -> datetime | None:
    """The first moment from `at` that the time rules allow."""
    return next_allowed(at, _own_zone(scene), scene.country or "", _times(scene, at))


def _own_zone(scene: Scene) -> str:
    return scene.own_zone or scene.zone


def _times(scene: Scene, at: datetime) -> Sequence[Times]:
    """The time rules of everybody in whose scope the campaign is."""
    campaign, day = scene.touch.campaign, at.astimezone(ZoneInfo(scene.zone)).date()
    if campaign.category in scene.policy.exempt:
        return ()
    return [
        rule
        for rule in scene.policy.times
        if not rule.is_personal and rule.holds_on(day) and rule.concerns(campaign, scene.channel)
    ]
