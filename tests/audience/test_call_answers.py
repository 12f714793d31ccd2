"""Claims on calls of condition functions: the engine's answers are those of a plain reading."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pytest

from antiphon.audience.calls import ANSWERS, BITS, Call, calls_sql
from antiphon.audience.conditions import Condition, Vocabulary, parse
from antiphon.audience.frame import moment_parameters
from antiphon.entities import ENTITIES
from antiphon.states import CONTACT_STATES, MessageState

ZONE = ZoneInfo("Europe/Berlin")
ROOT = Path(__file__).resolve().parents[2]
WITHIN_7_AND_21 = ("runs_out_within('7 days')", "runs_out_within('3 weeks')")
VIEWS = ("orders", "order_lines", "products", "events", "contacts", "responses")
PRODUCTS = {  # id: category, brand, pack_days; 'gone' is no longer sold
    "p1": ("vitamins", "Alpa", 30),
    "p2": ("vitamins", "Börte's", None),
    "p3": (None, "Alpa", 7),
}
VOCABULARY = Vocabulary({}, campaigns=("winback", "letter"))
Row = dict[str, Any]


@dataclass
class History:
    """Rows of every view, and the moment at which they are asked."""

    as_of: datetime
    business_day: date
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def of(self, view: str) -> Sequence[Row]:
        return self.rows.get(view, ())


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'America/New_York'; SET threads = 1")  # must not matter
    for view in VIEWS:
        columns = ", ".join(f"{c.name} {c.type.value}" for c in ENTITIES[view].columns)
        connection.execute(f"CREATE TABLE {view} ({columns})")
    for product, (category, brand, days) in PRODUCTS.items():
        connection.execute(
            "INSERT INTO products (product_id, category, brand, pack_days) VALUES (?, ?, ?, ?)",
            [product, category, brand, days],
        )
    yield connection
    connection.close()


def calls_of(texts: Sequence[str]) -> list[Call]:
    conditions = [parse(text, VOCABULARY) for text in texts]
    calls: list[Call] = []
    for condition in conditions:
        assert isinstance(condition, Condition), condition
        calls += condition.calls.values()
    return calls


def fill(engine: duckdb.DuckDBPyConnection, history: History) -> None:
    for view in set(VIEWS) - {"products"}:
        engine.execute(f"DELETE FROM {view}")
        if rows := history.of(view):
            engine.register("rows", pa.Table.from_pylist(list(rows)))
            engine.execute(f"INSERT INTO {view} BY NAME SELECT * FROM rows")


def answers(
    engine: duckdb.DuckDBPyConnection, history: History, texts: Sequence[str]
) -> list[set[str]]:
    """For each call, the customers for whom it is true."""
    fill(engine, history)
    calls = calls_of(texts)
    moment = moment_parameters(history.as_of, history.business_day, ZONE.key)
    true: dict[str, set[str]] = {call.column: set() for call in calls}
    for select in calls_sql({call.column: call for call in calls}):
        sql = (
            "WITH moment AS (SELECT $as_of::TIMESTAMPTZ, $business_day::DATE, "
            f"$business_zone::VARCHAR) {select.sql.replace('WITH facts', ', facts', 1)}"
        )
        cursor = engine.execute(sql, moment)
        names = [column[0] for column in cursor.description]
        assert names == ["customer_id", *select.columns]
        rows = cursor.fetchall()
        assert len({row[0] for row in rows}) == len(rows), "one row a customer"
        for customer, *values in rows:
            for name, value in zip(select.columns, values, strict=True):
                assert isinstance(value, bool)
                if value:
                    true[name].add(customer)
    return [true[call.column] for call in calls]


# ---------------------------------------------------------------- the plain reading


@dataclass(frozen=True)
class Question:
    """A call as a marketer thinks of it."""

    function: str
    arguments: Mapping[str, Any]

    @property
    def text(self) -> str:
        return (
            f"{self.function}({', '.join(f'{n} => {_sql(v)}' for n, v in self.arguments.items())})"
        )

    def wants(self, row: Mapping[str, Any], **columns: str) -> bool:
        """Whether the row has every value that is named; `columns`: argument=its column."""
        return all(
            row.get(column) == self.arguments[name]
            for name, column in columns.items()
            if name in self.arguments
        )


def _sql(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)


def local_day(instant: datetime) -> date:
    return instant.astimezone(ZONE).date()


def length(text: str) -> tuple[int | None, timedelta]:
    """Days, or None and an exact time."""
    count, unit = text.split()
    unit = unit.rstrip("s")
    if unit in ("day", "week"):
        return int(count) * (7 if unit == "week" else 1), timedelta(0)
    return None, timedelta(**{f"{unit}s": int(count)})


def counts(question: Question, instant: datetime, history: History) -> bool:
    """Whether a fact of that instant lies in the time asked for."""
    if instant > history.as_of or local_day(instant) > history.business_day:
        return False
    age_days = (history.business_day - local_day(instant)).days
    if "within" in question.arguments:
        days, exact = length(question.arguments["within"])
        if age_days >= days if days is not None else instant <= history.as_of - exact:
            return False
    if "before" in question.arguments:
        days, exact = length(question.arguments["before"])
        if age_days < days if days is not None else instant > history.as_of - exact:
            return False
    return True


def bought(question: Question, history: History) -> set[str]:
    with_lines = {line["order_id"] for line in history.of("order_lines")}
    stores = {order["order_id"]: order["store"] for order in history.of("orders")}
    found: dict[str, list[tuple[str, Decimal]]] = defaultdict(list)
    for line in history.of("order_lines"):
        category, brand, _ = PRODUCTS.get(line["product_id"], (None, None, None))
        known = line | {"category": category, "brand": brand, "store": stores[line["order_id"]]}
        if (
            line["quantity"] > 0
            and question.wants(
                known, category="category", brand="brand", store="store", product="product_id"
            )
            and counts(question, line["ordered_at"], history)
        ):
            found[line["customer_id"]].append((line["order_id"], line["amount"] or Decimal(0)))
    for order in history.of("orders"):
        if (
            order["order_id"] not in with_lines
            and order["amount"] >= 0
            and question.wants(order, category="category", store="store", product="-", brand="-")
            and counts(question, order["ordered_at"], history)
        ):
            found[order["customer_id"]].append((order["order_id"], order["amount"]))
    return {
        customer
        for customer, bought in found.items()
        if len({order for order, _ in bought}) >= question.arguments.get("at_least", 1)
        and sum(amount for _, amount in bought) >= question.arguments.get("spent_at_least", -1)
    }


def runs_out(question: Question, history: History) -> set[str]:
    days: dict[tuple[str, str], dict[date, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for line in history.of("order_lines"):
        day = local_day(line["ordered_at"])
        ago = (history.business_day - day).days
        if line["ordered_at"] <= history.as_of and 0 <= ago < 730:
            days[line["customer_id"], line["product_id"]][day] += Decimal(str(line["quantity"]))
    found = set()
    for (customer, product), quantities in days.items():
        bought = {day: quantity for day, quantity in quantities.items() if quantity > 0}
        category, _, pack_days = PRODUCTS.get(product, (None, None, None))
        last = max(bought, default=None)
        if last is None or product not in PRODUCTS:
            continue
        rhythm = Fraction((last - min(bought)).days, max(len(bought) - 1, 1))
        if pack_days is None and len(bought) < 3:
            continue
        lasts = pack_days * Fraction(bought[last]) if pack_days is not None else rhythm
        whole = int((Decimal(lasts.numerator) / lasts.denominator).to_integral(ROUND_HALF_UP))
        ahead = (last + timedelta(days=whole) - history.business_day).days
        wanted = question.wants(
            {"category": category, "product_id": product}, category="category", product="product_id"
        )
        if wanted and 0 <= ahead <= (length(question.arguments["within"])[0] or 0):
            found.add(customer)
    return found


DATED = {  # function: view, instant, argument=column
    "did": ("events", "occurred_at", {"event": "event", "product": "product_id", "value": "value"}),
    "contacted": (
        "contacts", "contact_at",
        {"campaign": "campaign", "channel": "channel", "category": "category"},
    ),
    "responded": (
        "responses", "occurred_at",
        {"campaign": "campaign", "kind": "kind", "channel": "channel"},
    ),
}  # fmt: skip


def plainly(question: Question, history: History) -> set[str]:
    if question.function == "bought":
        return bought(question, history)
    if question.function == "runs_out_within":
        return runs_out(question, history)
    view, instant, columns = DATED[question.function]
    found: dict[str, int] = defaultdict(int)
    for row in history.of(view):
        if view == "contacts" and row["state"] not in CONTACT_STATES:
            continue
        if view == "responses" and "kind" not in question.arguments and row["kind"] not in ANSWERS:
            continue
        if question.wants(row, **columns) and counts(question, row[instant], history):
            found[row["customer_id"]] += 1
    at_least = question.arguments.get("at_least", 1)
    return {customer for customer, count in found.items() if count >= at_least}


# ---------------------------------------------------------------- random histories

SPANS = ("1 day", "2 days", "1 week", "30 days", "1 hour", "24 hours", "90 minutes")
TICK = timedelta(microseconds=1)
MOMENTS = [  # the days on which clocks change, a day after one, and a run of the day before
    (datetime(2026, 3, 29, 0, 30, tzinfo=ZONE), 0),
    (datetime(2026, 3, 29, 9, tzinfo=ZONE), 0),
    (datetime(2026, 3, 30, 2, 30, tzinfo=ZONE), 0),
    (datetime(2026, 10, 25, 23, 59, tzinfo=ZONE), 0),
    (datetime(2026, 10, 26, 1, tzinfo=ZONE), 0),
    (datetime(2026, 5, 13, 1, tzinfo=ZONE), 1),
]


def moment(place: int) -> History:
    clock, days_before = MOMENTS[place]
    return History(clock.astimezone(UTC), clock.date() - timedelta(days=days_before))


def boundaries(history: History) -> list[datetime]:
    """Every instant at which a window of SPANS begins or ends, and those just beside it."""
    exact = [timedelta(0), *(length(span)[1] for span in SPANS)]
    at = [history.as_of - ago for ago in exact]
    for days in (-1, 0, 1, 2, 6, 7, 8, 29, 30, 31, 728, 729, 730):
        day = history.business_day - timedelta(days=days)
        at.append(datetime.combine(day, time(0), ZONE).astimezone(UTC))
    return [instant + tick for instant in at for tick in (-TICK, timedelta(0), TICK)]


def random_history(random: Random, history: History, customers: int = 200) -> History:
    """A few facts of every kind for each customer, most of them near a boundary."""
    instants = boundaries(history)
    choose = random.choice
    rows: dict[str, list[Row]] = defaultdict(list)

    def some(view: str, instant: str, **columns: Sequence[Any]) -> None:
        for number in range(customers):
            for _ in range(random.randrange(4)):
                row = {"customer_id": f"c{number}", instant: choose(instants)}
                rows[view].append(row | {name: choose(values) for name, values in columns.items()})

    amounts = [Decimal(-5), Decimal(0), Decimal("20.5")]
    stores = ["web", "Köln", None]
    some("orders", "ordered_at", amount=amounts, category=["vitamins", "tea", None], store=stores)
    for place, order in enumerate(rows["orders"]):
        order["order_id"] = f"o{place}"
        for number in range(random.randrange(3)):
            rows["order_lines"].append(
                {name: order[name] for name in ("order_id", "customer_id", "ordered_at")}
                | {
                    "line_number": number,
                    "product_id": choose([*PRODUCTS, "gone"]),
                    "quantity": choose([-1.0, 0.0, 1.0, 0.5, 2.0]),
                    "amount": choose([Decimal("10.25"), Decimal(30), None]),
                }
            )
    some(
        "events",
        "occurred_at",
        event=["cart", "visit"],
        product_id=["p1", None],
        value=["blue", None],
    )
    some(
        "contacts",
        "contact_at",
        campaign=["winback", "letter"],
        channel=["email", "sms"],
        category=["promo", "service"],
        state=[state.value for state in MessageState],
    )
    some(
        "responses",
        "occurred_at",
        campaign=["winback", None],
        channel=["email", None],
        kind=["click", "open", "bounce", "complaint", "visited us"],
    )
    return replace(history, rows=rows)


TIMES = {"within": SPANS, "before": SPANS, "at_least": (1, 2, 3)}
ARGUMENTS: dict[str, dict[str, Sequence[Any]]] = {
    "bought": {
        "category": ("vitamins", "tea"),
        "product": (*PRODUCTS, "gone"),
        "brand": ("Alpa", "Börte's"),
        "store": ("web", "Köln"),
        **TIMES,
        "spent_at_least": (Decimal("10.25"), Decimal(40), Decimal("0.0001")),
    },
    "did": {"event": ("cart", "visit"), "product": ("p1", "p2"), "value": ("blue",), **TIMES},
    "contacted": {
        "campaign": ("winback", "letter"),
        "channel": ("email", "sms"),
        "category": ("promo", "lifecycle"),
        **TIMES,
    },
    "responded": {
        "campaign": ("winback", "letter"),
        "kind": ("click", "bounce", "visited us"),
        "channel": ("email", "sms"),
        **TIMES,
    },
}


def random_question(random: Random) -> Question:
    function = random.choice(["bought", *ARGUMENTS])
    possible = ARGUMENTS[function]
    names = random.sample(sorted(possible), random.randrange(4))
    if function == "did":
        names = ["event", *(name for name in names if name != "event")]
    question = Question(function, {name: random.choice(possible[name]) for name in names})
    # some are refused, as nothing is both within and before
    return (
        question
        if isinstance(parse(question.text, VOCABULARY), Condition)
        else random_question(random)
    )


def check(engine: duckdb.DuckDBPyConnection, history: History, asked: Sequence[Question]) -> int:
    """That the engine answers as a plain reading does; for how many pairs it is yes."""
    found = answers(engine, history, [question.text for question in asked])
    for question, customers in zip(asked, found, strict=True):
        assert sorted(customers) == sorted(plainly(question, history)), question.text
    return sum(map(len, found))


@pytest.mark.parametrize("place", range(len(MOMENTS)))
def test_the_engine_answers_as_a_plain_reading_does(
    engine: duckdb.DuckDBPyConnection, place: int
) -> None:
    random = Random(place)
    history = random_history(random, moment(place))
    asked = [random_question(random) for _ in range(150)]
    assert check(engine, history, asked) > 1000


@pytest.mark.parametrize("place", range(len(MOMENTS)))
def test_windows_begin_and_end_at_the_very_instant(
    engine: duckdb.DuckDBPyConnection, place: int
) -> None:
    history = moment(place)
    instants = [(f"c{number}", at) for number, at in enumerate(boundaries(history))]
    order = {"amount": Decimal(1), "store": None, "category": None}
    rows: dict[str, list[Row]] = {
        "orders": [
            {"order_id": name, "customer_id": name, "ordered_at": at, **order}
            for name, at in instants
        ],
        "events": [
            {"customer_id": name, "event": "visit", "occurred_at": at} for name, at in instants
        ],
    }
    asked = [
        Question(function, {**required, name: span})
        for function, required in (("bought", {}), ("did", {"event": "visit"}))
        for name in ("within", "before")
        for span in SPANS
    ]
    assert check(engine, replace(history, rows=rows), asked) > 500


def test_a_product_runs_out_after_its_pack_or_the_customers_own_rhythm(
    engine: duckdb.DuckDBPyConnection,
) -> None:
    history = moment(3)
    lines: list[Row] = []
    for number in range(2000):
        random = Random(number)
        for _ in range(random.randrange(1, 5)):
            day = history.business_day - timedelta(
                days=random.choice([0, 1, 5, 9, 14, 30, 41, 729, 730])
            )
            lines.append(
                {
                    "customer_id": f"c{number}",
                    "order_id": "o",
                    "product_id": random.choice([*PRODUCTS, "p2", "gone"]),
                    "quantity": random.choice([1.0, 1.0, 0.5, 2.0, -1.0]),
                    "ordered_at": datetime.combine(day, time(0), ZONE).astimezone(UTC),
                }
            )
    asked = [
        Question("runs_out_within", {"within": within, **which})
        for within in (*(f"{days} days" for days in range(1, 10)), "3 weeks")
        for which in ({}, {"category": "vitamins"}, {"product": "p2"}, {"product": "gone"})
    ]
    history = replace(history, rows={"order_lines": lines})
    assert check(engine, history, asked) > 1000
    feature = (ROOT / "sql/features/products.sql").read_text(encoding="utf-8")
    rows = engine.execute(
        f"SELECT customer_id, days_to_run_out FROM ({feature.rstrip().rstrip(';')})",
        moment_parameters(history.as_of, history.business_day, ZONE.key),
    ).fetchall()
    ahead = {customer: days for customer, days in rows if days is not None and days >= 0}
    for days, found in zip((7, 21), answers(engine, history, WITHIN_7_AND_21), strict=True):
        assert {customer for customer in ahead if ahead[customer] <= days} <= found
        assert all(ahead.get(customer, 0) <= days for customer in found)


def test_more_calls_than_one_mask_holds_are_all_answered(engine: duckdb.DuckDBPyConnection) -> None:
    random = Random(7)
    history = random_history(random, moment(1), customers=20)
    asked = [
        Question("did", {"event": event, "within": f"{days} days", "at_least": at_least})
        for event in ("cart", "visit")
        for days in range(1, BITS)
        for at_least in (1, 2)
    ]
    check(engine, history, asked)
    assert len(calls_sql({call.column: call for call in calls_of([q.text for q in asked])})) == 4


def test_each_relation_is_read_once_whatever_the_number_of_calls() -> None:
    texts = [f"bought(product => 'p{n}', at_least => {n % 3 + 1})" for n in range(30)]
    texts += [f"did('e{n}')" for n in range(30)]
    purchases, events = calls_sql({call.column: call for call in calls_of(texts)})
    assert purchases.sql.count("FROM order_lines") == 1
    assert events.sql.count("FROM events") == 1
    assert len(purchases.columns) == len(events.columns) == 30
