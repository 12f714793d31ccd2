"""A demo company: Linden Pharmacy, 20,000 customers and three years of orders, always the same.

The files look like a shop system's exports, with the usual dirt: addresses with typing errors,
two customers sharing one address, a customer sent twice, orders of nobody, an amount with a
currency sign, a date from the future.
"""

import filecmp
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv

Values = npt.NDArray[Any]

ZONE = ZoneInfo("Europe/Berlin")
DAY = date(2026, 5, 12)
AS_OF = datetime(2026, 5, 12, 10, 0, tzinfo=ZONE).astimezone(UTC)
YEARS = 3

_FIRST_NAMES = {
    "f": "Anna Lena Marie Sophie Clara Emilia Ida Frieda Johanna Greta Hannah Yasemin Olga Jane",
    "m": "Paul Jonas Lukas Felix Emil Anton Karl Oskar Moritz Jürgen Björn Mehmet Ivan John",
}
_LAST_NAMES = (
    "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer "
    "Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Yılmaz O'Neill Novák"
)
_CITIES = {
    "Berlin": "Berlin",
    "Hamburg": "Hamburg",
    "München": "Bayern",
    "Köln": "Nordrhein-Westfalen",
    "Leipzig": "Sachsen",
    "Freiburg": "Baden-Württemberg",
    "Kiel": "Schleswig-Holstein",
}
# category: (share of lines, lowest and highest price, days a pack lasts, products)
_CATEGORIES: dict[str, tuple[float, float, float, int, tuple[str, ...]]] = {
    "vitamins": (0.20, 6, 30, 30, ("Vitamin D3", "Vitamin C", "Magnesium", "Zinc", "Omega-3")),
    "skin care": (0.18, 5, 45, 60, ("Day Cream", "Hand Balm", "Sun Lotion", "Face Oil")),
    "baby": (0.10, 4, 28, 14, ("Baby Wipes", "Teething Gel", "Baby Oil")),
    "pain relief": (0.16, 3, 12, 20, ("Ibuprofen 200", "Warming Patch", "Menthol Gel")),
    "allergy": (0.09, 5, 22, 30, ("Nasal Spray", "Eye Drops", "Cetirizine 10")),
    "dental care": (0.10, 2, 18, 45, ("Toothpaste", "Dental Floss", "Mouthwash")),
    "home care": (0.07, 4, 60, 90, ("Thermometer", "First-Aid Kit", "Blood Pressure Cuff")),
    "prescription": (0.10, 5, 10, 30, ("Prescription fee",)),
}


@dataclass(frozen=True)
class Demo:
    """What was written, for the newcomer to read."""

    folder: Path
    rows: dict[str, int]


def write_demo(folder: Path, *, customers: int = 20_000, seed: int = 2026) -> Demo:
    """Write the six files of the demo company; the same bytes for the same arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    people = _people(random, customers)
    products = _products(random)
    orders, lines = _purchases(random, people, products)
    tables = {
        "customers": _with_dirt(people.drop(["rate", "taste", "active_days"]), _dirty_customers),
        "products": products.drop(["weight"]),
        "orders": _with_dirt(orders, _dirty_orders),
        "order_lines": lines,
        "events": _events(random, people, products),
        "consents": _consents(random, people),
    }
    for name, table in tables.items():
        partial, path = folder / f".{name}.csv", folder / f"{name}.csv"
        pyarrow.csv.write_csv(table, partial)
        if path.exists() and filecmp.cmp(partial, path, shallow=False):
            partial.unlink()  # a source rereads a file whose time changed
        else:
            partial.replace(path)
    return Demo(folder, {name: table.num_rows for name, table in tables.items()})


def _text(values: Values) -> pa.Array:
    """Local wall-clock instants (or days) as ISO text, the way a shop system exports them."""
    return pa.array(values.astype(str))


def _with_gaps(values: Values, missing: Values) -> pa.Array:
    return pa.array(values.tolist(), pa.string(), mask=missing)


def _choose(random: np.random.Generator, words: list[str], count: int) -> Values:
    # The first words are the commoner ones, as in life.
    weights = 1 / np.arange(1.0, len(words) + 1) ** 0.6
    return random.choice(np.array(words), size=count, p=weights / weights.sum())


def _people(random: np.random.Generator, count: int) -> pa.Table:
    """One row per customer; `rate` orders a year, `taste` favourite category, both hidden."""
    today = np.datetime64(DAY)
    sex = np.where(random.random(count) < 0.62, "f", "m")
    first = np.where(
        sex == "f",
        _choose(random, _FIRST_NAMES["f"].split(), count),
        _choose(random, _FIRST_NAMES["m"].split(), count),
    )
    last = _choose(random, _LAST_NAMES.split(), count)
    number = np.arange(1, count + 1)
    ids = np.array([f"LP{n:06d}" for n in number])
    city = _choose(random, list(_CITIES), count)
    # Registered over three years and a bit, a few dozen in the last days.
    ago = np.floor(random.beta(1.0, 1.1, count) * 365 * YEARS).astype(int)
    registered = (today - ago).astype("datetime64[s]") + random.integers(8 * 3600, 20 * 3600, count)
    registered = np.minimum(registered, np.datetime64("2026-05-12T08:30:00"))
    born = today - (random.gamma(9.0, 5.2, count) * 365.25 + 365 * 17).astype(int)
    names = zip(first, last, number, strict=True)
    emails = np.array([f"{_ascii(f)}.{_ascii(n)}.{i}@example.com" for f, n, i in names])
    phones = np.array([f"0151 2{i % 1000:03d} {1000 + i % 9000:04d}" for i in number])
    # Left us at some time: no orders after that.
    stays = random.random(count) < 0.55
    active = np.where(stays, ago, (ago * random.random(count)).astype(int))
    shares = np.array([category[0] for category in _CATEGORIES.values()])
    rate = random.gamma(1.3, 2.6, count)
    tiers = np.select([rate > 7, rate > 4, rate > 2], ["gold", "silver", "bronze"], "none")
    return pa.table(
        {
            "customer_id": ids,
            "email": _with_gaps(emails, random.random(count) < 0.08),
            "phone": _with_gaps(phones, random.random(count) < 0.35),
            "first_name": _with_gaps(first, random.random(count) < 0.03),
            "last_name": last,
            "language": np.where(random.random(count) < 0.82, "de", "en"),
            "country": np.full(count, "DE"),
            "region": [_CITIES[name] for name in city],
            "city": city,
            "timezone": np.full(count, "Europe/Berlin"),
            "birthday": _text(born),
            "sex": sex,
            "registered_at": _text(registered),
            "acquired_from": _choose(random, ["shop", "web", "friend", "app"], count),
            "loyalty_tier": tiers,
            "bonus_points": random.integers(0, 900, count),
            "updated_at": _text(np.maximum(registered, np.datetime64("2023-06-01T00:00:00"))),
            "rate": rate,
            "taste": random.choice(len(shares), size=count, p=shares / shares.sum()),
            "active_days": active,
        }
    )


def _ascii(name: str) -> str:
    plain = {"ü": "ue", "ö": "oe", "ä": "ae", "ß": "ss", "ı": "i", "á": "a", "'": ""}
    return "".join(plain.get(letter, letter) for letter in name.lower())


def _products(random: np.random.Generator) -> pa.Table:
    rows = []
    for position, (category, (_, low, high, days, names)) in enumerate(_CATEGORIES.items()):
        for name_position, name in enumerate(names):
            for size_position, size in enumerate(("small", "large")):
                price = round(float(random.uniform(low, high)) * (1 + size_position) / 1.5, 2)
                rows.append(
                    {
                        "product_id": f"P{position}{name_position}{size_position}",
                        "name": f"{name} ({size})",
                        "category": category,
                        "brand": ("Linden", "Vitalis", "Nordlicht")[name_position % 3],
                        "price": f"{price:.2f}",
                        "pack_days": days * (1 + size_position),
                        "weight": position,
                    }
                )
    return pa.Table.from_pylist(rows)


def _purchases(
    random: np.random.Generator, people: pa.Table, products: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Orders and their lines, order ids in order of time."""
    registered = people["registered_at"].to_numpy().astype("datetime64[s]")
    days = (np.datetime64(DAY) - registered.astype("datetime64[D]")).astype(int)
    active_days = people["active_days"].to_numpy()
    orders_each = random.poisson(people["rate"].to_numpy() * active_days / 365)
    buyer = np.repeat(np.arange(people.num_rows), orders_each)
    gone = (days - active_days)[buyer]
    ago = gone + random.random(buyer.size) * active_days[buyer]
    moment = np.datetime64(f"{DAY}T00:00:00") - np.floor(ago * 86400).astype("timedelta64[s]")
    moment = moment.astype("datetime64[D]").astype("datetime64[s]")
    moment = moment + random.integers(8 * 3600, 20 * 3600, buyer.size).astype("timedelta64[s]")
    moment = np.maximum(moment, registered[buyer])
    moment = np.minimum(moment, np.datetime64("2026-05-12T09:00:00"))
    order = np.argsort(moment, kind="stable")
    buyer, moment = buyer[order], moment[order]

    lines_each = 1 + random.poisson(1.1, buyer.size)
    owner = np.repeat(np.arange(buyer.size), lines_each)
    taste = people["taste"].to_numpy()[buyer][owner]
    category = np.where(
        random.random(owner.size) < 0.55, taste, random.integers(0, len(_CATEGORIES), owner.size)
    )
    of_category = [
        np.flatnonzero(products["weight"].to_numpy() == c) for c in range(len(_CATEGORIES))
    ]
    picks = random.random(owner.size)
    product = np.zeros(owner.size, dtype=int)
    for position, members in enumerate(of_category):
        mine = category == position
        product[mine] = members[(picks[mine] * members.size).astype(int)]
    prices = [round(float(price) * 100) for price in products["price"].to_pylist()]
    cents = np.array(prices)[product]
    quantity = 1 + (random.random(owner.size) < 0.15)
    total = np.bincount(owner, weights=cents * quantity, minlength=buyer.size).astype(int)
    ids = np.array([f"A{number:07d}" for number in range(1, buyer.size + 1)])
    first_line = np.concatenate(([0], np.cumsum(lines_each)[:-1]))
    orders = pa.table(
        {
            "order_id": ids,
            "customer_id": people["customer_id"].to_numpy(zero_copy_only=False)[buyer],
            "ordered_at": _text(moment),
            "amount": [f"{c // 100}.{c % 100:02d}" for c in total.tolist()],
            "store": np.where(random.random(buyer.size) < 0.3, "web", "shop"),
            "status": np.full(buyer.size, "paid"),
            "updated_at": _text(moment),
        }
    )
    lines = pa.table(
        {
            "order_id": ids[owner],
            "line_number": np.arange(owner.size) - first_line[owner] + 1,
            "product_id": products["product_id"].to_numpy(zero_copy_only=False)[product],
            "quantity": quantity,
            "unit_price": [f"{c // 100}.{c % 100:02d}" for c in cents.tolist()],
        }
    )
    return orders, lines


def _events(random: np.random.Generator, people: pa.Table, products: pa.Table) -> pa.Table:
    """Carts left behind, visits to a shop, app installations."""
    count = people.num_rows * 2
    who = random.integers(0, people.num_rows, count)
    kinds = np.array(["cart_abandoned", "store_visit", "app_installed"])
    kind = random.choice(kinds, size=count, p=[0.35, 0.5, 0.15])
    registered = people["registered_at"].to_numpy().astype("datetime64[s]")[who]
    seconds_ago = (random.exponential(160, count) * 86400).astype("timedelta64[s]")
    moment = np.maximum(np.datetime64("2026-05-12T08:00:00") - seconds_ago, registered)
    product = products["product_id"].to_numpy(zero_copy_only=False)
    chosen = product[random.integers(0, product.size, count)]
    order = np.argsort(moment, kind="stable")
    return pa.table(
        {
            "event_id": np.array([f"E{number:07d}" for number in range(1, count + 1)]),
            "customer_id": people["customer_id"].to_numpy(zero_copy_only=False)[who][order],
            "event": kind[order],
            "occurred_at": _text(moment[order]),
            "product_id": _with_gaps(chosen, kind[order] != "cart_abandoned"),
        }
    )


def _consents(random: np.random.Generator, people: pa.Table) -> pa.Table:
    """What people agreed to at registration, and later objections of some."""
    ids = people["customer_id"].to_numpy(zero_copy_only=False)
    registered = people["registered_at"].to_numpy().astype("datetime64[s]")
    parts = []
    for channel, promo_share in (("email", 0.72), ("sms", 0.38)):
        asked = random.random(ids.size) < 0.94
        granted = random.random(ids.size) < promo_share
        later = asked & granted & (random.random(ids.size) < 0.06)
        seconds = 30 * 86400 + random.random(ids.size) * 86400 * 200
        ended = registered + seconds.astype("timedelta64[s]")
        ended = np.minimum(ended, np.datetime64("2026-05-11T18:00:00"))
        for chosen, yes, moment, source in (
            (asked, granted, registered, "registration form"),
            (later, np.zeros(ids.size, dtype=bool), np.maximum(ended, registered), "shop counter"),
        ):
            parts.append(
                pa.table(
                    {
                        "customer_id": pa.array(ids[chosen], pa.string()),
                        "channel": np.full(chosen.sum(), channel),
                        "category": np.full(chosen.sum(), "promo"),
                        "granted": np.where(yes[chosen], "yes", "no"),
                        "acted_at": _text(moment[chosen]),
                        "source": np.full(chosen.sum(), source),
                    }
                )
            )
    return pa.concat_tables(parts)


def _with_dirt(table: pa.Table, spoil: Callable[[list[dict[str, object]]], None]) -> pa.Table:
    """Append a few spoilt copies of rows of `table`, as text."""
    texts = pa.table({name: table[name].cast(pa.string()) for name in table.column_names})
    rows = texts.slice(0, 6).to_pylist()
    spoil(rows)
    return pa.concat_tables([texts, pa.Table.from_pylist(rows, schema=texts.schema)])


def _dirty_customers(rows: list[dict[str, object]]) -> None:
    rows[0]["city"] = "Potsdam"  # the same person again, newer
    rows[0]["updated_at"] = "2026-05-11T17:00:00"
    rows[1] |= {"customer_id": "LP900001", "email": "not an address", "phone": "12"}
    rows[2] |= {"customer_id": "LP900002", "birthday": "31.02.1980"}
    rows[3] |= {"customer_id": None}
    rows[4] |= {"customer_id": "LP900003", "first_name": "<b>Robert'); DROP TABLE--</b>"}
    rows[5] |= {"customer_id": "LP900004", "updated_at": "2031-01-01T00:00:00"}


def _dirty_orders(rows: list[dict[str, object]]) -> None:
    rows[0] |= {"order_id": "B0000001", "customer_id": "LP999999"}
    rows[1] |= {"order_id": "B0000002", "amount": "€ 12,50"}
    rows[2] |= {"order_id": "B0000003", "ordered_at": "2031-01-01T10:00:00"}
    rows[3] |= {"order_id": None}
    rows[4] |= {"order_id": "B0000004", "ordered_at": "05/11/26"}
    rows[5] |= {"status": "paid"}  # sent twice, word for word
