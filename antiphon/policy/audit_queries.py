"""What a check of the auditor is, and the pieces of SQL that several of them share."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from antiphon.quoting import literal
from antiphon.states import OCCURRENCE_STATES


@dataclass(frozen=True)
class AuditQuery:
    """One check. `parameters` are the named parameters ($name) that `sql` uses."""

    rule: str
    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)


def texts(values: Collection[str]) -> str:
    """A list for IN; the empty text keeps it valid when there is nothing to list."""
    return "(" + ", ".join(literal(str(value)) for value in ["", *sorted(values)]) + ")"


def microseconds(length: timedelta | None) -> str:
    """A length of time, or NULL."""
    if length is None:
        return "NULL::BIGINT"
    return f"{length // timedelta(microseconds=1)}::BIGINT"


# What was said or is planned, control rows included.
ALIVE = f"""alive AS (
            SELECT message_id, campaign, step, unit, anchor, contact_at, true AS is_planned
            FROM planned
            UNION ALL
            SELECT message_id, campaign, step, unit, anchor, contact_at, false FROM contacts
            WHERE state IN {texts(OCCURRENCE_STATES)}
        )"""  # noqa: S608
