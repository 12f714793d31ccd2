"""SQL of the customer frame, of the scan that finds all audiences at once, and of their counts.

The frame's SQL and every file of sql/features/ know the run's moment by three named parameters:
`$as_of` (TIMESTAMPTZ, facts after it do not count), `$business_day` (DATE) and `$business_zone`
(VARCHAR, IANA name). A fact's day is its day in the business zone, and a fact of a day after the
business day does not count either. `last 30 days` is business_day - 30 < day <= business_day.
Files compare raw instants with window boundaries, which the engine converts once per query:
converting 100 million instants to days costs more than all sums together.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from antiphon.audience.calls import Call, calls_sql, latest_statement_sql
from antiphon.audience.conditions import Condition
from antiphon.audience.dictionary import (
    POLICY_FEATURES,
    Feature,
    FeatureFile,
    customer_columns,
    feature_files,
)
from antiphon.audience.expressions import RELATION
from antiphon.audience.segment_files import SegmentFile
from antiphon.campaigns.models import Sources
from antiphon.campaigns.surveys import LANGUAGE
from antiphon.entities import ColumnType
from antiphon.errors import ConfigError
from antiphon.files import ProjectFiles
from antiphon.quoting import quoted

BITS = 62
PEOPLE_COLUMNS = (
    "customer_id",
    "unit",
    "household_id",
    "timezone",
    "language",
    *POLICY_FEATURES,
)
# Who the person is: in the frame only where a condition asks, as frames are kept and copied.
PERSONAL = frozenset(
    [
        "email",
        "phone",
        "first_name",
        "last_name",
        "email_address",
        "email_reason",
        "email_key",
        "phone_e164",
        "phone_reason",
        "phone_key",
    ]
)
# All three parameters are always given, whoever uses them.
MOMENT = (
    "WITH moment AS (SELECT $as_of::TIMESTAMPTZ AS as_of, $business_day::DATE AS business_day, "
    "$business_zone::VARCHAR AS business_zone)"
)
_ABSENT = {
    ColumnType.TEXT: "''",
    ColumnType.INTEGER: "0",
    ColumnType.NUMBER: "0",
    ColumnType.MONEY: "0",
    ColumnType.BOOLEAN: "false",
}


_LANGUAGES = (  # what they told us of it comes before what a source says
    f"SELECT customer_id, {latest_statement_sql(LANGUAGE)} AS {LANGUAGE} FROM statements "  # noqa: S608
    f"WHERE name = '{LANGUAGE}' AND stated_at <= $as_of GROUP BY customer_id"
)


def moment_parameters(as_of: datetime, business_day: date, zone: str) -> dict[str, Any]:
    """The named parameters of `frame_sql`."""
    return {"as_of": as_of, "business_day": business_day, "business_zone": zone}


@dataclass(frozen=True, slots=True)
class FrameQuery:
    """SQL that makes the frame over the views of a bucket: a row per customer.

    `tables`: name → SELECT, each to be made a temporary table; `select` joins these. In one query
    all files would hold their memory at the same time: 250,000 customers with 3.7 million order
    lines took 1.5 times the CPU, and spilled a gigabyte. All need the parameters of
    `moment_parameters`.
    """

    tables: Mapping[str, str]
    select: str


def frame_sql(
    files: ProjectFiles,
    sources: Sources,
    used: Collection[str],
    *,
    calls: Mapping[str, Call] | None = None,
    by_hand: Iterable[SegmentFile] = (),
    needed: Collection[str] | None = None,
) -> FrameQuery:
    """The frame's query.

    Columns: customers' own (household_id from the view households, else customer_id), the user's
    attributes, `unit`, then the features file by file, then the hidden ones: a BOOLEAN, never null,
    for each of the `calls` and for each segment `by_hand`. `used`: what conditions read; PERSONAL
    columns are left out where it does not name them. `needed`: only feature files that declare one
    of these (or what the policy needs) are read; absent: all. A feature file that returns a
    customer twice doubles rows: compare with the customers' count.
    """
    found = needed_files(files, needed)
    own, _ = customer_columns(sources)
    left_out = {"household_id", *(PERSONAL - set(used))}
    columns = [f"c.{quoted(name)}" for name in own if name not in left_out]
    if LANGUAGE in own:
        columns[columns.index(f"c.{quoted(LANGUAGE)}")] = (
            f"coalesce(told.{LANGUAGE}, c.{LANGUAGE}) AS {LANGUAGE}"
        )
    columns.append("coalesce(h.household_id, c.customer_id) AS household_id")
    columns.append("c.customer_id AS unit")
    tables = {"told": _table(_LANGUAGES)}
    for number, file in enumerate(found):
        columns += [_column(f"f{number}", feature) for feature in file.features]
        tables[f"f{number}"] = _table(file.sql.rstrip().rstrip(";"))
    for number, answers in enumerate(calls_sql(calls or {})):
        if answers.are_texts:
            columns += [f"k{number}.{quoted(name)}" for name in answers.columns]
        else:
            columns += [_truth(f"k{number}", name) for name in answers.columns]
        tables[f"k{number}"] = _table(answers.sql)
    for number, segment in enumerate(by_hand):
        columns.append(f"s{number}.customer_id IS NOT NULL AS {quoted(segment.column)}")
        tables[f"s{number}"] = _table(segment.members)
    joins = [f"LEFT JOIN {name} ON {name}.customer_id = c.customer_id" for name in tables]
    select = [
        MOMENT,
        f"SELECT {', '.join(columns)}",
        "FROM customers c",
        "LEFT JOIN households h ON h.customer_id = c.customer_id",
        *joins,
    ]
    return FrameQuery(tables, "\n".join(select))


def needed_files(files: ProjectFiles, needed: Collection[str] | None = None) -> list[FeatureFile]:
    """The feature files that declare one of the needed columns, or one the policy needs."""
    found, problems = feature_files(files)
    if problems:
        raise ConfigError(problems)
    if needed is None:
        return found
    wanted = {*needed, *POLICY_FEATURES}
    return [file for file in found if any(one.name in wanted for one in file.features)]


def scan_sql(
    conditions: Sequence[Condition],
    source: str = RELATION,
    columns: Iterable[str] = (),
    *,
    expressions: Mapping[str, str] | None = None,
    occasional: Collection[int] = (),
    occasions: str = "",
) -> str:
    """All audiences in one scan of the frame: who is in at least one, with bit masks.

    Columns: PEOPLE_COLUMNS and the `columns` asked for beside them, the `expressions` (name → SQL
    over `frame`, in place of the column of that name), then mask_0, mask_1 … (UBIGINT): the
    condition at place k of `conditions` is bit k % 62 of mask k // 62. `source`: a relation or a
    table function. Conditions at the places `occasional` hold only for customers
    that have an occasion there: `occasions` is a relation with their columns touch, customer_id.
    """
    masks = _masks(conditions, occasional)
    if not masks:
        masks = ["0::UBIGINT"]
    names = [f"mask_{index}" for index in range(len(masks))]
    written = ",\n".join(f"{mask} AS {name}" for mask, name in zip(masks, names, strict=True))
    named = {name: f"{RELATION}.{quoted(name)}" for name in (*PEOPLE_COLUMNS, *columns)}
    named |= expressions or {}
    people = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in named.items())
    join = _due_sql(occasions, len(masks)) if occasional else ""
    return (
        f"SELECT * FROM (SELECT {people},\n{written}\nFROM {source} AS {RELATION}{join})\n"  # noqa: S608
        f"WHERE {' OR '.join(f'{name} <> 0' for name in names)}"
    )


def count_sql(condition: Condition) -> str:
    """How many customers of `frame` the condition holds for: an aggregate.

    Not `count(*) FILTER`: 300 of these took four times as long over a million customers.
    """
    return f"count(CASE WHEN {condition.sql} THEN 1 END)"


def _masks(conditions: Sequence[Condition], occasional: Collection[int]) -> list[str]:
    bits = [
        f"CASE WHEN {_asked(place, occasional)}{condition.sql} THEN {1 << place % BITS}::UBIGINT "
        "ELSE 0::UBIGINT END"
        for place, condition in enumerate(conditions)
    ]
    return [" | ".join(bits[first : first + BITS]) for first in range(0, len(bits), BITS)]


def _asked(place: int, occasional: Collection[int]) -> str:
    if place not in occasional:
        return ""
    return f"due.mask_{place // BITS} & {1 << place % BITS}::UBIGINT <> 0 AND "


def _due_sql(occasions: str, count: int) -> str:
    """A join that brings, as masks of their own, what is due to whom."""
    masks = ", ".join(
        f"bit_or(CASE WHEN touch // {BITS} = {word} THEN 1::UBIGINT << (touch % {BITS}) "
        f"ELSE 0::UBIGINT END) AS mask_{word}"
        for word in range(count)
    )
    return (
        f"\nLEFT JOIN (SELECT customer_id, {masks} FROM {occasions} GROUP BY customer_id) AS due "  # noqa: S608
        f"ON due.customer_id = {RELATION}.customer_id"
    )


def _table(select: str) -> str:
    return f"{MOMENT}\nSELECT * FROM (\n{select}\n)"


def _truth(alias: str, column: str) -> str:
    return f"coalesce({alias}.{quoted(column)}, FALSE) AS {quoted(column)}"


def _column(alias: str, feature: Feature) -> str:
    value = f"{alias}.{quoted(feature.name)}"
    if not feature.nullable:
        value = f"coalesce({value}, {_ABSENT[feature.type]})"
    return f"CAST({value} AS {feature.type.value}) AS {quoted(feature.name)}"
