"""What else a campaign says to a unit, and a day to a customer: pauses, day slots, order of steps.

For the few messages that are judged again as they leave, one by one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa

from antiphon.campaigns.conversions import Calendar
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.columns import Instants, instants
from antiphon.policy.moment import EPOCH, MICROSECOND
from antiphon.policy.periods import bounds
from antiphon.policy.rules import Rule
from antiphon.states import CONTACT_STATES, OCCURRENCE_STATES

SECOND = 1_000_000
Refusal = tuple[str, int | None]
"""The rule, and when to try again (microseconds since 1970; None: never)."""


@dataclass(frozen=True, slots=True)
class _Said:
    """One contact or control row: of which campaign, when."""

    campaign: str
    step: str
    anchor: str
    unit: str
    customer: str
    category: str
    is_contact: bool
    at: int


class Spoken:
    """What was said besides the messages that are judged. `every`: CONTACTS, the last rows of it
    being `messages` themselves."""

    def __init__(
        self,
        every: pa.Table,
        messages: pa.Table,
        campaigns: Mapping[str, Campaign],
        policy: Policy,
        zone: str,
    ) -> None:
        others = every.slice(0, every.num_rows - messages.num_rows)
        said = _said(others, only=OCCURRENCE_STATES)
        self._own = _said(messages)
        self._campaigns, self._policy, self._zone = campaigns, policy, zone
        self._of_unit: dict[tuple[str, str], list[_Said]] = {}
        self._of_customer: dict[str, list[_Said]] = {}
        for one in said:
            self._of_unit.setdefault((one.campaign, one.unit), []).append(one)
            self._of_customer.setdefault(one.customer, []).append(one)

    def times(self, row: int) -> list[int]:
        """When the customer of a message was or will be written to besides."""
        mine = self._of_customer.get(self._own[row].customer, ())
        return [one.at for one in mine if one.is_contact]

    def refused(self, at: Instants, rows: Sequence[int]) -> dict[int, Refusal]:
        """Row → the first of these rules that forbids the message at its moment."""
        found = {}
        for row in rows:
            moment = int(at[row])
            refusal = self._campaigns_own(row, moment) or self._slot(row, moment)
            if refusal:
                found[row] = refusal
        return found

    def _campaigns_own(self, row: int, at: int) -> Refusal | None:
        """The order of a chain's steps, the campaign's pause, its one message a day."""
        own = self._own[row]
        campaign = self._campaigns.get(own.campaign)
        others = self._of_unit.get((own.campaign, own.unit), ())
        if campaign is None or not others:
            return None
        said = _order(own, others, campaign, at) if campaign.chain else None
        said = said or _pause(others, campaign, at)
        if said or not (campaign.anniversary or campaign.on or campaign.chain):
            return said
        if any(self._day(other.at) == self._day(at) for other in others):
            return Rule.ALREADY_SENT, self._next_day(at)
        return None

    def _slot(self, row: int, at: int) -> Refusal | None:
        """The day's messages to the customer, control rows counted, exempt ones not."""
        day = self._day(at)
        taken = sum(
            other.category not in self._policy.exempt and self._day(other.at) == day
            for other in self._of_customer.get(self._own[row].customer, ())
        )
        if taken < self._policy.winners_per_day:
            return None
        return Rule.DAY_SLOT, self._next_day(at)

    def _day(self, at: int) -> date:
        return self._moment(at).astimezone(ZoneInfo(self._zone)).date()

    def _next_day(self, at: int) -> int:
        return bounds(Calendar.DAY, self._moment(at), self._zone)[1]

    @staticmethod
    def _moment(at: int) -> datetime:
        return EPOCH + at * MICROSECOND


def _order(own: _Said, others: Sequence[_Said], campaign: Campaign, at: int) -> Refusal | None:
    """A step after which a later one was told has no place any more; one whose earlier step waits
    waits as well."""
    assert campaign.chain
    order = {step.step: step.after for step in campaign.chain.steps}
    mine = order.get(own.step)
    for other in others:
        after = order.get(other.step)
        if other.anchor != own.anchor or mine is None or after is None:
            continue
        if after > mine and other.at <= at:
            return Rule.LOST_TO, None
        if after < mine and other.at > at:
            return Rule.LOST_TO, other.at + SECOND
    return None


def _pause(others: Sequence[_Said], campaign: Campaign, at: int) -> Refusal | None:
    """Once ever, or again after a while; what speaks on occasions has a pause where declared."""
    is_occasional = bool(campaign.anniversary or campaign.on or campaign.chain)
    if campaign.repeat_after is None:
        return None if is_occasional else (Rule.ALREADY_SENT, None)
    if campaign.chain:
        return None
    pause = campaign.repeat_after // MICROSECOND
    near = [other.at for other in others if abs(other.at - at) < pause]
    return (Rule.ALREADY_SENT, max(near) + pause) if near else None


def _said(rows: pa.Table, only: frozenset[str] | None = None) -> list[_Said]:
    names = ("campaign", "step", "anchor", "unit", "customer_id", "category", "state")
    columns = [rows[name].to_pylist() for name in names]
    return [
        _Said(campaign, step, anchor, unit, customer, category, state in CONTACT_STATES, at)
        for campaign, step, anchor, unit, customer, category, state, at in zip(
            *columns, instants(rows, "contact_at").tolist(), strict=True
        )
        if only is None or state in only
    ]
