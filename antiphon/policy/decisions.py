"""The tables of decisions: what is written of every candidate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import CHANNELS
from antiphon.policy.arms import is_control
from antiphon.policy.candidates import Candidates, Chosen
from antiphon.policy.cells import Cells
from antiphon.policy.columns import FOREVER, INSTANT, Indices, Instants, one_of, same, texts
from antiphon.policy.occasions import Occasions
from antiphon.policy.rules import Outcome

_FEW, _MANY = pa.dictionary(pa.int16(), pa.string()), pa.dictionary(pa.int32(), pa.string())
DECISIONS = pa.schema(
    {
        "campaign": _FEW,
        "step": _FEW,
        "cell": _MANY,
        "customer_id": _MANY,
        "unit": _MANY,
        "arm": _FEW,
        "channel": _FEW,
        "planned_at": INSTANT,
        "outcome": _FEW,
        "rule": _FEW,
        "lost_to": _FEW,
        "counters": _MANY,
        "occurrence_key": pa.string(),
        "anchor": pa.string(),
        "attempt": pa.int32(),
        "due_at": INSTANT,
        "leaves_before": INSTANT,
    }
)
"""One row per candidate. Held rows have no arm, occurrence and attempt, an anchor only of their
occasion, and no channel where none was left; `counters` is JSON of what the binding rule saw, null
where it counts nothing. `planned_at`: when the message would leave; the run's moment where no time
was allowed. `due_at`: since when the occasion is due, null where there is none. `leaves_before`:
the end of the time allowed to a chosen message, null where no rule on time concerns it.
"""
SURVIVORS = pa.schema(
    [
        *DECISIONS,
        pa.field("household_id", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("movable_until", INSTANT),
        pa.field("stratum", pa.string()),
    ]
)
"""DECISIONS of those whom no rule on a customer holds, and what `settle` goes by: `value` of the
campaign (null: none), until when the message may be moved without breaking a rule on its customer
(`planned_at`: not at all), and the name of its stratum (null: it has none).
"""


@dataclass(frozen=True)
class Words:
    """What the numbers of candidates stand for."""

    rules: Sequence[str]
    arms: Sequence[str]
    cells: Cells
    occasions: Occasions


@dataclass(frozen=True)
class Extras:
    """What survivors have beside their decision, by survivor; `columns`: of people."""

    value: npt.NDArray[np.float64]
    movable_until: Instants
    leaves_before: Instants
    stratum: pa.Array
    columns: Mapping[str, pa.ChunkedArray]


def survivors_table(
    pairs: Candidates, rows: Chosen, words: Words, arm: npt.NDArray[np.int16], extras: Extras
) -> pa.Table:
    """What survived so far (SURVIVORS, and the columns that were asked for)."""
    columns = _columns(pairs, rows, words)
    touches = pairs.asked.touches
    once = np.array([touch.campaign.repeat_after is None for touch in touches], np.bool_)
    ordinal = pa.array(pairs.ordinal[rows]).cast(pa.string())
    standing = pc.if_else(pa.array(once[pairs.touch[rows]]), "once", ordinal)
    anchor = pc.coalesce(columns["anchor"], standing) if "anchor" in columns else standing
    outcomes = [Outcome.SEND, Outcome.CONTROL]
    key = [columns["campaign"], columns["step"], anchor, columns["unit"]]
    columns |= {
        "arm": one_of(arm, words.arms, pa.int16()),
        "outcome": one_of(is_control(arm).astype(np.int16), outcomes, pa.int16()),
        "occurrence_key": pc.binary_join_element_wise(
            *(part.cast(pa.string()) for part in key), "|"
        ),
        "anchor": anchor,
        "attempt": pa.array(pairs.attempt[rows]),
        "household_id": _of_people(pairs, rows, "household_id"),
        "value": pa.array(extras.value, mask=np.isneginf(extras.value)),
        "movable_until": pa.array(extras.movable_until).cast(INSTANT),
        "leaves_before": _known(extras.leaves_before),
        "stratum": extras.stratum,
    }
    table = _table(len(rows), columns, SURVIVORS)
    for name, column in extras.columns.items():
        table = table.append_column(name, column)
    return table


def held_table(pairs: Candidates, rows: Chosen, words: Words) -> pa.Table:
    """What some rule held (DECISIONS)."""
    return _table(
        len(rows),
        _columns(pairs, rows, words)
        | {
            "outcome": same(Outcome.HELD, len(rows)),
            "rule": one_of(pairs.rule[rows], words.rules, pa.int16()),
            "lost_to": one_of(pairs.lost_to[rows], pairs.asked.names, pa.int16()),
            "counters": pairs.counters.column(rows),
        },
        DECISIONS,
    )


def _columns(pairs: Candidates, rows: Chosen, words: Words) -> dict[str, pa.Array]:
    asked = pairs.asked
    customer: Indices = pairs.customer[rows]
    touch = pairs.touch[rows]
    steps = list(dict.fromkeys(each.step for each in asked.touches))
    step = np.array([steps.index(each.step) for each in asked.touches], np.int16)
    return words.occasions.columns(pairs.occasion[rows]) | {
        "campaign": one_of(asked.owner[touch], asked.names, pa.int16()),
        "step": one_of(step[touch], steps, pa.int16()),
        "cell": words.cells.of(touch, customer),
        "customer_id": pa.DictionaryArray.from_arrays(pa.array(customer), asked.customers),
        "unit": pa.DictionaryArray.from_arrays(pa.array(customer), asked.units),
        "channel": one_of(pairs.channel[rows].astype(np.int16), CHANNELS, pa.int16()),
        "planned_at": pa.array(pairs.planned[rows]).cast(INSTANT),
    }


def _known(at: Instants) -> pa.Array:
    """Instants, null where there is none."""
    return pa.array(at, mask=at >= FOREVER).cast(INSTANT)


def _of_people(pairs: Candidates, rows: Chosen, name: str) -> pa.Array:
    people = pairs.asked.people
    if name not in people.column_names:
        return pairs.asked.customers.take(pa.array(pairs.customer[rows]))
    return texts(people, name).take(pa.array(pairs.customer[rows]))


def _table(length: int, columns: Mapping[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """The columns of the schema, null where not given."""
    return pa.table(
        [
            columns[field.name] if field.name in columns else pa.nulls(length, field.type)
            for field in schema
        ],
        schema=schema,
    )
