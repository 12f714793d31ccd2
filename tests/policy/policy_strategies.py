"""Generated cases of the contact policy: rules of every kind, people in every zone, any history.

A case is small (at most 8 customers, 5 campaigns, 7 rules), and dense: few names, moments at the
edges of windows, so that rules meet.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from policy_cases import (
    CATEGORIES,
    CHANNELS,
    Act,
    Case,
    Person,
    Row,
    campaign,
    contact,
    moment,
    policy,
    response,
)

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import touches
from antiphon.policy.moment import Moment

Draw = st.DrawFn
HOUR, DAY, TICK = timedelta(hours=1), timedelta(days=1), timedelta(microseconds=1)
TAGS = ("discount", "news")
ZONES = (
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",  # +14
    "Etc/GMT+12",  # −12
    "Australia/Lord_Howe",  # moves its clocks by half an hour
    "Asia/Kathmandu",
)
COUNTRIES = ("DE", "US", "RU")
# Business zone and local time of runs.
RUNS = (
    ("Europe/Berlin", "2026-05-12T10:00"),
    ("Europe/Berlin", "2026-03-29T01:30"),  # half an hour before the clock leaps
    ("Europe/Berlin", "2026-10-25T02:30"),  # an hour that comes twice
    ("Europe/Berlin", "2028-02-29T12:00"),
    ("Europe/Berlin", "2026-12-31T23:59:59"),
    ("America/New_York", "2026-11-01T00:15"),
    ("Pacific/Kiritimati", "2027-01-01T00:00"),
    ("Etc/GMT+12", "2026-06-30T23:59:59.999999"),
)
LENGTHS = (HOUR, DAY, 100 * HOUR, 7 * DAY)  # of windows; contacts lie at their edges
PERIODS = ("day", "week", "month", "quarter", "year")


def one(draw: Draw, *values: Any) -> Any:
    """One of the values; write one several times to make it likelier."""
    return draw(st.sampled_from(values))


def some(draw: Draw, values: Sequence[Any], most: int) -> list[Any]:
    """A few of the values, each once."""
    return draw(st.lists(st.sampled_from(values), unique=True, max_size=most)) if values else []


# ---------------------------------------------------------------- moments and campaigns


def a_moment(draw: Draw) -> Moment:
    """When the run is."""
    zone, local = one(draw, *RUNS)
    return moment(local_time(local, zone, fold=one(draw, 0, 1)), zone)


def local_time(text: str, zone: str, fold: int = 0) -> datetime:
    """A time on the wall of that zone, in UTC; of an hour that comes twice the first, or not."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def a_campaign(draw: Draw, name: str) -> Campaign:
    """One of any kind."""
    steps = [
        {"step": step, "after": after, "message": "letter"}
        for step, after in (("first", "0 days"), ("second", "3 days"))
    ]
    kinds: tuple[Row, ...] = (
        {},
        {},
        {},
        {"audience": None, "on": {"event": "cart"}},
        {"audience": None, "message": None, "chain": {"start": {"where": "true"}, "steps": steps}},
    )
    kind = one(draw, *kinds)
    is_standing = not kind
    variants = one(draw, {}, {"a": "1", "b": "3"})
    strata = one(draw, None, None, "tier") if is_standing else None
    pauses = (None, None, 6 * HOUR, 36 * HOUR, 30 * DAY)
    return campaign(
        name,
        **kind,
        category=one(draw, "promo", *CATEGORIES),
        priority=one(draw, 0, 1),
        value=one(draw, None, "worth"),
        channels=one(draw, ("email",), ("sms",), ("email", "sms"), ("sms", "email")),
        channel_by=one(draw, "order", "preference", "response"),
        repeat_after=None if strata else one(draw, *pauses),
        control=one(draw, 0.0, 0.0, 0.5),
        variants=variants,
        strata=strata,
        test=one(draw, None, None, None, {"layer": "price", "group": one(draw, "low", "high")}),
        offer=one(draw, None, {"code": "SPRING"}),
        limits={
            "messages_per_day": one(draw, None, None, 1, 3),
            "messages": one(draw, None, None, 2, 5),
            "cut": one(draw, "chance", "value"),
        },
        runs={"from": "2020-01-01", "days": one(draw, *["daily"] * 5, "weekdays")},
        expires_after=one(draw, HOUR, 12 * HOUR, DAY, 3 * DAY),
        tags=tuple(some(draw, TAGS, 2)),
    )


# ---------------------------------------------------------------- rules


def scope(draw: Draw, names: Sequence[str]) -> Row:
    """Which contacts and customers a rule concerns, and on which days; mostly all."""
    found: Row = {}
    narrow = draw(st.integers(0, 9))
    if narrow == 0:
        found["channel"] = (one(draw, *CHANNELS),)
    elif narrow == 1:
        found["category"] = tuple(some(draw, CATEGORIES, 2)) or None
    elif narrow == 2:
        found["tag"] = (one(draw, *TAGS),)
    elif narrow == 3:
        found["campaign"] = tuple(some(draw, names, 3)) or None
    elif narrow == 4:
        found |= {"from": "2026-01-01", "until": "2026-12-31"}
    elif narrow == 5:
        found["where"] = "some"
    return found


def cap(draw: Draw, names: Sequence[str]) -> Row:
    of = one(draw, "customer", "customer", "household")
    per = one(draw, *LENGTHS, *(f"calendar {period}" for period in PERIODS), "ever")
    each = one(draw, None, None, None, "campaign", "offer", "channel", "category")
    return {"max": one(draw, 0, 1, 1, 2, 3, "most"), "per": per, "each": each, "of": of}


def gap(draw: Draw, names: Sequence[str]) -> Row:
    of = one(draw, "customer", "customer", "household")
    return {"at_least": one(draw, *LENGTHS), "each": one(draw, None, None, "campaign"), "of": of}


def pause(draw: Draw, names: Sequence[str]) -> Row:
    after = one(draw, "order", "complaint", "cart", "survey")
    below = one(draw, None, 3) if after == "survey" else None
    return {"after": after, "below": below, "rest": one(draw, *LENGTHS)}


def cool_down(draw: Draw, names: Sequence[str]) -> Row:
    within = one(draw, 7 * DAY, 180 * DAY)
    return {"ignored": one(draw, 1, 2, 3), "within": within, "rest": one(draw, *LENGTHS[1:])}


def ratio(draw: Draw, names: Sequence[str]) -> Row:
    share = one(draw, 0.0, 0.34, 0.5)
    return {"of": (one(draw, *TAGS),), "share": share, "per": one(draw, DAY, 7 * DAY, 90 * DAY),
            "free": one(draw, 0, 0, 1)}  # fmt: skip


def exclusion(draw: Draw, names: Sequence[str]) -> Row:
    per = one(draw, None, *LENGTHS)
    if draw(st.booleans()):
        return {"tags": TAGS, "per": per}
    return {"campaigns": tuple(some(draw, names, 3)), "tags": (), "per": per}


def sequence(draw: Draw, names: Sequence[str]) -> Row:
    wait = one(draw, timedelta(0), *LENGTHS[:2])
    within = one(draw, None, 7 * DAY)
    bound: Row = one(draw, {"campaign": (names[0],)}, {"tag": (one(draw, *TAGS),)})
    return {"after": (one(draw, *names, "gone"),), "wait": wait, "within": within} | bound


def chain_limit(draw: Draw, names: Sequence[str]) -> Row:
    return {"max": one(draw, 1, 1, 2)}


def times(draw: Draw, names: Sequence[str]) -> Row:
    hours = (None, (time(8), time(21)), (time(9, 30), time(10)), (time(22), time(4)))
    quiet = (None, (time(21), time(8)), (time(2), time(3)), (time(12), time(13)))
    days = ("2026-12-25..2027-01-01", "02-29..03-01", "05-12", "12-31..01-01", "2026-03-29")
    return {
        "hours": one(draw, *hours),
        "quiet": one(draw, *quiet),
        "days": one(draw, "daily", "daily", "weekdays", "sun, mon"),
        "blackout": tuple(some(draw, days, 2)),
        "holidays": tuple(some(draw, ("own", "DE", "US", "DE-BY"), 2)),
    }


def consent_rule(draw: Draw, names: Sequence[str]) -> Row:
    needs = one(draw, "none", "opt_out", "opt_in", "double_opt_in")
    return {"needs": needs, "proof": draw(st.booleans()), "separate": draw(st.booleans())}


def suppress(draw: Draw, names: Sequence[str]) -> Row:
    return {"where": "some"}


def brake(draw: Draw, names: Sequence[str]) -> Row:
    stop = one(draw, 0.2, 0.5)
    return {"response": one(draw, "complaint", "survey"), "warn": 0.1, "stop": stop,
            "per": one(draw, 7 * DAY, 30 * DAY), "at_least": one(draw, 1, 3)}  # fmt: skip


def capacity(draw: Draw, names: Sequence[str]) -> Row:
    return {"per_hour": one(draw, None, 0, 1, 2), "per_day": one(draw, None, 1, 3)}


def warm_up(draw: Draw, names: Sequence[str]) -> Row:
    first = one(draw, date(2026, 5, 11), date(2026, 12, 31), date(2026, 3, 28))
    return {"per_day": one(draw, (1,), (1, 2), (0, 3, 5)), "from": first}


KINDS: dict[str, Callable[[Draw, Sequence[str]], Row]] = {
    "consents": consent_rule,
    "suppress": suppress,
    "brakes": brake,
    "caps": cap,
    "gaps": gap,
    "pauses": pause,
    "cool_downs": cool_down,
    "ratios": ratio,
    "exclusions": exclusion,
    "sequences": sequence,
    "chains": chain_limit,
    "times": times,
    "capacity": capacity,
    "warm_up": warm_up,
}


def a_policy(draw: Draw, names: Sequence[str], kinds: Sequence[str]) -> Policy:
    """Up to six rules of these kinds, and what is no named rule."""
    sections: dict[str, list[Row]] = {}
    for number in range(draw(st.integers(1, 6))):
        kind = one(draw, *kinds)
        of_its_own = KINDS[kind](draw, names)
        rule = {"name": f"r{number}"} | scope(draw, names) | of_its_own
        if kind in ("brakes", "capacity", "warm_up"):  # on everybody, whoever they are
            rule.pop("where", None)
        sections.setdefault(kind, []).append({k: v for k, v in rule.items() if v is not None})
    needs = st.sampled_from(["none", "none", "none", "none", "opt_out", "opt_in", "double_opt_in"])
    exempt = one(draw, (), (), ("service",))
    control = {"share": 0.3, "period": one(draw, "month", "quarter", "year")}
    return policy(
        **sections,
        consent=draw(st.fixed_dictionaries(dict.fromkeys(CATEGORIES, needs))),
        winners_per_day=one(draw, 1, 2, 3),
        exempt=exempt,
        uncounted=one(draw, (), exempt),
        universal_control=one(draw, None, None, control),
        tests={"price": {"groups": {"low": "1", "high": "1"}, "period": one(draw, None, "month")}},
    )


# ---------------------------------------------------------------- people and what they did


def ago(draw: Draw, as_of: datetime) -> datetime:
    """A moment that is a few lengths of windows before the run, to the microsecond or nearly."""
    length = one(draw, *LENGTHS, 30 * DAY)
    return as_of - length * one(draw, 1, 1, 2) + TICK * one(draw, 0, 0, -1, 1)


def acts(draw: Draw, as_of: datetime) -> tuple[Act, ...]:
    return tuple(
        Act(
            channel=one(draw, "*", *CHANNELS),
            category=one(draw, "*", *CATEGORIES),
            granted=one(draw, True, True, False),
            acted_at=one(draw, None, as_of - 90 * DAY, as_of - DAY, as_of, as_of + TICK),
            confirmed_at=one(draw, None, as_of - 80 * DAY),
            evidence=one(draw, None, "form 7"),
            separate=one(draw, None, True, False),
        )
        for _ in range(draw(st.integers(0, 2)))
    )


def a_person(draw: Draw, name: str, of: "Plan") -> Person:
    personal = [rule.name for rule in of.policy.rules() if rule.is_personal]
    capped = [one_.name for one_ in of.policy.caps if isinstance(one_.max, str)]
    valued = [each.campaign for each in of.campaigns if each.value is not None]
    places = list(range(len(touches(of.campaigns))))
    return Person(
        name,
        zone=one(draw, *ZONES),
        country=one(draw, *COUNTRIES),
        household=one(draw, None, None, "h1", "h1", "h2"),
        wanted=frozenset(places) - frozenset(some(draw, places, 2)),
        reachable=frozenset(one(draw, CHANNELS, CHANNELS, ("email",), ("sms",))),
        suppressed=frozenset(one(draw, (), (), (), (), CHANNELS)),
        acts=acts(draw, of.moment.as_of),
        under=frozenset(some(draw, personal, 3)),
        maxima={name: one(draw, None, -1, 0, 1, 2, 4) for name in capped},
        values={name: one(draw, None, 0.0, 1.5, 7.0) for name in valued},
        preferred=one(draw, None, *CHANNELS),
        best=one(draw, None, *CHANNELS),
        tier=one(draw, "gold", "silver"),
    )


class Plan:
    """What a case is drawn around."""

    def __init__(self, campaigns: Sequence[Campaign], policy_: Policy, when: Moment) -> None:
        self.campaigns, self.policy, self.moment = tuple(campaigns), policy_, when


def contacts(draw: Draw, of: Plan, names: Sequence[str], least: int) -> list[Row]:
    """What earlier runs wrote: before the run, and planned for after it."""
    as_of = of.moment.as_of
    gone = campaign("gone", channels=("sms",), tags=("news",))
    standing = [each for each in of.campaigns if each.chain is None]
    drawn = []
    for _ in range(draw(st.integers(least, 10))):
        at = ago(draw, as_of)
        if draw(st.integers(0, 4)) == 0:
            at = as_of + (as_of - at)
        state = one(draw, "delivered", "delivered", "in_doubt", "control", "refused", "expired")
        if at > as_of:
            state = one(draw, "planned", "planned", "control")
        drawn.append((at, one(draw, *names), one(draw, *standing, gone), state))
    told: dict[tuple[str, str], int] = {}
    rows = []
    for at, name, each, state in sorted(drawn, key=lambda row: (row[0], row[1])):
        ordinal = told[name, each.campaign] = told.get((name, each.campaign), 0) + 1
        anchor = f"old{ordinal}" if each.on else str(ordinal)
        changes = {"channel": one(draw, *each.channels), "state": state}
        rows.append(contact(name, each, at, anchor=anchor, **changes))
    unique = {row["message_id"]: row for row in rows}
    return list(unique.values())


def occasions(draw: Draw, of: Plan, names: Sequence[str]) -> tuple[list[Row], list[Row], list[Row]]:
    """What is due; the steps that chains have told before; who is in which chain."""
    as_of = of.moment.as_of
    due: list[Row] = []
    told: list[Row] = []
    enrolled: list[Row] = []
    places = list(enumerate(touches(of.campaigns)))
    for each in of.campaigns:
        mine = [place for place, touch in places if touch.campaign is each]
        for name in names if each.on or each.chain else ():
            if each.on:
                for event in some(draw, ("e1", "e2"), 2):
                    at = as_of - HOUR * one(draw, 0, 5)
                    due.append(occasion(mine[0], name, event, at))
                continue
            step = one(draw, None, None, 0, 0, len(mine) - 1)
            if step is None:
                continue
            entered = as_of - 3 * DAY * step
            enrolled.append(enrolment(each.campaign, name, entered))
            due.append(occasion(mine[step], name, "1", as_of - HOUR * step))
            if step:
                at = entered + HOUR * one(draw, 0, 5)
                told.append(contact(name, each, at, anchor="1", step="first"))
    return due, told, enrolled


def occasion(touch: int, name: str, anchor: str, due_at: datetime) -> Row:
    return {"touch": touch, "customer_id": name, "anchor": anchor, "due_at": due_at}


def enrolment(of: str, name: str, entered_at: datetime, left_at: datetime | None = None) -> Row:
    row: Row = {"campaign": of, "customer_id": name, "anchor": "1", "entered_at": entered_at}
    return row | {"reached_seconds": 0, "reached": "", "missed": "", "left_at": left_at}


def responses(draw: Draw, of: Plan, sent: Sequence[Row]) -> list[Row]:
    """Answers to messages of campaigns that are still there."""
    names = {each.campaign for each in of.campaigns}
    kinds = ("open", "click", "complaint", "conversion", "survey")
    answered = [
        row for row in sent if row["campaign"] in names and row["contact_at"] < of.moment.as_of
    ]
    found = []
    for row in some_rows(draw, answered):
        kind = one(draw, *kinds)
        at = row["contact_at"] + one(draw, TICK, HOUR)
        value = one(draw, "1", "5", None) if kind == "survey" else None
        found.append(response(row["customer_id"], kind, at, row, value=value))
    return list({row["response_id"]: row for row in found}.values())


def some_rows(draw: Draw, rows: Sequence[Row]) -> list[Row]:
    places = some(draw, range(len(rows)), 5)
    return [rows[place] for place in sorted(places)]


def deeds(draw: Draw, of: Plan, names: Sequence[str], least: int) -> tuple[list[Row], list[Row]]:
    """Orders and events."""
    orders, events = [], []
    for number in range(draw(st.integers(least, 5))):
        at = ago(draw, of.moment.as_of)
        name = one(draw, *names)
        if draw(st.booleans()):
            money = {"amount": 1, "order_id": f"o{number}"}
            orders.append({"customer_id": name, "ordered_at": at} | money)
        else:
            events.append(
                {"customer_id": name, "event": "cart", "occurred_at": at, "event_id": f"x{number}"}
            )
    return orders, events


@st.composite
def cases(
    draw: Draw,
    kinds: Sequence[str] = tuple(KINDS),
    campaign_of: Callable[[Draw, str], Campaign] = a_campaign,
    policy_of: Callable[[Draw, Sequence[str], Sequence[str]], Policy] = a_policy,
    is_crowded: bool = False,
) -> Case:
    """Any case whose rules are of these kinds. A crowded one is of the greatest size."""
    names = [f"c{number}" for number in range(4 if is_crowded else draw(st.integers(1, 4)))]
    of = Plan(
        [campaign_of(draw, name) for name in names],
        policy_of(draw, names, kinds),
        a_moment(draw),
    )
    customers = [f"p{number}" for number in range(6 if is_crowded else draw(st.integers(1, 6)))]
    due, steps, enrolled = occasions(draw, of, customers)
    sent = [*contacts(draw, of, customers, 8 if is_crowded else 0), *steps]
    orders, events = deeds(draw, of, customers, 3 if is_crowded else 0)
    return Case(
        persons=tuple(a_person(draw, name, of) for name in customers),
        campaigns=of.campaigns,
        policy=of.policy,
        moment=of.moment,
        contacts=tuple(sent),
        responses=tuple(responses(draw, of, sent)),
        orders=tuple(orders),
        events=tuple(events),
        enrolments=tuple(enrolled),
        occasions=tuple(due),
    )
