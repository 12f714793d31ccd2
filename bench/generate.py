"""Customers, orders, events and consents of any size, streamed to Parquet; always the same.

A first load up to the night before FIRST_DAY, then the news of 1 % of the customers between that
day's noon and the morning of STEADY_DAY.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

FIRST_DAY = "2026-05-11"
STEADY_DAY = "2026-05-12"
ORDERS_EACH = 10
NEWS_SHARE = 0.01
SIZES = {"20k": 20_000, "100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}

# A number in 0 … 1 from the row's number and a seed: the same in every run.
MACROS = """
create macro chance(i, seed) as hash(i * 1000003 + seed) / 18446744073709551615.0;
create macro id_of(i) as 'C' || lpad(i::varchar, 9, '0');
create macro pick(list, i, seed) as list[1 + floor(chance(i, seed) * 0.999999 * len(list))::int];
"""

_CUSTOMER = """
select id_of(i) as customer_id,
    case when chance(i, 1) < 0.92 then 'person' || i || '@example.com' end as email,
    case when chance(i, 2) < 0.65 then '+491512' || lpad((i % 10000000)::varchar, 7, '0') end
        as phone,
    pick(['Anna', 'Lena', 'Marie', 'Paul', 'Jonas', 'Felix', 'Emil'], i, 3) as first_name,
    pick(['Müller', 'Schmidt', 'Weber', 'Koch', 'Wolf', 'Braun'], i, 4) as last_name,
    case when chance(i, 5) < 0.8 then 'de' else 'en' end as language,
    'DE' as country,
    pick(['Berlin', 'Hamburg', 'Köln', 'Leipzig'], i, 6) as city,
    (date '1940-01-01' + (chance(i, 7) * 24000)::int) as birthday,
    case when chance(i, 8) < 0.6 then 'f' else 'm' end as sex,
    timestamptz '{day} 00:00:00+00' - to_seconds((chance(i, 9) * 94608000)::bigint)
        as registered_at,
    {updated} as updated_at
from {people}
"""

_ORDER = """
select 'O' || lpad(n::varchar, 11, '0') as order_id,
    id_of(i) as customer_id,
    {moment} as ordered_at,
    (3 + floor(chance(n, 21) * chance(n, 22) * 12000) / 100)::decimal(18, 4) as amount,
    pick(['vitamins', 'skin care', 'baby', 'pain relief', 'allergy', 'dental care', 'home care',
          'prescription', 'hair', 'sport', 'optics', 'tea'], n, 23) as category,
    case when chance(n, 24) < 0.3 then 'web' else 'shop' end as store
from {orders}
"""


@dataclass(frozen=True)
class Data:
    """The folder and the number of rows of each file."""

    folder: Path
    rows: dict[str, int]


def generate(folder: Path, customers: int) -> Data:
    """Write the first load (`*-0.parquet`) and the steady day (`*-1.parquet`) into `folder`."""
    midnight = f"timestamptz '{FIRST_DAY} 00:00:00+00'"
    everybody = f"(select range as i from range({customers}))"
    news = f"(select i from {everybody} where chance(i, 90) < {NEWS_SHARE})"
    # The product of two chances: few customers order often.
    first_orders = f"""(
        select range as n, floor(chance(range, 20) * chance(range, 19) * {customers})::bigint as i
        from range({customers * ORDERS_EACH}))"""
    past = f"{midnight} - to_seconds(3600 + (chance(n, 25) * 94600000)::bigint)"
    today = f"{midnight} + to_seconds(43200 + (chance(n, 25) * 60000)::bigint)"
    updated = f"{midnight} - to_seconds(86400 + (chance(i, 10) * 90000000)::bigint)"
    queries = {
        "customers-0": _CUSTOMER.format(day=FIRST_DAY, updated=updated, people=everybody),
        "customers-1": _CUSTOMER.format(
            day=FIRST_DAY, updated=f"{midnight} + to_seconds(43200)", people=news
        ).replace("'Köln', 'Leipzig'", "'Bonn', 'Kiel'"),
        "orders-0": _ORDER.format(moment=past, orders=first_orders),
        "orders-1": _ORDER.format(
            moment=today,
            orders=f"(select i, {customers * ORDERS_EACH} + row_number() over (order by i) as n"
            f" from {news})",
        ),
        "events-0": f"""
            select 'E' || range as event_id, id_of(floor(chance(range, 40) * {customers})::bigint)
                as customer_id,
                pick(['cart_abandoned', 'store_visit', 'app_installed'], range, 41) as event,
                {midnight} - to_seconds(3600 + (chance(range, 42) * 94600000)::bigint)
                    as occurred_at
            from range({customers})""",
        "events-1": f"""
            select 'N' || i as event_id, id_of(i) as customer_id, 'cart_abandoned' as event,
                {midnight} + to_seconds(86400 + (chance(i, 43) * 20000)::bigint) as occurred_at
            from {news}""",
        "consents-0": f"""
            select id_of(i) as customer_id, channel, 'promo' as category,
                chance(i, if(channel = 'email', 50, 51)) < if(channel = 'email', 0.7, 0.4)
                    as granted,
                {midnight} - to_seconds(86400 + (chance(i, 52) * 90000000)::bigint) as acted_at,
                'registration' as source
            from {everybody}, (values ('email'), ('sms')) as channels(channel)""",
        "consents-1": f"""
            select id_of(i) as customer_id, 'email' as channel, 'promo' as category,
                chance(i, 53) < 0.5 as granted, {midnight} + to_seconds(43200) as acted_at,
                'web' as source from {news} where chance(i, 54) < 0.2""",
    }
    return write(folder, queries)


def write(folder: Path, queries: Mapping[str, str]) -> Data:
    """Write each query's rows as `<name>.parquet`, unless an equal query wrote it before.

    Queries may use the macros.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    with duckdb.connect(config={"threads": 2, "preserve_insertion_order": False}) as engine:
        engine.execute("set timezone = 'UTC'")
        engine.execute(MACROS)
        for name, query in queries.items():
            target, written = folder / f"{name}.parquet", folder / f"{name}.json"
            text = MACROS + query
            known = json.loads(written.read_text()) if written.exists() else {}
            if known.get("query") != text:
                copy = f"copy ({query}) to '{target}' (format parquet, compression zstd)"
                ((count,),) = engine.execute(copy).fetchall()
                known = {"query": text, "rows": count}
                written.write_text(json.dumps(known))
            rows[name] = known["rows"]
    return Data(folder, rows)
