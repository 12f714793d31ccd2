"""The people of a town: what is hidden from the company, and what they buy without being asked."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import numpy as np
import numpy.typing as npt

from antiphon.demo import DAY
from antiphon.demo import people as demo_people
from antiphon.demo.columns import instants, strings
from antiphon.town.behaviour import Behaviour, Kind
from antiphon.town.chances import Floats

OFTEN = 4.0  # orders a year
CARTS_AN_ORDER = 0.5  # left behind


@dataclass
class People:
    """One entry a person. `rates`: orders a year without any message; `taste`: position of the
    category they like best."""

    ids: list[str]
    kinds: list[Kind]
    rates: Floats
    taste: npt.NDArray[np.int64]
    seed: int
    place: dict[str, int] = field(default_factory=dict)
    written_to: defaultdict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.place = {name: position for position, name in enumerate(self.ids)}

    def kind(self, customer: str) -> Kind:
        """What sort of customer this truly is; somebody who exists only in the shop's files, by a
        mistake, is gone."""
        place = self.place.get(customer)
        return Kind.GONE if place is None else self.kinds[place]

    def rate(self, customer: str) -> float:
        """Orders a year without any message."""
        place = self.place.get(customer)
        return 0.0 if place is None else float(self.rates[place])

    def lately(self, customer: str, at: datetime, within: timedelta) -> int:
        """How many messages this person got in the time before."""
        return sum(at - within <= moment < at for moment in self.written_to[customer])

    def buyers(self, day: date) -> list[tuple[str, datetime]]:
        """Who orders on a day of their own accord and when (wall clock); somebody always does."""
        random = np.random.default_rng([self.seed, day.toordinal()])
        who = np.repeat(np.arange(len(self.ids)), random.poisson(self.rates / 365.25))
        if not who.size:
            who = np.array([int(np.argmax(self.rates * random.random(len(self.ids))))])
        return self._in_the_day(who, day, random)

    def cart_leavers(self, day: date) -> list[tuple[str, datetime]]:
        """Who fills a cart on the web that day, and leaves it."""
        random = np.random.default_rng([self.seed, day.toordinal(), 1])
        carts = random.poisson(self.rates * CARTS_AN_ORDER / 365.25)
        return self._in_the_day(np.repeat(np.arange(len(self.ids)), carts), day, random)

    def _in_the_day(
        self, who: npt.NDArray[np.intp], day: date, random: np.random.Generator
    ) -> list[tuple[str, datetime]]:
        seconds = random.integers(8 * 3600, 20 * 3600, who.size)
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 (the shop's wall clock)
        return [
            (self.ids[position], midnight + timedelta(seconds=int(second)))
            for position, second in zip(who.tolist(), seconds.tolist(), strict=True)
        ]


def settled(behaviour: Behaviour, seed: int) -> People:
    """The people of the demo company with what its files hide."""
    table = demo_people.people(np.random.default_rng(seed), behaviour.customers)
    known = (np.datetime64(DAY) - instants(table, "registered_at").astype("datetime64[D]")).astype(
        int
    )
    gone = table["active_days"].to_numpy() < known
    rates = table["rate"].to_numpy().astype(np.float64) * float(behaviour.shopping.rate)
    kinds = np.where(gone, Kind.GONE, np.where(rates >= OFTEN, Kind.REGULAR, Kind.OCCASIONAL))
    return People(
        strings(table, "customer_id").tolist(),
        [Kind(one) for one in kinds.tolist()],
        np.where(gone, 0.0, rates),
        table["taste"].to_numpy().astype(np.int64),
        seed,
    )
