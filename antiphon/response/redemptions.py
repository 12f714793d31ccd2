"""Whether a promo code that came back counts, and why not."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from antiphon.keys import digest
from antiphon.states import RedemptionVerdict


@dataclass(frozen=True, slots=True)
class Told:
    """A code was used: an order, a line of a file or a till says so.

    `code` as keys.code_key writes it. `reference`: what tells this use from others where there is
    no order (the till's receipt); `amount_e4`: what the discount cost, in ten-thousandths.
    `is_returned`: the order was given back in full.
    """

    code: str
    redeemed_at: datetime
    source: str
    customer_id: str | None = None
    order_id: str | None = None
    reference: str = ""
    amount_e4: int | None = None
    is_returned: bool = False

    @property
    def redemption_id(self) -> str:
        """The same use told twice, or by an order and a till, has the same id."""
        if self.order_id is not None:
            return digest("redemption", self.code, self.order_id)
        said = self.reference or f"{self.customer_id or ''} {self.redeemed_at.isoformat()}"
        return digest("redemption", self.code, self.source, said)


@dataclass(frozen=True, slots=True)
class Promise:
    """A code as it was promised to somebody: with which occurrence of which campaign.

    Valid from `since` until before `until` (None: without end). `customer_id` None: of a shared
    code, where nobody says who used it.
    """

    campaign: str
    since: datetime
    until: datetime | None
    occurrence_key: str | None = None
    customer_id: str | None = None

    def holds_at(self, moment: datetime) -> bool:
        """Whether it was valid then."""
        return self.since <= moment and not self.is_over_at(moment)

    def is_over_at(self, moment: datetime) -> bool:
        """Whether it had ended by then."""
        return self.until is not None and moment >= self.until


def verdict_on_own(told: Told, promise: Promise | None, *, was_used: bool) -> RedemptionVerdict:
    """Of a code that one person got; `was_used`: a redemption of it counts already.

    Who uses a code without being asked for a customer number is taken for its owner.
    """
    if promise is None:
        return RedemptionVerdict.UNKNOWN
    if told.customer_id is not None and told.customer_id != promise.customer_id:
        return RedemptionVerdict.OTHER
    if was_used:
        return RedemptionVerdict.AGAIN
    return _in_time(told, promise)


def verdict_on_shared(
    told: Told, promises: Sequence[Promise], *, is_known: bool
) -> tuple[RedemptionVerdict, Promise | None]:
    """Of a code that everybody gets, and the promise it answers: the latest that held.

    `promises`: to the one who used it, or where nobody says who that was, to anybody.
    """
    if not is_known and not promises:
        return RedemptionVerdict.UNKNOWN, None
    made = [one for one in promises if one.since <= told.redeemed_at]
    if not made:
        return RedemptionVerdict.OTHER, None
    latest = _latest([one for one in made if one.holds_at(told.redeemed_at)] or made)
    return _in_time(told, latest), latest


def _in_time(told: Told, promise: Promise) -> RedemptionVerdict:
    if promise.is_over_at(told.redeemed_at):
        return RedemptionVerdict.LATE
    return RedemptionVerdict.RETURNED if told.is_returned else RedemptionVerdict.COUNTED


def _latest(promises: Iterable[Promise]) -> Promise:
    return max(promises, key=lambda one: (one.since, one.occurrence_key or ""))
