"""Who is written to: every candidate gets one decision, with the first rule that bound it.

A candidate is a touch (a campaign, or one step of its chain) and a customer. Limits, arms and the
repeat rule are the campaign's, whatever its steps and cells.

`judge` works on one bucket of customers and knows nothing of the others; `settle.settle` takes the
survivors of all buckets and applies what crosses customers: the campaigns' limits. Control is
what is left in a control arm after that. Neither step depends on the order of rows, nor the
result on how customers are bucketed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.arbitration import Arbitration, arbitrate
from antiphon.policy.arms import Arms, is_control
from antiphon.policy.asked import Asked
from antiphon.policy.candidates import RULES, Candidates, Chosen, expand, rule_names
from antiphon.policy.caps import CATEGORIES, CHANNELS, Contacts, relevant
from antiphon.policy.cells import Cells
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.columns import (
    INSTANT,
    Indices,
    Instants,
    instants,
    one_of,
    positions,
    same,
    texts,
)
from antiphon.policy.households import shared_contacts
from antiphon.policy.moment import Moment
from antiphon.policy.occasions import OCCASIONS, Occasions, first_open
from antiphon.policy.repeats import Occurrences
from antiphon.policy.rules import Outcome, Rule
from antiphon.policy.usage import used_by
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

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
    }
)
"""One row per candidate. Held rows have no arm, occurrence and attempt, an anchor only of their
occasion, and no channel where none was left; `counters` is JSON of what the binding rule saw, null
where it counts nothing. `due_at`: since when the occasion is due, null where there is none.
"""


@dataclass(frozen=True)
class Judged:
    """One bucket's outcome: survivors go to `settle`, held rows are final (both: DECISIONS).

    `used`: what earlier runs planned (USED); `shared`: contacts in shared households (SHARED).
    """

    survivors: pa.Table
    held: pa.Table
    used: pa.Table
    shared: pa.Table


def judge(
    people: pa.Table,
    history: pa.Table,
    touches: Sequence[Touch],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    occasions: pa.Table | None = None,
    numbers: Numbers = keyed_numbers,
) -> Judged:
    """Decide one bucket. `touches` in the order of the bits of mask_0, mask_1, … (62 each).

    `people` has one row per customer and one customer per unit (else ValueError), and a column
    for each cross that a campaign names in `for_each`; `history` has the columns of the entity
    contacts and every contact of these customers, planned ones too; `occasions` (OCCASIONS) may
    hold those of others. Exempt campaigns go first: they need no slot and pass the caps, but the
    others see them.
    """
    asked = Asked(people, touches)
    customers, units = asked.customers, asked.units
    _refuse_doubles(customers, units)
    customer = positions(texts(history, "customer_id"), customers)
    is_unit = units.equals(customers) and history["unit"].equals(history["customer_id"])
    unit = customer if is_unit else positions(texts(history, "unit"), units)
    past = _Past(history, customer, people.num_rows, policy, moment)
    due = OCCASIONS.empty_table() if occasions is None else occasions
    chances = first_open(due, history, asked)
    occurrences = Occurrences(history, unit, asked.names, moment)
    pairs = expand(asked, policy, moment, occurrences, chances)
    arms = Arms([touch.campaign for touch in touches], policy, moment, salt, numbers)
    free = pairs.open(_in(pairs.category, policy.exempt))
    rivals = _with_slot(pairs, past, policy)

    def of(rows: Chosen) -> tuple[npt.NDArray[np.int16], pa.Array]:
        return pairs.touch[rows], units.take(pa.array(pairs.customer[rows]))

    def drawn(rows: Chosen) -> tuple[npt.NDArray[np.int16], pa.Array, Instants]:
        return *of(rows), pairs.planned[rows]

    decided = arbitrate(
        pairs.contacts(rivals),
        pairs.priority[rivals],
        past.slots,
        relevant(past.contacts.plus(pairs.contacts(free)), policy.caps, pairs.planned[rivals]),
        caps=policy.caps,
        tie=lambda tied: arms.ties(*of(rivals[tied])),
        is_control=lambda winners: is_control(arms.control(*drawn(rivals[winners]))),
    )
    _apply(pairs, rivals, decided)
    words = _Words(asked, rule_names(policy), arms.words, Cells(people, touches), chances)
    winners, losers = pairs.open(), np.flatnonzero(pairs.rule >= 0)
    return Judged(
        _survivors(pairs, winners, words, arms.of(*drawn(winners))),
        _held(pairs, losers, words),
        used_by(history, policy, moment),
        shared_contacts(history, None, policy, moment),
    )


class _Past:
    """What earlier runs wrote to these customers."""

    def __init__(
        self, history: pa.Table, customer: Indices, customers: int, policy: Policy, moment: Moment
    ) -> None:
        states = texts(history, "state")
        at = instants(history, "contact_at")
        category = positions(texts(history, "category"), CATEGORIES).astype(np.int8)
        begin, end = moment.day_bounds()
        used = positions(states, sorted(OCCURRENCE_STATES)) >= 0
        today = used & (begin <= at) & (at < end)
        takes_slot = today & (customer >= 0) & ~_in(category, policy.exempt)
        self.used = np.bincount(customer[takes_slot], minlength=customers).astype(np.int32)
        self.slots = np.maximum(policy.winners_per_day - self.used, 0).astype(np.int32)
        channel = positions(texts(history, "channel"), CHANNELS).astype(np.int8)
        counted = (positions(states, sorted(CONTACT_STATES)) >= 0) & (customer >= 0)
        self.contacts = Contacts(customer, at, channel, category).where(counted)


@dataclass(frozen=True)
class _Words:
    """What the codes of candidates stand for."""

    asked: Asked
    rules: Sequence[str]
    arms: Sequence[str]
    cells: Cells
    occasions: Occasions


def _refuse_doubles(customers: pa.Array, units: pa.Array) -> None:
    for name, column in (("customer_id", customers), ("unit", units)):
        if name == "unit" and units.equals(customers):
            continue
        if column.null_count or pc.count_distinct(column).as_py() != len(column):
            raise ValueError(f"people must have one row for each {name}, and no null")


def _in(category: npt.NDArray[np.int8], names: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.isin(category, [CATEGORIES.index(name) for name in names if name in CATEGORIES])


def _with_slot(pairs: Candidates, past: _Past, policy: Policy) -> Chosen:
    """The open candidates that need a slot and have one; the others are held."""
    needing = pairs.open(~_in(pairs.category, policy.exempt))
    late = needing[past.slots[pairs.customer[needing]] == 0]
    pairs.rule[late] = RULES[Rule.DAY_SLOT]
    if len(late):
        used, place = np.unique(past.used[pairs.customer[late]], return_inverse=True)
        text = [f'{{"max":{policy.winners_per_day},"used":{count}}}' for count in used]
        pairs.counters.set(late, place, pa.array(text))
    return needing[past.slots[pairs.customer[needing]] > 0]


def _apply(pairs: Candidates, rivals: Chosen, decided: Arbitration) -> None:
    """Record what the arbitration decided."""
    capped, lost = decided.cap >= 0, decided.lost_to >= 0
    pairs.rule[rivals[capped]] = decided.cap[capped] + len(RULES)
    if capped.any():
        texts_ = pa.concat_arrays(decided.texts)
        pairs.counters.set(rivals[capped], decided.counter[capped], texts_)
    pairs.rule[rivals[lost]] = RULES[Rule.LOST_TO]
    pairs.lost_to[rivals[lost]] = pairs.owner[rivals[decided.lost_to[lost]]]


def _columns(pairs: Candidates, rows: Chosen, words: _Words) -> dict[str, pa.Array]:
    asked, occasions = words.asked, words.occasions
    customer: Indices = pairs.customer[rows]
    touch = pairs.touch[rows]
    steps = list(dict.fromkeys(each.step for each in asked.touches))
    step = np.array([steps.index(each.step) for each in asked.touches], np.int16)
    return occasions.columns(pairs.occasion[rows]) | {
        "campaign": one_of(pairs.owner[rows], asked.names, pa.int16()),
        "step": one_of(step[touch], steps, pa.int16()),
        "cell": words.cells.of(touch, customer),
        "customer_id": pa.DictionaryArray.from_arrays(pa.array(customer), asked.customers),
        "unit": pa.DictionaryArray.from_arrays(pa.array(customer), asked.units),
        "channel": one_of(pairs.channel[rows].astype(np.int16), CHANNELS, pa.int16()),
        "planned_at": pa.array(pairs.planned[rows]).cast(INSTANT),
    }


def _survivors(
    pairs: Candidates,
    rows: Chosen,
    words: _Words,
    arm: npt.NDArray[np.int16],
) -> pa.Table:
    columns = _columns(pairs, rows, words)
    once = np.array([t.campaign.repeat_after is None for t in words.asked.touches], np.bool_)
    ordinal = pa.array(pairs.ordinal[rows]).cast(pa.string())
    standing = pc.if_else(pa.array(once[pairs.touch[rows]]), "once", ordinal)
    anchor = pc.coalesce(columns["anchor"], standing) if "anchor" in columns else standing
    outcomes = [Outcome.SEND, Outcome.CONTROL]
    return _table(
        len(rows),
        columns
        | {
            "arm": one_of(arm, words.arms, pa.int16()),
            "outcome": one_of(is_control(arm).astype(np.int16), outcomes, pa.int16()),
            "occurrence_key": pc.binary_join_element_wise(
                columns["campaign"].cast(pa.string()),
                columns["step"].cast(pa.string()),
                anchor,
                columns["unit"].cast(pa.string()),
                "|",
            ),
            "anchor": anchor,
            "attempt": pa.array(pairs.attempt[rows]),
        },
    )


def _held(pairs: Candidates, rows: Chosen, words: _Words) -> pa.Table:
    return _table(
        len(rows),
        _columns(pairs, rows, words)
        | {
            "outcome": same(Outcome.HELD, len(rows)),
            "rule": one_of(pairs.rule[rows], words.rules, pa.int16()),
            "lost_to": one_of(pairs.lost_to[rows], words.asked.names, pa.int16()),
            "counters": pairs.counters.column(rows),
        },
    )


def _table(length: int, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The columns of DECISIONS, null where not given."""
    return pa.table(
        [columns.get(field.name, pa.nulls(length, field.type)) for field in DECISIONS],
        schema=DECISIONS,
    )
