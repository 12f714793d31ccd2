"""SQL of the customer frame, of the scan that finds all audiences at once, and of their counts.

The frame's SQL and every file of sql/features/ know the run's moment by three named parameters:
`$as_of` (TIMESTAMPTZ, facts after it do not count), `$business_day` (DATE) and `$business_zone`
(VARCHAR, IANA name). A fact's day is its day in the business zone, and a fact of a day after the
business day does not count either. `last 30 days` is business_day - 30 < day <= business_day.
Files compare raw instants with window boundaries, which the engine converts once per query:
converting 100 million instants to days costs more than all sums together.
"""

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from antiphon.audience.conditions import Condition
from antiphon.audience.dictionary import POLICY_FEATURES, Feature, customer_columns, feature_files
from antiphon.audience.expressions import RELATION
from antiphon.campaigns.models import Sources
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
_ABSENT = {
    ColumnType.TEXT: "''",
    ColumnType.INTEGER: "0",
    ColumnType.NUMBER: "0",
    ColumnType.MONEY: "0",
    ColumnType.BOOLEAN: "false",
}


def moment_parameters(as_of: datetime, business_day: date, zone: str) -> dict[str, Any]:
    """The named parameters of `frame_sql`."""
    return {"as_of": as_of, "business_day": business_day, "business_zone": zone}


def frame_sql(files: ProjectFiles, sources: Sources, used: Collection[str]) -> str:
    """One SELECT over the views of a bucket: a row per customer, a column per feature.

    Columns: customers' own (household_id from the view households, else customer_id), the user's
    attributes, `unit`, then the features file by file. `used`: what conditions read; PERSONAL
    columns are left out where it does not name them. Needs the parameters of `moment_parameters`.
    A feature file that returns a customer twice doubles rows: compare with the customers' count.
    """
    found, problems = feature_files(files)
    if problems:
        raise ConfigError(problems)
    own, _ = customer_columns(sources)
    left_out = {"household_id", *(PERSONAL - set(used))}
    columns = [f"c.{quoted(name)}" for name in own if name not in left_out]
    columns.append("coalesce(h.household_id, c.customer_id) AS household_id")
    columns.append("c.customer_id AS unit")
    joins = ["LEFT JOIN households h ON h.customer_id = c.customer_id"]
    for number, file in enumerate(found):
        columns += [_column(f"f{number}", feature) for feature in file.features]
        select = file.sql.rstrip().rstrip(";")
        joins.append(f"LEFT JOIN (\n{select}\n) f{number} ON f{number}.customer_id = c.customer_id")
    moment = (
        "$as_of::TIMESTAMPTZ AS as_of, $business_day::DATE AS business_day, "
        "$business_zone::VARCHAR AS business_zone"
    )
    return "\n".join(
        [
            f"WITH moment AS (SELECT {moment})",  # all three are always given, whoever uses them
            f"SELECT {', '.join(columns)}",
            "FROM customers c",
            *joins,
        ]
    )


def scan_sql(conditions: Mapping[str, Condition], source: str = RELATION) -> str:
    """All audiences in one scan of the frame: who is in at least one, with bit masks.

    Columns: PEOPLE_COLUMNS, then mask_0, mask_1 … (UBIGINT): the condition at place k of
    `conditions` is bit k % 62 of mask k // 62. `source`: a relation or a table function.
    """
    masks = _masks(list(conditions.values()))
    if not masks:
        masks = ["0::UBIGINT"]
    names = [f"mask_{index}" for index in range(len(masks))]
    written = ",\n".join(f"{mask} AS {name}" for mask, name in zip(masks, names, strict=True))
    columns = ", ".join(PEOPLE_COLUMNS)
    return (
        f"SELECT * FROM (SELECT {columns},\n{written}\nFROM {source} AS {RELATION})\n"  # noqa: S608
        f"WHERE {' OR '.join(f'{name} <> 0' for name in names)}"
    )


def counts_sql(conditions: Mapping[str, Condition], source: str = RELATION) -> str:
    """How many customers each condition holds for: one row, columns count_0, count_1 …"""
    counts = [
        f"count(CASE WHEN {condition.sql} THEN 1 END) AS count_{place}"
        for place, condition in enumerate(conditions.values())
    ]
    return f"SELECT {', '.join(['count(*) AS customers', *counts])} FROM {source} AS {RELATION}"  # noqa: S608


def _masks(conditions: list[Condition]) -> list[str]:
    return [
        " | ".join(
            f"CASE WHEN {condition.sql} THEN {1 << bit}::UBIGINT ELSE 0::UBIGINT END"
            for bit, condition in enumerate(conditions[first : first + BITS])
        )
        for first in range(0, len(conditions), BITS)
    ]


def _column(alias: str, feature: Feature) -> str:
    value = f"{alias}.{quoted(feature.name)}"
    if not feature.nullable:
        value = f"coalesce({value}, {_ABSENT[feature.type]})"
    return f"CAST({value} AS {feature.type.value}) AS {quoted(feature.name)}"
