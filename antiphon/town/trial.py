"""One campaign, many seeds: what would be measured of a declared truth, hundreds of times a minute.

The same arms (policy.arms), the same behaviour (reactions.py) and the same statistics
(antiphon.response) as in the days of a town, without lake and ledger between them. What lies
between, that counts come out of the stores as they went in, is proved by whole days.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.arms import Arms
from antiphon.policy.chance import keyed_numbers
from antiphon.policy.moment import Moment
from antiphon.policy.rules import CONTROL_ARM
from antiphon.response.lift import Lift, of_means, of_rates
from antiphon.response.means import Moments
from antiphon.response.verdicts import Verdict, verdict
from antiphon.town.behaviour import Behaviour
from antiphon.town.chances import Bools, Floats, of_generator
from antiphon.town.reactions import DAY, arrival_share, caused_within, react

YEAR = 365.25 * DAY
NOON = datetime(2026, 5, 12, 10, tzinfo=UTC)
MOMENT = Moment(NOON, date(2026, 5, 12), "UTC")
NEVER = np.inf
BASKET = (3.4, 0.7)  # of the logarithm of an order's money


@dataclass(frozen=True, slots=True)
class Design:
    """How a campaign is tried: everybody is written to once, on one of the first `days`."""

    customers: int = 1_500
    days: int = 14
    window: timedelta = timedelta(days=10)
    control: float = 0.3
    effect: float = 0.04  # on people of every kind

    @property
    def length(self) -> int:
        """Days until the last window is over."""
        return self.days + self.window // timedelta(days=1)

    @property
    def campaign(self) -> Campaign:
        """As a marketer would write it."""
        return Campaign.model_validate(
            {
                "campaign": "trial",
                "title": "trial",
                "category": "promo",
                "priority": 1,
                "runs": {"from": "2026-01-01"},
                "audience": {"where": "true"},
                "channels": ("email",),
                "message": "letter",
                "control": self.control,
                "goal": {"event": "order", "within": self.window},
            }
        )


@dataclass(frozen=True, slots=True)
class Trial:
    """One entry a customer: whether written to, when (seconds from the start), whether and when
    they first ordered within the window, the money of their orders in it and of the year before.

    `true_lift`, `true_money`: per row, what the declared truth makes of the campaign on average.
    """

    design: Design
    treated: Bools
    contacted: Floats
    converted: Floats  # seconds from the start; NEVER
    money: Floats
    before: Floats
    true_lift: float
    true_money: float

    def at_the_end(self) -> Lift:
        """Conversions of the treated less those of control, all windows over."""
        return self.lift(np.ones_like(self.treated))

    def money_at_the_end(self) -> Lift:
        """The same of money, less the noise that the year before explains."""
        treated, control = (
            Moments.of_arrays(self.money[which], before=self.before[which])
            for which in (self.treated, ~self.treated)
        )
        return _found(of_means(treated, control))

    def looks(self) -> Iterator[Verdict]:
        """What the report says on every day from the first complete window to the last day."""
        window = self.design.window.total_seconds()
        for day in range(1, self.design.length + 1):
            complete = self.contacted + window <= day * DAY
            if complete[self.treated].any() and complete[~self.treated].any():
                yield verdict(self.lift(complete), day=day, days=self.design.length)

    def lift(self, counted: Bools) -> Lift:
        """The same of some of the rows, read as if this were the only look."""
        treated, control = (
            Moments.of_counts(
                int((self.converted[which & counted] < NEVER).sum()), int((which & counted).sum())
            )
            for which in (self.treated, ~self.treated)
        )
        return _found(of_rates(treated, control))


def tried(behaviour: Behaviour, design: Design, seed: int) -> Trial:
    """One run of the trial; the same for the same seed."""
    random = np.random.default_rng(seed)
    count, window = design.customers, design.window.total_seconds()
    treated = _treated(design, seed)
    rates = random.gamma(1.3, 2.6, count) * float(behaviour.shopping.rate)  # as the demo company's
    contacted = np.floor(random.random(count) * design.days) * DAY
    found = react(
        behaviour,
        of_generator(random, count),
        effect=np.full(count, design.effect),
        lately=np.zeros(count),
        is_email=np.ones(count, np.bool_),
    )
    own = random.exponential(YEAR / np.maximum(rates, 1e-9))  # until the first order of one's own
    caused = np.where(treated & (found.orders <= window), found.orders, NEVER)
    first = np.minimum(np.where(own <= window, own, NEVER), caused)
    orders = random.poisson(rates * window / YEAR).astype(np.int64) + (caused < NEVER)
    before = random.poisson(rates).astype(np.int64)
    within = caused_within(behaviour, window)
    more = arrival_share(behaviour) * design.effect * within
    # gamma(1.3) mixed over exp(−rate × window): who orders anyway is no conversion more
    alone = _laplace(1.3, 2.6 * float(behaviour.shopping.rate), window / YEAR)
    return Trial(
        design,
        treated,
        contacted,
        contacted + first,
        _money(random, orders),
        _money(random, before),
        true_lift=more * alone,
        true_money=more * float(np.exp(BASKET[0] + BASKET[1] ** 2 / 2)),
    )


def _treated(design: Design, seed: int) -> Bools:
    """By the arbiter's own draw: a keyed hash of salt, campaign and unit."""
    policy = Policy.model_validate({"version": "1", "consent": {"promo": "opt_out"}})
    arms = Arms([design.campaign], policy, MOMENT, f"trial-{seed}", keyed_numbers)
    units = pa.array([f"C{number}" for number in range(design.customers)], pa.string())
    nobody = np.zeros(design.customers, np.int64)
    drawn = arms.of(np.zeros(design.customers, np.int16), units, nobody)
    control: Bools = drawn == arms.words.index(CONTROL_ARM)
    return ~control


def _money(random: np.random.Generator, orders: npt.NDArray[np.int64]) -> Floats:
    """What so many orders of each customer come to."""
    owner = np.repeat(np.arange(orders.size), orders)
    baskets = random.lognormal(*BASKET, owner.size)
    money: Floats = np.bincount(owner, weights=baskets, minlength=orders.size).astype(np.float64)
    return money


def _laplace(shape: float, scale: float, years: float) -> float:
    """E exp(−rate × years) of a gamma-distributed rate: the share who do not order by then."""
    return float((1 + scale * years) ** -shape)


def _found(lift: Lift | None) -> Lift:
    if lift is None:
        raise ValueError("a trial needs people in both groups")
    return lift
