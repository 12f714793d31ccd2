"""Who is written to: every candidate gets one decision, with the first rule that bound it.

A candidate is a touch (a campaign, or one step of its chain) and a customer. Limits, arms and the
repeat rule are the campaign's, whatever its steps and cells.

`judge` works on one bucket of customers and knows nothing of the others; `settle.settle` takes the
survivors of all buckets and applies what crosses customers: households, limits. Control is what is
left in a control arm after that. Neither step depends on the order of rows, nor the result on how
customers are bucketed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.arms import Arms
from antiphon.policy.asked import Asked
from antiphon.policy.brakes import BrakeReading
from antiphon.policy.candidates import RuleNames
from antiphon.policy.cells import Cells
from antiphon.policy.chain_limits import beginnings
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.choosing import Choosing
from antiphon.policy.columns import positions, texts
from antiphon.policy.decisions import DECISIONS, Words, held_table, survivors_table
from antiphon.policy.expanding import Expansion
from antiphon.policy.leaving import Leaving
from antiphon.policy.moment import Moment
from antiphon.policy.occasions import OCCASIONS, first_open
from antiphon.policy.past import Past
from antiphon.policy.repeats import Occurrences
from antiphon.policy.rulebook import Rulebook
from antiphon.policy.setting import Setting
from antiphon.policy.settling.households import shared_contacts
from antiphon.policy.settling.usage import used_by

__all__ = ["DECISIONS", "Judged", "judge"]


@dataclass(frozen=True)
class Judged:
    """One bucket's outcome: survivors (SURVIVORS) go to `settle`, held rows (DECISIONS) are final.

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
    brakes: Mapping[str, BrakeReading] | None = None,
    households: pa.Table | None = None,
    campaigns: Iterable[Campaign] | None = None,
    holds: Mapping[str, str] | None = None,
) -> Judged:
    """Decide one bucket. `touches` in the order of the bits of mask_0, mask_1, … (62 each).

    `people` has one row per customer and one customer per unit (else ValueError), and a column
    for each cross that a campaign names in `for_each` and for whatever the policy asks of a
    customer; `history` has the columns of the entity contacts and every contact of these customers,
    planned ones too; `occasions` (OCCASIONS) may hold those of others. `brakes`: readings by the
    brake's name. `households`: customer_id and household_id of all who share one. `campaigns`:
    whose tags and offers are known, all of the configuration (absent: those of the touches).
    `holds`: campaigns that somebody put on hold, with the counters (JSON) of the decisions on them.
    Exempt campaigns go first: they need no slot and pass the rules, but the others see them.
    """
    asked = Asked(people, touches)
    customers, units = asked.customers, asked.units
    _refuse_doubles(customers, units)
    customer = positions(texts(history, "customer_id"), customers)
    is_unit = units.equals(customers) and history["unit"].equals(history["customer_id"])
    unit = customer if is_unit else positions(texts(history, "unit"), units)
    known = campaigns if campaigns is not None else [touch.campaign for touch in touches]
    past = Past(history, customer, touches, {each.campaign: each for each in known})
    setting = Setting(people, past.kinds, policy, moment)
    names, leaving = RuleNames(policy), Leaving(setting)
    arms = Arms([touch.campaign for touch in touches], policy, moment, salt, numbers)
    due = first_open(OCCASIONS.empty_table() if occasions is None else occasions, history, asked)
    spoken = Occurrences(history, past, unit, asked.names, moment)
    expansion = Expansion(
        asked,
        setting,
        names,
        leaving=leaving,
        occurrences=spoken,
        occasions=due,
        arms=arms,
        brakes=brakes or {},
        holds=holds or {},
    )
    pairs = expansion.candidates()
    if setting.in_force(policy.chains):
        pairs.begins = beginnings(pairs, due, history, past)
    rulebook = Rulebook(setting, names, leaving)
    choosing = Choosing(pairs, setting, past, rulebook=rulebook, arms=arms, names=names)
    choosing.choose()
    words = Words(names.all, arms.words, Cells(people, touches), due)
    winners, losers = pairs.open(), np.flatnonzero(pairs.rule >= 0)
    return Judged(
        survivors_table(pairs, winners, words, choosing.arms(winners), choosing.extras(winners)),
        held_table(pairs, losers, words),
        used_by(history, policy, moment),
        shared_contacts(history, households, policy, moment),
    )


def _refuse_doubles(customers: pa.Array, units: pa.Array) -> None:
    for name, column in (("customer_id", customers), ("unit", units)):
        if name == "unit" and units.equals(customers):
            continue
        if column.null_count or pc.count_distinct(column).as_py() != len(column):
            raise ValueError(f"people must have one row for each {name}, and no null")
