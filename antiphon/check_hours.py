"""Rules on time that leave no moment, or that ask for holidays nobody knows."""

from collections.abc import Iterator
from datetime import date, time, timedelta
from functools import reduce

from antiphon.campaigns.rules import Times
from antiphon.check_rules import Fault, Placed, Scene

OWN = "own"  # of the customer's own country
_MINUTES = 24 * 60
_DAY = (1 << _MINUTES) - 1
_WEEK = (1 << 7 * _MINUTES) - 1
_A_LEAP_YEAR = [date(2024, 1, 1) + timedelta(days=day) for day in range(366)]


def hours_faults(scene: Scene) -> Iterator[Fault]:
    """Of each rule on time, and of several that bind the same messages."""
    times = [one for one in scene.rules if isinstance(one.rule, Times)]
    for placed in times:
        yield from _alone(placed)
        yield from _holidays(placed)
    yield from _together(times, scene)


def _alone(placed: Placed) -> Iterator[Fault]:
    rule: Times = placed.rule
    if not (rule.hours or rule.quiet or len(rule.days) < 7 or rule.blackout or rule.holidays):
        message = f"{rule.title} allows every moment"
        hint = "Write 'hours:', 'quiet:', 'days:', 'blackout:' or 'holidays:'."
        yield placed.fault("name", message, hint, is_warning=True)
    if rule.hours and rule.quiet:
        hours, quiet = _span(rule.hours), _span(rule.quiet)
        if not hours & ~quiet:
            message = f"'quiet' covers all of 'hours': {rule.title} never allows anything"
            yield placed.fault("quiet", message, "Keep one of them, or write other times.")
        elif not hours & quiet:
            message = "'quiet' lies outside 'hours' and adds nothing"
            yield placed.fault("quiet", message, "Keep one of them.", is_warning=True)
    if rule.blackout and _is_all_year([placed]):
        message = f"{rule.title} forbids every day of every year"
        yield placed.fault("blackout", message, "Leave some days free.")


def _together(times: list[Placed], scene: Scene) -> Iterator[Fault]:
    """Rules that leave no minute of any week, or no day of any year, all together."""
    told: set[frozenset[str]] = set()
    for pair in scene.pairs:
        if scene.is_exempt(pair.campaign):
            continue
        bound = [one for one in times if one.rule.concerns(*pair) and _allowed(one.rule)]
        always = [one for one in bound if not (one.rule.is_personal or _is_dated(one.rule))]
        for group in (always, *([*always, one] for one in bound if one not in always)):
            names = frozenset(one.rule.name for one in group)
            if len(group) < 2 or names in told or any(told_ <= names for told_ in told):
                continue
            if _is_all_year(group) and any(_is_all_year([one]) for one in group):
                continue  # answered by itself
            if _minutes(group) and not _is_all_year(group):
                continue
            told.add(names)
            last = group[-1]
            rest = ", ".join(one.rule.title for one in group[:-1])
            message = f"{last.rule.title} and {rest} leave no moment of any week together"
            if _minutes(group):
                message = f"{last.rule.title} and {rest} leave no day of any year together"
            hint = "Each of them forbids by itself: let them allow a time in common."
            key = "hours" if last.rule.hours else "quiet" if last.rule.quiet else "name"
            # Whom a condition meets is not known: with it, some may be left a moment.
            yield last.fault(key, message, hint, is_warning=last.rule.is_personal)


def _is_dated(rule: Times) -> bool:
    return rule.from_ is not None or rule.until is not None


def _minutes(rules: list[Placed]) -> int:
    return reduce(int.__and__, (_allowed(one.rule) for one in rules), _WEEK)


def _allowed(rule: Times) -> int:
    """One bit for each minute of a week on which it allows messages; holidays left aside."""
    day = (_span(rule.hours) if rule.hours else _DAY) & ~(_span(rule.quiet) if rule.quiet else 0)
    return sum(day << weekday * _MINUTES for weekday in rule.days)


def _span(hours: tuple[time, time]) -> int:
    """One bit for each minute of a day in the span, which may run over midnight."""
    first, last = (one.hour * 60 + one.minute for one in hours)
    inside = ((1 << abs(last - first)) - 1) << min(first, last)
    return inside if first < last else _DAY & ~inside


def _is_all_year(rules: list[Placed]) -> bool:
    """Whether the days of silence of every year are all days."""
    spans = [
        span for one in rules for span in one.rule.blackout if not isinstance(span.first, date)
    ]
    return bool(spans) and all(any(span.includes(day) for span in spans) for day in _A_LEAP_YEAR)


def _holidays(placed: Placed) -> Iterator[Fault]:
    """Countries, and parts of them, of which no holidays are known."""
    asked = [place for place in placed.rule.holidays if place != OWN]
    if not asked:
        return
    import holidays  # noqa: PLC0415 - a tenth of a second that few projects need

    known = holidays.list_supported_countries()
    for number, place in enumerate(placed.rule.holidays):
        country, _, part = place.partition("-")
        at = ("holidays", number)
        if place != OWN and country not in known:
            message = f"no holidays are known of the country {country!r}"
            hint = "Write its ISO 3166-1 code, such as GB for the United Kingdom, or name the days."
            yield Fault(placed.file, (*placed.path, *at), message, hint)
        elif part and part not in known[country]:
            message = f"no part {part!r} of {country} is known to have holidays of its own"
            parts = ", ".join(known[country]) or "none"
            hint = f"Known parts: {parts}. Write {country} for the holidays of the whole country."
            yield Fault(placed.file, (*placed.path, *at), message, hint)
