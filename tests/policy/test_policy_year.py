"""A year of a company, decided every morning: no rule is broken, and chance is fair."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from policy_cases import (
    Act,
    Case,
    Person,
    Row,
    breaches,
    campaign,
    decide,
    local_day,
    messages,
    moment,
    policy,
    response,
)
from scipy.stats import binom

ZONE = "Europe/Berlin"
FIRST, DAYS = date(2026, 1, 1), 365
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CUSTOMERS = 60
HORIZON = 95 * DAY  # the longest window is of 90 days
CERTAINTY = 0.9999
EVER = ("grand",)  # limited in all: every contact counts, however old
ZONES = (ZONE, "America/New_York", "Pacific/Kiritimati", "Etc/GMT+12", "Australia/Lord_Howe")
ANSWERS = {"open": 0.2, "click": 0.06, "complaint": 0.004, "conversion": 0.01}

NEWS = campaign(
    "news",
    repeat_after="7 days",
    control=0.2,
    variants={"a": "1", "b": "3"},
    priority=10,
    limits={"at_least_per_day": 1},
    tags=("news",),
)
CAMPAIGNS = (
    NEWS,
    campaign("sale", repeat_after="10 days", tags=("discount",), value="margin", priority=30,
             channels=("sms", "email"), channel_by="response",
             limits={"messages_per_day": 8, "cut": "value"}),
    campaign("outlet", repeat_after="21 days", tags=("discount",), priority=30,
             test={"layer": "price", "group": "low"}),
    campaign("club", repeat_after="30 days", category="lifecycle", priority=20, control=0.5),
    campaign("welcome", category="lifecycle", priority=60, strata="tier", control=0.5),
    campaign("cart", audience=None, on={"event": "cart"}, category="lifecycle", priority=80,
             expires_after="2 days"),
    campaign("survey", repeat_after="60 days", category="service", priority=5),
    campaign("grand", repeat_after="1 day", priority=1, limits={"messages": 100}),
)  # fmt: skip
POLICY = policy(
    consent={"promo": "opt_in", "lifecycle": "opt_out", "service": "none"},
    winners_per_day=2,
    exempt=("service",),
    universal_control={"share": 0.15, "period": "quarter"},
    tests={"price": {"groups": {"low": "1", "high": "1"}}},
    caps=(
        {"name": "promo-week", "category": ("promo",), "max": 2, "per": "7 days"},
        {"name": "month", "max": "most", "per": "calendar month"},
        {"name": "home", "category": ("promo",), "max": 3, "per": "7 days", "of": "household"},
        {"name": "sms-day", "channel": ("sms",), "max": 1, "per": "calendar day"},
    ),
    gaps=({"name": "breath", "at_least": "20 hours"},),
    pauses=(
        {"name": "angry", "after": "complaint", "rest": "30 days"},
        {"name": "bought", "category": ("promo",), "after": "order", "rest": "3 days"},
    ),
    cool_downs=({"name": "silent", "ignored": 6, "rest": "14 days"},),
    ratios=({"name": "spoilt", "of": ("discount",), "share": 0.34, "per": "90 days", "free": 1},),
    exclusions=({"name": "either", "campaigns": ("sale", "outlet"), "per": "5 days"},),
    sequences=({"name": "known", "campaign": ("club",), "after": ("welcome", "news")},),
    times=(
        {"name": "day", "hours": "08:00-21:00"},
        {"name": "sundays", "category": ("promo",), "days": "mon, tue, wed, thu, fri, sat"},
        {"name": "feasts", "holidays": ("own",), "channel": ("sms",)},
    ),
    capacity=({"name": "gate", "channel": ("sms",), "per_hour": 2, "per_day": 7},),
    warm_up=({"name": "young", "channel": ("email",), "per_day": (5, 10, 20),
              "from": "2026-02-01"},),
    suppress=({"name": "minors", "where": "minor"},),
)  # fmt: skip


@dataclass
class Company:
    """What has happened so far."""

    chance: Random
    persons: list[Person]
    contacts: list[Row] = field(default_factory=list)
    responses: list[Row] = field(default_factory=list)
    orders: list[Row] = field(default_factory=list)
    carts: list[Row] = field(default_factory=list)
    held: Counter[str] = field(default_factory=Counter)
    breaches: list[Any] = field(default_factory=list)
    movers: set[str] = field(default_factory=set)


def founded() -> Company:
    """Customers in every zone; some share a home, some never agreed."""
    persons = []
    for number in range(CUSTOMERS):
        agreed = Act("*", "promo", number % 6 != 0, datetime(2025, 6, 1, tzinfo=UTC))
        persons.append(
            Person(
                f"p{number:02}",
                zone=ZONES[number % len(ZONES)],
                country=("DE", "US", "DE", "RU")[number % 4],
                household=f"h{number // 3}" if number < CUSTOMERS // 2 else None,
                wanted=frozenset(range(len(CAMPAIGNS))),
                acts=(agreed,),
                under=frozenset({"minors"}) if number == 7 else frozenset(),
                maxima={"month": 6 if number % 5 else 9},
                values={"sale": float(number % 7) or None},
                best=(None, "email", "sms")[number % 3],
                tier=("gold", "silver")[number % 2],
            )
        )
    return Company(Random(2026), persons)


def case_of(company: Company, now: datetime) -> Case:
    """What the morning's run knows."""
    latest = {(row["campaign"], row["unit"]): row for row in company.contacts}
    contacts = [
        row
        for row in company.contacts
        if row["campaign"] in EVER
        or row["contact_at"] > now - HORIZON
        or row is latest[row["campaign"], row["unit"]]
    ]
    due = [row for row in company.carts if now - DAY <= row["due_at"] <= now]
    since = now - HORIZON
    return Case(
        persons=tuple(company.persons),
        campaigns=CAMPAIGNS,
        policy=POLICY,
        moment=moment(now, ZONE),
        contacts=tuple(contacts),
        responses=tuple(row for row in company.responses if row["occurred_at"] > since),
        orders=tuple(row for row in company.orders if row["ordered_at"] > since),
        occasions=tuple(due),
    )


def mornings() -> Iterator[datetime]:
    for number in range(DAYS):
        local = datetime.combine(FIRST + number * DAY, datetime.min.time(), ZoneInfo(ZONE))
        yield (local.replace(hour=9)).astimezone(UTC)


def live(company: Company, now: datetime, sent: list[Row]) -> None:
    """What happens until the next morning."""
    chance = company.chance
    for row in sent:
        if row["state"] == "planned":
            row["state"] = "delivered"
            for kind, share in ANSWERS.items():
                if chance.random() < share:
                    at = row["contact_at"] + HOUR
                    company.responses.append(response(row["customer_id"], kind, at, row))
    for number, person in enumerate(company.persons):
        if chance.random() < 0.03:
            key = f"o{len(company.orders)}"
            order = {"order_id": key, "customer_id": person.name, "amount": 1}
            company.orders.append(order | {"ordered_at": now + 5 * HOUR})
        if chance.random() < 0.02:
            anchor = f"e{len(company.carts)}"
            cart = {"touch": 5, "customer_id": person.name, "anchor": anchor}
            company.carts.append(cart | {"due_at": now + 20 * HOUR})
        if chance.random() < 0.0005:
            objection = Act("*", "*", False, now + HOUR)
            company.persons[number] = replace(person, acts=(*person.acts, objection))
        if chance.random() < 0.0005:
            company.persons[number] = replace(person, zone=chance.choice(ZONES))
            company.movers.add(person.name)


EDGES = {date(2026, 3, 29), date(2026, 10, 25), date(2026, 3, 31), date(2026, 6, 30)}


def is_audited(day: date) -> bool:
    """Every twelfth morning, and those before or after which a clock or a period ends."""
    return (day - FIRST).days % 12 == 0 or bool({day, day + DAY} & EDGES) or day.day == 31


@pytest.fixture(scope="module")
def year() -> Company:
    """Lived through; some of the runs audited on what they knew."""
    company = founded()
    for now in mornings():
        case = case_of(company, now)
        decisions = decide(case)
        sent = messages(case, decisions)
        if is_audited(local_day(now, ZONE)):
            company.breaches += [(now, one) for one in breaches(case, sent)]
        company.held.update(row["rule"].split(":")[0] for row in decisions.values() if row["rule"])
        company.contacts += sent
        live(company, now, sent)
    return company


def test_no_run_of_the_year_breaks_a_rule(year: Company) -> None:
    assert year.breaches == []
    assert len(year.contacts) > 15 * CUSTOMERS, "hardly anybody was written to: this proves little"


# These ask what a run knew in its morning; the others ask of the contacts alone.
OF_THE_MORNING = ("pauses", "cool_downs", "suppress", "brakes", "consents")
OF_A_RUN = ("stale", "strata")


@pytest.mark.parametrize(
    "changes",
    [{"ratios": (), "uncounted": POLICY.exempt}, {"caps": (), "gaps": ()}],
    ids=["who is exempt came whenever it liked", "who is exempt counts"],
)
def test_the_contacts_of_the_whole_year_together_break_no_rule(
    year: Company, changes: dict[str, Any]
) -> None:
    """All as one run: whatever any two of them have to do with each other is looked at.

    An exempt message may come into a window that was full already, and a share of discounts is
    of all messages: so each is looked at by itself.
    """
    everybody = dict.fromkeys(("promo", "lifecycle", "service"), "none")
    lasting = dict.fromkeys(OF_THE_MORNING, ()) | {"consent": everybody} | changes
    begin = next(mornings())
    case = replace(
        case_of(year, begin),
        policy=POLICY.model_copy(update=lasting),
        contacts=(),
        occasions=tuple(cart | {"due_at": begin} for cart in year.carts),
    )
    told = [row | {"expires_at": begin} for row in year.contacts]
    of = {row["message_id"]: row["customer_id"] for row in told}
    found = [one for one in breaches(case, told) if one.rule not in OF_A_RUN]
    assert [one for one in found if of.get(one.message_id or "") not in year.movers] == []


def test_every_kind_of_rule_held_something_back(year: Company) -> None:
    expected = {"cap", "gap", "pause", "cool_down", "ratio", "exclusion", "sequence", "time"}
    expected |= {"capacity", "warm_up", "suppress", "consent", "test_group", "limit"}
    assert expected | {"already_sent", "day_slot", "lost_to"} <= set(year.held)


# ---------------------------------------------------------------- what is left to chance


def assert_is_chance(hits: int, of: int, share: float) -> None:
    """So many hits of so many draws are nothing unusual for that share."""
    low, high = binom.interval(CERTAINTY, of, share)
    assert low <= hits <= high, f"{hits} of {of} are no {share:.0%}"


def test_control_groups_and_variants_are_as_large_as_declared(year: Company) -> None:
    of = {each.campaign: each for each in CAMPAIGNS}
    for name in ("news", "club"):
        arms = {row["unit"]: row["arm"] for row in year.contacts if row["campaign"] == name}
        arms = {unit: arm for unit, arm in arms.items() if arm != "universal_control"}
        held_out = sum(arm == "control" for arm in arms.values())
        assert_is_chance(held_out, len(arms), of[name].control)
        treated = [arm for arm in arms.values() if arm != "control"]
        for variant, share in of[name].arms.items():
            assert_is_chance(treated.count(variant), len(treated), share)


def test_a_unit_has_one_arm_of_a_campaign_all_year(year: Company) -> None:
    arms: dict[tuple[str, str], set[str]] = {}
    for row in year.contacts:
        arms.setdefault((row["campaign"], row["unit"]), set()).add(row["arm"])
    assert all(len(found - {"universal_control"}) <= 1 for found in arms.values())


def test_the_universal_control_is_as_large_as_declared_and_gets_nothing(year: Company) -> None:
    held_out: dict[tuple[str, str], set[bool]] = {}
    for row in year.contacts:
        if row["category"] not in POLICY.exempt:
            day = local_day(row["contact_at"], ZONE)
            quarter = f"{day.year}-Q{(day.month + 2) // 3}"
            is_out = row["arm"] == "universal_control"
            held_out.setdefault((row["unit"], quarter), set()).add(is_out)
    assert all(len(found) == 1 for found in held_out.values()), "some leaked"
    assert POLICY.universal_control is not None
    share = POLICY.universal_control.share
    assert_is_chance(sum(found == {True} for found in held_out.values()), len(held_out), share)


def test_strata_are_split_in_half_whatever_the_size(year: Company) -> None:
    tiers = {person.name: person.tier for person in year.persons}
    drawn = Counter(
        (tiers[row["unit"]], row["arm"])
        for row in year.contacts
        if row["campaign"] == "welcome" and row["arm"] != "universal_control"
    )
    assert sum(drawn.values()) > CUSTOMERS / 2
    for tier in ("gold", "silver"):  # a run rounds by less than one
        assert abs(drawn[tier, "control"] - drawn[tier, "default"]) <= CUSTOMERS / 5
