"""Promo codes that came back: each use judged and written down once, in one transaction.

Two tills that redeem one code at the same moment are judged one after the other.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
import pyarrow as pa
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    RowMapping,
    Select,
    and_,
    func,
    or_,
    select,
    update,
)

from antiphon.keys import code_key
from antiphon.ledger.engine import listed, next_revision, reading, writing
from antiphon.ledger.inserting import insert_new
from antiphon.ledger.issuing import Issuing
from antiphon.ledger.nullable import read_nullable
from antiphon.ledger.response_schema import codes, redemptions
from antiphon.ledger.schema import messages
from antiphon.response.redemptions import Promise, Told, verdict_on_own, verdict_on_shared
from antiphon.states import MessageState, RedemptionVerdict

AT_ONCE = 5_000
LEFT = (
    MessageState.SENDING,
    MessageState.ACCEPTED,
    MessageState.DELIVERED,
    MessageState.BOUNCED,
    MessageState.IN_DOUBT,
)
COUNTED, RETURNED = RedemptionVerdict.COUNTED, RedemptionVerdict.RETURNED
BY_RIGHT = (COUNTED.value, RETURNED.value)  # it counts, or did until its order was given back
JUDGED = pa.schema([pa.field(name, pa.string(), nullable=False) for name in ("code", "order_id")])
OF_ORDERS = pa.schema(
    [
        *JUDGED,
        pa.field("customer_id", pa.string()),
        pa.field("redeemed_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("amount_e4", pa.int64()),
        pa.field("verdict", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
    ]
)
SILENT, PRINTED = "{}", '"offer":{"code":"'  # values of messages, brought in and ours
SAME_USE = timedelta(days=1)  # a till that names no order, and the order that comes later


@dataclass(frozen=True, slots=True)
class Redemption:
    """One use of a code, as it was judged.

    `message_id` and `channel`: of the message that brought the code, where that is asked for;
    `is_new`: it was not on record before.
    """

    redemption_id: str
    code: str
    campaign: str | None
    occurrence_key: str | None
    customer_id: str | None
    order_id: str | None
    amount_e4: int | None
    redeemed_at: datetime
    verdict: RedemptionVerdict
    source: str
    message_id: str | None = None
    channel: str | None = None
    is_new: bool = True


KEPT = (
    *("redemption_id", "code", "campaign", "occurrence_key", "customer_id", "order_id"),
    *("amount_e4", "redeemed_at", "verdict", "source"),
)


class Redemptions:
    """The uses of promo codes of one ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def redeem(self, told: Sequence[Told], zone: str) -> list[Redemption]:
        """Judges and keeps what was told, in the order in which it happened.

        What is on record already comes back as it was judged then; only whether its order was
        given back is looked at again. `zone`: in which the last day of a code ends.
        """
        found: list[Redemption] = []
        rows = sorted(told, key=lambda one: (one.redeemed_at, one.redemption_id))
        for start in range(0, len(rows), AT_ONCE):
            with writing(self._engine) as connection:
                desk = _Desk(connection, rows[start : start + AT_ONCE], zone)
                found += desk.judged()
                if not desk.has_written:
                    connection.rollback()
        return found

    def of_code(self, code: str) -> list[Redemption]:
        """Every use of a code (keys.code_key), first to last."""
        return self._read(redemptions.c.code == code)

    def counts(self) -> dict[tuple[str, str], int]:
        """(campaign, verdict) → uses; '' for what no campaign issued."""
        campaign = func.coalesce(redemptions.c.campaign, "")
        query = select(campaign, redemptions.c.verdict, func.count())
        query = query.group_by(campaign, redemptions.c.verdict)
        with reading(self._engine) as connection:
            return {(name, verdict): count for name, verdict, count in connection.execute(query)}

    def of_orders(self, since: datetime) -> pa.Table:
        """The uses by orders that count, or would but for their return, since then: OF_ORDERS."""
        return self._by_orders(since, OF_ORDERS, redemptions.c.verdict.in_(BY_RIGHT))

    def judged_otherwise(self, since: datetime) -> pa.Table:
        """code and order_id of the other uses by orders since then, which stay as they are."""
        return self._by_orders(since, JUDGED, redemptions.c.verdict.not_in(BY_RIGHT))

    def _by_orders(
        self, since: datetime, schema: pa.Schema, judged: ColumnElement[bool]
    ) -> pa.Table:
        which = and_(
            redemptions.c.order_id.is_not(None), redemptions.c.redeemed_at >= since, judged
        )
        with read_nullable(self._engine, redemptions, schema, which) as reader:
            return reader.read_all()

    def counted_since(self, since: int) -> list[Redemption]:
        """Uses that count and changed after the mark, with the messages that brought the codes."""
        last = (
            select(messages.c.message_id, messages.c.channel, messages.c.occurrence_key)
            .add_columns(
                func.row_number()
                .over(partition_by=messages.c.occurrence_key, order_by=messages.c.attempt.desc())
                .label("place")
            )
            .where(
                messages.c.occurrence_key.in_(
                    select(redemptions.c.occurrence_key).where(redemptions.c.revision > since)
                )
            )
            .subquery()
        )
        query = (
            select(*(redemptions.c[name] for name in KEPT), last.c.message_id, last.c.channel)
            .outerjoin_from(
                redemptions,
                last,
                and_(last.c.occurrence_key == redemptions.c.occurrence_key, last.c.place == 1),
            )
            .where(redemptions.c.revision > since, redemptions.c.verdict == COUNTED)
            .order_by(redemptions.c.redeemed_at, redemptions.c.redemption_id)
        )
        with reading(self._engine) as connection:
            return [_as_redemption(row) for row in connection.execute(query).mappings()]

    def _read(self, *which: ColumnElement[bool]) -> list[Redemption]:
        with reading(self._engine) as connection:
            return _read(connection, *which)


def _read(connection: Connection, *which: ColumnElement[bool]) -> list[Redemption]:
    query = select(*(redemptions.c[name] for name in KEPT)).where(*which)
    query = query.order_by(redemptions.c.redeemed_at, redemptions.c.redemption_id)
    return [_as_redemption(row) for row in connection.execute(query).mappings()]


def _as_redemption(row: RowMapping) -> Redemption:
    return Redemption(**{**row, "verdict": RedemptionVerdict(row["verdict"]), "is_new": False})


class _Desk:
    """What is judged in one transaction, and what was known before."""

    def __init__(self, connection: Connection, told: Sequence[Told], zone: str) -> None:
        self._connection, self._told, self._zone = connection, told, zone
        self.has_written = False
        # PostgreSQL: nobody else judges these codes meanwhile. SQLite writers are alone anyway.
        names = listed(connection, sorted({one.code for one in told}))
        locked = select(codes.c.code).where(codes.c.code.in_(names)).order_by(codes.c.code)
        connection.execute(locked.with_for_update())
        self._own, self._shared = _promised(connection, names)
        self._known = {
            one.redemption_id: one for one in _read(connection, redemptions.c.code.in_(names))
        }
        self._counting: dict[str, list[Redemption]] = defaultdict(list)
        for one in self._known.values():
            if one.verdict == COUNTED:
                self._counting[one.code].append(one)
        people = {one.customer_id for one in told if one.code not in self._own and one.customer_id}
        self._promises = _promises(connection, people, self._shared, zone)

    def judged(self) -> list[Redemption]:
        """Every use, the new ones written down."""
        found, new, changed = [], [], []
        for told in self._told:
            before = self._known.get(told.redemption_id) or self._same_use(told)
            if before is None:
                one = self._judge(told)
                new.append(one)
            else:
                one = self._again(told, before)
                if (one.verdict, one.order_id, one.amount_e4) != (
                    *(before.verdict, before.order_id, before.amount_e4),
                ):
                    changed.append(one)
            self._note(before, one)
            found.append(one)
        self._write(new, changed)
        return found

    def _judge(self, told: Told) -> Redemption:
        promise: Promise | None
        if told.code in self._own:
            promise = self._own[told.code]
            verdict = verdict_on_own(told, promise, was_used=bool(self._counting[told.code]))
        elif told.customer_id is not None:
            mine = self._promises[told.customer_id, told.code]
            verdict, promise = verdict_on_shared(told, mine, is_known=told.code in self._shared)
        else:
            anyones = self._shared.get(told.code)
            promises = [anyones] if anyones else []
            verdict, promise = verdict_on_shared(told, promises, is_known=bool(anyones))
        known = promise or self._shared.get(told.code)
        return Redemption(
            redemption_id=told.redemption_id,
            code=told.code,
            campaign=known.campaign if known else None,
            occurrence_key=promise.occurrence_key if promise else None,
            customer_id=told.customer_id or (promise.customer_id if promise else None),
            order_id=told.order_id,
            amount_e4=told.amount_e4,
            redeemed_at=told.redeemed_at,
            verdict=verdict,
            source=told.source,
        )

    def _same_use(self, told: Told) -> Redemption | None:
        """Of a code of one's own: what a till told of the order's use, without naming the order."""
        if told.order_id is None or told.code not in self._own:
            return None
        for one in self._counting[told.code]:
            is_near = abs(one.redeemed_at - told.redeemed_at) <= SAME_USE
            if one.order_id is None and is_near and told.customer_id in (None, one.customer_id):
                return one
        return None

    def _again(self, told: Told, before: Redemption) -> Redemption:
        """What is on record, with what is told now: the order, its discount, its return."""
        verdict = before.verdict
        if told.order_id is not None and verdict in (COUNTED, RETURNED):
            others = [
                one
                for one in self._counting[told.code]
                if one.redemption_id != before.redemption_id and told.code in self._own
            ]
            if told.is_returned:
                verdict = RETURNED
            elif verdict == RETURNED:
                verdict = RedemptionVerdict.AGAIN if others else COUNTED
        amount = before.amount_e4 if told.amount_e4 is None else told.amount_e4
        order_id = before.order_id or told.order_id
        return replace(before, verdict=verdict, order_id=order_id, amount_e4=amount, is_new=False)

    def _note(self, before: Redemption | None, now: Redemption) -> None:
        if before in self._counting[now.code]:
            self._counting[now.code].remove(before)
        if now.verdict == COUNTED:
            self._counting[now.code].append(now)
        self._known[now.redemption_id] = now

    def _write(self, new: Sequence[Redemption], changed: Sequence[Redemption]) -> None:
        if not new and not changed:
            return
        self.has_written = True
        connection, revision = self._connection, next_revision(self._connection)
        if new:
            rows = [
                {**{name: getattr(one, name) for name in KEPT}, "revision": revision} for one in new
            ]
            connection.execute(insert_new(connection, redemptions), rows)
        for one in changed:
            values = {"verdict": one.verdict, "order_id": one.order_id, "amount_e4": one.amount_e4}
            mine = redemptions.c.redemption_id == one.redemption_id
            connection.execute(update(redemptions).where(mine).values(**values, revision=revision))
        used = {one.code for one in new if one.verdict == COUNTED} | {one.code for one in changed}
        touched = codes.c.code.in_(listed(connection, sorted(used)))
        connection.execute(update(codes).where(touched).values(revision=revision))


def _promised(
    connection: Connection, names: Select[tuple[str]]
) -> tuple[dict[str, Promise], dict[str, Promise]]:
    """Codes of one's own and shared ones, by code. One that was withdrawn ended then."""
    own: dict[str, Promise] = {}
    shared: dict[str, Promise] = {}
    for row in connection.execute(select(codes).where(codes.c.code.in_(names))):
        ends = [one for one in (row.valid_until, row.withdrawn_at) if one is not None]
        (shared if row.occurrence_key is None else own)[row.code] = Promise(
            row.campaign,
            row.issued_at,
            min(ends) if ends else None,
            row.occurrence_key,
            row.customer_id,
        )
    return own, shared


def _promises(
    connection: Connection, people: Iterable[str], shared: Mapping[str, Promise], zone: str
) -> dict[tuple[str, str], list[Promise]]:
    """(customer, shared code) → what messages that left promised; asked of what each says.

    One that says nothing was brought in from another system: it promised every code that its
    campaign shared.
    """
    found: dict[tuple[str, str], list[Promise]] = defaultdict(list)
    who = sorted(people)
    if not who:
        return found
    at = func.coalesce(messages.c.left_at, messages.c.not_before).label("at")
    query = select(
        *(messages.c[name] for name in ("campaign", "occurrence_key", "customer_id")),
        messages.c.values_json,
        at,
    ).where(
        messages.c.customer_id.in_(listed(connection, who)),
        messages.c.state.in_([one.value for one in LEFT]),
        or_(messages.c.values_json == SILENT, messages.c.values_json.contains(PRINTED)),
    )
    of_campaign: dict[str, list[str]] = defaultdict(list)
    for code, promise in shared.items():
        of_campaign[promise.campaign].append(code)
    ends = Issuing("", zone)
    for row in connection.execute(query):
        of_whom = (row.occurrence_key, row.customer_id)
        if row.values_json == SILENT:
            for code in of_campaign[row.campaign]:
                promise = Promise(row.campaign, row.at, shared[code].until, *of_whom)
                found[row.customer_id, code].append(promise)
            continue
        offer = orjson.loads(row.values_json)["offer"]
        until = ends.ends_at(offer.get("valid_until"))
        code = code_key(offer["code"])
        found[row.customer_id, code].append(Promise(row.campaign, row.at, until, *of_whom))
    return found


def tallied(found: Iterable[Redemption]) -> Counter[str]:
    """How many uses there are by verdict."""
    return Counter(one.verdict.value for one in found)
