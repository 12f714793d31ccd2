"""Uses of codes as others write them, a line of a file or the body of a call: read and checked."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from antiphon.errors import UserFilesError
from antiphon.keys import code_key
from antiphon.response.redemptions import Told

FIELDS = ("code", "redeemed_at", "customer_id", "order_id", "receipt", "discount")
MOST = 200  # characters in a field: a longer one is no code and no number
EXAMPLE = "code,redeemed_at,customer_id,order_id,discount"


@dataclass
class Lines:
    """The uses that a file tells, and what is wrong with its other lines, by line number."""

    told: list[Told] = field(default_factory=list)
    faults: dict[int, str] = field(default_factory=dict)


def read_lines(text: str, source: str, zone: str, now: datetime, *, name: str = "") -> Lines:
    """A CSV file with a line of FIELDS on top, by commas or semicolons; only `code` must be there.

    A line without moment, order and receipt is known by the file's `name` and as the first, second…
    of its code and customer there: the file may be read again, mended or grown.

    Raises UserFilesError where the first line names no code.
    """
    first, _, _ = text.partition("\n")
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = [(name or "").strip().lower() for name in reader.fieldnames or ()]
    if "code" not in names:
        raise UserFilesError(
            f"line 1 names no column 'code'.\n  Begin the file with a line such as {EXAMPLE}"
        )
    if unknown := sorted(set(names) - {*FIELDS, ""}):
        raise UserFilesError(
            f"line 1: nobody knows the column {unknown[0]!r}. There are: {', '.join(FIELDS)}."
        )
    reader.fieldnames = names
    lines, seen = Lines(), Counter[tuple[str, str | None]]()
    for number, row in _rows(reader, lines):
        try:
            told = use_of(row, source, zone, now)
        except ValueError as error:
            lines.faults[number] = str(error)
            continue
        if not (told.order_id or told.reference or (row.get("redeemed_at") or "").strip()):
            key = (told.code, told.customer_id)
            seen[key] += 1
            place = json.dumps([name, told.customer_id, seen[key]])
            told = replace(told, reference=place)
        lines.told.append(told)
    return lines


def _rows(reader: "csv.DictReader[str]", lines: Lines) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line with its number; a line that is no CSV ends the reading and is told."""
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lines.faults[reader.line_num] = f"this is no CSV ({error})"
            return
        if any(value for value in row.values() if isinstance(value, str)):
            yield reader.line_num, row


def use_of(given: Mapping[str, Any], source: str, zone: str, now: datetime) -> Told:
    """One use; ValueError says what is wrong with it, and holds nothing that was given.

    Without `redeemed_at` it happens now; an instant without a zone is meant in the business's.
    """
    values = {name: _text(given, name) for name in FIELDS}
    code = code_key(values["code"])
    if not code:
        raise ValueError("'code' is empty: write the code as it is printed")
    discount = values["discount"]
    return Told(
        code=code,
        redeemed_at=_moment(values["redeemed_at"], zone, now),
        source=source,
        customer_id=values["customer_id"] or None,
        order_id=values["order_id"] or None,
        reference=values["receipt"],
        amount_e4=_money_e4(discount) if discount else None,
    )


def _text(given: Mapping[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise ValueError(f"'{name}' must be a text")
    text = str(value).strip()
    if len(text) > MOST or not text.isprintable():
        raise ValueError(f"'{name}' is no text of at most {MOST} characters")
    return text


def _moment(text: str, zone: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("'redeemed_at' is no instant: write 2026-05-12T18:30:00+02:00") from None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
    if aware > now:
        raise ValueError("'redeemed_at' is still to come")
    return aware


def _money_e4(text: str) -> int:
    try:
        money = abs(Decimal(text.replace(",", ".")))
        if money.is_finite() and money < 10**12:
            return int(money * 10_000)
    except InvalidOperation:
        pass
    raise ValueError("'discount' is no amount of money: write 4.50")
