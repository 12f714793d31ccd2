"""The values of a message, packed by the engine for thousands, equal those packed by Python."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antiphon.campaigns.models import Campaign
from antiphon.check import load
from antiphon.entities import ColumnType
from antiphon.files import read_files
from antiphon.lake import Lake, Session
from antiphon.message.values import pack, packed_sql, unpack

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


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Lake(tmp_path_factory.mktemp("lake")).session() as opened:
        yield opened


@pytest.fixture(scope="module")
def campaigns() -> list[Campaign]:
    return list(load(read_files(Path(__file__).parents[2])).campaigns.values())


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(ROW, min_size=1, max_size=5), st.integers(0, 99), TEXT, TEXT)
def test_the_engine_packs_values_as_python_does(
    session: Session,
    campaigns: list[Campaign],
    rows: list[dict[str, object]],
    which: int,
    title: str,
    cell: str,
) -> None:
    campaign = campaigns[which % len(campaigns)].model_copy(update={"title": title})
    schema = pa.schema([(name, kind) for name, (_, kind, _) in TYPES.items()])
    session.register("odd", pa.Table.from_pylist(rows, schema=schema))
    types = {name: type_ for name, (type_, _, _) in TYPES.items()}
    for names in (tuple(TYPES), ()):
        sql = packed_sql(campaign, DAY, names, types, cell)
        packed = [text for (text,) in session.rows(f"SELECT {sql} FROM odd")]
        expected = [pack(campaign, DAY, decimals(row), names, cell) for row in rows]
        assert [unpack(text) for text in packed] == [unpack(text) for text in expected]


def decimals(row: dict[str, object]) -> dict[str, object]:
    """The row as the lake gives it: money with its four places."""
    money = row["money"]
    return {
        **row,
        "money": None if money is None else Decimal(str(money)).quantize(Decimal("0.0001")),
    }
