"""The bench's projects: settings, sources, policy, campaigns, and their templates."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from bench.campaigns import Plan, plans
from bench.segments import SEGMENTS, conditions

CHECKOUT = Path(__file__).resolve().parent.parent
ENTITIES = ("customers", "orders", "events", "consents")
MORE_ENTITIES = ("products", "order_lines", "responses", "notices")
WATERMARKS = {
    "customers": "updated_at",
    "orders": "ordered_at",
    "events": "occurred_at",
    "consents": "acted_at",
    "responses": "occurred_at",
    "notices": "occurred_at",
}
MESSAGES_PER_DAY = 2_000  # of so many customers each campaign may write to one a day
SETTINGS = {
    "version": 1,
    "company": {
        "name": "Bench",
        "postal_address": "Bench GmbH, Lindenallee 12, 10115 Berlin",
        "website": "https://bench.example",
        "email_from": "hello@bench.example",
        "email_from_name": "Bench",
        "sms_from": "Bench",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["de", "en"],
        "currency": "EUR",
    },
    "lake": {
        "memory": "4GB",
        "threads": 2,
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "links": {"base_url": "https://mail.bench.example"},
    "salt": "bench",
}
POLICY = {
    "version": 1,
    "consent": {"promo": "opt_in", "lifecycle": "opt_out", "service": "none"},
    "caps": [
        {"name": "two-promos-a-week", "max": 2, "per": "7 days", "category": "promo"},
        {"name": "three-messages-a-week", "max": 3, "per": "7 days"},
        {"name": "one-sms-in-ten-days", "max": 1, "per": "10 days", "channel": "sms"},
    ],
    "winners_per_day": 1,
    "exempt": ["service"],
    "universal_control": {"share": "2%", "period": "quarter"},
}
# Campaigns that start from what happened: to the customer, to a product, and with steps to follow.
_STARTS: dict[str, dict[str, object]] = {
    "left-behind": {
        "on": {"event": "cart_abandoned", "after": "2 minutes"},
        "audience": {"where": "not bought(within => '1 day')"},
        "message": "note",
    },
    "there-again": {
        "on": {"notice": "back_in_stock", "did": "waits_for_product"},
        "message": "note",
    },
    "after-a-look": {
        "chain": {
            "start": {"event": "product_viewed"},
            "steps": [
                {"step": "first", "after": "1 hour", "message": "note"},
                {"step": "last", "after": "3 days", "message": "note"},
            ],
            "exits": {"bought": "bought(within => '1 day')"},
        },
    },
}
TRIGGERED: tuple[dict[str, object], ...] = tuple(
    {
        "campaign": name,
        "title": name.replace("-", " "),
        "category": "lifecycle",
        "priority": 95,
        "runs": {"from": "2026-01-01"},
        **what,
        "channels": ["email", "sms"],
    }
    for name, what in _STARTS.items()
)
_EMAIL = """<html><body><p>{{ customer.first_name | default("") }}, from {{ customer.city }}:
your last order was {{ customer.days_since_order | default(0) }} days ago.</p>
<p><a href="{{ links.unsubscribe }}">Unsubscribe</a> {{ company.postal_address }}</p></body></html>
"""
TEMPLATES = {
    "subject.j2": "News from {{ company.name }}",
    "body.html.j2": _EMAIL,
    "sms.j2": "{{ company.name }}: news for you. {{ links.unsubscribe }}",
}


def make_company(root: Path, customers: int) -> None:
    """Write config/, templates/ and sql/ below `root`: the checkout's features and expectations."""
    segments = {"version": 1, "segments": {"active": {"where": "order_count_90d > 0"}}}
    campaigns = [_planned(plan, customers) for plan in plans()]
    write_company(root, ENTITIES, segments, campaigns)


def make_big_company(root: Path, customers: int) -> None:
    """The same with 200 more campaigns, scores, dimensions, a cross, and all that these ask of."""
    more = [
        _campaign(f"asked-{number:03d}", where, customers)
        for number, where in enumerate(conditions(), 1)
    ]
    campaigns = [*(_planned(plan, customers) for plan in plans()), *more, *TRIGGERED]
    write_company(root, (*ENTITIES, *MORE_ENTITIES), SEGMENTS, campaigns)


def write_company(
    root: Path,
    entities: Sequence[str],
    segments: dict[str, object],
    campaigns: Sequence[dict[str, object]],
    policy: dict[str, object] = POLICY,
) -> None:
    """Write these files below `root`, with the checkout's features and expectations."""
    documents: dict[str, object] = {
        "settings": SETTINGS,
        "sources": {"version": 1, "sources": {name: _source(name) for name in entities}},
        "policy": policy,
        "segments": segments,
        **{f"campaigns/{campaign['campaign']}": campaign for campaign in campaigns},
    }
    for name, document in documents.items():
        path = root / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    for name in entities:
        target = root / "config" / "expectations" / f"{name}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / "config" / "expectations" / target.name, target)
    shutil.copytree(CHECKOUT / "sql" / "features", root / "sql" / "features", dirs_exist_ok=True)
    for name, text in TEMPLATES.items():
        path = root / "templates" / "note" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _source(entity: str) -> dict[str, object]:
    source: dict[str, object] = {
        "entity": entity,
        "file": f"var/incoming/{entity}-*.parquet",
        "optional": True,
    }
    if entity in WATERMARKS:
        source |= {"watermark": WATERMARKS[entity], "overlap": "2 days"}
    return source


def _planned(plan: Plan, customers: int) -> dict[str, object]:
    campaign = _campaign(plan.name, plan.where, customers)
    campaign |= {"category": plan.category, "priority": plan.priority}
    if plan.repeat_days:
        campaign["repeat_after"] = f"{plan.repeat_days} days"
    if plan.category == "promo":
        campaign["control"] = "10%"
    return campaign


def _campaign(name: str, where: str, customers: int) -> dict[str, object]:
    return {
        "campaign": name,
        "title": name.replace("-", " "),
        "category": "promo",
        "priority": 50,
        "runs": {"from": "2026-01-01"},
        "audience": {"where": where},
        "channels": ["email", "sms"],
        "message": "note",
        "limits": {"messages_per_day": customers // MESSAGES_PER_DAY},
    }
