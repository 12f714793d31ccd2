"""The survivors of all buckets as arrays, the one order in which limits cut them, and the cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from antiphon.campaigns.models import CHANNELS, Campaign
from antiphon.campaigns.rules import Policy, PolicyRule
from antiphon.policy.chance import Numbers
from antiphon.policy.columns import (
    INSTANT,
    Bools,
    Codes,
    Indices,
    Instants,
    instants,
    one_of,
    positions,
    same,
    texts,
)
from antiphon.policy.moment import MICROSECOND, Moment
from antiphon.policy.rules import Outcome

Chosen = npt.NDArray[np.intp]
Places = npt.NDArray[np.int64]
_KEPT_WHEN_HELD = (
    "campaign",
    "step",
    "cell",
    "customer_id",
    "unit",
    "channel",
    "planned_at",
    "due_at",
)


@dataclass
class Survivors:
    """Arrays by row of `table`. `campaign`: position among `campaigns`; `planned` may be moved,
    but not to `latest` or later; `rule`: position in `rules` of what holds the row (−1: nothing).
    """

    table: pa.Table
    campaigns: Sequence[Campaign]
    policy: Policy
    moment: Moment
    campaign: npt.NDArray[np.int16]
    channel: Codes
    planned: Instants
    latest: Instants
    is_control: Bools
    place: "Order"
    rule: npt.NDArray[np.int16]
    counter: Indices
    rules: list[str] = field(default_factory=list)
    texts: list[pa.Array] = field(default_factory=list)

    @cached_property
    def is_exempt(self) -> Bools:
        """Whose category is exempt: they count, but only their own limits cut them."""
        return self.of_campaign([c.category in self.policy.exempt for c in self.campaigns])

    @cached_property
    def is_uncounted(self) -> Bools:
        """Whose category does not even count."""
        return self.of_campaign([c.category in self.policy.uncounted for c in self.campaigns])

    @property
    def open(self) -> Bools:
        """Which rows nothing holds so far."""
        return self.rule < 0

    def of_campaign(self, answers: Sequence[bool]) -> Bools:
        """An answer by campaign as one by row."""
        return np.array(answers, np.bool_)[self.campaign]

    def concerned(self, rule: PolicyRule) -> Bools:
        """Which rows are in the rule's scope, its customers apart."""
        inside = np.array(
            [[rule.concerns(one, channel) for channel in CHANNELS] for one in self.campaigns],
            np.bool_,
        ).reshape(len(self.campaigns), len(CHANNELS))
        return inside[self.campaign, self.channel]

    def hold(
        self, rows: Chosen, rule: str, counter: npt.NDArray[Any], texts: pa.Array | list[str]
    ) -> None:
        """Hold rows by a rule; `counter`: for each the position of its text."""
        if rule not in self.rules:
            self.rules.append(rule)
        self.rule[rows] = self.rules.index(rule)
        self.counter[rows] = counter + sum(map(len, self.texts))
        self.texts.append(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()))

    def settled(self) -> tuple[pa.Table, pa.Table]:
        """The rows that stay, and those that are held, as decisions."""
        planned = pa.array(self.planned).cast(INSTANT)
        place = self.table.schema.get_field_index("planned_at")
        table = self.table.set_column(place, "planned_at", planned)
        stays = pa.array(self.open)
        if self.open.all():
            return table, table.slice(0, 0)
        held = np.flatnonzero(~self.open)
        return table.filter(stays), self._held(table.take(pa.array(held)), held)

    def _held(self, table: pa.Table, rows: Chosen) -> pa.Table:
        """Held rows have no arm, occurrence and attempt, and only the anchor of an occasion."""
        length = table.num_rows
        columns = {name: table.column(name) for name in _KEPT_WHEN_HELD} | {
            "outcome": same(Outcome.HELD, length),
            "rule": one_of(self.rule[rows], self.rules, pa.int16()),
            "counters": pa.DictionaryArray.from_arrays(
                pa.array(self.counter[rows]), pa.concat_arrays(self.texts)
            ),
            "anchor": pc.if_else(pc.is_valid(table["due_at"]), table["anchor"], None),
        }
        return pa.table(
            [columns.get(one.name, pa.nulls(length, one.type)) for one in table.schema],
            schema=table.schema,
        )


class Order:
    """Who comes first where not all can go: by priority; among campaigns of the same those that
    are cut by value, by their value, then the others; at last by a stable order by chance."""

    def __init__(
        self, table: pa.Table, priority: Indices, by_value: Bools, salt: str, numbers: Numbers
    ) -> None:
        self._table, self._priority, self._by_value = table, priority, by_value
        self._salt, self._numbers = salt, numbers

    @cached_property
    def of(self) -> Indices:
        """Each row's place; worked out when it is first asked for, as most days cut nothing."""
        names, units = texts(self._table, "campaign"), texts(self._table, "unit")
        drawn = self._numbers("limit", [self._salt, names, units])
        keys: list[npt.NDArray[Any]] = [drawn]
        if self._by_value.any() and "value" in self._table.column_names:
            column = pc.fill_null(self._table["value"].cast(pa.float64()), np.nan)
            value = np.where(self._by_value, column.to_numpy(), np.nan)
            keys += [-np.nan_to_num(value, nan=0.0), np.isnan(value)]
        order = np.lexsort((*keys, -self._priority))
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return place


def read(
    table: pa.Table,
    campaigns: Mapping[str, Campaign],
    policy: Policy,
    moment: Moment,
    *,
    salt: str,
    numbers: Numbers,
) -> Survivors:
    """The survivors' table (SURVIVORS; columns beyond DECISIONS may be absent) as arrays.

    A row may be moved until its `movable_until`, before it expires, within its business day.
    """
    count, listed = table.num_rows, list(campaigns.values())
    campaign = positions(texts(table, "campaign"), list(campaigns)).astype(np.int16)
    planned = instants(table, "planned_at").copy()
    expiry = np.array([c.expires_after // MICROSECOND for c in listed], np.int64)
    latest = planned.copy()
    if "movable_until" in table.column_names:
        until = table["movable_until"].cast(INSTANT).cast(pa.int64())
        latest = pc.fill_null(until, 0).to_numpy()
        latest = np.minimum(latest, moment.planned_at + expiry[campaign])
    priority = np.array([c.priority for c in listed], np.int32)[campaign]
    by_value = np.array([c.limits.cut == "value" for c in listed], np.bool_)[campaign]
    return Survivors(
        table=table,
        campaigns=listed,
        policy=policy,
        moment=moment,
        campaign=campaign,
        channel=positions(texts(table, "channel"), CHANNELS).astype(np.int8),
        planned=planned,
        latest=latest,
        is_control=positions(texts(table, "outcome"), [Outcome.CONTROL.value]) >= 0,
        place=Order(table, priority, by_value, salt, numbers),
        rule=np.full(count, -1, np.int16),
        counter=np.full(count, -1, np.int32),
    )


def fitting(
    group: npt.NDArray[np.integer],
    place: Indices,
    cost: npt.NDArray[np.int64],
    is_counted: Bools,
    room: npt.NDArray[np.int64],
) -> Bools:
    """Which rows fit into the room of their group, taken in their order.

    Rows that are not counted (control) use nothing, but stay only where they would have fitted:
    otherwise a cut would leave more control than was drawn.
    """
    order = np.lexsort((place, group))
    used = np.where(is_counted, cost, 0)[order]
    before = np.cumsum(used) - used
    sorted_ = group[order]
    is_first = np.concatenate([np.ones(1, np.bool_), sorted_[1:] != sorted_[:-1]])[: len(order)]
    first = np.flatnonzero(is_first)
    before -= np.repeat(before[first], np.diff(np.append(first, len(order))))
    fits = np.empty(len(order), np.bool_)
    fits[order] = before + cost[order] <= room[sorted_]
    return fits
