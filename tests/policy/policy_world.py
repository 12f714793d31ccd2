"""Small worlds for the policy's tests: customers, acts, history, and one way to decide a day."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from antiphon import keys
from antiphon.audit.auditor import audit
from antiphon.audit.queries import find_breaches
from antiphon.campaigns.models import CHANNELS, Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch, touches
from antiphon.entities import CONSENTS, CONTACTS, ColumnType, Entity
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.caps import CATEGORIES
from antiphon.policy.chance import keyed_numbers
from antiphon.policy.decide import judge
from antiphon.policy.moment import Moment
from antiphon.policy.occasions import OCCASIONS
from antiphon.policy.settling.settle import settle
from antiphon.states import MessageState

SALT = "salt"
NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)  # a Tuesday, 10:00 in Berlin
MOMENT = Moment(NOW, date(2026, 5, 12), "Europe/Berlin")
ARROW = {
    ColumnType.TEXT: pa.string(),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.INSTANT: pa.timestamp("us", tz="UTC"),
}
MORE = {
    "in": pa.bool_(),
    "agreed": pa.bool_(),
    "max": pa.int64(),
    "value": pa.float64(),
    "pause": ARROW[ColumnType.INSTANT],
    "last_answer": ARROW[ColumnType.INSTANT],
    "chains": pa.list_(pa.string()),
    "preferred_channel": pa.string(),
    "best_channel": pa.string(),
    "tier": pa.string(),
}


def campaign(name: str = "spring", **changes: Any) -> Campaign:
    """A promo by e-mail, once ever, unless changed."""
    fields = {
        "campaign": name,
        "title": name,
        "category": "promo",
        "priority": 50,
        "runs": {"from": "2026-01-01"},
        "audience": {"where": "true"},
        "channels": ("email",),
        "message": "letter",
    }
    return Campaign.model_validate(fields | changes)


def chain(
    name: str = "welcome", steps: Mapping[str, str] | None = None, **changes: Any
) -> Campaign:
    """A chain by e-mail with these steps (name → `after`), unless changed."""
    steps = steps or {"first": "0 days", "second": "3 days", "third": "7 days"}
    written = [{"step": step, "after": after, "message": "letter"} for step, after in steps.items()]
    without = {"audience": None, "message": None}
    return campaign(
        name, **without, chain={"start": {"where": "true"}, "steps": written}, **changes
    )


def triggered(name: str = "cart", **changes: Any) -> Campaign:
    """A campaign that speaks when a cart is abandoned, unless changed."""
    return campaign(name, **{"audience": None, "on": {"event": "cart_abandoned"}} | changes)


def policy(**changes: Any) -> Policy:
    """No rules but opt-out consent, unless changed."""
    consent = dict.fromkeys(CATEGORIES, "opt_out")
    return Policy.model_validate({"version": "1", "consent": consent} | changes)


@dataclass(frozen=True)
class Person:
    """A customer; `acts`: (channel, category, granted, acted_at).

    `wanted`: positions of the touches whose condition holds; `cell`: theirs in the cross `grid`;
    `more`: what the policy asks of a customer besides, by column (`in:RULE`, `max:CAP`, …).
    """

    name: str
    wanted: frozenset[int] = frozenset({0})
    email: bool = True
    sms: bool = True
    suppressed: frozenset[str] = frozenset()
    acts: tuple[tuple[str, str, bool, datetime | None], ...] = ()
    cell: str | None = None
    zone: str = "Europe/Berlin"
    country: str = "DE"
    household: str | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def consent(self, channel: str, category: str) -> bool | None:
        """The latest act; undated ones are oldest; of equals the objection."""
        acts = [
            (at or datetime.min.replace(tzinfo=UTC), not granted)
            for on, about, granted, at in self.acts
            if on in (channel, "*") and about in (category, "*") and (at is None or at <= NOW)
        ]
        return not max(acts)[1] if acts else None


def people(persons: Sequence[Person]) -> pa.Table:
    """The policy's columns of the customer frame."""
    names = pa.array([person.name for person in persons], pa.string())
    cells = pa.array([person.cell for person in persons], pa.string())
    columns: dict[str, Any] = {"customer_id": names, "unit": names, "grid": cells}
    places = {"timezone": "zone", "country": "country"}
    for name, of in places.items():
        columns[name] = pa.array([getattr(person, of) for person in persons], pa.string())
    homes = [person.household or person.name for person in persons]
    columns["household_id"] = pa.array(homes, pa.string())
    for name in sorted({name for person in persons for name in person.more}):
        type_ = MORE[name.partition(":")[0]]
        absent = False if type_ == pa.bool_() else None
        columns[name] = pa.array([person.more.get(name, absent) for person in persons], type_)
    for channel in CHANNELS:
        columns[f"{channel}_reachable"] = [getattr(person, channel) for person in persons]
        columns[f"suppressed_{channel}"] = [channel in person.suppressed for person in persons]
        for category in CATEGORIES:
            name = f"consent_{channel}_{category}"
            columns[name] = [person.consent(channel, category) for person in persons]
    for mask in range(2):
        columns[f"mask_{mask}"] = pa.array(
            [sum(1 << k - 62 * mask for k in p.wanted if k // 62 == mask) for p in persons],
            pa.uint64(),
        )
    typed = {
        name: pa.array(values, pa.bool_()) if isinstance(values, list) else values
        for name, values in columns.items()
    }
    return pa.table(typed)


def _typed(entity: Entity, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    schema = pa.schema([(column.name, ARROW[column.type]) for column in entity.columns])
    return pa.Table.from_pylist([dict(row) for row in rows], schema=schema)


def contact(name: str, of: Campaign, at: datetime, **changes: Any) -> dict[str, Any]:
    """A delivered message of a campaign; anchor 1 where it repeats."""
    anchor = changes.get("anchor", "1" if of.repeat_after else "once")
    row = {
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
    row["message_id"] = changes.get(
        "message_id", keys.message_id(SALT, str((row["occurrence_key"], at)), row["attempt"])
    )
    return row


def occasion(
    touch: int, name: str, anchor: str = "1", due_at: datetime = NOW, **changes: Any
) -> dict[str, Any]:
    """What is due to a customer: the touch at that position."""
    return {"touch": touch, "customer_id": name, "anchor": anchor, "due_at": due_at} | changes


def history(rows: Sequence[Mapping[str, Any]] = ()) -> pa.Table:
    """Rows of contacts as the lake gives them."""
    return _typed(CONTACTS, rows)


@dataclass(frozen=True)
class World:
    """Everything one day is decided on."""

    persons: tuple[Person, ...]
    campaigns: tuple[Campaign, ...]
    policy: Policy
    contacts: tuple[dict[str, Any], ...] = ()
    moment: Moment = MOMENT
    salt: str = field(default=SALT)
    occasions: tuple[dict[str, Any], ...] = ()
    brakes: Mapping[str, BrakeReading] = field(default_factory=dict)
    others: tuple[Campaign, ...] = ()  # configured, and not running today
    held: tuple[str, ...] = ()  # campaigns on hold

    @property
    def touches(self) -> tuple[Touch, ...]:
        """In the order of the masks' bits."""
        return touches(self.campaigns)

    def with_contacts(self, more: Sequence[dict[str, Any]]) -> "World":
        """The same with more history."""
        return replace(self, contacts=(*self.contacts, *more))


def due(world: World) -> pa.Table:
    """The world's occasions as the segment step leaves them."""
    return pa.Table.from_pylist([dict(row) for row in world.occasions], schema=OCCASIONS)


def label(campaign: str, step: str) -> str:
    """How the tests call a touch: welcome/second, spring."""
    return f"{campaign}/{step}" if step else campaign


def tables(world: World, *, buckets: int = 1, numbers: Any = keyed_numbers) -> list[pa.Table]:
    """The decisions as tables: what is settled, then the held rows of each bucket."""
    judged = []
    for bucket in range(buckets):
        mine = [p for p in world.persons if keys.bucket_of(p.name, buckets) == bucket]
        theirs = [c for c in world.contacts if keys.bucket_of(c["customer_id"], buckets) == bucket]
        judged.append(
            judge(
                people(mine),
                history(theirs),
                world.touches,
                world.policy,
                world.moment,
                salt=world.salt,
                occasions=due(world),
                numbers=numbers,
                brakes=world.brakes,
                campaigns=(*world.campaigns, *world.others),
            )
        )
    settled = settle(
        judged, world.touches, world.policy, world.moment, salt=world.salt, numbers=numbers
    )
    return [settled, *(bucket.held for bucket in judged)]


def decide(world: World, **how: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """(touch, customer) → its one decision."""
    rows = [row for table in tables(world, **how) for row in table.to_pylist()]
    decisions = {(label(row["campaign"], row["step"]), row["customer_id"]): row for row in rows}
    assert len(decisions) == len(rows), "a candidate has two decisions"
    return decisions


def messages(decisions: Mapping[Any, Mapping[str, Any]], of: World) -> list[dict[str, Any]]:
    """What the outbox would hold: one contact for each row that is sent or control."""
    campaigns = {each.campaign: each for each in of.campaigns}
    return [
        {name: row[name] for name in row if name in CONTACTS_COLUMNS}
        | {
            "message_id": keys.message_id(of.salt, row["occurrence_key"], row["attempt"]),
            "category": campaigns[row["campaign"]].category,
            "state": "planned" if row["outcome"] == "send" else "control",
            "contact_at": row["planned_at"],
            "run_id": "now",
        }
        for row in decisions.values()
        if row["outcome"] != "held"
    ]


CONTACTS_COLUMNS = frozenset(column.name for column in CONTACTS.columns)


def breaches(
    world: World,
    planned: Sequence[Mapping[str, Any]],
    relations: Mapping[str, pa.Table] | None = None,
    **how: Any,
) -> list[tuple[Any, ...]]:
    """What the auditor finds in messages planned on top of the world's history.

    `relations`: those that only some rules read; `how`: further arguments of `audit`.
    """
    acts = [
        {"customer_id": p.name, "channel": c, "category": k, "granted": g, "acted_at": at}
        for p in world.persons
        for c, k, g, at in p.acts
    ]
    suppressions = [(c, f"{c}:{p.name}") for p in world.persons for c in sorted(p.suppressed)]
    customers = {
        "customer_id": [p.name for p in world.persons],
        "email_key": [f"email:{p.name}" if p.email else None for p in world.persons],
        "phone_key": [f"sms:{p.name}" if p.sms else None for p in world.persons],
    }
    given = {
        "planned": outbox(planned, world),
        "contacts": history(world.contacts),
        "consents": _typed(CONSENTS, acts),
        "suppressions": pa.table(
            {
                "channel": pa.array([c for c, _ in suppressions], pa.string()),
                "address_key": pa.array([key for _, key in suppressions], pa.string()),
            }
        ),
        "customers": pa.table({k: pa.array(v, pa.string()) for k, v in customers.items()}),
        "occasions": due(world),
    } | dict(relations or {})
    with duckdb.connect() as connection:
        for name, table in given.items():
            connection.register(name, table)

        def ask(sql: str, parameters: Mapping[str, object] | None) -> list[tuple[Any, ...]]:
            return connection.execute(sql, parameters).fetchall()

        queries = audit(
            world.touches, world.policy, world.moment, salt=world.salt, held=world.held, **how
        )
        found = find_breaches(queries, ask)
    return [(one.rule, one.message_id, one.found, one.allowed) for one in found]


def outbox(planned: Sequence[Mapping[str, Any]], world: World) -> pa.Table:
    """Messages of the run as the auditor reads them: contacts, and until when they may leave.

    Under rules on time each may leave at its planned moment alone, if nothing else is said.
    """
    lasting = {each.campaign: each.expires_after for each in world.campaigns}
    expires = [
        row.get(
            "expires_at",
            row["contact_at"] + timedelta(microseconds=1)
            if world.policy.times
            else world.moment.as_of + lasting.get(row["campaign"], timedelta(1)),
        )
        for row in planned
    ]
    table = history([{k: v for k, v in row.items() if k != "expires_at"} for row in planned])
    return table.append_column("expires_at", pa.array(expires, ARROW[ColumnType.INSTANT]))


def engine_numbers(purpose: str, parts: Sequence[pa.Array | str]) -> np.ndarray:
    """`Numbers` by DuckDB, as the task injects it."""
    columns = {f"p{k}": part for k, part in enumerate(parts) if not isinstance(part, str)}
    given = {f"p{k}": part for k, part in enumerate(parts) if isinstance(part, str)}
    texts = [f"$p{k}" if f"p{k}" in given else f"p{k}" for k in range(len(parts))]
    with duckdb.connect() as connection:
        connection.register("rows", pa.table(columns))
        sql = f"SELECT {keys.number_sql(purpose, *texts)} AS number FROM rows"
        return connection.execute(sql, given).fetchnumpy()["number"]


@st.composite
def written(draw: st.DrawFn, name: str) -> Campaign:
    """A campaign of any kind."""
    channels = st.sampled_from([("email",), ("sms",), ("email", "sms"), ("sms", "email")])
    pauses = st.sampled_from([None, timedelta(hours=6), timedelta(hours=36), timedelta(days=30)])
    make = draw(st.sampled_from([campaign, campaign, triggered, chain]))
    return make(
        name,
        category=draw(st.sampled_from(CATEGORIES)),
        priority=draw(st.integers(0, 2)),
        channels=draw(channels),
        repeat_after=draw(pauses),
        control=draw(st.sampled_from([0.0, 0.5, 1.0])),
        variants=draw(st.sampled_from([{}, {"a": "1", "b": "3"}])),
        limits={"messages_per_day": draw(st.sampled_from([None, 0, 1, 3]))},
        runs={"from": "2026-01-01", "days": draw(st.sampled_from(["daily", "daily", "fri"]))},
        for_each=draw(st.sampled_from([None, None, "grid"])),
    )


def policies(draw: st.DrawFn) -> Policy:
    """Rules of every kind."""
    optional = [None]
    caps = tuple(
        {
            "name": f"cap{position}",
            "max": draw(st.integers(0, 3)),
            "per": timedelta(hours=draw(st.sampled_from([1, 24, 100, 168]))),
            "channel": draw(st.sampled_from([*optional, *CHANNELS])),
            "category": draw(st.sampled_from([*optional, *CATEGORIES])),
        }
        for position in range(draw(st.integers(0, 3)))
    )
    return policy(
        consent=draw(
            st.dictionaries(
                st.sampled_from(CATEGORIES), st.sampled_from(["opt_in", "opt_out", "none"])
            )
        ),
        caps=caps,
        winners_per_day=draw(st.integers(1, 3)),
        exempt=tuple(draw(st.sets(st.sampled_from(CATEGORIES), max_size=1))),
        universal_control=draw(st.sampled_from([None, {"share": 0.3, "period": "month"}])),
    )


def timely(
    draw: st.DrawFn, campaigns: Sequence[Campaign], names: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Occasions, and contacts of the steps before those: a chain goes forward."""
    occasions, contacts = [], []
    all_touches = touches(campaigns)
    for each in campaigns:
        places = [k for k, touch in enumerate(all_touches) if touch.campaign is each]
        for name in names if all_touches[places[0]].is_occasional else ():
            anchor = draw(st.sampled_from(["1", "2"]))
            if each.chain is None:
                for event in draw(st.sets(st.sampled_from(["1", "2", "e|7"]))):
                    at = NOW - timedelta(hours=draw(st.integers(0, 20)))
                    occasions.append(occasion(places[0], name, event, at))
                continue
            pending = draw(st.lists(st.sampled_from(places), unique=True, max_size=2))
            for place in sorted(pending):
                at = NOW - timedelta(hours=len(all_touches) - place)
                occasions.append(occasion(place, name, anchor, at))
            for place in places[: places.index(min(pending))] if pending else ():
                at = NOW - timedelta(days=len(all_touches) - place, hours=draw(st.integers(0, 9)))
                step = all_touches[place].step
                contacts.append(contact(name, each, at, anchor=anchor, step=step))
    return occasions, contacts


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Policies, campaigns, people and histories of every kind, small."""
    campaigns = tuple(draw(written(f"c{k}")) for k in range(draw(st.integers(1, 5))))
    rules = policies(draw)
    moments = st.sampled_from([None, NOW, NOW - timedelta(days=9), NOW - timedelta(days=2)])
    acts = st.tuples(
        st.sampled_from([*CHANNELS, "*"]),
        st.sampled_from([*CATEGORIES, "*"]),
        st.booleans(),
        moments,
    )
    persons = tuple(
        Person(
            f"p{position}",
            wanted=draw(st.frozensets(st.integers(0, len(touches(campaigns)) - 1))),
            email=draw(st.integers(0, 4)) > 0,
            sms=draw(st.integers(0, 4)) > 0,
            suppressed=draw(st.sampled_from([frozenset(), frozenset(), frozenset({"email"})])),
            acts=tuple(draw(st.lists(acts, max_size=3))),
            cell=draw(st.sampled_from([None, "loyal/*", "new/25-50k"])),
        )
        for position in range(draw(st.integers(1, 6)))
    )
    occasions, contacts = timely(draw, campaigns, [person.name for person in persons])
    hours = st.integers(-24 * 8, 24 * 3)
    others = [each for each in campaigns if each.chain is None]
    for position in range(draw(st.integers(0, 12)) if others else 0):
        contacts.append(
            contact(
                draw(st.sampled_from([p.name for p in persons] + ["gone"])),
                draw(st.sampled_from(others)),
                NOW + timedelta(hours=draw(hours)),
                anchor=f"{position + 1}",
                channel=draw(st.sampled_from(CHANNELS)),
                state=draw(st.sampled_from(list(MessageState))).value,
            )
        )
    return World(persons, campaigns, rules, tuple(contacts), occasions=tuple(occasions))
