"""The bench's project: settings, sources, policy, a hundred campaigns, and their templates."""

import shutil
from pathlib import Path

import yaml

from bench.campaigns import Plan, plans

CHECKOUT = Path(__file__).resolve().parent.parent
ENTITIES = ("customers", "orders", "events", "consents")
WATERMARKS = {
    "customers": "updated_at",
    "orders": "ordered_at",
    "events": "occurred_at",
    "consents": "acted_at",
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
    documents: dict[str, object] = {
        "settings": SETTINGS,
        "sources": {"version": 1, "sources": {name: _source(name) for name in ENTITIES}},
        "policy": POLICY,
        "segments": {"version": 1, "segments": {"active": {"where": "order_count_90d > 0"}}},
    }
    for plan in plans():
        documents[f"campaigns/{plan.name}"] = _campaign(plan, customers)
    for name, document in documents.items():
        path = root / "config" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    for name in ENTITIES:
        target = root / "config" / "expectations" / f"{name}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / "config" / "expectations" / target.name, target)
    shutil.copytree(CHECKOUT / "sql" / "features", root / "sql" / "features", dirs_exist_ok=True)
    for name, text in TEMPLATES.items():
        path = root / "templates" / "note" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _source(entity: str) -> dict[str, object]:
    return {
        "entity": entity,
        "file": f"var/incoming/{entity}-*.parquet",
        "watermark": WATERMARKS[entity],
        "overlap": "2 days",
    }


def _campaign(plan: Plan, customers: int) -> dict[str, object]:
    campaign: dict[str, object] = {
        "campaign": plan.name,
        "title": plan.name.replace("-", " "),
        "category": plan.category,
        "priority": plan.priority,
        "runs": {"from": "2026-01-01"},
        "audience": {"where": plan.where},
        "channels": ["email", "sms"],
        "message": "note",
        "limits": {"messages_per_day": customers // MESSAGES_PER_DAY},
    }
    if plan.repeat_days:
        campaign["repeat_after"] = f"{plan.repeat_days} days"
    if plan.category == "promo":
        campaign["control"] = "10%"
    return campaign
