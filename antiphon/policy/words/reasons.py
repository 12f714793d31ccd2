"""Why a rule held a message back, in a sentence made of its counters: one function for each kind.

Counters say how things stood when the rule bound; the rule itself may be gone from the policy
since, and is then None.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.campaigns.rules import (
    Brake,
    Budget,
    Cap,
    Capacity,
    ConsentRule,
    CoolDown,
    Exclusion,
    Gap,
    Pause,
    Policy,
    PolicyRule,
    Ratio,
    Sequence,
    SuppressRule,
    Times,
    WarmUp,
)
from antiphon.campaigns.touches import Touch
from antiphon.policy.rules import Rule
from antiphon.policy.words.phrases import (
    ADDRESS_WORDS,
    channel_word,
    count,
    days,
    instant,
    listed,
    moment_word,
    percent,
    span,
    within,
)
from antiphon.policy.words.titles import demand, find, happened, mails, span_of

Seen = Mapping[str, Any]


@dataclass(frozen=True)
class Scene:
    """What a decision was made on, as far as words need it.

    `zone`: of the days we speak of; `own_zone` and `country`: the customer's, where known;
    `planned_at`: when the message would have left; `channel`: the one chosen, if any was.
    """

    policy: Policy
    touch: Touch
    zone: str
    planned_at: datetime
    own_zone: str | None = None
    country: str | None = None
    channel: str | None = None

    @cached_property
    def local(self) -> ZoneInfo:
        """The zone of the days we speak of."""
        return ZoneInfo(self.zone)

    @property
    def day(self) -> date:
        """The day on which the message would have left."""
        return self.planned_at.astimezone(self.local).date()

    def days(self, *instants: str) -> str:
        """3 and 7 May."""
        return days(instants, self.local)

    def moment(self, at: datetime) -> str:
        """10 May 09:12."""
        return moment_word(at, self.local, self.day, self.own_zone)


def reason(name: str, seen: Seen, scene: Scene) -> str:
    """Why the rule of that name, as decisions have it, held this customer's message back."""
    rule = find(name, scene.policy)
    kind, _, own = name.partition(":")
    if own:
        found = _NAMED[kind](rule, seen, scene)
        return f"{found} (rule {own})" if "(rule" not in found else found
    return _OWN[Rule(name)](seen, scene)


# ---------------------------------------------------------------- rules that have a name


def _cap(rule: Cap | None, seen: Seen, scene: Scene) -> str:
    most, per = mails(rule, seen["max"]), within(seen["per"])
    apart = f" of one {rule.each}" if rule and rule.each else ""
    whom = " to a household" if rule and rule.of == "household" else ""
    allowed = f"you may send {most}{apart}{whom} {per} (rule {_name(rule)})"
    if not seen["contacts"]:
        return allowed
    return f"{allowed}; sent or planned on {scene.days(*seen['contacts'])}"


def _gap(rule: Gap | None, seen: Seen, scene: Scene) -> str:
    apart = f" of one {rule.each}" if rule and rule.each else ""
    whom = " to a household" if rule and rule.of == "household" else ""
    length = span(timedelta(seconds=seen["per"]))
    between = f"{length} must lie between two {mails(rule)}{apart}{whom} (rule {_name(rule)})"
    if not seen["contacts"]:
        return between
    return f"{between}; sent or planned on {scene.days(*seen['contacts'])}"


def _name(rule: PolicyRule | None) -> str:
    return rule.name if rule else "of an earlier policy"


def _pause(rule: Pause | None, seen: Seen, scene: Scene) -> str:
    what = happened(rule) if rule else str(seen["after"])
    rest = f"{span(rule.rest)} of rest follow" if rule else "a rest follows"
    return f"{rest} {what}, which was on {scene.days(seen['at'])}"


def _cool_down(rule: CoolDown | None, seen: Seen, scene: Scene) -> str:
    rest = f"{span(rule.rest)} of rest follow" if rule else "a rest follows"
    ignored = (
        "the last message was ignored"
        if seen["ignored"] == 1
        else f"the last {seen['ignored']} messages were all ignored"
    )
    return f"{ignored}, and {rest} the last of them, which was on {scene.days(seen['last'])}"


def _ratio(rule: Ratio | None, seen: Seen, scene: Scene) -> str:
    of = f"tagged {listed(rule.of, 'or')}" if rule else "of its kind"
    per = f" {within(rule.per)}" if rule else ""
    return (
        f"at most {percent(seen['share'])} of {mails(rule)}{per} may be {of}: "
        f"so far {seen['of']} of {seen['all']} are"
    )


def _exclusion(rule: Exclusion | None, seen: Seen, scene: Scene) -> str:
    length = span_of(rule.per) if rule else ""
    return f"{seen['campaign']}, sent or planned on {scene.days(seen['at'])}, excludes it{length}"


def _sequence(rule: Sequence | None, seen: Seen, scene: Scene) -> str:
    before = listed(rule.after, "or") if rule else "another campaign"
    text = f"it comes {demand(rule) if rule else f'only after {before}'}"
    if seen.get("at"):
        return f"{text}; that wrote on {scene.days(seen['at'])}"
    return f"{text}, which has not written to them"


def _chains(rule: PolicyRule | None, seen: Seen, scene: Scene) -> str:
    return (
        f"a customer is in at most {count(seen['max'], 'chain')} at a time, "
        f"and they are in {listed(seen['in'])}"
    )


def _time(rule: Times | None, seen: Seen, scene: Scene) -> str:
    allowed = f": {demand(rule)}" if rule else ""
    until = scene.moment(instant(seen["expires"]))
    return f"no moment is allowed before the message is stale, {until}{allowed}"


def _brake(rule: Brake | None, seen: Seen, scene: Scene) -> str:
    of = f"all {mails(rule)} are stopped" if rule else "all its messages are stopped"
    answer = rule.response if rule else "bad answer"
    per = f" {within(rule.per)}" if rule else ""
    return (
        f"{of}: {count(seen['responses'], answer)} to {count(seen['contacts'], 'message')}{per} "
        f"are {percent(seen['share'])}, and {percent(seen['stop'])} is the limit"
    )


def _suppress(rule: SuppressRule | None, seen: Seen, scene: Scene) -> str:
    if seen:  # a rule on a channel: it closed the last one
        return _stops(seen, scene)
    if rule is None:
        return "a rule of an earlier policy suppressed them"
    if rule.segment:
        return f"nobody of the segment {rule.segment} is written to"
    return f"nobody with {rule.where} is written to" if rule.where else "nobody is written to"


def _consent(rule: ConsentRule | None, seen: Seen, scene: Scene) -> str:
    return _stops(seen, scene)


def _capacity(rule: Capacity | None, seen: Seen, scene: Scene) -> str:
    per = {"hour": "an hour", "day": "a day"}[seen["per"]]
    return f"{mails(rule, seen['max'])} {per} can be sent, and {seen['used']:,} are taken"


def _warm_up(rule: WarmUp | None, seen: Seen, scene: Scene) -> str:
    day = ""
    if rule and rule.from_:
        day = f" on day {(scene.day - rule.from_).days + 1} of the warm-up"
    return f"{mails(rule, seen['max'])} may be sent{day}, and {seen['used']:,} are taken"


def _budget(rule: Budget | None, seen: Seen, scene: Scene) -> str:
    return (
        f"{seen['money']} may be spent on {mails(rule)} a {seen['per']}, "
        f"and {seen['spent']} are spent"
    )


def _one_click(rule: PolicyRule | None, seen: Seen, scene: Scene) -> str:
    return "the message could not be unsubscribed from by one click"


_NAMED: dict[str, Callable[[Any, Seen, Scene], str]] = {
    "consent": _consent,
    "suppress": _suppress,
    "brake": _brake,
    "one_click": _one_click,
    "cap": _cap,
    "gap": _gap,
    "pause": _pause,
    "cool_down": _cool_down,
    "ratio": _ratio,
    "exclusion": _exclusion,
    "sequence": _sequence,
    "chains": _chains,
    "time": _time,
    "capacity": _capacity,
    "warm_up": _warm_up,
    "budget": _budget,
}


# ---------------------------------------------------------------- rules every policy has


def _not_running(seen: Seen, scene: Scene) -> str:
    return "the campaign does not run on this day"


def _paused(seen: Seen, scene: Scene) -> str:
    verb = "is cancelled" if seen.get("kind") == "cancelled" else "is on hold"
    reason = f" ({seen['reason']})" if seen.get("reason") else ""
    return f"the campaign {verb} since {scene.days(seen['since'])}{reason}"


def _test_group(seen: Seen, scene: Scene) -> str:
    test = scene.touch.campaign.test
    asked = f", and the campaign asks {test.group} alone" if test else ""
    return f"they are in the group {seen['group']} of the test {seen['layer']}{asked}"


def _stops(seen: Seen, scene: Scene) -> str:
    category = scene.touch.campaign.category
    return "; ".join(_stopped(channel, stop, category) for channel, stop in seen.items())


def _stopped(channel: str, stop: str, category: str) -> str:
    about = f"{category} messages by {channel_word(channel)}"
    words = {
        "objected": f"they objected to {about}",
        "not_agreed": f"they have not agreed to {about}",
        "not_confirmed": f"they have not confirmed that they agree to {about}",
        "not_proven": f"their agreement to {about} is not on record as it must be",
        "suppressed": f"their {ADDRESS_WORDS[channel]} is suppressed",
        "no_address": f"no valid {ADDRESS_WORDS[channel]} is known",
    }
    by_rule = f"the rule {stop.partition(':')[2]} allows them no {channel_word(channel)}"
    return words.get(stop, by_rule)  # else it is the title of a rule on this channel


def _already_sent(seen: Seen, scene: Scene) -> str:
    spoken = f"the campaign has already spoken to them on {scene.days(seen['last'])}, "
    touch, bound = scene.touch, seen.get("bound")
    if bound == "occasion":
        return f"{spoken}and it speaks once of {'this' if touch.step else 'each occasion'}"
    if bound == "day":
        return f"{spoken}and it speaks once a day"
    if touch.campaign.repeat_after is None:
        return f"{spoken}and it speaks once"
    return f"{spoken}and waits {span(touch.campaign.repeat_after)} before it speaks again"


def _attempts(seen: Seen, scene: Scene) -> str:
    return f"{seen['max']} attempts did not reach them"


def _day_slot(seen: Seen, scene: Scene) -> str:
    most = count(seen["max"], "message")
    return f"a customer gets at most {most} a day; that day has {seen['used']} already"


def _lost_to(seen: Seen, scene: Scene) -> str:
    winner = seen["lost_to"]
    if winner == scene.touch.name:
        return "an earlier step of this campaign comes first"
    return f"{winner} won this customer's day"


def _limit(seen: Seen, scene: Scene) -> str:
    per = "in all" if seen.get("per") == "all" else "a day"
    chosen = "those of more value came first"
    if scene.touch.campaign.limits.cut == "chance":
        chosen = "chance chose others"
    return f"the campaign may send {count(seen['max'], 'message')} {per}, and {chosen}"


def _own_budget(seen: Seen, scene: Scene) -> str:
    return f"the campaign may spend {seen['money']} a {seen['per']}, and {seen['spent']} are spent"


def _missing_value(seen: Seen, scene: Scene) -> str:
    return f"the message would print {seen['variable']}, which is not known of them"


def _offer(seen: Seen, scene: Scene) -> str:
    if "money" in seen:
        return f"codes redeemed have cost {seen['spent']}, and {seen['money']} were set aside"
    return f"the campaign may issue {seen['codes']:,} codes, and {seen['issued']:,} were out before"


_OWN: dict[Rule, Callable[[Seen, Scene], str]] = {
    Rule.NOT_RUNNING: _not_running,
    Rule.PAUSED: _paused,
    Rule.TEST_GROUP: _test_group,
    Rule.CONSENT: _stops,
    Rule.SUPPRESSED: _stops,
    Rule.NO_ADDRESS: _stops,
    Rule.ALREADY_SENT: _already_sent,
    Rule.ATTEMPTS: _attempts,
    Rule.DAY_SLOT: _day_slot,
    Rule.LOST_TO: _lost_to,
    Rule.LIMIT: _limit,
    Rule.BUDGET: _own_budget,
    Rule.MISSING_VALUE: _missing_value,
    Rule.OFFER: _offer,
}
