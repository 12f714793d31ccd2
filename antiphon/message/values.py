"""The personal values of one message: typed, as JSON in the ledger, and as templates see them."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NoReturn

import orjson

from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError

Json = str | int | float | bool | None

CAMPAIGN_FIELDS = dict.fromkeys(("name", "title", "category"), ColumnType.TEXT)
OFFER_FIELDS = {
    "code": ColumnType.TEXT,
    "discount": ColumnType.TEXT,
    "gift": ColumnType.TEXT,
    "valid_until": ColumnType.DAY,
}
OCCASION_FIELDS = {
    "day": ColumnType.DAY,
    "product_id": ColumnType.TEXT,
    "product_name": ColumnType.TEXT,
    "value": ColumnType.TEXT,
}
NO_CELL = {"id": ""}

# Controls (C0, C1, line and paragraph separators), lone surrogates, and the marks that turn the
# direction of everything after them: nothing a name needs, all of it able to break a header,
# a page or a line of text. The private characters of the last plane are marks of our own
# (message/plain.py).
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
    "\U00100000-\U0010ffff]+"
)


class MessageHeld(AntiphonError):
    """One message cannot be written: a null reached a printed place without a default.

    `variable` and `template` say where; the text holds no customer's value.
    """

    def __init__(self, variable: str, template: str = "") -> None:
        self.variable, self.template = variable, template
        place = f"templates/{template}: " if template else ""
        super().__init__(f"{place}{variable} is null and has no default")


EMPTY = "it comes out empty"


class Unsendable(MessageHeld):
    """One message came out so that nobody should get it, or no provider would take it."""

    def __init__(self, what: str, template: str) -> None:
        self.variable, self.template = what, template
        AntiphonError.__init__(self, f"templates/{template}: {what}")


class Null:
    """A null as templates see it: false, equal only to null, less and greater than nothing.

    Arithmetic and filters hand it on; printing it holds the message back.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def _held(self, *_: object) -> NoReturn:
        raise MessageHeld(self.name)

    def _self(self, *_: object) -> "Null":
        return self

    def __bool__(self) -> bool:
        return False

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Null)

    def __hash__(self) -> int:
        return hash(None)

    def __lt__(self, other: object) -> bool:
        return False

    __gt__ = __le__ = __ge__ = __lt__
    __str__ = __html__ = __format__ = __len__ = __iter__ = _held
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _self
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = _self
    __neg__ = __pos__ = __abs__ = __round__ = _self


class Record:
    """Named values of one root (`customer`, `offer`); templates read its fields only."""

    __slots__ = ("fields",)

    def __init__(self, fields: Mapping[str, object]) -> None:
        self.fields = fields

    def __bool__(self) -> bool:
        return any(self.fields.values())


def clean(text: str) -> str:
    """`text` without controls and direction marks; each run of them becomes one space."""
    if text.isascii() and text.isprintable():  # most are
        return text
    return _CONTROL.sub(" ", text)


def encode(value: object) -> Json:
    """A value of the customer frame as JSON: exact decimals, days and instants as ISO text."""
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("an instant without a time zone")
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if value is None or isinstance(value, str | int | float):
        return value
    raise TypeError(f"no JSON form for {type(value).__name__}")


def decode(value: Json, type_: ColumnType) -> object:
    """The value `encode` was given, by its type; text comes back cleaned (see `clean`)."""
    return None if value is None else _DECODED[type_](value)


_DECODED: Mapping[ColumnType, Callable[[Any], object]] = {
    ColumnType.TEXT: lambda value: clean(str(value)),
    ColumnType.MONEY: lambda value: Decimal(str(value)),
    ColumnType.DAY: lambda value: date.fromisoformat(str(value)),
    ColumnType.INSTANT: lambda value: datetime.fromisoformat(str(value)),
    ColumnType.NUMBER: float,
    ColumnType.INTEGER: lambda value: value,
    ColumnType.BOOLEAN: lambda value: value,
}


def record(root: str, values: Mapping[str, Json], types: Mapping[str, ColumnType]) -> Record:
    """`values` decoded, nulls named; keys without a declared type are left out."""
    return Record({
        name: Null(f"{root}.{name}") if value is None else _DECODED[types[name]](value)
        for name, value in values.items()
        if name in types
    })  # fmt: skip


def unpack(values_json: str) -> dict[str, Any]:
    """The stored JSON, as `Templates.render` takes it."""
    try:
        values: dict[str, Any] = orjson.loads(values_json)
    except orjson.JSONDecodeError:  # half a character, NaN: Python's reader takes them
        values = json.loads(values_json)
    return values
