"""What crosses customers, applied to the survivors of all buckets in one order.

First the caps and gaps of households, then the campaigns' limits, warm-up and capacity; arms of
stratified campaigns are drawn among those who are left. Nothing depends on the order of rows, nor
on how customers are bucketed.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.columns import instants
from antiphon.policy.decide import DECISIONS, Judged
from antiphon.policy.moment import Moment
from antiphon.policy.settling.budgets import spends
from antiphon.policy.settling.hours import hours_around
from antiphon.policy.settling.household_caps import Households
from antiphon.policy.settling.households import SHARED
from antiphon.policy.settling.strata import draw
from antiphon.policy.settling.survivors import Survivors, read
from antiphon.policy.settling.usage import counted_since, total
from antiphon.policy.settling.volumes import Earlier, Volumes


def settle(
    judged: Sequence[Judged],
    touches: Sequence[Touch],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    numbers: Numbers = keyed_numbers,
    campaigns: Iterable[Campaign] | None = None,
) -> pa.Table:
    """The survivors of all buckets, those beyond a limit held (DECISIONS).

    A row that capacity moved to a later hour may stand too near another of its household: these
    households are asked once more. `campaigns`: whose tags and offers are known, all of the
    configuration (absent: those of the touches). Where money is limited, the rows that stay come
    in the order in which it is spent.
    """
    table = _joined([one.survivors for one in judged])
    speaking = {touch.name: touch.campaign for touch in touches}
    everyone = {one.campaign: one for one in campaigns or ()} | speaking
    rows = read(table, speaking, policy, moment, salt=salt, numbers=numbers)
    shared = pa.concat_tables([SHARED.empty_table(), *(one.shared for one in judged)])
    households = Households(rows, shared, everyone)
    households.refuse()
    moved = Volumes(rows, _earlier(judged, rows), everyone).cut()
    if moved.any():
        households.refuse(moved)
    kept, held = rows.settled()
    kept = draw(kept, rows.campaigns, policy, salt=salt, numbers=numbers)
    if spends(policy, rows.campaigns):
        kept = kept.take(pa.array(np.argsort(rows.place.of[rows.open])))
    return pa.concat_tables([kept.select(DECISIONS.names), held.select(DECISIONS.names)])


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    full = [one for one in tables if one.num_rows]
    return pa.concat_tables(full) if full else DECISIONS.empty_table()


def _earlier(judged: Sequence[Judged], rows: Survivors) -> Earlier:
    """What earlier runs used, with the hours of that and of what is planned now."""
    used = total([one.used for one in judged])
    dated = used.filter(used["hour_at"].is_valid())
    since = counted_since(rows.policy, rows.moment)
    around = [np.array([since, rows.moment.planned_at]), rows.planned, instants(dated, "hour_at")]
    return Earlier.of(used, hours_around(rows.moment.zone, np.concatenate(around)))
