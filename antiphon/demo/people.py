"""Who the demo company's customers are, and what they agreed to."""

import numpy as np
import pyarrow as pa

from antiphon.demo.columns import DAY, YEARS, choose, instants, strings, text, with_gaps
from antiphon.demo.shop import SHARES

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


def people(random: np.random.Generator, count: int) -> pa.Table:
    """One row per customer. Hidden from the files: `rate` orders a year, `taste` the favourite
    category, `active_days` from the registration until they left us.
    """
    today = np.datetime64(DAY)
    sex = np.where(random.random(count) < 0.62, "f", "m")
    first = np.where(
        sex == "f",
        choose(random, _FIRST_NAMES["f"].split(), count),
        choose(random, _FIRST_NAMES["m"].split(), count),
    )
    last = choose(random, _LAST_NAMES.split(), count)
    number = np.arange(1, count + 1)
    ids = np.array([f"LP{n:06d}" for n in number])
    city = choose(random, list(_CITIES), count)
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
    rate = random.gamma(1.3, 2.6, count)
    tiers = np.select([rate > 7, rate > 4, rate > 2], ["gold", "silver", "bronze"], "none")
    return pa.table(
        {
            "customer_id": ids,
            "email": with_gaps(emails, random.random(count) < 0.08),
            "phone": with_gaps(phones, random.random(count) < 0.35),
            "first_name": with_gaps(first, random.random(count) < 0.03),
            "last_name": last,
            "language": np.where(random.random(count) < 0.82, "de", "en"),
            "country": np.full(count, "DE"),
            "region": [_CITIES[name] for name in city],
            "city": city,
            "timezone": np.full(count, "Europe/Berlin"),
            "birthday": text(born),
            "sex": sex,
            "registered_at": text(registered),
            "acquired_from": choose(random, ["shop", "web", "friend", "app"], count),
            "loyalty_tier": tiers,
            "bonus_points": random.integers(0, 900, count),
            "updated_at": text(np.maximum(registered, np.datetime64("2023-06-01T00:00:00"))),
            "rate": rate,
            "taste": random.choice(len(SHARES), size=count, p=SHARES / SHARES.sum()),
            "active_days": active,
        }
    )


def _ascii(name: str) -> str:
    plain = {"ü": "ue", "ö": "oe", "ä": "ae", "ß": "ss", "ı": "i", "á": "a", "'": ""}
    return "".join(plain.get(letter, letter) for letter in name.lower())


def own_days(random: np.random.Generator, people: pa.Table) -> pa.Table:
    """The customers with two days of their own: when bonus points lapse, the next check-up."""
    count = people.num_rows
    lapse = np.datetime64(DAY) + random.integers(1, 300, count)
    without = (people["bonus_points"].to_numpy() == 0) | (random.random(count) < 0.3)
    checkup = np.datetime64(DAY) + random.integers(-60, 300, count)
    age = (np.datetime64(DAY) - strings(people, "birthday").astype("datetime64[D]")).astype(int)
    invited = (age > 40 * 365) & (random.random(count) < 0.5)
    return people.append_column("bonus_expires_on", with_gaps(text(lapse), without)).append_column(
        "next_checkup_on", with_gaps(text(checkup), ~invited)
    )


def wishes(random: np.random.Generator, people: pa.Table) -> pa.Table:
    """The customers with the channel that some of them prefer; a few are young people who have the
    card of their parents, and no check-up."""
    count = people.num_rows
    asked = random.random(count)
    preferred = np.where(random.random(count) < 0.7, "email", "sms")
    young = (random.random(count) < 0.002) & people["next_checkup_on"].is_null().to_numpy()
    days = random.integers(11 * 365, 17 * 365, count)
    birthday = np.where(young, (np.datetime64(DAY) - days).astype(str), strings(people, "birthday"))
    place = people.column_names.index("birthday")
    return people.set_column(place, "birthday", pa.array(birthday)).append_column(
        "preferred_channel", with_gaps(preferred, asked > 0.25)
    )


def proofs(random: np.random.Generator, consents: pa.Table) -> pa.Table:
    """The acts with what is on record of them: most agreements to e-mail were confirmed by a click
    (double opt-in), most forms are kept; since September 2025 they are papers of their own."""
    count = consents.num_rows
    granted = strings(consents, "granted") == "yes"
    acted = instants(consents, "acted_at")
    clicked = acted + random.integers(60, 3 * 86400, count).astype("timedelta64[s]")
    clicked = np.minimum(clicked, np.datetime64("2026-05-12T08:45:00"))
    by_mail = strings(consents, "channel") == "email"
    confirmed = granted & by_mail & (random.random(count) < 0.9)
    kept = granted & (random.random(count) < 0.97)
    number = random.integers(10_000, 100_000, count).astype(str)
    form = np.char.add(np.char.add("form ", acted.astype("datetime64[Y]").astype(str)), "-")
    separate = granted & (acted >= np.datetime64("2025-09-01"))
    return (
        consents.append_column("confirmed_at", with_gaps(text(clicked), ~confirmed))
        .append_column("evidence", with_gaps(np.char.add(form, number), ~kept))
        .append_column("separate", with_gaps(np.where(separate, "yes", "no"), ~granted))
    )


def consents(random: np.random.Generator, people: pa.Table) -> pa.Table:
    """What people agreed to at registration, and later objections of some."""
    ids, registered = strings(people, "customer_id"), instants(people, "registered_at")
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
                        "acted_at": text(moment[chosen]),
                        "source": np.full(chosen.sum(), source),
                    }
                )
            )
    return pa.concat_tables(parts)
