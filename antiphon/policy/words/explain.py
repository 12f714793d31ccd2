"""A decision in plain words, for `antiphon why` and the table of the day."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.campaigns.rules import Capacity, Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.rules import UNIVERSAL_ARM, Outcome
from antiphon.policy.words.phrases import channel_word, date_word, day_word
from antiphon.policy.words.reasons import Scene, reason
from antiphon.policy.words.titles import demand
from antiphon.policy.words.upcoming import is_passing, moved_by, next_moment

Decision = Mapping[str, Any]


def explain(
    decision: Decision,
    policy: Policy,
    touch: Touch,
    *,
    zone: str = "UTC",
    own_zone: str | None = None,
    country: str | None = None,
    as_of: datetime | None = None,
) -> str:
    """One sentence: what was decided on a row of DECISIONS, and why. Days are of `zone`.

    It begins with the step, the occasion and the cell, where there are such. `own_zone` and
    `country` are the customer's; `as_of` is the run's moment: a message planned for later was
    moved.
    """
    channel = decision.get("channel")
    scene = Scene(policy, touch, zone, decision["planned_at"], own_zone, country, channel)
    about = ", ".join(_about(decision, touch))
    return (f"{about}: " if about else "") + _decided(decision, scene, as_of)


def upcoming(
    decision: Decision,
    policy: Policy,
    touch: Touch,
    *,
    zone: str = "UTC",
    own_zone: str | None = None,
    country: str | None = None,
) -> datetime | None:
    """The next possible moment that `explain` names of a row that was held; None where none is."""
    if decision["outcome"] != Outcome.HELD:
        return None
    channel = decision.get("channel")
    scene = Scene(policy, touch, zone, decision["planned_at"], own_zone, country, channel)
    return _next(decision, scene)


def explain_entry(entry: Mapping[str, Any] | None, *, zone: str = "UTC") -> str:
    """Where a customer stands in a chain no step of which is due: a row of the entity enrolments
    (None: they never entered)."""
    if entry is None:
        return "has not entered the chain"
    entered = f"entered on {date_word(entry['entered_at'], zone)}"
    missed = f"; missed {entry['missed'].replace(',', ', ')}" if entry["missed"] else ""
    if entry["left_at"] is not None:
        left = date_word(entry["left_at"], zone)
        return f"{entered}, left on {left}: {entry['left_for']}{missed}"
    reached = f", has reached step {entry['reached']}" if entry["reached"] else ""
    return f"no step is due: {entered}{reached}{missed}"


def _about(decision: Decision, touch: Touch) -> Iterator[str]:
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


def _decided(decision: Decision, scene: Scene, as_of: datetime | None) -> str:
    outcome = decision["outcome"]
    if outcome == Outcome.SEND:
        return _sent(decision, scene, as_of)
    if outcome == Outcome.CONTROL:
        group = (
            "the universal control group"
            if decision["arm"] == UNIVERSAL_ARM
            else "this campaign's control group"
        )
        return f"not written to: held out in {group}, to measure the effect"
    words = reason(decision["rule"], _seen(decision), scene)
    following = _next(decision, scene)
    if following is not None:
        words += f"; next possible moment: {scene.moment(following)}"
    if decision.get("due_at") is not None and is_passing(decision["rule"]):
        words += _tried_until(decision, scene)
    return f"not written to: {words}"


def _sent(decision: Decision, scene: Scene, as_of: datetime | None) -> str:
    planned, arm = scene.planned_at, decision["arm"]
    words = f"written to by {channel_word(decision['channel'])} on {scene.moment(planned)}"
    words += "" if arm == "default" else f" (variant {arm})"
    if as_of is None or planned <= as_of:
        return words
    rule = moved_by(scene, as_of)
    if rule is None:
        return f"{words}; moved from {scene.moment(as_of)}"
    if isinstance(rule, Capacity):
        full = f"{rule.per_hour:,} an hour" if rule.per_hour is not None else "an hour"
        return f"{words}; moved from {scene.moment(as_of)}, as {full} go out (rule {rule.name})"
    return f"{words}; moved from {scene.moment(as_of)} ({demand(rule)}; rule {rule.name})"


def _seen(decision: Decision) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(decision["counters"] or "{}")
    return seen | ({"lost_to": decision["lost_to"]} if decision.get("lost_to") else {})


def _next(decision: Decision, scene: Scene) -> datetime | None:
    """The next possible moment after the planned one, unless the occasion is over by then."""
    found = next_moment(decision["rule"], _seen(decision), scene)
    due = decision.get("due_at")
    if found is None or found <= scene.planned_at:
        return None
    if due is None:
        return found
    return found if found <= due + scene.touch.grace else None


def _tried_until(decision: Decision, scene: Scene) -> str:
    """Until when the occasion, not used up, is tried on the following days."""
    last = (decision["due_at"] + scene.touch.grace).astimezone(ZoneInfo(scene.zone)).date()
    if last <= scene.day:
        return "; its time is over after today"
    return f"; it is tried again until {day_word(last, scene.day)}"
