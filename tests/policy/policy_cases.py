"""Whole cases of the contact policy in plain data, told alike to those who decide and who audit.

What the lake would read from facts is derived here once more, in plain Python: the latest act of
consent, the last answer, when somebody last bought. Conditions and expressions of a policy are
columns: whoever is in the scope of the rule `r` has true in `in:r`.
"""

import atexit
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa

from antiphon import keys
from antiphon.audience.conditions import Condition, Expression
from antiphon.audit.auditor import audit
from antiphon.audit.queries import Breach, find_breaches
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Brake, ConsentRule, Pause, Policy, PolicyRule
from antiphon.campaigns.touches import Touch, touches
from antiphon.entities import (
    CONSENTS,
    CONTACTS,
    ENROLMENTS,
    EVENTS,
    ORDERS,
    RESPONSES,
    ColumnType,
    Entity,
)
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.decide import Judged, judge
from antiphon.policy.moment import Moment
from antiphon.policy.occasions import OCCASIONS
from antiphon.policy.settling.settle import settle
from antiphon.policy.terms import Terms
from antiphon.states import CONTACT_STATES

CHANNELS = ("email", "sms")
CATEGORIES = ("promo", "lifecycle", "service")
ANSWERS = ("open", "click", "reply", "conversion")
SALT = "salt"
BEGINNING = datetime.min.replace(tzinfo=UTC)
INSTANT = pa.timestamp("us", tz="UTC")
ARROW = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.MONEY: pa.decimal128(18, 4),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.DAY: pa.date32(),
    ColumnType.INSTANT: INSTANT,
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Act:
    """An act of consent or objection, with what is on record of it."""

    channel: str
    category: str
    granted: bool
    acted_at: datetime | None
    confirmed_at: datetime | None = None
    evidence: str | None = None
    separate: bool | None = None


@dataclass(frozen=True)
class Person:
    """A customer. `wanted`: positions of the touches that mean them; `under`: personal rules that
    hold for them; `maxima` and `values`: what expressions of caps and campaigns yield."""

    name: str
    zone: str = "Europe/Berlin"
    country: str = "DE"
    household: str | None = None
    wanted: frozenset[int] = frozenset({0})
    reachable: frozenset[str] = frozenset(CHANNELS)
    suppressed: frozenset[str] = frozenset()
    acts: tuple[Act, ...] = ()
    under: frozenset[str] = frozenset()
    maxima: Mapping[str, int | None] = field(default_factory=dict)
    values: Mapping[str, float | None] = field(default_factory=dict)
    preferred: str | None = None
    best: str | None = None
    tier: str = "gold"

    def act(self, channel: str, category: str, as_of: datetime) -> Act | None:
        """The latest act on it; undated ones are oldest; of equals the objection."""
        acts = [
            act
            for act in self.acts
            if act.channel in (channel, "*")
            and act.category in (category, "*")
            and (act.acted_at is None or act.acted_at <= as_of)
        ]
        return max(acts, key=lambda a: (a.acted_at or BEGINNING, not a.granted), default=None)


@dataclass(frozen=True)
class Case:
    """Everything that one day is decided on, and audited on."""

    persons: tuple[Person, ...]
    campaigns: tuple[Campaign, ...]
    policy: Policy
    moment: Moment
    contacts: tuple[Row, ...] = ()
    responses: tuple[Row, ...] = ()
    orders: tuple[Row, ...] = ()
    events: tuple[Row, ...] = ()
    enrolments: tuple[Row, ...] = ()
    occasions: tuple[Row, ...] = ()
    salt: str = SALT

    @cached_property
    def touches(self) -> tuple[Touch, ...]:
        """In the order of the masks' bits."""
        return touches(self.campaigns)

    @property
    def as_of(self) -> datetime:
        """The run's moment."""
        return self.moment.as_of

    def under(self, policy: Policy) -> "Case":
        """The same with another policy."""
        return replace(self, policy=policy)


def moment(as_of: datetime, zone: str) -> Moment:
    """That moment, its business day in the business zone."""
    return Moment(as_of, local_day(as_of, zone), zone)


def local_day(at: datetime, zone: str) -> date:
    """The day on the calendar of that zone."""
    return at.astimezone(ZoneInfo(zone)).date()


# ---------------------------------------------------------------- as those who decide see it


def people(case: Case, persons: Sequence[Person]) -> pa.Table:
    """One row per customer with every column that some rule or campaign may ask for."""
    columns: dict[str, pa.Array] = {
        "customer_id": pa.array([p.name for p in persons], pa.string()),
        "unit": pa.array([p.name for p in persons], pa.string()),
        "household_id": pa.array([p.household or p.name for p in persons], pa.string()),
        "timezone": pa.array([p.zone for p in persons], pa.string()),
        "country": pa.array([p.country for p in persons], pa.string()),
        "preferred_channel": pa.array([p.preferred for p in persons], pa.string()),
        "best_channel": pa.array([p.best for p in persons], pa.string()),
        "tier": pa.array([p.tier for p in persons], pa.string()),
        "last_answer": pa.array([last_answer(case, p) for p in persons], INSTANT),
        "chains": pa.array([chains(case, p) for p in persons], pa.list_(pa.string())),
        "mask_0": pa.array([sum(1 << bit for bit in p.wanted) for p in persons], pa.uint64()),
    }
    for channel in CHANNELS:
        flags = {
            f"{channel}_reachable": [channel in p.reachable for p in persons],
            f"suppressed_{channel}": [channel in p.suppressed for p in persons],
        }
        for category in CATEGORIES:
            acts = [p.act(channel, category, case.as_of) for p in persons]
            flags[f"consent_{channel}_{category}"] = [act and act.granted for act in acts]
            for rule in filter(is_exacting, case.policy.consent_rules):
                column = f"agreed:{rule.name}:{channel}:{category}"
                flags[column] = [fulfils(act, rule) for act in acts]
        columns |= {name: pa.array(values, pa.bool_()) for name, values in flags.items()}
    return pa.table(columns | terms_columns(case, persons))


def terms_columns(case: Case, persons: Sequence[Person]) -> dict[str, pa.Array]:
    """What conditions and expressions of policy and campaigns yield for each."""
    columns = {}
    for rule in case.policy.rules():
        if rule.is_personal:
            values = pa.array([rule.name in p.under for p in persons], pa.bool_())
            columns[f"in:{rule.name}"] = values
        if isinstance(rule, Pause):
            last = [last_fact(case, p, rule) for p in persons]
            columns[f"pause:{rule.name}"] = pa.array(last, INSTANT)
    for cap in case.policy.caps:
        if isinstance(cap.max, str):
            most = [p.maxima.get(cap.name) for p in persons]
            columns[f"max:{cap.name}"] = pa.array(most, pa.int64())
    for each in case.campaigns:
        if each.value is not None:
            worth = [p.values.get(each.campaign) for p in persons]
            columns[f"value:{each.campaign}"] = pa.array(worth, pa.float64())
    return columns


def is_exacting(rule: ConsentRule) -> bool:
    """Whether a bare grant may not be enough."""
    return rule.needs == "double_opt_in" or rule.proof or rule.separate


def fulfils(act: Act | None, rule: ConsentRule) -> bool:
    """Whether the act is a grant with all that the rule asks to be on record."""
    if act is None or not act.granted:
        return False
    if rule.needs == "double_opt_in" and act.confirmed_at is None:
        return False
    if rule.acts_since is not None and act.acted_at is not None:
        raise AssertionError("cases have no acts before the law")
    return (not rule.proof or bool(act.evidence)) and (not rule.separate or bool(act.separate))


def last_fact(case: Case, person: Person, rule: Pause) -> datetime | None:
    """When what the rule rests after last happened."""
    happened = [
        row["ordered_at"] for row in case.orders if rule.after == "order" and is_of(row, person)
    ]
    happened += [
        row["occurred_at"]
        for row in case.events
        if row["event"] == rule.after and is_of(row, person)
    ]
    happened += [
        row["occurred_at"]
        for row in case.responses
        if row["kind"] == rule.after
        and is_of(row, person)
        and (rule.below is None or (row["value"] is not None and float(row["value"]) < rule.below))
    ]
    return max((at for at in happened if at <= case.as_of), default=None)


def last_answer(case: Case, person: Person) -> datetime | None:
    """The last open, click, reply or conversion."""
    answers = [
        row["occurred_at"]
        for row in case.responses
        if row["kind"] in ANSWERS and is_of(row, person)
    ]
    return max((at for at in answers if at <= case.as_of), default=None)


def chains(case: Case, person: Person) -> list[str]:
    """The chains in which the customer is."""
    rows = [row for row in case.enrolments if is_of(row, person) and row["left_at"] is None]
    return sorted({row["campaign"] for row in rows})


def is_of(row: Row, person: Person) -> bool:
    return bool(row["customer_id"] == person.name)


def brakes(case: Case) -> dict[str, BrakeReading]:
    """What brakes read of all customers: contacts and responses of the last while."""
    return {rule.name: reading(case, rule) for rule in case.policy.brakes}


def reading(case: Case, rule: Brake) -> BrakeReading:
    def is_late(at: datetime) -> bool:
        return case.as_of - rule.per < at <= case.as_of

    contacts = [
        row
        for row in case.contacts
        if row["state"] in CONTACT_STATES
        and row["category"] not in case.policy.uncounted
        and is_late(row["contact_at"])
        and in_scope(case, rule, row)
    ]
    of_any_category = rule.model_copy(update={"category": None})  # a response has none
    responses = [
        row
        for row in case.responses
        if row["kind"] == rule.response
        and is_late(row["occurred_at"])
        and in_scope(case, of_any_category, row)
    ]
    return BrakeReading(len(contacts), len(responses))


def in_scope(case: Case, rule: PolicyRule, row: Row) -> bool:
    """Whether a rule counts a contact: its channel and category, and its campaign's tags now."""
    now = {each.campaign: each for each in case.campaigns}.get(row["campaign"])
    tags = set(now.tags) if now else set()
    return (
        (rule.channel is None or row["channel"] in rule.channel)
        and (rule.category is None or row["category"] in rule.category)
        and (rule.campaign is None or row["campaign"] in rule.campaign)
        and (rule.tag is None or bool(tags & set(rule.tag)))
    )


def judged(case: Case, persons: Sequence[Person], contacts: Sequence[Row]) -> Judged:
    """One bucket of customers."""
    shared = [p for p in persons if p.household is not None]
    return judge(
        people(case, persons),
        typed(CONTACTS, contacts),
        case.touches,
        case.policy,
        case.moment,
        salt=case.salt,
        occasions=pa.Table.from_pylist([dict(row) for row in case.occasions], schema=OCCASIONS),
        brakes=brakes(case),
        households=pa.table(
            {
                "customer_id": pa.array([p.name for p in shared], pa.string()),
                "household_id": pa.array([p.household for p in shared], pa.string()),
            }
        ),
    )


def decide(case: Case, *, buckets: int = 1) -> dict[tuple[str, str, str], Row]:
    """(campaign, step, customer) → its one decision."""
    parts = [
        judged(
            case,
            [p for p in case.persons if keys.bucket_of(p.name, buckets) == bucket],
            [c for c in case.contacts if keys.bucket_of(c["customer_id"], buckets) == bucket],
        )
        for bucket in range(buckets)
    ]
    settled = settle(parts, case.touches, case.policy, case.moment, salt=case.salt)
    rows = [row for part in (settled, *(one.held for one in parts)) for row in part.to_pylist()]
    decisions = {(row["campaign"], row["step"], row["customer_id"]): row for row in rows}
    assert len(decisions) == len(rows), "a candidate has two decisions"
    return decisions


def messages(case: Case, decisions: Mapping[Any, Row]) -> list[Row]:
    """What the outbox would hold: one contact for each row that is sent or control."""
    of = {each.campaign: each for each in case.campaigns}
    names = {column.name for column in CONTACTS.columns}
    return [
        {name: row[name] for name in row if name in names}
        | {
            "message_id": keys.message_id(case.salt, row["occurrence_key"], row["attempt"]),
            "category": of[row["campaign"]].category,
            "state": "planned" if row["outcome"] == "send" else "control",
            "contact_at": row["planned_at"],
            "expires_at": min(
                case.as_of + of[row["campaign"]].expires_after,
                row["leaves_before"] or datetime.max.replace(tzinfo=UTC),
            ),
            "run_id": "now",
        }
        for row in decisions.values()
        if row["outcome"] != "held"
    ]


# ---------------------------------------------------------------- as the auditor sees it


def typed(entity: Entity, rows: Sequence[Row], **more: pa.DataType) -> pa.Table:
    """Rows of an entity as the lake gives them; money of messages is nothing here."""
    schema = pa.schema({column.name: ARROW[column.type] for column in entity.columns} | more)
    free = {"cost_e4": 0} if "cost_e4" in schema.names else {}
    return pa.Table.from_pylist([free | row for row in rows], schema=schema)


def terms(case: Case) -> Terms:
    """The policy's terms: each reads its column of the frame."""

    def column(name: str) -> tuple[str, str, frozenset[str]]:
        return name, f'"{name}"', frozenset({name})

    def number(name: str, kind: ColumnType) -> Expression:
        text, sql, columns = column(name)
        return Expression(text, sql, kind, columns)

    return Terms(
        scopes={
            rule.name: Condition(*column(f"in:{rule.name}"))
            for rule in case.policy.rules()
            if rule.is_personal
        },
        maxima={
            cap.name: number(f"max:{cap.name}", ColumnType.INTEGER)
            for cap in case.policy.caps
            if isinstance(cap.max, str)
        },
        values={
            one.campaign: number(f"value:{one.campaign}", ColumnType.NUMBER)
            for one in case.campaigns
            if one.value is not None
        },
    )


def relations(case: Case, planned: Sequence[Row]) -> dict[str, pa.Table]:
    """What the auditor reads."""
    persons = case.persons
    acts = [
        vars(act) | {"customer_id": p.name, "source": "test"} for p in persons for act in p.acts
    ]
    suppressed = [(c, f"{c}:{p.name}") for p in persons for c in sorted(p.suppressed)]
    shared = [p for p in persons if p.household is not None]

    def text(values: Sequence[str | None]) -> pa.Array:
        return pa.array(values, pa.string())

    names = text([p.name for p in persons])
    return {
        "planned": typed(CONTACTS, planned, expires_at=INSTANT),
        "contacts": typed(CONTACTS, case.contacts),
        "consents": typed(
            CONSENTS, acts, confirmed_at=INSTANT, evidence=pa.string(), separate=pa.bool_()
        ),
        "suppressions": pa.table(
            {
                "channel": text([channel for channel, _ in suppressed]),
                "address_key": text([key for _, key in suppressed]),
            }
        ),
        "customers": pa.table(
            {
                "customer_id": names,
                "email_key": text([key(p, "email") for p in persons]),
                "phone_key": text([key(p, "sms") for p in persons]),
            }
        ),
        "occasions": pa.Table.from_pylist([*case.occasions], schema=OCCASIONS),
        "frame": people(case, persons),
        "people_times": pa.table(
            {
                "customer_id": names,
                "timezone": text([p.zone for p in persons]),
                "country": text([p.country for p in persons]),
            }
        ),
        "households": pa.table(
            {
                "customer_id": text([p.name for p in shared]),
                "household_id": text([p.household for p in shared]),
            }
        ),
        "responses": typed(RESPONSES, case.responses),
        "orders": typed(ORDERS, case.orders),
        "events": typed(EVENTS, case.events),
        "enrolments": typed(ENROLMENTS, case.enrolments),
    }


def key(person: Person, channel: str) -> str | None:
    return f"{channel}:{person.name}" if channel in person.reachable else None


_connection: list[duckdb.DuckDBPyConnection] = []


def breaches(case: Case, planned: Sequence[Row]) -> list[Breach]:
    """What the auditor finds in these messages on top of the case's history."""
    if not _connection:
        _connection.append(duckdb.connect())
        atexit.register(_connection[0].close)
        _connection[0].execute("SET threads = 1")
    connection = _connection[0]
    for name, table in relations(case, planned).items():
        connection.register(name, table)
    queries = audit(case.touches, case.policy, case.moment, salt=case.salt, terms=terms(case))
    return find_breaches(
        queries, lambda sql, parameters: connection.execute(sql, parameters).fetchall()
    )


# ---------------------------------------------------------------- pieces of cases


def campaign(name: str = "c0", **changes: Any) -> Campaign:
    """A promo by e-mail, once ever, that has a day to leave, unless changed."""
    fields = {
        "campaign": name,
        "title": name,
        "category": "promo",
        "priority": 50,
        "runs": {"from": "2020-01-01"},
        "audience": {"where": "true"},
        "channels": ("email",),
        "message": "letter",
    }
    return Campaign.model_validate(fields | changes)


def policy(**changes: Any) -> Policy:
    """No rules, and nine messages a day, unless changed."""
    nothing = {"version": "1", "consent": dict.fromkeys(CATEGORIES, "none"), "winners_per_day": 9}
    return Policy.model_validate(nothing | changes)


def contact(name: str, of: Campaign, at: datetime, **changes: Any) -> Row:
    """A delivered message of a campaign."""
    anchor = changes.get("anchor", "1" if of.repeat_after else "once")
    row: Row = {
        "occurrence_key": keys.occurrence_key(of.campaign, changes.get("step", ""), name, anchor),
        "customer_id": name,
        "unit": name,
        "campaign": of.campaign,
        "step": "",
        "cell": "",
        "anchor": anchor,
        "attempt": 1,
        "arm": "default",
        "channel": of.channels[0],
        "category": of.category,
        "state": "delivered",
        "contact_at": at,
        "run_id": "before",
    } | changes
    row["message_id"] = keys.digest("past", row["occurrence_key"], str(at), row["state"])
    return row


def response(name: str, kind: str, at: datetime, of: Row | None = None, **changes: Any) -> Row:
    """Something that came back, to a message where that is given."""
    answered = {name: (of or {}).get(name) for name in ("campaign", "channel", "message_id")}
    row: Row = {"customer_id": name, "kind": kind, "occurred_at": at, "value": None} | answered
    return row | {"response_id": keys.digest("response", name, kind, str(at))} | changes


def days(count: float) -> timedelta:
    return timedelta(days=count)
