"""What the demo company's customers did besides buying: carts, visits, wishes, registrations."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from antiphon.demo.columns import Values, choose, instants, strings, text, with_gaps
from antiphon.demo.shop import CATEGORIES

NOW = np.datetime64("2026-05-12T08:00:00")
EVENING = "skin-care-evening"  # an event in Berlin, two weeks after the demo day


@dataclass(frozen=True)
class Doings:
    """Events of one kind: positions of the customers, and moments."""

    event: str
    who: Values
    moment: Values
    product: Values | None = None
    value: Values | None = None


def events(
    random: np.random.Generator, more: np.random.Generator, people: pa.Table, products: pa.Table
) -> pa.Table:
    """All events, ids in order of time. `more`: chance of the kinds added later, so that the
    earlier ones stay as they are.
    """
    kinds = [*_visits(random, people, products), *_wishes(more, people, products)]
    kinds += _memberships(more, people)
    who = np.concatenate([kind.who for kind in kinds])
    order = np.argsort(np.concatenate([kind.moment for kind in kinds]), kind="stable")
    nothing = [np.full(kind.who.size, "") for kind in kinds]
    product = np.concatenate(
        [k.product if k.product is not None else no for k, no in zip(kinds, nothing, strict=True)]
    )
    value = np.concatenate(
        [k.value if k.value is not None else no for k, no in zip(kinds, nothing, strict=True)]
    )
    return pa.table(
        {
            "event_id": np.array([f"E{number:07d}" for number in range(1, who.size + 1)]),
            "customer_id": strings(people, "customer_id")[who][order],
            "event": np.concatenate([np.full(k.who.size, k.event) for k in kinds])[order],
            "occurred_at": text(np.concatenate([kind.moment for kind in kinds])[order]),
            "product_id": with_gaps(product[order], product[order] == ""),
            "value": with_gaps(value[order], value[order] == ""),
        }
    )


def _before(random: np.random.Generator, days: float, since: Values) -> Values:
    """Moments before now, `days` ago on average, not before the customer was known."""
    seconds_ago = (random.exponential(days, since.size) * 86400).astype("timedelta64[s]")
    return np.maximum(NOW - seconds_ago, since)


def _visits(random: np.random.Generator, people: pa.Table, products: pa.Table) -> list[Doings]:
    """Carts left behind, visits to a shop, app installations."""
    count = people.num_rows * 2
    who = random.integers(0, people.num_rows, count)
    kinds = np.array(["cart_abandoned", "store_visit", "app_installed"])
    kind = random.choice(kinds, size=count, p=[0.35, 0.5, 0.15])
    moment = _before(random, 160, instants(people, "registered_at")[who])
    product = strings(products, "product_id")[random.integers(0, products.num_rows, count)]
    return [
        Doings(
            name,
            who[kind == name],
            moment[kind == name],
            product[kind == name] if name == "cart_abandoned" else None,
        )
        for name in kinds.tolist()
    ]


def _wishes(random: np.random.Generator, people: pa.Table, products: pa.Table) -> list[Doings]:
    """Waiting for a product, watching a price, an interest, a place at the next evening."""
    registered = instants(people, "registered_at")
    ids = strings(products, "product_id").tolist()

    def someone(share: float) -> Values:
        return random.integers(0, people.num_rows, int(people.num_rows * share))

    waiting, watching, interested, coming = (someone(share) for share in (0.06, 0.10, 0.25, 0.005))
    interests = [name for name in CATEGORIES if name != "prescription"]
    return [
        Doings(
            "waits_for_product",
            waiting,
            _before(random, 30, registered[waiting]),
            choose(random, ids, waiting.size),
        ),
        Doings(
            "price_watch",
            watching,
            _before(random, 40, registered[watching]),
            choose(random, ids, watching.size),
        ),
        Doings(
            "interest_stated",
            interested,
            _before(random, 300, registered[interested]),
            value=choose(random, interests, interested.size),
        ),
        Doings(
            "event_rsvp",
            coming,
            _before(random, 4, registered[coming]),
            value=np.full(coming.size, EVENING),
        ),
    ]


def _memberships(random: np.random.Generator, people: pa.Table) -> list[Doings]:
    """Registrations of the last year (the shop system tells of no older ones), and members."""
    registered = instants(people, "registered_at")
    lately = np.flatnonzero(registered > NOW - np.timedelta64(365, "D"))
    members = np.flatnonzero(strings(people, "loyalty_tier") != "none")
    hours = (random.exponential(20 * 24, members.size) * 3600).astype("timedelta64[s]")
    joined = registered[members] + hours
    return [
        Doings("registered", lately, registered[lately]),
        Doings("joined_programme", members[joined <= NOW], joined[joined <= NOW]),
    ]
