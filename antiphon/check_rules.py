"""What is wrong with one rule of the policy, whatever stands beside it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cached_property
from typing import Any, NamedTuple

from antiphon.campaigns.configuration import POLICY
from antiphon.campaigns.conversions import duration_text
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.places import Path
from antiphon.campaigns.rules import (
    Brake,
    Budget,
    Cap,
    Capacity,
    ChainLimit,
    ConsentRule,
    Exclusion,
    OneClick,
    Pause,
    Policy,
    PolicyRule,
    Ratio,
    Sequence,
    SuppressRule,
    WarmUp,
)
from antiphon.campaigns.touches import touches

RESPONSES = ("open", "click", "reply", "conversion", "complaint", "bounce", "opt_out", "survey")
NEEDS = ("none", "opt_out", "opt_in", "double_opt_in")  # each asks more than the one before
LIKELY_MEANT_PERCENT = 0.05  # a brake at 30% is a typing error for 0.3% that sends on for ever
OF_EVERYBODY = (Brake, OneClick, Capacity, WarmUp, Budget)  # they count all customers together
OF_EXEMPT_TOO = (ConsentRule, OneClick)
SCOPE = ("campaign", "tag", "category", "channel")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, at which key of which file."""

    file: str
    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    is_warning: bool = False


class Placed(NamedTuple):
    """A rule and where it stands."""

    file: str
    path: Path
    rule: Any  # one of the kinds below PolicyRule

    def fault(
        self, key: str, message: str, hint: str, *, at_key: bool = False, is_warning: bool = False
    ) -> Fault:
        """Something wrong with one of its keys; of the whole where it has no such key."""
        return Fault(self.file, (*self.path, key), message, hint, at_key, is_warning)


class Pair(NamedTuple):
    """A campaign and one of the channels by which it may speak."""

    campaign: Campaign
    channel: str


@dataclass(frozen=True)
class Scene:
    """What a rule stands in. `is_whole`: every campaign could be read.

    `constant`: names of rules whose condition asks nothing of the customer.
    """

    policy: Policy
    rules: tuple[Placed, ...]
    campaigns: Mapping[str, Campaign]
    is_whole: bool = True
    constant: frozenset[str] = frozenset()

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every way in which some campaign may speak."""
        return [
            Pair(campaign, channel)
            for campaign in self.campaigns.values()
            for channel in dict.fromkeys(
                channel for touch in touches([campaign]) for channel in touch.channels
            )
        ]

    def is_exempt(self, campaign: Campaign) -> bool:
        """Whether hardly any rule binds it."""
        return campaign.category in self.policy.exempt

    def concerned(self, rule: PolicyRule) -> list[Pair]:
        """The ways of speaking that are in the rule's scope and bound by it."""
        return [
            pair
            for pair in self.pairs
            if rule.concerns(*pair)
            and (isinstance(rule, OF_EXEMPT_TOO) or not self.is_exempt(pair.campaign))
        ]


def rule_faults(placed: Placed, scene: Scene) -> Iterator[Fault]:
    """Everything that is wrong with the rule."""
    rule = placed.rule
    if rule.from_ and rule.until and rule.until < rule.from_:
        message = f"{rule.title} ends on {rule.until}, before it begins on {rule.from_}"
        hint = f"Write a day after 'until:' that is not before {rule.from_}."
        yield placed.fault("until", message, hint)
    if isinstance(rule, OF_EVERYBODY) and rule.is_personal:
        key = "where" if rule.where else "segment"
        message = f"{rule.title} counts all customers together: it cannot be for some of them"
        yield placed.fault(key, message, f"Take {key!r} out.", at_key=True)
    yield from _scope(placed, scene)
    judge = _KINDS.get(type(rule))
    if judge:
        yield from judge(placed, rule, scene)


def _scope(placed: Placed, scene: Scene) -> Iterator[Fault]:
    """Rules that concern nothing. A pack may: it holds whatever the campaigns are."""
    rule = placed.rule
    if placed.file != POLICY or not scene.is_whole or not scene.campaigns:
        return
    if not any(rule.concerns(*pair) for pair in scene.pairs):
        key = next((key for key in SCOPE if getattr(rule, key)), "")
        message = f"no campaign is in the scope of {rule.title}: it never binds"
        hint = "Compare it with category, tags and channels of the campaigns, or take it out."
        yield placed.fault(key, message, hint, is_warning=True)
    elif not scene.concerned(rule):
        message = f"every campaign in the scope of {rule.title} is exempt: it never binds"
        hint = f"Take the category out of 'exempt:' in {POLICY}, or the rule out."
        yield placed.fault("category", message, hint, is_warning=True)


# ---------------------------------------------------------------- kinds


def _consent(placed: Placed, rule: ConsentRule, scene: Scene) -> Iterator[Fault]:
    if rule.needs in ("none", "opt_out") and (rule.proof or rule.separate):
        key = "proof" if rule.proof else "separate"
        message = f"'{key}' of an act that {rule.title} does not ask for"
        yield placed.fault(key, message, "Write 'needs: opt_in' or 'needs: double_opt_in'.")
    elif rule.acts_since and not (rule.proof or rule.separate):
        message = "'acts_since' without 'proof' or 'separate' changes nothing"
        hint = "Add 'proof: yes' or 'separate: yes', or take it out."
        yield placed.fault("acts_since", message, hint, at_key=True, is_warning=True)
    elif not (rule.proof or rule.separate) and placed.file == POLICY:
        wanted = [
            scene.policy.consent.get(category, "opt_in")
            for category in rule.category or scene.policy.consent
        ]
        if all(NEEDS.index(rule.needs) <= NEEDS.index(need) for need in wanted):
            message = f"{rule.title} asks no more than 'consent:' does: it never binds"
            hint = "The strictest need counts: write a stricter one, or take the rule out."
            yield placed.fault("needs", message, hint, is_warning=True)


def _brake(placed: Placed, rule: Brake, scene: Scene) -> Iterator[Fault]:
    if rule.warn > rule.stop:
        message = f"{rule.title} stops at {rule.stop:.4g} before it warns at {rule.warn:.4g}"
        yield placed.fault("warn", message, "Write a share for 'warn' that is not above 'stop'.")
    if rule.stop >= LIKELY_MEANT_PERCENT:
        meant = f"{rule.stop:.4g}%"
        message = f"{rule.title} stops only when {rule.stop:.0%} answer so"
        hint = f"Complaints are counted in tenths of a percent: did you mean {meant}?"
        yield placed.fault("stop", message, hint, is_warning=True)
    if rule.stop == 0:
        message = f"{rule.title} stops everything in its scope, whatever is answered"
        hint = "Write a share above zero, such as 0.3%."
        yield placed.fault("stop", message, hint, is_warning=True)
    if near := _near(rule.response, RESPONSES):
        message = f"{rule.response!r} is not the word for {near!r}: the brake would count nothing"
        yield placed.fault("response", message, f"Write {near!r}.")


def _near(word: str, known: tuple[str, ...]) -> str:
    """The known word that is meant; '' where it is one, or a word of the company's own."""
    close = get_close_matches(word.lower(), known, n=1, cutoff=0.75)
    return close[0] if close and word not in known else ""


def _one_click(placed: Placed, rule: OneClick, scene: Scene) -> Iterator[Fault]:
    if rule.channel and "email" not in rule.channel:
        message = "an SMS has no headers: one click is of e-mails"
        yield placed.fault("channel", message, "Write 'channel: email', or leave it out.")
        return
    bare = [
        pair.campaign.campaign
        for pair in scene.concerned(rule)
        if pair.channel == "email" and pair.campaign.category == "service"
    ]
    if bare:
        message = f"service messages offer no unsubscription: {', '.join(bare)}"
        yield placed.fault("category", message, "Write 'category: [promo, lifecycle]'.")


def _cap(placed: Placed, rule: Cap, scene: Scene) -> Iterator[Fault]:
    offers = [pair for pair in scene.concerned(rule) if pair.campaign.offer]
    if rule.each == "offer" and scene.concerned(rule) and not offers and scene.is_whole:
        message = f"no campaign in the scope of {rule.title} has an offer: it never binds"
        hint = "Write 'each: campaign', or leave 'each' out."
        yield placed.fault("each", message, hint, is_warning=True)


def _pause(placed: Placed, rule: Pause, scene: Scene) -> Iterator[Fault]:
    if rule.after == "order" and rule.below is not None:
        message = "an order has no score that could be below a number"
        hint = "Write 'after: survey', or take 'below' out."
        yield placed.fault("below", message, hint, at_key=True)
    if rule.survey is not None and rule.after != "survey":
        message = f"'survey' with {rule.after!r}, which answers none"
        yield placed.fault("survey", message, "Write 'after: survey', or take 'survey' out.")
    if near := _near(rule.after, ("order", *RESPONSES)):
        message = f"{rule.after!r} is not the word for {near!r}: nobody would rest"
        yield placed.fault("after", message, f"Write {near!r}.")


def _ratio(placed: Placed, rule: Ratio, scene: Scene) -> Iterator[Fault]:
    concerned = [pair.campaign for pair in scene.concerned(rule)]
    others = [one for one in concerned if not set(rule.of) & set(one.tags)]
    if rule.share == 1:
        message = f"a share of 100% limits nothing: {rule.title} never binds"
        yield placed.fault("share", message, "Write a smaller share, such as 1/3.", is_warning=True)
    elif rule.share == 0:
        what = "nothing" if not rule.free else f"only {rule.free}"
        message = f"a share of 0% lets {what} of {', '.join(rule.of)} through"
        yield placed.fault("share", message, "Write a larger share, such as 1/3.", is_warning=True)
    elif concerned and not others and not rule.free and scene.is_whole:
        message = f"every campaign in the scope of {rule.title} has the tag: none may begin"
        hint = "Widen the scope, so that others are counted too, or write 'free: 1'."
        yield placed.fault("of", message, hint, is_warning=True)


def _exclusion(placed: Placed, rule: Exclusion, scene: Scene) -> Iterator[Fault]:
    if len({*rule.campaigns}) + len({*rule.tags}) < 2:
        key = "tags" if rule.tags else "campaigns"
        message = f"{rule.title} has fewer than two groups: there is nothing to exclude"
        hint = "Name two campaigns or two tags: campaigns of one tag do not exclude each other."
        yield placed.fault(key, message, hint)


def _sequence(placed: Placed, rule: Sequence, scene: Scene) -> Iterator[Fault]:
    if rule.campaign is None and rule.tag is None:
        message = f"{rule.title} binds every campaign: none could be the first"
        hint = "Say which campaigns come after: 'campaign:' or 'tag:'."
        yield placed.fault("after", message, hint, at_key=True)
    if rule.within is not None and rule.within <= rule.wait:
        message = (
            f"nothing lies within {duration_text(rule.within)} "
            f"and {duration_text(rule.wait)} before at once"
        )
        yield placed.fault("within", message, "Write a longer 'within', or a shorter 'wait'.")


def _chains(placed: Placed, rule: ChainLimit, scene: Scene) -> Iterator[Fault]:
    chains = {pair.campaign.campaign for pair in scene.concerned(rule) if pair.campaign.chain}
    if len(chains) <= rule.max and scene.is_whole and placed.file == POLICY:
        message = f"there are {len(chains)} chains in the scope of {rule.title}: it never binds"
        hint = f"Write a number below {len(chains)}, or take the rule out."
        yield placed.fault("max", message, hint, is_warning=True)


def _capacity(placed: Placed, rule: Capacity, scene: Scene) -> Iterator[Fault]:
    if rule.per_hour is None and rule.per_day is None:
        message = f"{rule.title} says no number"
        yield placed.fault("name", message, "Write 'per_hour:', 'per_day:', or both.")
    elif rule.per_hour is not None and rule.per_day is not None:
        if rule.per_day <= rule.per_hour:
            message = f"the day's {rule.per_day} are fewer than the hour's: 'per_hour' never binds"
            hint = "Write a smaller number for the hour, or leave it out."
            yield placed.fault("per_hour", message, hint, is_warning=True)
        elif rule.per_day >= 25 * rule.per_hour:
            message = f"the hour's {rule.per_hour} are fewer all day long: 'per_day' never binds"
            hint = "Write a smaller number for the day, or leave it out."
            yield placed.fault("per_day", message, hint, is_warning=True)


def _warm_up(placed: Placed, rule: WarmUp, scene: Scene) -> Iterator[Fault]:
    if rule.from_ is None:
        message = f"{rule.title} does not say which day is its first"
        yield placed.fault("per_day", message, "Write 'from:' and a day, such as 2026-01-31.")
    elif rule.until and rule.from_ <= rule.until < rule.from_ + (len(rule.per_day) - 1) * ONE_DAY:
        message = f"{rule.title} ends on {rule.until}, before its last step"
        hint = "Take 'until' out: after the last step there is no limit anyway."
        yield placed.fault("until", message, hint)


def _budget(placed: Placed, rule: Budget, scene: Scene) -> Iterator[Fault]:
    channels = {pair.channel for pair in scene.concerned(rule)}
    yield from cost_faults(scene.policy, channels, (placed.file, (*placed.path, "money")))


def cost_faults(policy: Policy, channels: set[str], place: tuple[str, Path]) -> Iterator[Fault]:
    """A limit in money on channels that cost nothing."""
    free = sorted(one for one in channels if not getattr(policy.costs, one))
    unsaid = [one for one in free if one not in policy.costs.model_fields_set]
    hint = f"Write 'costs: {{{', '.join(f'{one}: 0.05' for one in unsaid or free)}}}' in {POLICY}."
    if channels and len(free) == len(channels):
        message = f"{' and '.join(free)} cost nothing: the money limits nothing"
        yield Fault(*place, message, hint)
    elif unsaid:
        message = f"what {' and '.join(unsaid)} costs is not said: it counts as nothing"
        yield Fault(*place, message, hint, is_warning=True)


def _suppress(placed: Placed, rule: SuppressRule, scene: Scene) -> Iterator[Fault]:
    if rule.name in scene.constant:
        message = f"the condition of {rule.title} is the same for every customer"
        yield placed.fault("where", message, "Name a feature: age < 18.")


_KINDS: dict[type[PolicyRule], Callable[[Placed, Any, Scene], Iterator[Fault]]] = {
    ConsentRule: _consent,
    SuppressRule: _suppress,
    Brake: _brake,
    OneClick: _one_click,
    Cap: _cap,
    Pause: _pause,
    Ratio: _ratio,
    Exclusion: _exclusion,
    Sequence: _sequence,
    ChainLimit: _chains,
    Capacity: _capacity,
    WarmUp: _warm_up,
    Budget: _budget,
}
