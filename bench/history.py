"""What audiences ask for beyond orders: products and order lines, contacts, responses, notices.

Beside what `generate` makes, for the same customers and orders; always the same. Every order has
one to three lines (1.5 on average), the first of the order's own category; seven in ten are of
the product that this customer always takes. Five contacts a customer in the last year, three in
ten of them answered; one event of the kinds that only the audiences know. The news of the steady
day: a line for every new order, a contact for one customer in forty, an answer from one in a
hundred. `triggers-1`: 10,000 events (at a million customers and more) of the last minutes.
"""

from pathlib import Path

from bench.campaigns import plans
from bench.generate import FIRST_DAY, NEWS_SHARE, ORDERS_EACH, STEADY_DAY, Data, write

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
TRIGGERS = 10_000
KINDS = (*["open"] * 12, *["click"] * 5, *["conversion"] * 2, "reply", "survey", "complaint")
_EACH = PRODUCTS // len(CATEGORIES)
_CAMPAIGN = f"{[plan.name for plan in plans()]}[1 + k % {len(plans())}]"
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
    {_CAMPAIGN} || '||' || k || '|' || id_of(i) as occurrence_key,
    id_of(i) as customer_id, id_of(i) as unit, {_CAMPAIGN} as campaign,
    '' as step, '' as cell, k::varchar as anchor, 1 as attempt, 'default' as arm,
    case when chance(k, 72) < 0.8 then 'email' else 'sms' end as channel,
    'promo' as category, 'delivered' as state, {_MIDNIGHT} - to_seconds(age) as contact_at,
    'history' as run_id
"""

_RESPONSE = f"""
select 'R' || lpad(k::varchar, 9, '0') as response_id, id_of(i) as customer_id,
    pick({list(KINDS)}, k, 79) as kind,
    contact_at + to_seconds((chance(k, 75) * 7200)::bigint) as occurred_at, campaign, channel,
    message_id, if(kind = 'survey', pick([1, 2, 3, 4, 5], k, 76)::varchar, null) as value
from ({{contacts}}) where chance(k, 80) < {{share}}
"""

_EVENT = f"""
select 'W' || k as event_id, id_of(i) as customer_id, event, occurred_at,
    if(event like '%product%' or event like 'price%',
        'P' || lpad(floor(chance(k, 85) * {PRODUCTS})::bigint::varchar, 5, '0'), null)
        as product_id,
    if(event = 'interest_stated', pick({list(CATEGORIES)}, k, 86), null) as value
from {{events}}
"""

_NOTICE = f"""
select 'A' || range as notice_id,
    pick(['back_in_stock', 'price_drop'], range, 77) as notice,
    {_MIDNIGHT} - to_seconds((chance(range, 78) * 31536000)::bigint) as occurred_at,
    'P' || lpad((range * 7 % {PRODUCTS})::varchar, 5, '0') as product_id,
    if(notice = 'price_drop', 1 + range % 20, null)::varchar as value
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
    events = f"""(
        select range as k, floor(chance(range, 82) * {customers})::bigint as i,
            pick(['waits_for_product', 'price_watch', 'interest_stated', 'joined_programme',
                'product_viewed', 'product_viewed', 'product_viewed'], range, 83) as event,
            {_MIDNIGHT} - to_seconds(3600 + (chance(range, 84) * 31536000)::bigint) as occurred_at
        from range({customers}))"""
    triggers = f"""(
        select {customers} + range as k, floor(chance(range, 87) * {customers})::bigint as i,
            pick(['cart_abandoned', 'cart_abandoned', 'product_viewed'], range, 88) as event,
            timestamptz '{STEADY_DAY} 09:50:00+02' + to_seconds((chance(range, 89) * 600)::bigint)
                as occurred_at
        from range({min(TRIGGERS, customers)}))"""
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
            "wishes-0": _EVENT.format(events=events),
            "triggers-1": _EVENT.format(events=triggers),
        },
    )
