"""What marketers ask of a big shop: 200 conditions beside the plans' hundred, and micro-segments.

60 of the conditions call a function each, no two the same; the other 140 ask what the features of
orders, habits, products and answers say, scores and dimensions among them. The cross has 2,080
cells before the small ones are joined.
"""

from collections.abc import Iterator
from itertools import product

from bench.campaigns import plans
from bench.history import CATEGORIES

LIFECYCLE = {
    "new": "order_count = 1 and days_since_order <= 60",
    "lost-new": "order_count = 1",
    "loyal": "order_count >= 5 and days_since_order <= 120",
    "repeat": "order_count >= 2 and days_since_order <= 120",
    "at-risk": "order_count >= 2 and days_since_order <= 240",
    "lost-loyal": "order_count >= 5",
    "lost-casual": "order_count >= 2",
}
SEGMENTS: dict[str, object] = {
    "version": 1,
    "segments": {"active": {"where": "order_count_90d > 0"}},
    "scores": {
        "r_score": {"of": "last_order_day"},
        "f_score": {"of": "order_count", "where": "order_count > 0"},
        "m_score": {"of": "spend_total", "where": "order_count > 0"},
    },
    "dimensions": {
        "lifecycle": {"cases": LIFECYCLE, "rest": "lead"},
        "order_value": {
            "of": "average_order",
            "bands": {
                "below-15": {"below": 15},
                "15-30": {"from": 15, "below": 30},
                "30-45": {"from": 30, "below": 45},
                "from-45": {"from": 45},
            },
            "rest": "unknown",
        },
        "pace": {
            "of": "order_count_365d",
            "bands": {
                "resting": {"below": 1},
                "rare": {"from": 1, "below": 3},
                "steady": {"from": 3, "below": 8},
                "frequent": {"from": 8},
            },
        },
        "taste": {
            "of": "favourite_category",
            "values": {name.replace(" ", "-"): [name] for name in CATEGORIES},
            "rest": "none",
        },
    },
    "crosses": {
        "cells": {
            "dimensions": ["lifecycle", "order_value", "pace", "taste"],
            "min_size": 50,
            "roll_up": ["taste", "pace"],
        }
    },
}


def calls() -> list[str]:
    """60 conditions of one call each."""
    wrote = [plan.name for plan in plans()][::11]
    return [
        *(
            f"bought(category => '{category}', within => '{days} days', at_least => {times})"
            for category, (days, times) in product(CATEGORIES, ((30, 1), (90, 2)))
        ),
        *(
            f"did('{event}', within => '{days} days')"
            for event, days in product(
                ("cart_abandoned", "store_visit", "product_viewed"), (3, 14, 30)
            )
        ),
        *(f"contacted(campaign => '{name}', within => '60 days')" for name in wrote[:9]),
        *(f"responded('{name}', kind => 'click', within => '90 days')" for name in wrote[:9]),
        *(
            f"runs_out_within('{days} days', category => '{category}')"
            for category, days in product(CATEGORIES[:3], (3, 7, 14))
        ),
    ]


def conditions() -> Iterator[str]:
    """All 200."""
    for number, call in enumerate(calls()):
        yield f"{call} and order_count_365d >= {number % 3 + 1}"
    yield from (f"r_score = {r} and f_score >= {f}" for r, f in product(range(1, 6), repeat=2))
    for stage, value in product(LIFECYCLE, ("below-15", "15-30", "30-45", "from-45")):
        yield f"lifecycle = '{stage}' and order_value = '{value}'"
    for taste in CATEGORIES[:7]:
        yield f"taste = '{taste.replace(' ', '-')}' and pace = 'steady' and m_score = 5"
    for weekday, hour in product(range(1, 8), (8, 12, 18)):
        yield f"favourite_weekday = {weekday} and favourite_hour between {hour} and {hour + 3}"
    for kind, count in product(("open", "click", "reply", "conversion"), (1, 2, 3)):
        yield f"{kind}_count_365d >= {count} and days_since_response < {count * 40}"
    for category in CATEGORIES:
        yield f"run_out_category = '{category}' and days_to_run_out between 0 and 10"
    for gaps in range(8):
        yield f"gaps_late between {gaps / 2} and {gaps / 2 + 1} and median_gap_days < 90"
    for category, trend in product(CATEGORIES, ("spend_trend_90d < 0.5", "order_trend_365d > 2")):
        yield f"second_category = '{category}' and {trend}"
    for rate in (5, 10, 20):
        yield f"response_rate_email >= {rate / 100} and contact_count_email_365d >= 3"
