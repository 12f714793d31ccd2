"""What audiences ask for beyond orders: products and order lines, contacts, responses, notices.

Beside what `generate` makes, for the same customers and orders; always the same. Every order has
one to three lines (1.5 on average), the first of the order's own category; seven in ten are of
the product that this customer always takes. Five contacts a customer in the last year, three in
ten of them answered. The news of the steady day: a line for every new order, a contact for one
customer in forty, an answer from one in a hundred.
"""

from pathlib import Path

from bench.generate import FIRST_DAY, NEWS_SHARE, ORDERS_EACH, Data, write

CATEGORIES = (
    "vitamins",
    "skin care",
    "baby",
    "pain relief",
    "allergy",
    "dental care",
    "home care",
    "prescription",
    "hair",
    "sport",
    "optics",
    "tea",
)
PRODUCTS = 2_400  # 200 of each category
CONTACTS_EACH = 5
CAMPAIGNS = 40  # that wrote those contacts: campaign-0, campaign-1 …
_EACH = PRODUCTS // len(CATEGORIES)
_MIDNIGHT = f"timestamptz '{FIRST_DAY} 00:00:00+00'"

_PRODUCT = f"""
select 'P' || lpad(p::varchar, 5, '0') as product_id, 'Product ' || p as name,
    {list(CATEGORIES)}[1 + p % {len(CATEGORIES)}] as category, 'Brand ' || p % 60 as brand,
    (2 + floor(chance(p, 60) * 4000) / 100)::decimal(18, 4) as price,
    case when chance(p, 61) < 0.7 then pick([10, 20, 30, 60, 90], p, 62) end as pack_days
from (select range as p from range({PRODUCTS}))
"""

_LINES = """(
    select m, n, line, floor(chance(n, 20) * chance(n, 19) * {customers})::bigint as i
    from (select range as m, range // 3 as n, range % 3 as line from range({orders} * 3))
    where line = 0 or chance(n, 62 + line) < 0.25)"""
_LINE = f"""
select 'O' || lpad(n::varchar, 11, '0') as order_id, line + 1 as line_number,
    'P' || lpad((category + {len(CATEGORIES)} * case when chance(m, 66) < 0.7
        then floor(chance(i * 16 + category, 67) * {_EACH})::bigint
        else floor(chance(m, 68) * chance(m, 69) * {_EACH})::bigint end)::varchar, 5, '0')
        as product_id,
    pick([1, 1, 1, 2], m, 70)::double as quantity,
    (2 + floor(chance(m, 71) * 4000) / 100)::decimal(18, 4) as unit_price
from (
    select *, floor(chance(if(line = 0, n, m), if(line = 0, 23, 65)) * 0.999999
        * {len(CATEGORIES)})::bigint as category
    from {{rows}}
)
"""

_CONTACT = f"""
select 'M' || lpad(k::varchar, 9, '0') as message_id,
    'campaign-' || k % {CAMPAIGNS} || '||' || k || '|' || id_of(i) as occurrence_key,
    id_of(i) as customer_id, id_of(i) as unit, 'campaign-' || k % {CAMPAIGNS} as campaign,
    '' as step, '' as cell, k::varchar as anchor, 1 as attempt, 'default' as arm,
    case when chance(k, 72) < 0.8 then 'email' else 'sms' end as channel,
    'promo' as category, 'delivered' as state, {_MIDNIGHT} - to_seconds(age) as contact_at,
    'history' as run_id
"""

_RESPONSE = """
select 'R' || lpad(k::varchar, 9, '0') as response_id, id_of(i) as customer_id,
    pick(['open', 'open', 'open', 'click', 'click', 'reply', 'conversion', 'complaint', 'survey'],
        k, 79) as kind,
    contact_at + to_seconds((chance(k, 75) * 7200)::bigint) as occurred_at, campaign, channel,
    message_id, if(kind = 'survey', pick([1, 2, 3, 4, 5], k, 76)::varchar, null) as value
from ({contacts}) where chance(k, 80) < {share}
"""

_NOTICE = f"""
select 'A' || range as notice_id,
    pick(['back_in_stock', 'price_drop'], range, 77) as notice,
    {_MIDNIGHT} - to_seconds((chance(range, 78) * 31536000)::bigint) as occurred_at,
    'P' || lpad((range * 7 % {PRODUCTS})::varchar, 5, '0') as product_id
from range(1000)
"""


def generate_history(folder: Path, customers: int) -> Data:
    """Write what there is on the first day (`*-0.parquet`) and the news (`*-1.parquet`)."""
    orders = customers * ORDERS_EACH
    contacts = customers * CONTACTS_EACH
    past = f"""(
        select range as k, floor(chance(range, 73) * {customers})::bigint as i,
            3600 + (chance(range, 74) * 31536000)::bigint as age
        from range({contacts}))"""
    today = f"""(
        select {contacts} + range as k, range as i, -28800 as age
        from range({customers}) where chance(range, 81) < {NEWS_SHARE * 2.5})"""
    bought = f"""(
        select {orders} + row_number() over (order by range) as n, range as i
        from range({customers}) where chance(range, 90) < {NEWS_SHARE})"""
    return write(
        folder,
        {
            "products-0": _PRODUCT,
            "order_lines-0": _LINE.format(rows=_LINES.format(customers=customers, orders=orders)),
            "order_lines-1": _LINE.format(
                rows=f"(select n * 3 as m, n, 0 as line, i from {bought})"
            ),
            "contacts-0": f"{_CONTACT} from {past}",
            "contacts-1": f"{_CONTACT} from {today}",
            "responses-0": _RESPONSE.format(contacts=f"{_CONTACT}, k, i from {past}", share=0.3),
            "responses-1": _RESPONSE.format(contacts=f"{_CONTACT}, k, i from {today}", share=0.4),
            "notices-0": _NOTICE,
        },
    )
