"""Who is written to: every candidate gets one decision, with the first rule that bound it.

`judge` works on one bucket of customers and knows nothing of the others; `settle` takes the
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

from antiphon.campaigns.models import Campaign, Policy
from antiphon.policy.arbitration import Arbitration, arbitrate
from antiphon.policy.arms import Arms, is_control
from antiphon.policy.candidates import RULES, Candidates, Chosen, expand, rule_names
from antiphon.policy.caps import CATEGORIES, CHANNELS, Contacts, relevant
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.columns import INSTANT, Indices, instants, one_of, positions, same, texts
from antiphon.policy.moment import Moment
from antiphon.policy.repeats import Occurrences
from antiphon.policy.rules import Outcome, Rule
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

_FEW, _MANY = pa.dictionary(pa.int16(), pa.string()), pa.dictionary(pa.int32(), pa.string())
DECISIONS = pa.schema(
    {
        "campaign": _FEW,
        "step": _FEW,
        "cell": _FEW,
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
    }
)
"""One row per candidate. Held rows have no arm, occurrence, anchor and attempt, and no channel
where none was left; `counters` is JSON of what the binding rule saw, null where it counts nothing.
"""


@dataclass(frozen=True)
class Judged:
    """One bucket's outcome: survivors go to `settle`, held rows are final (both: DECISIONS).

    `used_today`: campaign → messages and control rows that earlier runs planned for this day.
    """

    survivors: pa.Table
    held: pa.Table
    used_today: Mapping[str, int]


def judge(
    people: pa.Table,
    history: pa.Table,
    campaigns: Sequence[Campaign],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    numbers: Numbers = keyed_numbers,
) -> Judged:
    """Decide one bucket. `campaigns` in the order of the bits of mask_0, mask_1, … (62 each).

    `people` has one row per customer and one customer per unit (else ValueError); `history` has
    the columns of the entity contacts and every contact of these customers, planned ones too.
    Exempt campaigns go first: they need no slot and pass the caps, but the others see them.
    """
    customers, units = texts(people, "customer_id"), texts(people, "unit")
    _refuse_doubles(customers, units)
    customer = positions(texts(history, "customer_id"), customers)
    is_unit = units.equals(customers) and history["unit"].equals(history["customer_id"])
    unit = customer if is_unit else positions(texts(history, "unit"), units)
    past = _Past(history, customer, people.num_rows, policy, moment)
    pairs = expand(people, campaigns, policy, moment, Occurrences(history, unit, campaigns, moment))
    arms = Arms(campaigns, policy, moment, salt, numbers)
    free = pairs.open(_in(pairs.category, policy.exempt))
    rivals = _with_slot(pairs, past, policy)

    def of(rows: Chosen) -> tuple[npt.NDArray[np.int16], pa.Array]:
        return pairs.campaign[rows], units.take(pa.array(pairs.customer[rows]))

    decided = arbitrate(
        pairs.contacts(rivals),
        pairs.priority[rivals],
        past.slots,
        relevant(past.contacts.plus(pairs.contacts(free)), policy.caps, pairs.planned[rivals]),
        caps=policy.caps,
        tie=lambda tied: arms.ties(*of(rivals[tied])),
        is_control=lambda winners: is_control(arms.control(*of(rivals[winners]))),
    )
    lost_to = _apply(pairs, rivals, decided)
    words = _Words(customers, units, campaigns, rule_names(policy), arms.words)
    winners, losers = pairs.open(), np.flatnonzero(pairs.rule >= 0)
    return Judged(
        _survivors(pairs, winners, words, arms.of(*of(winners))),
        _held(pairs, losers, words, lost_to),
        past.used_today(campaigns),
    )


def settle(
    survivors: Sequence[pa.Table],
    used_today: Mapping[str, int],
    campaigns: Sequence[Campaign],
    *,
    salt: str,
    numbers: Numbers = keyed_numbers,
) -> pa.Table:
    """The survivors of all buckets, those beyond their campaign's limit held (DECISIONS).

    The limit counts control rows too: it cuts what would be sent, by a stable order by chance.
    """
    table = pa.concat_tables([DECISIONS.empty_table(), *survivors])
    campaign = positions(texts(table, "campaign"), [c.campaign for c in campaigns])
    counts = np.bincount(campaign, minlength=len(campaigns))
    room = {
        position: max(each.limits.messages_per_day - used_today.get(each.campaign, 0), 0)
        for position, each in enumerate(campaigns)
        if each.limits.messages_per_day is not None
    }
    over = [position for position, most in room.items() if counts[position] > most]
    if not over:
        return table
    rows = np.flatnonzero(np.isin(campaign, over))
    units = table.column("unit").take(pa.array(rows)).cast(pa.string()).combine_chunks()
    names = table.column("campaign").take(pa.array(rows)).cast(pa.string()).combine_chunks()
    drawn = numbers("limit", [salt, names, units])
    kept = np.ones(table.num_rows, np.bool_)
    for position in over:
        mine = campaign[rows] == position
        kept[rows[mine][np.argsort(drawn[mine], kind="stable")[room[position] :]]] = False
    cut = table.filter(pa.array(~kept))
    return pa.concat_tables(
        [table.filter(pa.array(kept)), _beyond(cut, campaign[~kept], campaigns, used_today)]
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
        self._today = used & (begin <= at) & (at < end)
        self._campaign = texts(history, "campaign")
        takes_slot = self._today & (customer >= 0) & ~_in(category, policy.exempt)
        self.used = np.bincount(customer[takes_slot], minlength=customers).astype(np.int32)
        self.slots = np.maximum(policy.winners_per_day - self.used, 0).astype(np.int32)
        channel = positions(texts(history, "channel"), CHANNELS).astype(np.int8)
        counted = (positions(states, sorted(CONTACT_STATES)) >= 0) & (customer >= 0)
        self.contacts = Contacts(customer, at, channel, category).where(counted)

    def used_today(self, campaigns: Sequence[Campaign]) -> dict[str, int]:
        """Campaign → messages and control rows of this day."""
        names = [campaign.campaign for campaign in campaigns]
        position = positions(self._campaign.filter(pa.array(self._today)), names)
        counts = np.bincount(position[position >= 0], minlength=len(names))
        return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


@dataclass(frozen=True)
class _Words:
    """What the codes of candidates stand for."""

    customers: pa.Array
    units: pa.Array
    campaigns: Sequence[Campaign]
    rules: Sequence[str]
    arms: Sequence[str]

    @property
    def campaign_names(self) -> list[str]:
        return [campaign.campaign for campaign in self.campaigns]


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


def _apply(pairs: Candidates, rivals: Chosen, decided: Arbitration) -> npt.NDArray[np.int16]:
    """Record what the arbitration decided; for each candidate the campaign it lost to."""
    lost_to = np.full(len(pairs.rule), -1, np.int16)
    capped, lost = decided.cap >= 0, decided.lost_to >= 0
    pairs.rule[rivals[capped]] = decided.cap[capped] + len(RULES)
    if capped.any():
        texts_ = pa.concat_arrays(decided.texts)
        pairs.counters.set(rivals[capped], decided.counter[capped], texts_)
    pairs.rule[rivals[lost]] = RULES[Rule.LOST_TO]
    lost_to[rivals[lost]] = pairs.campaign[rivals[decided.lost_to[lost]]]
    return lost_to


def _columns(pairs: Candidates, rows: Chosen, words: _Words) -> dict[str, pa.Array]:
    customer: Indices = pairs.customer[rows]
    return {
        "campaign": one_of(pairs.campaign[rows], words.campaign_names, pa.int16()),
        "step": same("", len(rows)),
        "cell": same("", len(rows)),
        "customer_id": pa.DictionaryArray.from_arrays(pa.array(customer), words.customers),
        "unit": pa.DictionaryArray.from_arrays(pa.array(customer), words.units),
        "channel": one_of(pairs.channel[rows].astype(np.int16), CHANNELS, pa.int16()),
        "planned_at": pa.array(pairs.planned[rows]).cast(INSTANT),
    }


def _survivors(
    pairs: Candidates, rows: Chosen, words: _Words, arm: npt.NDArray[np.int16]
) -> pa.Table:
    columns = _columns(pairs, rows, words)
    once = np.array([campaign.repeat_after is None for campaign in words.campaigns], np.bool_)
    ordinal = pa.array(pairs.ordinal[rows]).cast(pa.string())
    anchor = pc.if_else(pa.array(once[pairs.campaign[rows]]), "once", ordinal)
    outcomes = [Outcome.SEND, Outcome.CONTROL]
    return _table(
        len(rows),
        columns
        | {
            "arm": one_of(arm, words.arms, pa.int16()),
            "outcome": one_of(is_control(arm).astype(np.int16), outcomes, pa.int16()),
            "occurrence_key": pc.binary_join_element_wise(
                columns["campaign"].cast(pa.string()),
                "",
                anchor,
                columns["unit"].cast(pa.string()),
                "|",
            ),
            "anchor": anchor,
            "attempt": pa.array(pairs.attempt[rows]),
        },
    )


def _held(
    pairs: Candidates, rows: Chosen, words: _Words, lost_to: npt.NDArray[np.int16]
) -> pa.Table:
    return _table(
        len(rows),
        _columns(pairs, rows, words)
        | {
            "outcome": same(Outcome.HELD, len(rows)),
            "rule": one_of(pairs.rule[rows], words.rules, pa.int16()),
            "lost_to": one_of(lost_to[rows], words.campaign_names, pa.int16()),
            "counters": pairs.counters.column(rows),
        },
    )


def _beyond(
    table: pa.Table,
    campaign: Indices,
    campaigns: Sequence[Campaign],
    used_today: Mapping[str, int],
) -> pa.Table:
    """Rows cut by their campaign's limit."""
    counters = [
        f'{{"max":{each.limits.messages_per_day},"used":{used_today.get(each.campaign, 0)}}}'
        for each in campaigns
    ]
    columns = {name: table.column(name) for name in DECISIONS.names[:8] if name != "arm"}
    length = table.num_rows
    return _table(
        length,
        columns
        | {
            "outcome": same(Outcome.HELD, length),
            "rule": same(Rule.LIMIT, length),
            "counters": one_of(campaign, counters, pa.int32()),
        },
    )


def _table(length: int, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The columns of DECISIONS, null where not given."""
    return pa.table(
        [columns.get(field.name, pa.nulls(length, field.type)) for field in DECISIONS],
        schema=DECISIONS,
    )
