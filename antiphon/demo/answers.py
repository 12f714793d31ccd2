"""What came back on the letters of the demo company's former system, and what it gave notice of."""

import numpy as np
import pyarrow as pa

from antiphon.demo.columns import DAY, Values, choose, instants, strings, text, with_gaps

LETTERS_A_YEAR = 14
_REGULAR = [
    "newsletter",
    "may-letter",
    "vitamins-cross-sell",
    "skin-care-spring",
    "birthday-wishes",
]
# kind: how many of those who opened
_AFTER_OPENING = {
    "click": 0.16,
    "reply": 0.006,
    "conversion": 0.035,
    "complaint": 0.0015,
    "survey": 0.02,
}
_PRICE_DROPS = 40
_RETURNS = 30  # of products that were out of stock


def responses(random: np.random.Generator, people: pa.Table) -> pa.Table:
    """Two years of answers, in order of time: every letter opened, and what some did then."""
    registered = instants(people, "registered_at")
    today = np.datetime64(f"{DAY}T00:00:00")
    known = np.clip((today - registered).astype("timedelta64[D]").astype(int), 0, 730)
    attention = random.beta(0.8, 3.2, people.num_rows)  # some read everything, most hardly any
    who = np.repeat(
        np.arange(people.num_rows), random.poisson(LETTERS_A_YEAR * attention * known / 365)
    )
    days_ago = np.floor(random.random(who.size) * known[who]).astype("timedelta64[D]")
    opened = today - days_ago - np.timedelta64(1, "D")
    opened = opened + random.integers(6 * 3600, 23 * 3600, who.size).astype("timedelta64[s]")
    opened = np.maximum(opened, registered[who])
    campaign = choose(random, _REGULAR, who.size)
    # Who had left us by then was written to to come back.
    left = registered + people["active_days"].to_numpy().astype("timedelta64[D]")
    gone = opened > left[who] + np.timedelta64(90, "D")
    campaign = np.where(gone, "winback-lost-loyal", campaign)
    parts = [("open", np.arange(who.size), opened)]
    for name, share in _AFTER_OPENING.items():
        chosen = np.flatnonzero(random.random(who.size) < share)
        later = random.integers(60, 8 * 3600, chosen.size).astype("timedelta64[s]")
        moment = np.minimum(opened[chosen] + later, np.datetime64("2026-05-12T08:00:00"))
        parts.append((name, chosen, moment))
    letter = np.concatenate([chosen for _, chosen, _ in parts])
    kind = np.concatenate([np.full(chosen.size, name) for name, chosen, _ in parts])
    moment = np.concatenate([moment for _, _, moment in parts])
    value = _values(random, kind)
    order = np.argsort(moment, kind="stable")
    return pa.table(
        {
            "response_id": np.array([f"R{number:07d}" for number in range(1, order.size + 1)]),
            "customer_id": strings(people, "customer_id")[who[letter[order]]],
            "kind": kind[order],
            "occurred_at": text(moment[order]),
            "campaign": np.where(kind == "survey", "purchase-survey", campaign[letter])[order],
            "channel": np.full(order.size, "email"),
            "value": with_gaps(value[order], value[order] == ""),
        }
    )


def _values(random: np.random.Generator, kind: Values) -> Values:
    """Survey scores 0–10, mostly good; amounts of conversions; nothing else has a value."""
    score = np.rint(random.beta(5, 1.4, kind.size) * 10).astype(int).astype(str)
    amount = np.char.mod("%.2f", np.round(random.gamma(3, 11, kind.size) + 4, 2))
    return np.select([kind == "survey", kind == "conversion"], [score, amount], "")


def notices(random: np.random.Generator, products: pa.Table) -> pa.Table:
    """A year of notices, in order of time: a product is back, costs less; a shop is closed."""
    price = dict(
        zip(products["product_id"].to_pylist(), products["price"].to_pylist(), strict=True)
    )
    ids = list(price)
    rows = [
        *(
            (moment, "back_in_stock", ids[n % len(ids)], None)
            for n, moment in enumerate(_spread(random, _RETURNS))
        ),
        *(
            (moment, "price_drop", name, f"{float(price[name]) * 0.8:.2f}")
            for moment, name in zip(
                _spread(random, _PRICE_DROPS),
                choose(random, ids, _PRICE_DROPS).tolist(),
                strict=True,
            )
        ),
        ("2026-05-11T16:20:00", "back_in_stock", ids[0], None),
        ("2026-05-12T07:10:00", "back_in_stock", ids[3], None),
        ("2026-05-11T17:45:00", "price_drop", ids[1], f"{float(price[ids[1]]) * 0.75:.2f}"),
        ("2026-05-12T06:30:00", "price_drop", ids[12], f"{float(price[ids[12]]) * 0.8:.2f}"),
        ("2025-11-18T09:00:00", "incident", None, "Hamburg"),
        ("2026-05-12T07:30:00", "incident", None, "Kiel"),
    ]
    rows.sort(key=lambda row: row[0])
    return pa.table(
        {
            "notice_id": [f"N{number:05d}" for number in range(1, len(rows) + 1)],
            "notice": [row[1] for row in rows],
            "occurred_at": [row[0] for row in rows],
            "product_id": pa.array([row[2] for row in rows], pa.string()),
            "value": pa.array([row[3] for row in rows], pa.string()),
        }
    )


def _spread(random: np.random.Generator, count: int) -> list[str]:
    """Mornings of the last year, none of the last week."""
    days = np.datetime64(DAY) - random.integers(8, 365, count)
    seconds = random.integers(8 * 3600, 11 * 3600, count).astype("timedelta64[s]")
    return [str(moment) for moment in days.astype("datetime64[s]") + seconds]
