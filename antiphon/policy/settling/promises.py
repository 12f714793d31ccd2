"""Offers with a budget: whom their codes or their money do not reach any more."""

import json
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from antiphon.campaigns.models import Campaign, OfferBudget
from antiphon.policy.columns import positions, texts
from antiphon.policy.rules import Outcome, Rule
from antiphon.policy.settling.budgets import UNPAID
from antiphon.policy.settling.survivors import fitting
from antiphon.policy.settling.volumes import UNLIMITED

_TEN_THOUSAND = 10_000


def limits_offers(campaigns: Collection[Campaign]) -> list[Campaign]:
    """The campaigns whose offers have a budget."""
    return [one for one in campaigns if one.offer and one.offer.budget]


def beyond_offers(
    rows: pa.Table,
    campaigns: Sequence[Campaign],
    issued: Mapping[str, int],
    spent_e4: Mapping[str, int],
) -> pa.Table:
    """The rows beyond the budget of their campaign's offer (UNPAID), in the order of `rows`.

    `rows`: campaign and outcome of messages that bring a code, and of control rows; `issued`: the
    codes that each campaign has out, `spent_e4`: the discount given by those redeemed, in
    ten-thousandths. A control row uses no code, and stays where its message would have got one.
    """
    limited = limits_offers(campaigns)
    names = [one.campaign for one in limited]
    group = positions(texts(rows, "campaign"), names)
    mine = np.flatnonzero(group >= 0)
    if not len(mine):
        return UNPAID.empty_table()
    room = np.array([_room(one, issued, spent_e4) for one in limited], np.int64)
    is_sent = positions(texts(rows, "outcome"), [Outcome.SEND.value])[mine] >= 0
    place, one_each = np.arange(len(mine), dtype=np.int32), np.ones(len(mine), np.int64)
    over = mine[~fitting(group[mine], place, one_each, is_sent, room)]
    told = [_told(one, issued, spent_e4) for one in limited]
    counters = pa.array(told, pa.string()).take(pa.array(group[over]))
    return pa.table(
        [pa.array(over), pa.array([Rule.OFFER.value] * len(over)), counters], schema=UNPAID
    )


def _budget(one: Campaign) -> OfferBudget:
    budget = one.offer.budget if one.offer else None
    assert budget is not None, "limits_offers has them"
    return budget


def _room(one: Campaign, issued: Mapping[str, int], spent_e4: Mapping[str, int]) -> int:
    budget = _budget(one)
    if budget.money is not None and _spent(one, spent_e4) >= int(budget.money * _TEN_THOUSAND):
        return 0
    if budget.codes is None:
        return UNLIMITED
    return max(budget.codes - issued.get(one.campaign, 0), 0)


def _spent(one: Campaign, spent_e4: Mapping[str, int]) -> int:
    return spent_e4.get(one.campaign, 0)


def _told(one: Campaign, issued: Mapping[str, int], spent_e4: Mapping[str, int]) -> str:
    budget, spent = _budget(one), _spent(one, spent_e4)
    money = budget.money
    told: dict[str, int | str]
    if money is not None and spent >= int(money * _TEN_THOUSAND):
        told = {"money": f"{money:.2f}", "spent": f"{spent / _TEN_THOUSAND:.2f}"}
    else:
        told = {"codes": budget.codes or 0, "issued": issued.get(one.campaign, 0)}
    return json.dumps(told, separators=(",", ":"))
