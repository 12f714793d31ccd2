"""What the demo company sells, and three years of orders."""

import numpy as np
import pyarrow as pa

from antiphon.demo.columns import DAY, instants, strings, text

# category: (share of lines, lowest and highest price, days a pack lasts, products)
CATEGORIES: dict[str, tuple[float, float, float, int, tuple[str, ...]]] = {
    "vitamins": (0.20, 6, 30, 30, ("Vitamin D3", "Vitamin C", "Magnesium", "Zinc", "Omega-3")),
    "skin care": (0.18, 5, 45, 60, ("Day Cream", "Hand Balm", "Sun Lotion", "Face Oil")),
    "baby": (0.10, 4, 28, 14, ("Baby Wipes", "Teething Gel", "Baby Oil")),
    "pain relief": (0.16, 3, 12, 20, ("Ibuprofen 200", "Warming Patch", "Menthol Gel")),
    "allergy": (0.09, 5, 22, 30, ("Nasal Spray", "Eye Drops", "Cetirizine 10")),
    "dental care": (0.10, 2, 18, 45, ("Toothpaste", "Dental Floss", "Mouthwash")),
    "home care": (0.07, 4, 60, 90, ("Thermometer", "First-Aid Kit", "Blood Pressure Cuff")),
    "prescription": (0.10, 5, 10, 30, ("Prescription fee",)),
}
SHARES = np.array([category[0] for category in CATEGORIES.values()])


def products(random: np.random.Generator) -> pa.Table:
    rows = []
    for position, (category, (_, low, high, days, names)) in enumerate(CATEGORIES.items()):
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


def purchases(
    random: np.random.Generator, people: pa.Table, products: pa.Table
) -> tuple[pa.Table, pa.Table]:
    """Orders and their lines, order ids in order of time."""
    registered = instants(people, "registered_at")
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
        random.random(owner.size) < 0.55, taste, random.integers(0, len(CATEGORIES), owner.size)
    )
    of_category = [
        np.flatnonzero(products["weight"].to_numpy() == c) for c in range(len(CATEGORIES))
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
            "customer_id": strings(people, "customer_id")[buyer],
            "ordered_at": text(moment),
            "amount": [f"{c // 100}.{c % 100:02d}" for c in total.tolist()],
            "store": np.where(random.random(buyer.size) < 0.3, "web", "shop"),
            "status": np.full(buyer.size, "paid"),
            "updated_at": text(moment),
        }
    )
    lines = pa.table(
        {
            "order_id": ids[owner],
            "line_number": np.arange(owner.size) - first_line[owner] + 1,
            "product_id": strings(products, "product_id")[product],
            "quantity": quantity,
            "unit_price": [f"{c // 100}.{c % 100:02d}" for c in cents.tolist()],
        }
    )
    return orders, lines
