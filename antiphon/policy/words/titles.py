"""What each rule demands, in a few words: for reports, and where sentences begin."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from antiphon.campaigns.conversions import (
    day_span_text,
    hours_text,
    weekdays_text,
)
from antiphon.campaigns.rules import (
    Brake,
    Budget,
    Cap,
    Capacity,
    ChainLimit,
    ConsentRule,
    CoolDown,
    Exclusion,
    Gap,
    OneClick,
    Pause,
    Policy,
    PolicyRule,
    Ratio,
    Sequence,
    SuppressRule,
    Times,
    WarmUp,
)
from antiphon.policy.rules import Rule
from antiphon.policy.words.phrases import channel_word, count, listed, percent, span, within

OWN = {
    Rule.NOT_RUNNING: "the campaign does not run on this day",
    Rule.PAUSED: "somebody put the campaign on hold",
    Rule.TEST_GROUP: "in another group of a test",
    Rule.CONSENT: "no consent",
    Rule.SUPPRESSED: "the address is suppressed",
    Rule.NO_ADDRESS: "no valid address",
    Rule.ALREADY_SENT: "the campaign has already spoken",
    Rule.ATTEMPTS: "no attempt reached them",
    Rule.DAY_SLOT: "the day's messages to the customer are used up",
    Rule.LOST_TO: "another campaign won the customer's day",
    Rule.LIMIT: "beyond the campaign's limit",
    Rule.BUDGET: "beyond the campaign's money",
    Rule.MISSING_VALUE: "the message would print a value that is not known",
    Rule.OFFER: "beyond the budget of the campaign's offer",
}
NEEDS = {
    "none": "no consent is needed",
    "opt_out": "until they object",
    "opt_in": "only after agreement",
    "double_opt_in": "only after agreement that was confirmed",
}
HAPPENED = {
    "order": "an order",
    "complaint": "a complaint",
    "conversion": "a conversion",
    "survey": "a survey's answer",
    "reply": "a reply",
    "bounce": "a bounce",
    "opt_out": "an opt-out",
}


def title(name: str, policy: Policy) -> str:
    """What the rule of that name in decisions demands; the name itself where it is gone since."""
    if name in set(Rule):
        return OWN[Rule(name)]
    rule = find(name, policy)
    return demand(rule) if rule else name


def find(name: str, policy: Policy) -> PolicyRule | None:
    """The rule that decisions call so (`cap:two-promos-a-week`), if the policy still has it."""
    return next((rule for rule in policy.rules() if rule.title == name), None)


def demand(rule: PolicyRule) -> str:
    """What the rule demands."""
    return _DEMANDS[type(rule)](rule)


def mails(rule: PolicyRule | None, number: int | None = None) -> str:
    """The messages in the rule's scope: `promo SMS messages tagged sale`; with their number."""
    if rule is None:
        return "messages" if number is None else count(number, "message")
    words = [*(rule.category or ()), *map(channel_word, rule.channel or ())]
    noun = " ".join([*words, "message"])
    text = f"{noun}s" if number is None else count(number, noun)
    if rule.tag:
        text += f" tagged {listed(rule.tag, 'or')}"
    if rule.campaign:
        text += f" of {listed(rule.campaign, 'or')}"
    return text


def happened(rule: Pause) -> str:
    """What a pause follows: an order, a survey's answer of less than 3."""
    what = HAPPENED.get(rule.after, f"{rule.after!r}")
    if rule.survey is not None:
        what += f" to {rule.survey!r}"
    return what if rule.below is None else f"{what} of less than {rule.below}"


def span_of(length: timedelta | None) -> str:
    """` for 7 days`; '' where there is no end."""
    return f" for {span(length)}" if length else ""


def _cap(rule: Cap) -> str:
    most = (
        mails(rule, rule.max)
        if isinstance(rule.max, int)
        else f"as many {mails(rule)} as `{rule.max}` says"
    )
    return f"at most {most} {within(rule.per)}{_apart(rule)}"


def _gap(rule: Gap) -> str:
    return f"{span(rule.at_least)} between {mails(rule)}{_apart(rule)}"


def _apart(rule: Cap | Gap) -> str:
    each = f", each {rule.each} apart" if rule.each else ""
    return each + (" to a household" if rule.of == "household" else "")


def _pause(rule: Pause) -> str:
    return f"{span(rule.rest)} of rest after {happened(rule)}"


def _cool_down(rule: CoolDown) -> str:
    return f"{span(rule.rest)} of rest after {count(rule.ignored, 'ignored message')}"


def _ratio(rule: Ratio) -> str:
    return (
        f"at most {percent(rule.share)} of the {mails(rule)} {within(rule.per)} "
        f"tagged {listed(rule.of, 'or')}"
    )


def _exclusion(rule: Exclusion) -> str:
    names = [*rule.campaigns, *(f"those tagged {tag}" for tag in rule.tags)]
    return f"{listed(names)} exclude each other{span_of(rule.per) or ' for ever'}"


def _sequence(rule: Sequence) -> str:
    text = f"only after {listed(rule.after, 'or')}"
    if rule.wait:
        text = f"only {span(rule.wait)} after {listed(rule.after, 'or')}"
    return text + (f", at most {span(rule.within)} after" if rule.within else "")


def _chains(rule: ChainLimit) -> str:
    return f"at most {count(rule.max, 'chain')} at a time"


def _times(rule: Times) -> str:
    parts = []
    if rule.hours:
        parts.append(f"only {hours_text(rule.hours)}")
    if rule.quiet:
        parts.append(f"not {hours_text(rule.quiet)}")
    if len(rule.days) < 7:
        parts.append(f"only {weekdays_text(rule.days)}")
    if rule.blackout:
        parts.append(f"not on {listed(map(day_span_text, rule.blackout), 'or')}")
    if rule.holidays:
        whose = ["the customer's country" if one == "own" else one for one in rule.holidays]
        parts.append(f"not on public holidays of {listed(whose, 'or')}")
    return ", ".join(parts) or "at any time"


def _brake(rule: Brake) -> str:
    answered = HAPPENED.get(rule.response, rule.response)
    return f"stopped while {percent(rule.stop)} or more are answered by {answered}"


def _capacity(rule: Capacity) -> str:
    of = {"an hour": rule.per_hour, "a day": rule.per_day}
    parts = [f"{mails(rule, most)} {per}" for per, most in of.items() if most is not None]
    return f"at most {listed(parts)}" if parts else "no limit"


def _warm_up(rule: WarmUp) -> str:
    return f"{mails(rule)} grow for {count(len(rule.per_day), 'day')}"


def _budget(rule: Budget) -> str:
    return f"at most {rule.money} for {mails(rule)} a {rule.per}"


def _consent(rule: ConsentRule) -> str:
    more = [", with evidence"] if rule.proof else []
    more += [", by a document of its own"] if rule.separate else []
    return f"{mails(rule)} {NEEDS[rule.needs]}{''.join(more)}"


def _suppress(rule: SuppressRule) -> str:
    if rule.segment:
        return f"no {mails(rule)} to the segment {rule.segment}"
    return f"no {mails(rule)}" + (f" to customers with {rule.where}" if rule.where else "")


def _one_click(rule: OneClick) -> str:
    return f"{mails(rule)} can be unsubscribed from by one click"


_DEMANDS: dict[type[PolicyRule], Callable[[Any], str]] = {
    Brake: _brake,
    Budget: _budget,
    Cap: _cap,
    Capacity: _capacity,
    ChainLimit: _chains,
    ConsentRule: _consent,
    CoolDown: _cool_down,
    Exclusion: _exclusion,
    Gap: _gap,
    OneClick: _one_click,
    Pause: _pause,
    Ratio: _ratio,
    Sequence: _sequence,
    SuppressRule: _suppress,
    Times: _times,
    WarmUp: _warm_up,
}
