"""A decision in plain words, for `antiphon why` and the table of the day."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.campaigns.rules import Cap, Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.rules import CAP, UNIVERSAL_ARM, Outcome, Rule

CHANNEL_WORDS = {"email": "e-mail", "sms": "SMS"}
ADDRESS_WORDS = {"email": "e-mail address", "sms": "phone number"}
PASSING = (Rule.DAY_SLOT, Rule.LOST_TO, Rule.LIMIT)  # and caps: tomorrow they may not bind


def explain(decision: Mapping[str, Any], policy: Policy, touch: Touch, *, zone: str = "UTC") -> str:
    """One sentence: what was decided on a row of DECISIONS, and why. Days are of `zone`.

    It begins with the step, the occasion and the cell, where there are such.
    """
    about = ", ".join(_about(decision, touch))
    return (f"{about}: " if about else "") + _decided(decision, policy, touch, ZoneInfo(zone))


def explain_entry(entry: Mapping[str, Any] | None, *, zone: str = "UTC") -> str:
    """Where a customer stands in a chain no step of which is due: a row of the entity enrolments
    (None: they never entered)."""
    if entry is None:
        return "has not entered the chain"
    entered = f"entered on {_date(entry['entered_at'], zone)}"
    missed = f"; missed {entry['missed'].replace(',', ', ')}" if entry["missed"] else ""
    if entry["left_at"] is not None:
        return f"{entered}, left on {_date(entry['left_at'], zone)}: {entry['left_for']}{missed}"
    reached = f", has reached step {entry['reached']}" if entry["reached"] else ""
    return f"no step is due: {entered}{reached}{missed}"


def _about(decision: Mapping[str, Any], touch: Touch) -> Iterator[str]:
    campaign, anchor = touch.campaign, decision["anchor"]
    if touch.step:
        yield f"step {touch.step}"
    if touch.is_occasional and anchor is not None:
        if campaign.anniversary:
            yield f"{campaign.anniversary.of} of {anchor}"
        elif campaign.on:
            yield f"{campaign.on.event or campaign.on.notice} {anchor}"
        elif campaign.chain and campaign.chain.start.event:
            yield f"entered by {campaign.chain.start.event} {anchor}"
        elif anchor != "1":
            yield f"entry {anchor}"
    if decision["cell"]:
        yield f"cell {decision['cell']}"


def _decided(decision: Mapping[str, Any], policy: Policy, touch: Touch, zone: ZoneInfo) -> str:
    outcome, rule = decision["outcome"], decision["rule"]
    if outcome == Outcome.SEND:
        return f"written to by {_channel(decision['channel'])}" + _arm(decision["arm"])
    if outcome == Outcome.CONTROL:
        group = (
            "the universal control group"
            if decision["arm"] == UNIVERSAL_ARM
            else "this campaign's control group"
        )
        return f"not written to: held out in {group}, to measure the effect"
    seen = json.loads(decision["counters"] or "{}")
    if rule.startswith(CAP):
        reason = _cap(rule.removeprefix(CAP), seen, policy, zone)
    elif rule == Rule.LOST_TO and decision["lost_to"] == touch.name:
        reason = "an earlier step of this campaign comes first"
    elif rule == Rule.LOST_TO:
        reason = f"{decision['lost_to']} won this customer's day"
    else:
        reason = _held(Rule(rule), seen, touch, zone)
    if decision.get("due_at") is not None and (rule in PASSING or rule.startswith(CAP)):
        reason += _tried_until(decision, touch, zone)
    return f"not written to: {reason}"


def _tried_until(decision: Mapping[str, Any], touch: Touch, zone: ZoneInfo) -> str:
    """Until when the occasion, not used up, is tried on the following days."""
    today = decision["planned_at"].astimezone(zone).date()
    last = (decision["due_at"] + touch.grace).astimezone(zone).date()
    if last <= today:
        return "; its time is over after today"
    return f"; it is tried again until {_day(last, today)}"


def _held(rule: Rule, seen: Mapping[str, Any], touch: Touch, zone: ZoneInfo) -> str:
    match rule:
        case Rule.NOT_RUNNING:
            reason = "the campaign does not run on this day"
        case Rule.ALREADY_SENT:
            reason = f"the campaign has already spoken to them on {_days([seen['last']], zone)}, "
            reason += _pause(touch, seen.get("bound"))
        case Rule.ATTEMPTS:
            reason = f"{seen['max']} attempts did not reach them"
        case Rule.DAY_SLOT:
            most = _count(seen["max"], "message")
            reason = f"a customer gets at most {most} a day; today has {seen['used']} already"
        case Rule.LIMIT:
            most = _count(seen["max"], "message")
            reason = f"the campaign may send {most} a day, and chance chose others"
        case Rule.MISSING_VALUE:
            reason = f"the message would print {seen['variable']}, which is not known of them"
        case _:
            category = touch.campaign.category
            stops = (_stopped(channel, stop, category) for channel, stop in seen.items())
            reason = "; ".join(stops)
    return reason


def _pause(touch: Touch, bound: str | None) -> str:
    if bound == "occasion":
        return "and it speaks once of this" if touch.step else "and it speaks once of each occasion"
    if bound == "day":
        return "and it speaks once a day"
    if touch.campaign.repeat_after is None:
        return "and it speaks once"
    return f"and waits {_span(touch.campaign.repeat_after)} before it speaks again"


def _stopped(channel: str, stop: str, category: str) -> str:
    match stop:
        case "objected":
            return f"they objected to {category} messages by {_channel(channel)}"
        case "not_agreed":
            return f"they have not agreed to {category} messages by {_channel(channel)}"
        case "suppressed":
            return f"their {ADDRESS_WORDS[channel]} is suppressed"
        case _:
            return f"no valid {ADDRESS_WORDS[channel]} is known"


def _cap(name: str, seen: Mapping[str, Any], policy: Policy, zone: ZoneInfo) -> str:
    """The cap as it stood when it bound (`seen`), its scope as the policy has it now."""
    cap = next((cap for cap in policy.caps if cap.name == name), None)
    kind = _count(seen["max"], f"{_scope(cap)}message")
    rule = f"you may send {kind} in {_span(timedelta(seconds=seen['per']))} (rule {name})"
    if not seen["contacts"]:
        return rule

    return f"{rule}; sent or planned on {_days(seen['contacts'], zone)}"


def _scope(cap: Cap | None) -> str:
    if cap is None:
        return ""
    words = [*(cap.category or ()), *map(_channel, cap.channel or ())]
    return "".join(f"{word} " for word in words)


def _channel(channel: str) -> str:
    return CHANNEL_WORDS.get(channel, channel)


def _arm(arm: str) -> str:
    return "" if arm == "default" else f" (variant {arm})"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _span(length: timedelta) -> str:
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        number, rest = divmod(int(length.total_seconds()), size)
        if not rest and number:
            return _count(number, unit)
    return _count(int(length.total_seconds()), "second")


def _days(instants: list[str], zone: ZoneInfo) -> str:
    """3 May, 3 and 7 May, 30 April and 3 May 2026: each month and year said once."""
    days = sorted({datetime.fromisoformat(text).astimezone(zone).date() for text in instants})
    words = []
    for day, after in zip(days, [*days[1:], None], strict=True):
        word = str(day.day)
        if after is None or (day.year, day.month) != (after.year, after.month):
            word += f" {day:%B}"
        if after is not None and day.year != after.year:
            word += f" {day.year}"
        words.append(word)
    text = ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else words[0]
    return f"{text} {days[-1].year}" if len({day.year for day in days}) > 1 else text


def _day(day: date, today: date) -> str:
    return f"{day.day} {day:%B}" + (f" {day.year}" if day.year != today.year else "")


def _date(at: datetime, zone: str) -> str:
    day = at.astimezone(ZoneInfo(zone)).date()
    return f"{day.day} {day:%B %Y}"
