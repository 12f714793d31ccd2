"""What is wrong with when a campaign speaks: rhythms that contradict, can never begin or never end.

Only what is certain without any data. Conditions are judged elsewhere; here they count as texts.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from antiphon.audience import anniversaries
from antiphon.audience.chains import FINISHED, REMOVED
from antiphon.audience.dictionary import Feature
from antiphon.audience.frame import PERSONAL
from antiphon.audience.windows import is_whole_days
from antiphon.campaigns.complaints import nearest
from antiphon.campaigns.conversions import duration_text
from antiphon.campaigns.models import Anniversary, Campaign, Chain, Trigger
from antiphon.campaigns.places import Path
from antiphon.entities import ColumnType

RHYTHMS = ("audience", "anniversary", "on", "chain")


@dataclass(frozen=True, slots=True)
class RhythmProblem:
    """What is wrong, at which keys of the campaign's file."""

    path: Path
    message: str
    hint: str = ""
    at_key: bool = False
    is_warning: bool = False


def rhythm_problems(
    campaign: Campaign, features: Mapping[str, Feature] | None
) -> Iterator[RhythmProblem]:
    """Everything of one campaign, in the order of its rhythms. `features` None: not known."""
    spoken = [name for name in RHYTHMS[1:] if getattr(campaign, name) is not None]
    if not spoken and campaign.audience is None:
        hint = "Write 'audience:', 'anniversary:', 'on:' or 'chain:'."
        yield RhythmProblem(("campaign",), "the campaign speaks to nobody", hint, at_key=True)
    for name in spoken[1:]:
        message = f"the campaign has both '{spoken[0]}' and '{name}'"
        hint = "Keep one: a campaign speaks in one rhythm. Make the other a campaign of its own."
        yield RhythmProblem((name,), message, hint, at_key=True)
    if campaign.anniversary:
        yield from _anniversary(campaign.anniversary, features)
    if campaign.on:
        yield from _trigger(campaign.on, features)
    if campaign.chain:
        yield from _chain(campaign, campaign.chain)


# ---------------------------------------------------------------- anniversary


def _anniversary(
    anniversary: Anniversary, features: Mapping[str, Feature] | None
) -> Iterator[RhythmProblem]:
    path: Path = ("anniversary", "of")
    of = anniversary.of
    if of[:1].isdecimal() and anniversaries.feast(of) is None:
        hint = "Write month and day of a feast of every year: 12-24."
        yield RhythmProblem(path, f"there is no day {of!r} in any year", hint)
    elif features is not None and anniversaries.feast(of) is None:
        yield from _day_feature(of, features)
    if features is not None and anniversaries.LOCAL_DAY not in features:
        hint = "A file in sql/features/ must declare it: anniversaries fall on the customer's day."
        message = f"feature {anniversaries.LOCAL_DAY!r} is missing"
        yield RhythmProblem(("anniversary",), message, hint, at_key=True)
    if anniversary.before and anniversary.after:
        hint = "Keep one of them."
        message = "the message is both before and after the day"
        yield RhythmProblem(("anniversary", "after"), message, hint, at_key=True)
    for key in ("before", "after", "grace"):
        duration = getattr(anniversary, key)
        if not is_whole_days(duration):
            message = f"{duration_text(duration)} is no number of whole days"
            hint = "Anniversaries are days: write 1 day, 2 days, …"
            yield RhythmProblem(("anniversary", key), message, hint)


def _day_feature(of: str, features: Mapping[str, Feature]) -> Iterator[RhythmProblem]:
    """`of` names one of ours, or a feature that is a day."""
    days = [name for name, feature in features.items() if feature.type == ColumnType.DAY]
    feature = features.get(of)
    if of == "first_order":
        feature = features.get("first_order_day")
    if of in ("birthday", "registration") or (feature and feature.type == ColumnType.DAY):
        return
    path: Path = ("anniversary", "of")
    if feature is None:
        hint = nearest(of, [*anniversaries.YEARLY, *days]) + " Or a feast: 12-24."
        yield RhythmProblem(path, f"there is no day {of!r} of a customer", hint)
    else:
        message = f"{of!r} is a feature of type {feature.type.name.lower()}, not a day"
        yield RhythmProblem(path, message, nearest(of, [*anniversaries.YEARLY, *days]))


# ---------------------------------------------------------------- on


def _trigger(trigger: Trigger, features: Mapping[str, Feature] | None) -> Iterator[RhythmProblem]:
    if trigger.event and trigger.notice:
        message, hint = "'on' names both an event and a notice", "Keep one of them."
        yield RhythmProblem(("on", "notice"), message, hint, at_key=True)
    elif not trigger.event and not trigger.notice:
        hint = "Write 'event:' (a customer did it) or 'notice:' (it concerns customers)."
        yield RhythmProblem(("on",), "'on' names neither an event nor a notice", hint, at_key=True)
    elif trigger.event:
        for key in ("did", "same"):
            if getattr(trigger, key):
                hint = "It says whom a notice concerns; an event has its customer."
                yield RhythmProblem(("on", key), f"{key!r} beside an event", hint, at_key=True)
    elif trigger.did and trigger.same:
        message, hint = "the notice has both 'did' and 'same'", "Keep one of them."
        yield RhythmProblem(("on", "same"), message, hint, at_key=True)
    elif not trigger.did and not trigger.same:
        message = "the notice does not say whom it concerns"
        hint = "Write 'did:' (those who did that event with its product) or 'same:' (a column)."
        yield RhythmProblem(("on", "notice"), message, hint, at_key=True)
    if "within" in trigger.model_fields_set and not trigger.did:
        hint = "It says how long ago an event of 'did' may lie."
        yield RhythmProblem(("on", "within"), "'within' without 'did'", hint, at_key=True)
    if trigger.same and features is not None:
        yield from _same(trigger.same, features)


def _same(name: str, features: Mapping[str, Feature]) -> Iterator[RhythmProblem]:
    texts = [
        one.name
        for one in features.values()
        if one.type == ColumnType.TEXT and one.name not in PERSONAL
    ]
    feature = features.get(name)
    if name in texts:
        return
    if feature is None:
        message = f"unknown column {name!r}"
    elif name in PERSONAL:
        message = f"{name!r} tells who the person is: no notice is about that"
    else:
        message = f"{name!r} is a column of type {feature.type.name.lower()}, not a text"
    yield RhythmProblem(("on", "same"), message, nearest(name, texts))


# ---------------------------------------------------------------- chain


def _chain(campaign: Campaign, chain: Chain) -> Iterator[RhythmProblem]:
    for key, hint in (
        ("audience", "Say who enters under 'start:', and who leaves under 'exits:'."),
        ("message", "Each step has a 'message:' of its own."),
        ("repeat_after", "Write 'enter_again:' in the chain."),
    ):
        if getattr(campaign, key) is not None:
            message = f"a chain beside {key!r}"
            yield RhythmProblem((key,), message, hint, at_key=True)
    yield from _start(chain)
    yield from _steps(campaign, chain)
    for name, text in chain.exits.items():
        if name in (FINISHED, REMOVED):
            message = f"{name!r} is why customers leave a chain by themselves"
            hint = "Give the exit another name."
            yield RhythmProblem(("chain", "exits", name), message, hint, at_key=True)
        path: Path = ("chain", "exits", name)
        if _plain(text) == "true":
            message = f"everybody leaves at once, for {name!r}"
            yield RhythmProblem(path, message, "An exit is a condition: order_count > 0.")
        for step in chain.steps:
            if step.where and _plain(step.where) == _plain(text):
                message = f"who is meant by step {step.step!r} has left, for {name!r}"
                hint = "The step's 'where' is the condition of this exit: it can never be sent."
                yield RhythmProblem(path, message, hint)
        if chain.start.where and _plain(text) == _plain(chain.start.where):
            message = f"whoever may enter leaves at once, for {name!r}"
            hint = "The exit is the condition of 'start': nobody would ever enter."
            yield RhythmProblem(path, message, hint)
    if chain.enter_again and not chain.exits and not chain.start.event:
        message = "whoever fulfils 'start' goes round in this chain for ever"
        hint = "Name 'exits:', leave 'enter_again' out, or start from an event."
        path = ("chain", "enter_again")
        yield RhythmProblem(path, message, hint, at_key=True, is_warning=True)


def _start(chain: Chain) -> Iterator[RhythmProblem]:
    start = chain.start
    if not (start.where or start.segment or start.event):
        hint = "Write 'where:', 'segment:' or 'event:'."
        message = "the chain can never start: nobody enters"
        yield RhythmProblem(("chain", "start"), message, hint, at_key=True)
    if "since" in start.model_fields_set and not start.event:
        hint = "It says how far back an event may lie."
        path: Path = ("chain", "start", "since")
        yield RhythmProblem(path, "'since' without an event", hint, at_key=True)


def _steps(campaign: Campaign, chain: Chain) -> Iterator[RhythmProblem]:
    names = [step.step for step in chain.steps]
    daily = chain.start.event is None
    if daily and not is_whole_days(chain.grace):
        yield _no_days(("chain", "grace"), chain.grace)
    for index, step in enumerate(chain.steps):
        path: Path = ("chain", "steps", index)
        if step.step in names[:index]:
            hint = "A step's name makes its messages unique: choose another."
            yield RhythmProblem((*path, "step"), f"two steps are called {step.step!r}", hint)
        if index and step.after <= chain.steps[index - 1].after:
            before = duration_text(chain.steps[index - 1].after)
            message = f"step {step.step!r} is not later than the step before it ({before})"
            yield RhythmProblem((*path, "after"), message, "Write the steps in the order of time.")
        if daily and not is_whole_days(step.after):
            yield _no_days((*path, "after"), step.after)
        if daily and step.grace is not None and not is_whole_days(step.grace):
            yield _no_days((*path, "grace"), step.grace)
        yield from _out_of_time(campaign, chain, index)


def _no_days(path: Path, duration: timedelta) -> RhythmProblem:
    message = f"{duration_text(duration)} in a chain that starts from a condition"
    return RhythmProblem(path, message, "Conditions are asked once a day: write whole days.")


def _out_of_time(campaign: Campaign, chain: Chain, index: int) -> Iterator[RhythmProblem]:
    """A step that is due after the campaign's end even for the first who enter."""
    first, last = campaign.runs.from_, campaign.runs.until
    step = chain.steps[index]
    since = chain.start.since if chain.start.event else timedelta(0)
    if last is not None and first <= last and first - since + step.after > last:
        message = f"step {step.step!r} can never be sent: the campaign ends on {last}"
        hint = f"It is due {duration_text(step.after)} after entering, at the earliest on {first}."
        yield RhythmProblem(("chain", "steps", index, "after"), message, hint)


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
