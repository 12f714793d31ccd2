"""What crosses customers: limits, applied to the survivors of all buckets in one order."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.rules import Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.columns import instants, one_of, positions, same, texts
from antiphon.policy.decide import DECISIONS, Judged
from antiphon.policy.moment import Moment
from antiphon.policy.rules import Outcome, Rule
from antiphon.policy.usage import total


def settle(
    judged: Sequence[Judged],
    touches: Sequence[Touch],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    numbers: Numbers = keyed_numbers,
) -> pa.Table:
    """The survivors of all buckets, those beyond a limit held (DECISIONS).

    A campaign's limit counts control rows too: it cuts what would be sent, by a stable order by
    chance.
    """
    table = pa.concat_tables(
        [DECISIONS.empty_table(), *(one.survivors.select(DECISIONS.names) for one in judged)]
    )
    most = {touch.name: touch.campaign.limits.messages_per_day for touch in touches}
    used_today = _used_today(total([one.used for one in judged]), moment)
    campaign = positions(texts(table, "campaign"), list(most))
    counts = np.bincount(campaign, minlength=len(most))
    room = {
        position: max(limit - used_today.get(name, 0), 0)
        for position, (name, limit) in enumerate(most.items())
        if limit is not None
    }
    over = [position for position, left in room.items() if counts[position] > left]
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
    counters = [
        f'{{"max":{limit},"used":{used_today.get(name, 0)}}}' for name, limit in most.items()
    ]
    beyond = one_of(campaign[~kept], counters, pa.int32())
    return pa.concat_tables([table.filter(pa.array(kept)), _beyond(cut, beyond)])


def _used_today(used: pa.Table, moment: Moment) -> Mapping[str, int]:
    """Campaign → messages and control rows of the day that holds `as_of`."""
    begin, end = moment.day_bounds()
    dated = used.filter(pc.is_valid(used["hour_at"]))
    at = instants(dated, "hour_at")
    today = dated.filter(pa.array((begin <= at) & (at < end)))
    summed = today.group_by("campaign").aggregate([("messages", "sum")])
    return dict(
        zip(summed["campaign"].to_pylist(), summed["messages_sum"].to_pylist(), strict=True)
    )


def _beyond(table: pa.Table, counters: pa.Array) -> pa.Table:
    """Rows cut by their campaign's limit."""
    kept = ("campaign", "step", "cell", "customer_id", "unit", "channel", "planned_at", "due_at")
    columns = {name: table.column(name) for name in kept}
    length = table.num_rows
    anchor = table.column("anchor")
    columns |= {
        "outcome": same(Outcome.HELD, length),
        "rule": same(Rule.LIMIT, length),
        "counters": counters,
        "anchor": pc.if_else(pc.is_valid(columns["due_at"]), anchor, None),
    }
    return pa.table(
        [columns.get(field.name, pa.nulls(length, field.type)) for field in DECISIONS],
        schema=DECISIONS,
    )
