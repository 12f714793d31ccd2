"""A demo company: Linden Pharmacy, 20,000 customers and three years of orders, always the same.

The files look like a shop system's exports, with the usual dirt: addresses with typing errors,
two customers sharing one address, a customer sent twice, orders of nobody, an amount with a
currency sign, a date from the future.
"""

import filecmp
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow.csv

from antiphon.demo import answers, dirt, doings, people, shop
from antiphon.demo.columns import DAY as DAY

ZONE = ZoneInfo("Europe/Berlin")
AS_OF = datetime(2026, 5, 12, 10, 0, tzinfo=ZONE).astimezone(UTC)
_HIDDEN = ["rate", "taste", "active_days"]


@dataclass(frozen=True)
class Demo:
    """What was written, for the newcomer to read."""

    folder: Path
    rows: dict[str, int]


def write_demo(folder: Path, *, customers: int = 20_000, seed: int = 2026) -> Demo:
    """Write the eight files of the demo company; the same bytes for the same arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    more = np.random.default_rng([seed, 2])
    late = np.random.default_rng([seed, 3])  # what came later changes nothing that was before
    persons = people.people(random, customers)
    products = shop.products(random)
    orders, lines = shop.purchases(random, persons, products)
    known = people.wishes(late, people.own_days(more, persons).drop(_HIDDEN))
    tables = {
        "customers": dirt.with_dirt(known, dirt.in_customers),
        "products": products.drop(["weight"]),
        "orders": dirt.with_dirt(orders, dirt.in_orders),
        "order_lines": lines,
        "events": dirt.with_dirt(doings.events(random, more, persons, products), dirt.in_events),
        "consents": people.proofs(late, people.consents(random, persons)),
        "responses": dirt.with_dirt(answers.responses(more, persons), dirt.in_responses),
        "notices": dirt.with_dirt(answers.notices(more, products), dirt.in_notices),
    }
    for name, table in tables.items():
        partial, path = folder / f".{name}.csv", folder / f"{name}.csv"
        pyarrow.csv.write_csv(table, partial)
        if path.exists() and filecmp.cmp(partial, path, shallow=False):
            partial.unlink()  # a source rereads a file whose time changed
        else:
            partial.replace(path)
    return Demo(folder, {name: table.num_rows for name, table in tables.items()})
