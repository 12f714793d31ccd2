"""Calls of condition functions: what one asks of a customer's facts, and the SQL that answers.

Two calls that ask the same are equal and share one hidden column of the frame.

All calls on one relation are answered by one pass over it. Every fact gets a bit mask of the calls
it counts for: one mask for each column that calls name a value of, and one for the time, and-ed.
What depends on the product alone is worked out once for each product. A customer's answers are
then the union of the masks; only calls that count orders or money need an aggregate of their own.
(2 million order lines, 45 calls, one thread: 0.3 s; a `bool_or` for each call takes 0.5 s, and
with `count(DISTINCT order_id)` for a fifth of them 2.4 s.)
"""

# Names are ours and values pass `literal`.
# ruff: noqa: S608

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from antiphon.campaigns.conversions import duration, duration_text
from antiphon.keys import code_key_sql, digest
from antiphon.quoting import literal
from antiphon.states import CONTACT_STATES

BITS = 62
ANSWERS = ("open", "click", "reply", "conversion", "survey")  # as in sql/features/response.sql
# When each product that the customer bought is expected to be used up: customer_id, product_id,
# category, run_out_day. The same rule as in sql/features/products.sql.
RUN_OUTS = """
SELECT
    b.customer_id,
    b.product_id,
    p.category,
    b.last_day + least(round(coalesce(p.pack_days * b.quantity, b.rhythm_days)), 36500)::INTEGER
        AS run_out_day
FROM (
    SELECT
        customer_id,
        product_id,
        max(day) AS last_day,
        arg_max(quantity, day) AS quantity,
        CASE WHEN count(*) >= 3 THEN (max(day) - min(day)) / (count(*) - 1) END AS rhythm_days
    FROM (
        SELECT
            customer_id,
            product_id,
            timezone($business_zone, ordered_at)::DATE AS day,
            sum(TRY_CAST(quantity AS DECIMAL(18, 3))) AS quantity
        FROM order_lines
        WHERE ordered_at <= $as_of
            AND ordered_at < timezone($business_zone, ($business_day + 1)::TIMESTAMP)
            AND ordered_at >= timezone($business_zone, ($business_day - 729)::TIMESTAMP)
        GROUP BY ALL
        HAVING sum(TRY_CAST(quantity AS DECIMAL(18, 3))) > 0
    ) days
    GROUP BY customer_id, product_id
) b
JOIN products p ON p.product_id = b.product_id
WHERE p.pack_days IS NOT NULL OR b.rhythm_days IS NOT NULL
"""


class Relation(StrEnum):
    """The facts a call is about: `call_sql.py` has the SQL of each."""

    PURCHASES = "purchases"
    EVENTS = "events"
    CONTACTS = "contacts"
    RESPONSES = "responses"
    RUN_OUTS = "run_outs"
    CODES = "codes"
    STATEMENTS = "statements"


@dataclass(frozen=True, slots=True)
class Span:
    """A written duration: whole business days, or an exact time where hours or minutes are said."""

    length: timedelta
    is_exact: bool

    @property
    def text(self) -> str:
        """As one would type it; '48 hours' and '2 days' are not the same."""
        if self.is_exact:
            return f"{int(self.length.total_seconds()) // 60} minutes"
        return duration_text(self.length)

    def leaves_nothing(self, before: "Span") -> bool:
        """Whether nothing can lie both within this span and before the other."""
        slack = timedelta(0) if self.is_exact == before.is_exact else timedelta(days=1)
        return before.length >= self.length + slack


def span(text: str) -> Span:
    """'90 days', '2 weeks': business days; '3 hours': exact. Raises ValueError."""
    length = duration(text.strip())
    if not length:
        raise ValueError("write a duration longer than 0: '1 day' is today")
    return Span(length, is_exact=text.strip().lower().rstrip("s").endswith(("hour", "minute")))


@dataclass(frozen=True, slots=True)
class Call:
    """One question, true or false for each customer: are there such facts of the relation?

    Of STATEMENTS it is what they told last of a name, as text; null: nothing, or taken back.

    `matches`: columns of the relation and the text each must equal, in order of the columns.
    `within`: not longer ago; of run-outs, not further ahead. `before`: at least so long ago.
    `at_least`: so many orders (purchases) or facts. `spent_at_least`: money in the matching lines.
    """

    relation: Relation
    matches: tuple[tuple[str, str], ...] = ()
    within: Span | None = None
    before: Span | None = None
    at_least: int = 1
    spent_at_least: Decimal | None = None

    @property
    def column(self) -> str:
        """The hidden column of the frame that holds the answer."""
        parts = [self.relation.value]
        parts += [f"{name}={value}" for name, value in self.matches]
        parts += [f"{name}:{one.text}" for name, one in self._spans() if one]
        spent = self.spent_at_least
        parts += [f"at_least:{self.at_least}", f"spent:{'' if spent is None else f'{spent:f}'}"]
        return f"call_{digest('call', *parts)[:12]}"

    def _spans(self) -> list[tuple[str, Span | None]]:
        return [("within", self.within), ("before", self.before)]


@dataclass(frozen=True, slots=True)
class CallsSelect:
    """A SELECT of customer_id (unique) and boolean columns; who is not in it: all false.

    `are_texts`: the columns are texts; who is not in it: all null.
    """

    sql: str
    columns: tuple[str, ...]
    are_texts: bool = False


def calls_sql(calls: Mapping[str, Call]) -> list[CallsSelect]:
    """What answers the calls: SELECTs that read each relation once (for 62 calls at a time).

    Needs the views of a session and the parameters of `frame.moment_parameters`.
    """
    selects = []
    for relation in Relation:
        asked = [call for call in calls.values() if call.relation == relation]
        if relation == Relation.STATEMENTS and asked:
            selects.append(_told(asked))
            continue
        for first in range(0, len(asked), BITS):
            some = asked[first : first + BITS]
            columns = tuple(call.column for call in some)
            selects.append(CallsSelect(_answers(_FACTS[relation](some), some), columns))
    return selects


def _told(calls: Sequence[Call]) -> CallsSelect:
    """What was told last; what was taken back since is null."""
    names = [name for call in calls for _, name in call.matches]
    columns = tuple(call.column for call in calls)
    answers = ", ".join(
        f"{latest_statement_sql(name)} AS {column}"
        for name, column in zip(names, columns, strict=True)
    )
    told = ", ".join(map(literal, names))
    sql = (
        f"SELECT customer_id, {answers}\nFROM statements\n"
        f"WHERE name IN ({told}) AND {_so_far('stated_at')}\nGROUP BY customer_id"
    )
    return CallsSelect(sql, columns, are_texts=True)


def latest_statement_sql(name: str) -> str:
    """Aggregate over a customer's rows of `statements`: what they told last of the name."""
    latest = "{moment: stated_at, source: source}"
    return f"(arg_max({{told: value}}, {latest}) FILTER (name = {literal(name)})).told"


def _answers(facts: str, calls: Sequence[Call]) -> str:
    """One row a customer, from facts: customer_id, mask, and of purchases order_id and amount."""
    spending = [place for place, call in enumerate(calls) if call.spent_at_least is not None]
    units = "SELECT * FROM facts WHERE mask <> 0"
    if spending or (
        calls[0].relation == Relation.PURCHASES and any(call.at_least > 1 for call in calls)
    ):  # what is counted are orders, not their lines
        sums = [f"sum(amount) FILTER (WHERE {_has(place)}) AS spent_{place}" for place in spending]
        columns = ", ".join(["customer_id", "order_id", "bit_or(mask) AS mask", *sums])
        units = f"SELECT {columns} FROM facts WHERE mask <> 0 GROUP BY customer_id, order_id"
    answers = [f"{_answer(place, call)} AS {call.column}" for place, call in enumerate(calls)]
    return (
        f"WITH facts AS (\n{facts}\n), units AS (\n{units}\n)\n"
        f"SELECT {', '.join(['customer_id', *answers])}\nFROM units\nGROUP BY customer_id"
    )


def _answer(place: int, call: Call) -> str:
    conditions = []
    if call.spent_at_least is not None:
        conditions.append(f"coalesce(sum(spent_{place}) >= {call.spent_at_least:f}, false)")
    if call.at_least > 1:
        conditions.append(f"count(*) FILTER (WHERE {_has(place)}) >= {call.at_least}")
    return " AND ".join(conditions) or f"(bit_or(mask) & {1 << place}) <> 0"


def _has(place: int) -> str:
    return f"(mask & {1 << place}) <> 0"


# ---------------------------------------------------------------- masks of a fact


def _mask(calls: Sequence[Call], *parts: str) -> str:
    """The calls whose bit every part has; '' is a part that has all."""
    return " & ".join([f"{(1 << len(calls)) - 1}::BIGINT", *filter(None, parts)])


def _bits(chosen: Iterable[bool]) -> int:
    return sum(1 << place for place, is_chosen in enumerate(chosen) if is_chosen)


def _naming_none(calls: Sequence[Call], *columns: str) -> int:
    """The calls that name no value of these columns."""
    return _bits(not any(name in columns for name, _ in call.matches) for call in calls)


def _by_value(
    calls: Sequence[Call], column: str, sql: str, unnamed: Collection[str] | None = None
) -> str:
    """The calls that name the column's value, and those that name none.

    `unnamed`: the values that will do where none is named; absent: all.
    """
    named = {value for call in calls for name, value in call.matches if name == column}
    free = _naming_none(calls, column)
    cases = {
        value: _bits((column, value) in call.matches for call in calls)
        | (free if unnamed is None or value in unnamed else 0)
        for value in sorted(named.union(unnamed or ()))
    }
    whens = " ".join(f"WHEN {literal(value)} THEN {bits}" for value, bits in cases.items())
    return f"(CASE {sql} {whens} ELSE {free if unnamed is None else 0} END)" if whens else ""


def _by_time(calls: Sequence[Call], boundaries: Callable[[Call], list[str]]) -> str:
    """The calls in whose time the fact lies."""
    times = {call: " AND ".join(boundaries(call)) for call in calls}
    masks = [
        f"CASE WHEN {time} THEN {_bits(times[call] == time for call in calls)} ELSE 0 END"
        for time in sorted(set(times.values()) - {""})
    ]
    always = _bits(not times[call] for call in calls)
    return f"({' | '.join([*masks, str(always)])})" if masks else ""


def _past(sql: str) -> Callable[[Call], list[str]]:
    """The boundaries of `within` and `before` on an instant."""

    def boundaries(call: Call) -> list[str]:
        conditions = []
        if call.within:
            after = ">" if call.within.is_exact else ">="
            conditions.append(f"{sql} {after} {_ago(call.within)}")
        if call.before:
            until = "<=" if call.before.is_exact else "<"
            conditions.append(f"{sql} {until} {_ago(call.before)}")
        return conditions

    return boundaries


def _ago(span: Span) -> str:
    """The instant so long ago; of days, the end of the day that is so many days ago."""
    if span.is_exact:
        return f"($as_of - INTERVAL {int(span.length.total_seconds()) // 60} MINUTE)"
    return f"timezone($business_zone, ($business_day - {span.length.days - 1})::TIMESTAMP)"


def _so_far(sql: str) -> str:
    """Facts after the moment, or of a day after the business day, do not count."""
    end = "timezone($business_zone, ($business_day + 1)::TIMESTAMP)"
    return f"{sql} <= $as_of AND {sql} < {end}"


# ---------------------------------------------------------------- facts


def _purchases(calls: Sequence[Call]) -> str:
    """Order lines that are no returns, and orders without lines."""
    store = _by_value(calls, "store", "o.store")
    of_product = [_by_value(calls, name, name) for name in ("category", "brand")]
    joins, product = [], ""
    if any(of_product):
        masks = f"SELECT product_id, {_mask(calls, *of_product)} AS mask FROM products"
        joins.append(f"LEFT JOIN ({masks}) p ON p.product_id = l.product_id")
        product = f"coalesce(p.mask, {_naming_none(calls, 'category', 'brand')})"
    if store:
        joins.append("LEFT JOIN orders o ON o.order_id = l.order_id")
    of_line = _by_value(calls, "product_id", "l.product_id")
    of_time = _by_time(calls, _past("l.ordered_at"))
    lines = (
        "SELECT l.customer_id, l.order_id, l.amount, "
        f"{_mask(calls, product, of_line, store, of_time)} AS mask\n"
        f"FROM order_lines l {' '.join(joins)}\nWHERE l.quantity > 0 AND {_so_far('l.ordered_at')}"
    )
    without = _naming_none(calls, "product_id", "brand")
    if not without:
        return lines
    of_category = _by_value(calls, "category", "o.category")
    of_time = _by_time(calls, _past("o.ordered_at"))
    return (
        f"{lines}\nUNION ALL\nSELECT o.customer_id, o.order_id, o.amount, "
        f"{_mask(calls, str(without), of_category, store, of_time)} AS mask\n"
        "FROM orders o ANTI JOIN order_lines l ON l.order_id = o.order_id\n"
        f"WHERE o.amount >= 0 AND {_so_far('o.ordered_at')}"
    )


def _events(calls: Sequence[Call]) -> str:
    columns = ("event", "product_id", "value")
    return _dated(calls, "events", "occurred_at", [_by_value(calls, c, c) for c in columns])


def _contacts(calls: Sequence[Call]) -> str:
    columns = ("campaign", "channel", "category")
    states = ", ".join(literal(state) for state in sorted(CONTACT_STATES))
    masks = [_by_value(calls, c, c) for c in columns]
    return f"{_dated(calls, 'contacts', 'contact_at', masks)} AND state IN ({states})"


def _responses(calls: Sequence[Call]) -> str:
    masks = [_by_value(calls, column, column) for column in ("campaign", "channel")]
    masks.append(_by_value(calls, "kind", "kind", unnamed=ANSWERS))
    mine = _dated(calls, "responses", "occurred_at", masks)
    return f"{mine} AND NOT coalesce(is_machine, FALSE)"  # no person did it


def _dated(calls: Sequence[Call], view: str, instant: str, masks: Sequence[str]) -> str:
    mask = _mask(calls, *masks, _by_time(calls, _past(instant)))
    return f"SELECT customer_id, {mask} AS mask\nFROM {view}\nWHERE {_so_far(instant)}"


def _run_outs(calls: Sequence[Call]) -> str:
    def boundaries(call: Call) -> list[str]:
        assert call.within, "runs_out_within has it"
        return [f"run_out_day <= $business_day + {call.within.length.days}"]

    masks = [_by_value(calls, column, column) for column in ("category", "product_id")]
    mask = _mask(calls, *masks, _by_time(calls, boundaries))
    return (
        f"SELECT customer_id, {mask} AS mask\nFROM ({RUN_OUTS}) run_outs\n"
        "WHERE run_out_day >= $business_day"
    )


def _codes(calls: Sequence[Call]) -> str:
    """Codes of one's own that can still be used."""

    def boundaries(call: Call) -> list[str]:
        if not call.within:
            return []
        last = f"($business_day + {call.within.length.days + 1})::TIMESTAMP"
        return [f"valid_until <= timezone($business_zone, {last})"]

    mask = _mask(calls, _by_value(calls, "campaign", "campaign"), _by_time(calls, boundaries))
    return f"SELECT customer_id, {mask} AS mask\nFROM ({open_codes_sql('$as_of')}) codes"


def open_codes_sql(as_of: str) -> str:
    """The rows of `codes` that can still be used at the instant (SQL): issued, not redeemed, not
    withdrawn, not over.

    An order tells of its use before the ledger does: its code is redeemed when the run that pulled
    it ends.
    """
    used = f"SELECT customer_id, {code_key_sql('promo_code')} AS code FROM orders"
    is_open = "".join(
        f" AND ({name} IS NULL OR {name} > {as_of})"
        for name in ("valid_until", "redeemed_at", "withdrawn_at")
    )
    return (
        "SELECT * FROM codes\n"
        f"ANTI JOIN ({used} WHERE promo_code IS NOT NULL AND ordered_at <= {as_of}) used\n"
        f"    USING (customer_id, code)\nWHERE issued_at <= {as_of}{is_open}"
    )


_FACTS: dict[Relation, Callable[[Sequence[Call]], str]] = {
    Relation.PURCHASES: _purchases,
    Relation.EVENTS: _events,
    Relation.CONTACTS: _contacts,
    Relation.RESPONSES: _responses,
    Relation.RUN_OUTS: _run_outs,
    Relation.CODES: _codes,
}
