"""The values of a message, packed by the engine for thousands, equal those packed by Python."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.campaigns.models import Campaign, Offer, Trigger
from antiphon.campaigns.touches import Touch
from antiphon.check import load
from antiphon.entities import ColumnType
from antiphon.files import read_files
from antiphon.lake import Lake, Session
from antiphon.message.packing import Values
from antiphon.message.values import OCCASION_FIELDS, unpack

DAY = date(2026, 5, 12)
YEARS = (datetime(1000, 1, 1), datetime(9999, 12, 30))  # noqa: DTZ001
ODD = [
    "'",
    '"',
    "\\",
    "\\n",
    "\n\t\r",
    "\x01\x1f",
    "\u2028",
    "İ😀\u0301",
    "</script>",
    "",
    " ",
    "$1",
]
TEXT = st.one_of(
    st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
TYPES = {
    "text": (ColumnType.TEXT, pa.string(), TEXT),
    "we ird\"'name": (ColumnType.TEXT, pa.string(), TEXT),
    "count": (ColumnType.INTEGER, pa.int64(), st.integers(-(2**62), 2**62)),
    "money": (
        ColumnType.MONEY,
        pa.decimal128(18, 4),
        st.decimals(-(10**13), 10**13, places=4, allow_nan=False),
    ),
    "day": (ColumnType.DAY, pa.date32(), st.dates(date(1, 1, 1), date(9999, 12, 31))),
    "instant": (
        ColumnType.INSTANT,
        pa.timestamp("us", tz="UTC"),
        st.datetimes(*YEARS, timezones=st.just(UTC)),  # type: ignore[arg-type]
    ),
    "flag": (ColumnType.BOOLEAN, pa.bool_(), st.booleans()),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, (_, _, values) in TYPES.items()})
OCCASION = st.fixed_dictionaries(
    {
        name: st.none() | (st.dates() if kind is ColumnType.DAY else TEXT)
        for name, kind in OCCASION_FIELDS.items()
    }
)
CELLS = {"id": "frame.text", "band": """frame."we ird""'name\"""", "rebate": "'15%'"}
OFFERS = st.builds(
    Offer.model_construct,
    code=st.sampled_from(["MAI15", "{cell.band}-{cell.rebate}", "'{cell.id}\""]),
    discount=st.sampled_from([None, "10%", "up to {cell.rebate}!"]),
    valid=st.sampled_from([None, timedelta(days=14)]),
)
FRAME = pa.struct([(name, kind) for name, (_, kind, _) in TYPES.items()])
HAPPENED = pa.struct(
    [
        (name, pa.date32() if kind is ColumnType.DAY else pa.string())
        for name, kind in OCCASION_FIELDS.items()
    ]
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Lake(tmp_path_factory.mktemp("lake")).session() as opened:
        yield opened


@pytest.fixture(scope="module")
def campaigns() -> list[Campaign]:
    return list(load(read_files(Path(__file__).parents[2])).campaigns.values())


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=st.lists(st.tuples(ROW, OCCASION), min_size=1, max_size=5),
    which=st.integers(0, 99),
    title=TEXT,
    offer=st.none() | OFFERS,
    in_cells=st.booleans(),
    is_triggered=st.booleans(),
)
def test_the_engine_packs_values_as_python_does(
    session: Session,
    campaigns: list[Campaign],
    rows: list[tuple[dict[str, object], dict[str, object]]],
    which: int,
    title: str,
    offer: Offer | None,
    in_cells: bool,
    is_triggered: bool,
) -> None:
    on = TRIGGER if is_triggered else None
    changes = {"title": title, "offer": offer if in_cells else PLAIN, "on": on}
    touch = Touch(campaigns[which % len(campaigns)].model_copy(update=changes))
    packed_rows = [{"frame": row, "occasion": occasion} for row, occasion in rows]
    schema = pa.schema({"frame": FRAME, "occasion": HAPPENED})
    session.register("odd", pa.Table.from_pylist(packed_rows, schema=schema))
    types = {name: type_ for name, (type_, _, _) in TYPES.items()}
    for names, happened in ((tuple(TYPES), tuple(OCCASION_FIELDS)), ((), ("day",)), ((), ())):
        values = Values(touch, DAY, names, happened, CELLS if in_cells else {})
        packed = [text for (text,) in session.rows(f"SELECT {values.packed_sql(types)} FROM odd")]
        expected = [values.pack(decimals(row), cell_of(row), occasion) for row, occasion in rows]
        assert [unpack(text) for text in packed] == [unpack(text) for text in expected]
        assert all(("occasion" in unpack(text)) == touch.is_occasional for text in packed)


TRIGGER = Trigger(event="cart_abandoned")
PLAIN = Offer(code="MAI15", discount=None, valid=timedelta(days=3))


def cell_of(row: dict[str, object]) -> dict[str, str | None]:
    """What CELLS say of a row."""
    text, odd = row["text"], row["we ird\"'name"]
    assert text is None or isinstance(text, str)
    assert odd is None or isinstance(odd, str)
    return {"id": text, "band": odd, "rebate": "15%"}


def decimals(row: dict[str, object]) -> dict[str, object]:
    """The row as the lake gives it: money with its four places."""
    money = row["money"]
    return {
        **row,
        "money": None if money is None else Decimal(str(money)).quantize(Decimal("0.0001")),
    }
