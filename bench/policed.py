"""The bench's company under a long contact policy: a hundred wide campaigns, twenty mixed rules.

The customers of `generate` with a time zone of their own, three in ten of them in households of
three; the history is that of `history`. Each campaign is meant for about 15 % of the customers.
"""

import os
from pathlib import Path

import duckdb

from bench.company import ENTITIES, MESSAGES_PER_DAY, MORE_ENTITIES, POLICY, write_company
from bench.segments import SEGMENTS

CAMPAIGNS = 100
YEARS = 10  # of ages that a campaign is meant for: of 66 that there are
CATEGORIES = ("promo", "promo", "promo", "lifecycle", "lifecycle")
TAGS = ("discount", "news", "care", "season")
ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Asia/Kolkata", "Pacific/Auckland")
RULES: dict[str, object] = {
    "caps": [
        {"name": "two-promos-a-week", "max": 2, "per": "7 days", "category": "promo"},
        {
            "name": "by-lifecycle",
            "per": "7 days",
            "max": "case when order_count > 9 then 4 else 3 end",
        },
        {"name": "one-sms-in-ten-days", "max": 1, "per": "10 days", "channel": "sms"},
        {"name": "eight-a-month", "max": 8, "per": "calendar month"},
        {"name": "package", "max": 3, "per": "90 days", "tag": "season"},
        {"name": "same-campaign", "max": 2, "per": "60 days", "each": "campaign"},
        {"name": "four-a-household", "max": 4, "per": "7 days", "of": "household"},
    ],
    "gaps": [
        {"name": "a-day-between", "at_least": "20 hours"},
        {"name": "promos-apart", "at_least": "2 days", "category": "promo"},
    ],
    "pauses": [
        {"name": "after-an-order", "after": "order", "rest": "3 days", "category": "promo"},
        {"name": "after-a-complaint", "after": "complaint", "rest": "90 days"},
        {"name": "after-a-bad-survey", "after": "survey", "below": 3, "rest": "30 days"},
    ],
    "cool_downs": [{"name": "ignored", "ignored": 4, "within": "180 days", "rest": "21 days"}],
    "ratios": [
        {"name": "a-third-discounts", "of": "discount", "share": "34%", "per": "90 days", "free": 1}
    ],
    "exclusions": [
        {"name": "one-season", "campaigns": "wide-001, wide-005, wide-009", "per": "30 days"}
    ],
    "sequences": [{"name": "second-after-first", "campaign": "wide-011", "after": "wide-010"}],
    "times": [
        {"name": "nights", "quiet": "21:00-08:00"},
        {"name": "no-sunday-sms", "days": "mon, tue, wed, thu, fri, sat", "channel": "sms"},
    ],
    "suppress": [{"name": "minors", "where": "age < 22"}],
    "brakes": [{"name": "complaints", "warn": "5%", "stop": "50%", "category": "promo"}],
    "capacity": [{"name": "sms", "channel": "sms", "per_hour": 5_000, "per_day": 30_000}],
}
_PEOPLE = f"""
copy (
    select *, {list(ZONES)}[1 + (hash(customer_id) % {len(ZONES)})::int] as timezone,
        case when hash(customer_id || 'h') % 10 < 3
            then 'H' || (substr(customer_id, 2)::bigint // 10) end as household_id
    from read_parquet('{{source}}')
) to '{{target}}' (format parquet)
"""


def make_policed_company(root: Path, customers: int) -> None:
    """Write config/, templates/ and sql/ below `root`."""
    campaigns = [_campaign(number, customers) for number in range(CAMPAIGNS)]
    policy = {**POLICY, **RULES}
    write_company(root, (*ENTITIES, *MORE_ENTITIES), SEGMENTS, campaigns, policy)


def give_homes(data: Path, folder: Path) -> None:
    """The generated files in `folder`, the customers with zones and households."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        for source in data.glob("*.parquet"):
            target = folder / source.name
            if source.name.startswith("customers-"):
                engine.execute(_PEOPLE.format(source=source, target=target))
            elif not target.exists():
                os.link(source, target)


def _campaign(number: int, customers: int) -> dict[str, object]:
    youngest = 20 + number * 7 % 56
    campaign: dict[str, object] = {
        "campaign": f"wide-{number:03d}",
        "title": f"wide {number:03d}",
        "category": CATEGORIES[number % len(CATEGORIES)],
        "priority": 10 + number % 8 * 10,
        "runs": {"from": "2026-01-01"},
        "audience": {"where": f"age between {youngest} and {youngest + YEARS - 1}"},
        "channels": ["email", "sms"] if number % 3 else ["sms", "email"],
        "message": "note",
        "repeat_after": f"{7 + number % 12 * 7} days",
        "control": "5%",
        "tags": [TAGS[number % len(TAGS)]],
        "limits": {"messages_per_day": customers // MESSAGES_PER_DAY},
    }
    if number % 4 == 0:
        campaign["value"] = "average_order * 0.3"
    return campaign
