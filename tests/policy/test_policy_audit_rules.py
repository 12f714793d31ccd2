"""One breach of each kind of rule is planted: exactly that rule is found, and without it none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pyarrow as pa
import pytest
from policy_world import (
    NOW,
    SALT,
    Person,
    World,
    breaches,
    campaign,
    chain,
    contact,
    occasion,
    policy,
)

from antiphon import keys
from antiphon.audience.conditions import Condition, Expression
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Rules
from antiphon.entities import ColumnType
from antiphon.policy.rules import Rule
from antiphon.policy.terms import Terms

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
INSTANT = pa.timestamp("us", tz="UTC")
COLUMNS: dict[str, dict[str, pa.DataType]] = {
    "people_times": dict.fromkeys(("customer_id", "timezone", "country"), pa.string()),
    "households": dict.fromkeys(("customer_id", "household_id"), pa.string()),
    "responses": dict.fromkeys(("customer_id", "kind", "channel", "campaign", "value"), pa.string())
    | {"occurred_at": INSTANT},
    "orders": {"customer_id": pa.string(), "ordered_at": INSTANT},
    "events": {"customer_id": pa.string(), "event": pa.string(), "occurred_at": INSTANT},
    "enrolments": {
        "campaign": pa.string(),
        "customer_id": pa.string(),
        "entered_at": INSTANT,
        "left_at": INSTANT,
    },
    "proofs": dict.fromkeys(
        ("message_id", "list_unsubscribe", "list_unsubscribe_post"), pa.string()
    ),
    "frame": {"customer_id": pa.string(), "vip": pa.bool_(), "level": pa.string()},
    "consents": dict.fromkeys(("customer_id", "channel", "category", "evidence"), pa.string())
    | {"granted": pa.bool_(), "separate": pa.bool_()}
    | {"acted_at": INSTANT, "confirmed_at": INSTANT},
}
VIP = Condition("vip", "frame.vip", frozenset({"vip"}))
FOUR = Expression("…", "CASE WHEN frame.vip THEN 2 ELSE 1 END", ColumnType.INTEGER, frozenset())
FRAME = {"frame": [{"customer_id": "p", "vip": True}, {"customer_id": "q", "vip": False}]}


@dataclass(frozen=True)
class Given:
    """A policy, what it is asked of, and what the run planned; `rows`: of further relations."""

    policy: Mapping[str, Any] = field(default_factory=dict)
    planned: Sequence[dict[str, Any]] = ()
    contacts: Sequence[dict[str, Any]] = ()
    campaigns: Sequence[Campaign] = ()
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    terms: Terms = field(default_factory=Terms)
    occasions: Sequence[dict[str, Any]] = ()
    late: Mapping[str, int] = field(default_factory=dict)
    is_rehearsal: bool = False
    persons: Sequence[str] = ("p", "q")

    def rules(self) -> set[str]:
        """Which rules the auditor finds broken, of these alone or of the fixed ones."""
        return {rule for rule, *_ in self.found()}

    def found(self) -> list[tuple[Any, ...]]:
        """Every breach."""
        world = World(
            persons=tuple(map(Person, self.persons)),
            campaigns=tuple(self.campaigns or (SPRING, OTHER)),
            policy=policy(**{"winners_per_day": 9} | dict(self.policy)),
            contacts=tuple(self.contacts),
            occasions=tuple(self.occasions),
        )
        relations = {
            name: pa.Table.from_pylist(
                [dict(row) for row in self.rows.get(name, ())], schema=pa.schema(columns)
            )
            for name, columns in COLUMNS.items()
            if name != "consents" or name in self.rows
        }
        everything = [*world.campaigns, PAST]
        how = {
            "terms": self.terms,
            "known": everything,
            "late": self.late,
            "is_rehearsal": self.is_rehearsal,
        }
        return breaches(world, list(self.planned), relations, **how)

    def but(self, **changes: Any) -> "Given":
        """The same with something else."""
        return replace(self, **changes)


SPRING = campaign(tags=["offer"], offer={"code": "SPRING"})
OTHER = campaign("other", tags=["news"])
PAST = campaign("past", tags=["offer"], offer={"code": "SPRING"}, runs={"from": "2025-01-01"})


def now(of: Campaign = SPRING, name: str = "p", **changes: Any) -> dict[str, Any]:
    """A message of this run."""
    return contact(name, of, changes.pop("at", NOW), **({"state": "planned"} | changes))


def said(ago: timedelta, of: Campaign = OTHER, name: str = "p", **changes: Any) -> dict[str, Any]:
    """A contact so long ago."""
    return contact(name, of, NOW - ago, anchor=f"{ago}", **changes)


def rule(section: str, **keys_: Any) -> dict[str, Any]:
    """A policy with this one rule, called `it`."""
    return {section: ({"name": "it", **keys_},)}


def act(**changes: Any) -> dict[str, Any]:
    """An act of consent of a month ago."""
    agreed = {"customer_id": "p", "channel": "email", "category": "promo", "granted": True}
    return agreed | {"acted_at": NOW - 30 * DAY} | changes


def answer(kind: str, ago: timedelta, **changes: Any) -> dict[str, Any]:
    """Something that came back from p."""
    return {"customer_id": "p", "kind": kind, "occurred_at": NOW - ago} | changes


def living(zone: str, country: str = "DE") -> dict[str, Any]:
    """Where p lives."""
    rows = [{"customer_id": name, "timezone": zone, "country": country} for name in ("p", "q")]
    return {"people_times": rows}


BERLIN = living("Europe/Berlin")
SHARED = {"households": [{"customer_id": name, "household_id": "h"} for name in ("p", "q")]}


def consented(needs: Mapping[str, Any], breach: dict[str, Any], fine: dict[str, Any]) -> Any:
    """A stricter rule on consent, an act that does not do and one that does."""
    given = Given(rule("consents", **needs), [now()])
    return (
        "consent:it",
        given.but(rows={"consents": [act(**breach)]}),
        given.but(rows={"consents": [act(**fine)]}),
    )


def counted(
    breach: Sequence[dict[str, Any]],
    fine: Sequence[dict[str, Any]],
    section: str = "caps",
    **keys_: Any,
) -> Any:
    """A cap (or gap), contacts that fill it, and contacts that do not."""
    given = Given(rule(section, **keys_), [now()], rows=BERLIN | SHARED | FRAME)
    name = {"caps": "cap:it", "gaps": "gap:it", "ratios": "ratio:it"}.get(section, section)
    return name, given.but(contacts=breach), given.but(contacts=fine)


def planned_for(breach: str, fine: str, zone: str = "Europe/Berlin", **keys_: Any) -> Any:
    """A rule on times, a moment (UTC) it forbids and one that it allows."""
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (breach, fine)]
    slow = campaign(expires_after="700 days")
    bad, good = (
        Given(rule("times", **keys_), [now(slow, at=at)], campaigns=[slow], rows=living(zone))
        for at in moments
    )
    return "time:it", bad, good


def leaving_until(breach: str, fine: str, **keys_: Any) -> Any:
    """A rule on times, an end (UTC) of the time to leave that it forbids and one that it allows."""
    slow, noon = campaign(expires_after="700 days"), NOW.replace(hour=10)
    bad, good = (
        Given(
            rule("times", **keys_),
            [now(slow, at=noon, expires_at=datetime.fromisoformat(text).replace(tzinfo=UTC))],
            campaigns=[slow],
            rows=living("Europe/Berlin"),
        )
        for text in (breach, fine)
    )
    return "time:it", bad, good


def drawn(purpose: str, wanted: bool, share: float, *parts: str) -> str:
    """A unit whose keyed number is (or is not) in the first share."""
    edge = int(share * 2**64)
    return next(
        name
        for name in (f"u{k}" for k in range(1000))
        if (
            keys.number(purpose, SALT, *(name if part == "UNIT" else part for part in parts)) < edge
        )
        is wanted
    )


WEEKLY = campaign(repeat_after="1 hour")
SMS = campaign("other", channels=("sms",))
WELCOME = chain("welcome", {"first": "0 days", "second": "3 days"})
LOYAL = chain("loyal", {"hello": "0 days", "more": "5 days"})
CHAINS = {"campaigns": [WELCOME, LOYAL], "occasions": [occasion(k, "p") for k in range(4)]}
FIRST = now(WELCOME, step="first", anchor="1")
IN_LOYAL = {"campaign": "loyal", "customer_id": "p", "entered_at": NOW - 2 * DAY}
UNIVERSAL = {"universal_control": {"share": "50%", "period": "month"}}
JUNE = datetime(2026, 6, 2, 8, tzinfo=UTC)
MAY_ONLY = next(
    f"u{k}"
    for k in range(1000)
    if keys.number("control", SALT, "*", f"u{k}", "2026-05") < 2**63
    and keys.number("control", SALT, "*", f"u{k}", "2026-06") >= 2**63
)
LASTING = campaign(expires_after="60 days")
HALVES = {"tests": {"prices": {"groups": {"low": "1", "high": "1"}}}}
TESTED = campaign(test={"layer": "prices", "group": "low"})
LOW = drawn("test", True, 0.5, "prices", "UNIT", "")
HIGH = drawn("test", False, 0.5, "prices", "UNIT", "")
TWO_ARMS = campaign(variants={"a": "1", "b": "1"})
IN_A = drawn("arm", True, 0.5, "spring", "UNIT", "")
STRATIFIED = campaign(strata="level", control="50%")
TEN = [f"s{k}" for k in range(10)]
LEVELS = {"frame": [{"customer_id": name, "level": "gold"} for name in TEN]}
BRAKED = rule("brakes", warn="1%", stop="10%", per="30 days", at_least=10)
TEN_SENT = [contact(f"x{k}", OTHER, NOW - DAY) for k in range(10)]


def stratum(held_out: int) -> list[dict[str, Any]]:
    """Ten messages of a stratified campaign, so many of them control."""
    return [
        now(STRATIFIED, name, **({"state": "control", "arm": "control"} if k < held_out else {}))
        for k, name in enumerate(TEN)
    ]


CASES: dict[str, tuple[str, Given, Given]] = {
    # consent
    "consent: agreement": consented({"needs": "opt_in"}, {"customer_id": "q"}, {}),
    "consent: another category": consented({"needs": "opt_in"}, {"category": "service"}, {}),
    "consent: double opt-in": consented(
        {"needs": "double_opt_in"}, {}, {"confirmed_at": NOW - 29 * DAY}
    ),
    "consent: confirmed after the run": consented(
        {"needs": "double_opt_in"}, {"confirmed_at": NOW + HOUR}, {"confirmed_at": NOW}
    ),
    "consent: proof": consented({"proof": True}, {"evidence": " "}, {"evidence": "form 7"}),
    "consent: a document of its own": consented(
        {"separate": True}, {"separate": False}, {"separate": True}
    ),
    "consent: proof of acts since": consented(
        {"proof": True, "acts_since": "2026-04-12"}, {}, {"acted_at": NOW - 31 * DAY}
    ),
    "consent: of the map": (
        "consent",
        Given({"consent": {"promo": "opt_in"}}, [now()], rows={"consents": []}),
        Given({"consent": {"promo": "opt_in"}}, [now()], rows={"consents": [act()]}),
    ),
    "consent: of the map, confirmed": (
        "consent",
        Given({"consent": {"promo": "double_opt_in"}}, [now()], rows={"consents": [act()]}),
        Given(
            {"consent": {"promo": "double_opt_in"}},
            [now()],
            rows={"consents": [act(confirmed_at=NOW)]},
        ),
    ),
    "consent: of an exempt campaign too": (
        "consent:it",
        Given(rule("consents") | {"exempt": ("promo",)}, [now()], rows={"consents": []}),
        Given(rule("consents") | {"exempt": ("promo",)}, [now()], rows={"consents": [act()]}),
    ),
    # suppression
    "suppress": (
        "suppress:it",
        Given(rule("suppress", where="vip"), [now()], terms=Terms(scopes={"it": VIP}), rows=FRAME),
        Given(
            rule("suppress", where="vip"),
            [now(name="q")],
            terms=Terms(scopes={"it": VIP}),
            rows=FRAME,
        ),
    ),
    # brakes
    "brake": (
        "brake:it",
        Given(BRAKED, [now()], TEN_SENT, rows={"responses": [answer("complaint", HOUR)]}),
        Given(BRAKED, [now()], TEN_SENT, rows={"responses": [answer("click", HOUR)]}),
    ),
    "brake: enough contacts": (
        "brake:it",
        Given(BRAKED, [now()], TEN_SENT, rows={"responses": [answer("complaint", 29 * DAY)]}),
        Given(BRAKED, [now()], TEN_SENT[1:], rows={"responses": [answer("complaint", HOUR)]}),
    ),
    # one click
    "one click": (
        "one_click:it",
        Given(
            rule("one_click"),
            [now(message_id="m")],
            rows={"proofs": [{"message_id": "m", "list_unsubscribe": "<https://x.example/u>"}]},
        ),
        Given(
            rule("one_click"),
            [now(message_id="m")],
            rows={
                "proofs": [
                    {
                        "message_id": "m",
                        "list_unsubscribe": "<https://x.example/u>",
                        "list_unsubscribe_post": "List-Unsubscribe=One-Click",
                    }
                ]
            },
        ),
    ),
    # caps
    "cap: rolling": counted(
        [said(DAY), said(7 * DAY - timedelta(microseconds=1))],
        [said(DAY), said(7 * DAY)],
        max=2,
        per="7 days",
    ),
    "cap: a window with later contacts": counted(
        [said(-3 * DAY), said(3 * DAY)], [said(-3 * DAY), said(4 * DAY)], max=2, per="7 days"
    ),
    "cap: by channel": counted(
        [said(DAY, channel="sms"), said(2 * DAY)],
        [said(DAY, channel="sms"), said(7 * DAY)],
        max=1,
        per="7 days",
        channel="email",
    ),
    "cap: by tag": counted([said(DAY, PAST)], [said(DAY)], max=1, per="7 days", tag="offer"),
    "cap: by campaign": counted(
        [said(DAY)], [said(DAY, PAST)], max=1, per="7 days", campaign=["spring", "other"]
    ),
    "cap: each campaign": (
        "cap:it",
        *(
            Given(
                rule("caps", max=1, per="7 days", each="campaign"),
                [now(WEEKLY, anchor="2")],
                [said(DAY, of)],
                campaigns=[WEEKLY, OTHER],
            )
            for of in (WEEKLY, OTHER)
        ),
    ),
    "cap: each category": counted(
        [said(DAY)], [said(DAY, category="service")], max=1, per="7 days", each="category"
    ),
    "cap: each offer": counted([said(DAY, PAST)], [said(DAY)], max=1, per="ever", each="offer"),
    "cap: each channel": counted(
        [said(DAY)], [said(DAY, channel="sms")], max=1, per="7 days", each="channel"
    ),
    "cap: calendar day": counted(
        [said(10 * HOUR)], [said(10 * HOUR + timedelta(microseconds=1))], max=1, per="calendar day"
    ),
    "cap: calendar week": counted([said(DAY)], [said(2 * DAY)], max=1, per="calendar week"),
    "cap: calendar month": counted([said(11 * DAY)], [said(12 * DAY)], max=1, per="calendar month"),
    "cap: calendar quarter": counted(
        [said(41 * DAY)], [said(42 * DAY)], max=1, per="calendar quarter"
    ),
    "cap: calendar year": counted([said(131 * DAY)], [said(132 * DAY)], max=1, per="calendar year"),
    "cap: ever": counted([said(999 * DAY), said(-9 * DAY)], [said(DAY)], max=2, per="ever"),
    "cap: exempt contacts count, uncounted ones do not": (
        "cap:it",
        *(
            Given(
                rule("caps", max=1, per="7 days") | {"exempt": ("service",), "uncounted": without},
                [now()],
                [said(DAY, category="service")],
            )
            for without in ((), ("service",))
        ),
    ),
    "cap: an expression": (
        "cap:it",
        *(
            Given(
                rule("caps", max="case when vip then 2 else 1 end", per="7 days"),
                [now(name=name)],
                [said(DAY, name=name)],
                terms=Terms(maxima={"it": FOUR}),
                rows=FRAME,
            )
            for name in ("q", "p")
        ),
    ),
    "cap: of a household": counted(
        [said(DAY, name="q")], [said(DAY, name="r")], max=1, per="7 days", of="household"
    ),
    "cap: two of a household in one run": (
        "cap:it",
        Given(
            rule("caps", max=1, per="7 days", of="household"), [now(), now(name="q")], rows=SHARED
        ),
        Given(rule("caps", max=1, per="7 days", of="household"), [now(), now(name="q")]),
    ),
    "cap: a control row whose window was full": (
        "cap:it",
        Given(
            rule("caps", max=1, per="7 days"),
            [now(campaign(control="100%"), state="control", arm="control")],
            [said(DAY)],
            campaigns=[campaign(control="100%"), OTHER],
        ),
        Given(
            rule("caps", max=1, per="7 days"),
            [now(campaign(control="100%"), state="control", arm="control"), now(OTHER)],
            campaigns=[campaign(control="100%"), OTHER],
        ),
    ),
    "cap: only some customers": (
        "cap:it",
        *(
            Given(
                rule("caps", max=1, per="7 days", where="vip"),
                [now(name=name)],
                [said(DAY, name=name)],
                terms=Terms(scopes={"it": VIP}),
                rows=FRAME,
            )
            for name in ("p", "q")
        ),
    ),
    "cap: only on some days": (
        "cap:it",
        Given(rule("caps", max=0, per="7 days", **{"from": "2026-05-12"}), [now()]),
        Given(rule("caps", max=0, per="7 days", until="2026-05-11"), [now()]),
    ),
    "cap: not of exempt campaigns": (
        "cap:it",
        Given(rule("caps", max=0, per="7 days"), [now()]),
        Given(rule("caps", max=0, per="7 days") | {"exempt": ("promo",)}, [now()]),
    ),
    # gaps
    "gap": counted([said(23 * HOUR)], [said(24 * HOUR)], "gaps", at_least="1 day"),
    "gap: each channel": counted(
        [said(HOUR)], [said(HOUR, channel="sms")], "gaps", at_least="1 day", each="channel"
    ),
    # pauses
    "pause: after an order": (
        "pause:it",
        *(
            Given(
                rule("pauses", after="order", rest="3 days"),
                [now()],
                rows={"orders": [{"customer_id": "p", "ordered_at": NOW - ago}]},
            )
            for ago in (3 * DAY - HOUR, 3 * DAY)
        ),
    ),
    "pause: after a complaint": (
        "pause:it",
        *(
            Given(
                rule("pauses", after="complaint", rest="3 days"),
                [now()],
                rows={"responses": [answer(kind, DAY)]},
            )
            for kind in ("complaint", "click")
        ),
    ),
    "pause: after a low score": (
        "pause:it",
        *(
            Given(
                rule("pauses", after="survey", below="3", rest="3 days"),
                [now()],
                rows={"responses": [answer("survey", DAY, value=score)]},
            )
            for score in ("2.5", "3")
        ),
    ),
    "pause: after an event": (
        "pause:it",
        *(
            Given(
                rule("pauses", after="call", rest="3 days"),
                [now()],
                rows={"events": [{"customer_id": "p", "event": "call", "occurred_at": NOW - ago}]},
            )
            for ago in (DAY, -DAY)
        ),
    ),
    # cool-downs
    "cool-down": (
        "cool_down:it",
        *(
            Given(
                rule("cool_downs", ignored=2, rest="30 days"),
                [now()],
                [said(9 * DAY), said(20 * DAY)],
                rows={"responses": [answer(kind, 15 * DAY)]},
            )
            for kind in ("bounce", "click")
        ),
    ),
    "cool-down: too long ago": (
        "cool_down:it",
        *(
            Given(
                rule("cool_downs", ignored=2, rest="30 days", within="60 days"),
                [now()],
                [said(9 * DAY), said(ago)],
            )
            for ago in (60 * DAY - HOUR, 60 * DAY)
        ),
    ),
    "cool-down: over": (
        "cool_down:it",
        *(
            Given(rule("cool_downs", ignored=1, rest="30 days"), [now()], [said(ago)])
            for ago in (30 * DAY - HOUR, 30 * DAY)
        ),
    ),
    # ratios
    "ratio": counted(
        [said(DAY)],
        [said(DAY), said(2 * DAY)],
        "ratios",
        of="offer",
        share=1 / 3,
        per="90 days",
    ),
    "ratio: the first are free": counted(
        [said(DAY, PAST)], [said(DAY)], "ratios", of="offer", share=0.0, per="9 days", free=1
    ),
    "ratio: of a later one": (
        "ratio:it",
        *(
            Given(
                rule("ratios", of="offer", share=0.5, per="3 days"),
                [now()],
                [said(-2 * DAY, PAST), said(DAY), *more],
            )
            for more in ([], [said(-DAY), said(-2 * DAY)])
        ),
    ),
    # exclusions
    "exclusion: campaigns": (
        "exclusion:it",
        *(
            Given(
                rule("exclusions", campaigns=["spring", "other"], per="10 days"),
                [now()],
                [said(ago)],
            )
            for ago in (10 * DAY - HOUR, 10 * DAY)
        ),
    ),
    "exclusion: of a later contact": (
        "exclusion:it",
        *(
            Given(
                rule("exclusions", campaigns=["spring", "other"], per="10 days"),
                [now()],
                [said(-5 * DAY, of)],
            )
            for of in (OTHER, PAST)
        ),
    ),
    "exclusion: tags, for ever": (
        "exclusion:it",
        *(
            Given(rule("exclusions", tags=["offer", "news"]), [now()], [said(999 * DAY, of)])
            for of in (OTHER, PAST)
        ),
    ),
    "exclusion: two of one run": (
        "exclusion:it",
        *(
            Given(rule("exclusions", campaigns=["spring", "other"]), [now(), now(OTHER, **changes)])
            for changes in ({}, {"name": "q"})
        ),
    ),
    # sequences
    "sequence": (
        "sequence:it",
        *(
            Given(
                rule("sequences", campaign="spring", after="other", wait="2 days"),
                [now()],
                [said(ago)],
            )
            for ago in (2 * DAY - HOUR, 2 * DAY)
        ),
    ),
    "sequence: too long ago": (
        "sequence:it",
        *(
            Given(
                rule("sequences", tag="offer", after="other", within="9 days"), [now()], [said(ago)]
            )
            for ago in (9 * DAY, 9 * DAY - HOUR)
        ),
    ),
    "sequence: a control row is no message": (
        "sequence:it",
        *(
            Given(
                rule("sequences", campaign="spring", after="other"),
                [now()],
                [said(DAY, state=state)],
            )
            for state in ("control", "delivered")
        ),
    ),
    # chains
    "chains": (
        "chains:it",
        *(
            Given(
                rule("chains", max=1),
                [FIRST],
                rows={"enrolments": [IN_LOYAL | {"left_at": left}]},
                **CHAINS,
            )
            for left in (None, NOW - DAY)
        ),
    ),
    "chains: one that goes on": (
        "chains:it",
        *(
            Given(
                rule("chains", max=1),
                [now(WELCOME, step="second", anchor="1")],
                [contact("p", WELCOME, NOW - 3 * DAY, step="first", anchor=anchor)],
                rows={"enrolments": [IN_LOYAL]},
                **CHAINS,
            )
            for anchor in ("0", "1")
        ),
    ),
    "chains: two that begin": (
        "chains:it",
        *(
            Given(rule("chains", max=most), [FIRST, now(LOYAL, step="hello", anchor="1")], **CHAINS)
            for most in (1, 2)
        ),
    ),
    # times
    "time: hours begin": planned_for(
        "2026-05-13T05:59:59", "2026-05-13T06:00", hours="08:00-21:00"
    ),
    "time: hours end": planned_for("2026-05-13T19:00", "2026-05-13T18:59:59", hours="08:00-21:00"),
    "time: quiet hours over midnight": planned_for(
        "2026-05-13T00:30", "2026-05-13T06:00", quiet="21:00-08:00"
    ),
    "time: on the customer's own clock": planned_for(
        "2026-05-13T08:00", "2026-05-13T18:00", zone="Pacific/Kiritimati", quiet="21:00-08:00"
    ),
    "time: may leave a minute too late": leaving_until(
        "2026-05-12T19:00:30", "2026-05-12T19:00", hours="08:00-21:00"
    ),
    "time: may leave over a whole night": leaving_until(
        "2026-05-13T10:00", "2026-05-12T18:00", quiet="21:00-08:00"
    ),
    "time: weekdays": planned_for("2026-05-16T10:00", "2026-05-15T10:00", days="weekdays"),
    "time: the customer's weekday": planned_for(
        "2026-05-15T22:30", "2026-05-15T21:30", days="weekdays"
    ),
    "time: blackout": planned_for(
        "2026-12-24T10:00", "2026-12-27T10:00", blackout="2026-12-24..2026-12-26"
    ),
    "time: blackout of every year": planned_for(
        "2027-01-02T10:00", "2027-01-07T10:00", blackout="12-24..01-06"
    ),
    "time: public holidays": planned_for("2026-12-25T10:00", "2026-12-28T10:00", holidays="DE"),
    "time: of a region": planned_for("2027-01-06T10:00", "2027-01-07T10:00", holidays="DE-BY"),
    "time: of the customer's own country": planned_for(
        "2026-10-03T10:00", "2026-10-04T10:00", holidays="own"
    ),
    "time: both passes of a repeated hour": planned_for(
        "2026-10-25T01:30", "2026-10-25T02:00", quiet="02:00-03:00"
    ),
    "time: the hour that is skipped": planned_for(
        "2027-03-28T01:00", "2027-03-28T00:59", hours="00:00-02:59"
    ),
    "stale": (
        "stale",
        Given({}, [now(LASTING, at=NOW + 60 * DAY)], campaigns=[LASTING]),
        Given({}, [now(LASTING, at=NOW + 60 * DAY - HOUR)], campaigns=[LASTING]),
    ),
    # totals
    "capacity: per hour": (
        "capacity:it",
        *(
            Given(
                rule("capacity", channel="email", per_hour=1),
                [now(at=at)],
                [contact("x", OTHER, NOW + timedelta(minutes=59))],
            )
            for at in (NOW, NOW + HOUR)
        ),
    ),
    "capacity: per day": (
        "capacity:it",
        *(
            Given(rule("capacity", channel=channel, per_day=1), [now(), now(name="q")])
            for channel in ("email", "sms")
        ),
    ),
    "capacity: control is not carried": (
        "capacity:it",
        *(
            Given(rule("capacity", per_day=1), [now()], [contact("x", OTHER, NOW, state=state)])
            for state in ("sending", "control")
        ),
    ),
    "warm-up": (
        "warm_up:it",
        *(
            Given(
                rule("warm_up", per_day=[1, 2, 3], **{"from": first}),
                [now(), now(name="q"), now(OTHER)],
            )
            for first in ("2026-05-11", "2026-05-10")
        ),
    ),
    "warm-up: is over": (
        "warm_up:it",
        *(
            Given(rule("warm_up", per_day=[0], **{"from": first}), [now()])
            for first in ("2026-05-12", "2026-05-11")
        ),
    ),
    "budget: of a day": (
        "budget:it",
        *(
            Given(
                rule("budgets", money="0.15", per="day", channel="sms"),
                [now(SMS, channel="sms", cost_e4=700)],
                [contact("x", SMS, NOW - HOUR, channel="sms", cost_e4=cost)],
            )
            for cost in (801, 800)
        ),
    ),
    "budget: of a month": (
        "budget:it",
        *(
            Given(
                rule("budgets", money="0.15", per="month"),
                [now(SMS, channel="sms", cost_e4=700)],
                [contact("x", SMS, NOW - ago, channel="sms", cost_e4=900)],
            )
            for ago in (11 * DAY, 12 * DAY)
        ),
    ),
    "budget: of a campaign": (
        "budget",
        *(
            Given(
                {},
                [now(of, cost_e4=5), now(of, "q", cost_e4=5)],
                campaigns=[of],
            )
            for of in (
                campaign(limits={"money_per_day": "0.0009"}),
                campaign(limits={"money_per_day": "0.001"}),
            )
        ),
    ),
    "limit: of a day": (
        "limit",
        *(
            Given({}, [now(of), now(of, "q")], campaigns=[of])
            for of in (
                campaign(limits={"messages_per_day": 1}),
                campaign(limits={"messages_per_day": 2}),
            )
        ),
    ),
    "limit: of an exempt campaign": (
        "limit",
        *(
            Given({"exempt": ("promo",)}, [now(of), now(of, "q")], campaigns=[of])
            for of in (
                campaign(limits={"messages_per_day": 1}),
                campaign(limits={"messages_per_day": 2}),
            )
        ),
    ),
    "limit: in all": (
        "limit",
        *(
            Given({}, [now(of)], [contact("x", of, NOW - 99 * DAY)], campaigns=[of])
            for of in (campaign(limits={"messages": 1}), campaign(limits={"messages": 2}))
        ),
    ),
    "day slot: of the day it is planned for": (
        "day_slot",
        *(
            Given(
                {"winners_per_day": 1},
                [now(LASTING, at=NOW + 3 * DAY)],
                [said(-3 * DAY + ago)],
                campaigns=[LASTING, OTHER],
            )
            for ago in (HOUR, 11 * HOUR)
        ),
    ),
    # who is held out
    "control: of the period of the day it is planned for": (
        "control",
        *(
            Given(
                UNIVERSAL, [now(LASTING, MAY_ONLY, at=at)], campaigns=[LASTING], persons=[MAY_ONLY]
            )
            for at in (NOW, JUNE)
        ),
    ),
    "test group": (
        "test_group",
        *(
            Given(HALVES, [now(TESTED, name)], campaigns=[TESTED], persons=[name])
            for name in (HIGH, LOW)
        ),
    ),
    "variant": (
        "arm",
        *(
            Given({}, [now(TWO_ARMS, IN_A, arm=arm)], campaigns=[TWO_ARMS], persons=[IN_A])
            for arm in ("b", "a")
        ),
    ),
    "strata: too many held out": (
        "strata",
        *(Given({}, stratum(k), campaigns=[STRATIFIED], rows=LEVELS, persons=TEN) for k in (6, 5)),
    ),
    "strata: too few held out": (
        "strata",
        *(
            Given({}, stratum(3), campaigns=[STRATIFIED], rows=LEVELS, persons=TEN, late=late)
            for late in ({}, {"spring": 2})
        ),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_exactly_the_planted_breach_is_found(case: str) -> None:
    rule_name, breach, _ = CASES[case]
    found = breach.found()
    assert {name for name, *_ in found} == {rule_name}
    messages = {row["message_id"] for row in breach.planned}
    assert {message for _, message, *_ in found} <= messages | {None}
    assert any(message for _, message, *_ in found) or rule_name == "strata"


@pytest.mark.parametrize("case", CASES)
def test_the_same_without_the_breach_is_clean(case: str) -> None:
    assert CASES[case][2].found() == []


def test_every_kind_of_rule_has_a_planted_breach() -> None:
    """A kind that is added to the policy has to be audited, and shown to be."""
    kinds = {get_args(field.annotation)[0].kind for field in Rules.model_fields.values()}
    assert kinds == {name.partition(":")[0] for name, *_ in CASES.values() if ":" in name}


# Rules on which nothing can be broken: one who lost, or whose message could not be printed. How
# many codes are out the ledger alone knows: `steps.issuing.overdrawn` asks it.
UNBREAKABLE = {Rule.LOST_TO, Rule.MISSING_VALUE, Rule.OFFER}


def test_every_rule_without_a_name_has_a_planted_breach() -> None:
    from test_policy_audit import PLANTED

    planted = {name for name, *_ in CASES.values()} | {name for name, *_ in PLANTED.values()}
    assert {name.value for name in Rule} - UNBREAKABLE <= planted


def test_who_is_not_written_to_is_not_looked_at() -> None:
    """A customer whose history is full of breaches is no matter of this run's audit."""
    full = [contact("x", OTHER, NOW - k * HOUR, anchor=str(k)) for k in range(5)]
    given = Given(rule("caps", max=1, per="7 days"), [now()], full)
    assert given.found() == []


def test_of_two_in_a_household_the_one_with_the_lower_maximum_came_first() -> None:
    two = Given(
        rule("caps", max="case when vip then 2 else 1 end", per="7 days", of="household"),
        [now(), now(name="q")],
        terms=Terms(maxima={"it": FOUR}),
        rows=FRAME | SHARED,
    )
    assert two.found() == []
    third = contact("r", OTHER, NOW - DAY)
    members = [{"customer_id": name, "household_id": "h"} for name in "pqr"]
    both = two.but(contacts=[third], rows=FRAME | {"households": members})
    assert {name for name, *_ in both.found()} == {"cap:it"}


@pytest.mark.parametrize(
    ("address", "is_rehearsal", "passes"),
    [
        ("http://127.0.0.1:8080/u/x", True, True),
        ("http://127.0.0.1:8080/u/x", False, False),
        ("http://127.0.0.1.shop.example/u/x", True, False),
        ("http://shop.example/u/x", True, False),
        ("https://shop.example/u/x", False, True),
    ],
)
def test_one_click_without_https_passes_in_a_rehearsal_on_the_machine_alone(
    address: str, is_rehearsal: bool, passes: bool
) -> None:
    proof = {
        "message_id": "m",
        "list_unsubscribe": f"<{address}>",
        "list_unsubscribe_post": "List-Unsubscribe=One-Click",
    }
    given = Given(rule("one_click"), [now(message_id="m")], rows={"proofs": [proof]})
    assert given.but(is_rehearsal=is_rehearsal).found() == (
        [] if passes else [("one_click:it", "m", 0, 1)]
    )
