"""Money for messages: what is left of it, and whom it does not reach.

Money is exact in whole ten-thousandths of the business currency (`_e4`), as the ledger keeps it.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import CHANNELS, Campaign
from antiphon.campaigns.rules import Costs, Policy
from antiphon.campaigns.touches import Touch
from antiphon.policy.columns import Bools, instants, positions, texts, whole_numbers
from antiphon.policy.moment import Moment
from antiphon.policy.rules import Outcome, Rule
from antiphon.policy.settling.hours import Hours, hours_around
from antiphon.policy.settling.survivors import fitting
from antiphon.policy.settling.usage import counted_since
from antiphon.policy.settling.volumes import UNLIMITED, Counts, Earlier

UNPAID = pa.schema({"row": pa.int64(), "rule": pa.string(), "counters": pa.string()})
"""Rows (positions) that a budget does not reach, the rule, and what it saw (JSON)."""

Groups = npt.NDArray[np.int64]
_TEN_THOUSAND, _CENT = 10_000, Decimal("0.01")


def price_e4(costs: Costs, channel: str) -> int:
    """What an e-mail, or one segment of an SMS, costs."""
    price = costs.email if channel == "email" else costs.sms
    return int((price * _TEN_THOUSAND).to_integral_value(ROUND_HALF_UP))


def spends(policy: Policy, campaigns: Iterable[Campaign]) -> bool:
    """Whether money is limited, or what may be promised."""
    return bool(policy.budgets) or any(
        one.limits.money_per_day is not None or (one.offer is not None and one.offer.budget)
        for one in campaigns
    )


def unpaid(
    rows: pa.Table,
    used: pa.Table,
    touches: Sequence[Touch],
    policy: Policy,
    moment: Moment,
    *,
    campaigns: Iterable[Campaign] | None = None,
) -> pa.Table:
    """The rows beyond a budget (UNPAID), in the order in which `rows` come.

    `rows`: campaign, channel, planned_at, outcome and cost_e4 of messages and of control rows;
    `used`: what earlier runs spent (USED). A control row costs nothing, and stays where the message
    it would have been could have been paid. Exempt messages are always paid, and count.
    """
    desk = _Desk(rows, used, touches, policy, moment, campaigns=campaigns)
    desk.limit_campaigns()
    desk.limit_scopes()
    return desk.table()


class _Desk:
    """The rows as arrays, and which of them are paid so far."""

    def __init__(
        self,
        rows: pa.Table,
        used: pa.Table,
        touches: Sequence[Touch],
        policy: Policy,
        moment: Moment,
        *,
        campaigns: Iterable[Campaign] | None,
    ) -> None:
        speaking = {touch.name: touch.campaign for touch in touches}
        self._known = {one.campaign: one for one in campaigns or ()} | speaking
        self._campaigns, self._policy, self._moment = list(speaking.values()), policy, moment
        self._campaign = positions(texts(rows, "campaign"), list(speaking))
        self._channel = positions(texts(rows, "channel"), CHANNELS)
        self._planned = instants(rows, "planned_at")
        self._cost = whole_numbers(rows, "cost_e4")
        self._is_sent = positions(texts(rows, "outcome"), [Outcome.SEND.value]) >= 0
        self._paid = np.ones(rows.num_rows, np.bool_)
        self._found: list[pa.Table] = [UNPAID.empty_table()]
        at = used["hour_at"].drop_null().cast(pa.int64()).to_numpy()
        since = counted_since(policy, moment)
        around = np.concatenate([at, self._planned, [since, moment.planned_at]])
        self._hours: Hours = hours_around(moment.zone, around)
        self._earlier = Earlier.of(used, self._hours)

    def table(self) -> pa.Table:
        """What is not paid."""
        return pa.concat_tables(self._found)

    def limit_campaigns(self) -> None:
        """Each campaign's own money of a day; exempt campaigns keep theirs, too."""
        names = [one.campaign for one in self._campaigns]
        days, day, before = self._periods("day")
        limits = [one.limits.money_per_day for one in self._campaigns]
        most = np.array([_most(limit) for limit in limits], np.int64).repeat(days)
        of = positions(texts(self._earlier.used, "campaign"), names)
        mine = (of >= 0) & (self._earlier.hour >= 0)
        spent = self._earlier.by(mine, of * days + before, len(names) * days, "cost_e4")
        everyone = np.ones(len(self._paid), np.bool_)
        self._cut(Rule.BUDGET, "day", self._campaign * days + day, most, spent, bound=everyone)

    def limit_scopes(self) -> None:
        """The policy's budgets."""
        exempt, uncounted = self._of_category(self._policy.exempt), self._policy.uncounted
        for budget in self._policy.budgets:
            if not budget.holds_on(self._moment.business_day):
                continue
            inside = np.array(
                [[budget.concerns(one, way) for way in CHANNELS] for one in self._campaigns],
                np.bool_,
            ).reshape(len(self._campaigns), len(CHANNELS))[self._campaign, self._channel]
            inside &= ~self._of_category(uncounted)
            count, period, before = self._periods(budget.per)
            mine = self._earlier.in_scope(budget, self._known, uncounted)
            spent = self._earlier.by(mine, before, count, "cost_e4")
            free = inside & exempt & self._is_sent & self._paid
            np.add.at(spent, period[free], self._cost[free])
            most = np.full(count, _most(budget.money))
            self._cut(budget.title, budget.per, period, most, spent, bound=inside & ~exempt)

    def _cut(
        self, rule: str, per: str, group: Groups, most: Counts, spent: Counts, *, bound: Bools
    ) -> None:
        mine = bound & self._paid & (self._cost > 0) & (most[group] < UNLIMITED)
        rows = np.flatnonzero(mine)
        if not len(rows):
            return
        room = np.maximum(most - spent, 0)
        place = np.arange(len(rows), dtype=np.int32)
        is_sent, cost = self._is_sent[rows], self._cost[rows]
        fits = fitting(group[rows], place, cost, is_sent, room)
        over = rows[~fits]
        if not len(over):
            return
        self._paid[over] = False
        total = spent.copy()
        kept = rows[fits & is_sent]
        np.add.at(total, group[kept], self._cost[kept])
        groups, code = np.unique(group[over], return_inverse=True)
        told = [_told(int(most[one]), int(total[one]), per) for one in groups]
        columns = [
            pa.array(over),
            pa.array([rule] * len(over)),
            pa.array(told).take(pa.array(code)),
        ]
        self._found.append(pa.table(columns, schema=UNPAID))

    def _periods(self, per: str) -> tuple[int, Groups, Groups]:
        """How many days or months there are, and the number of that of each row, and of each row
        of earlier use."""
        days = self._hours.days
        first = date.fromordinal(int(days[0]))
        numbers = np.array(
            [_number(date.fromordinal(day), first, per) for day in range(days[0], days[-1] + 1)]
        )
        of = numbers[days - days[0]]
        at = of[self._hours.of(self._planned)]
        return int(numbers[-1]) + 1, at, of[np.maximum(self._earlier.hour, 0)]

    def _of_category(self, names: Sequence[str]) -> Bools:
        inside = np.array([one.category in names for one in self._campaigns], np.bool_)
        chosen: Bools = inside[self._campaign]
        return chosen


def _number(day: date, first: date, per: str) -> int:
    if per == "day":
        return (day - first).days
    return (day.year - first.year) * 12 + day.month - first.month


def _most(money: Decimal | None) -> int:
    return UNLIMITED if money is None else int(money * _TEN_THOUSAND)


def _told(most: int, spent: int, per: str) -> str:
    told = {"money": _written(most), "spent": _written(spent), "per": per}
    return json.dumps(told, separators=(",", ":"))


def _written(money_e4: int) -> str:
    """To the cent, or to all four places where it is not whole cents."""
    money = Decimal(money_e4) / _TEN_THOUSAND
    return f"{money.quantize(_CENT) if money == money.quantize(_CENT) else money:f}"
