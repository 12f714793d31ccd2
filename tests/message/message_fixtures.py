"""A small company and its templates, for tests of messages."""

from collections.abc import Mapping
from typing import Any

from antiphon.campaigns.models import Campaign
from antiphon.entities import ColumnType
from antiphon.message.links import LinkSigner
from antiphon.message.templates import Templates

FEATURES = {
    "first_name": ColumnType.TEXT,
    "timezone": ColumnType.TEXT,
    "loyalty_tier": ColumnType.TEXT,
    "order_count": ColumnType.INTEGER,
    "average_gap": ColumnType.NUMBER,
    "spend_total": ColumnType.MONEY,
    "is_member": ColumnType.BOOLEAN,
    "last_order_day": ColumnType.DAY,
    "registered_at": ColumnType.INSTANT,
}
COMPANY = {
    "name": "Linden & Söhne",
    "postal_address": "Lindenallee 12, 10115 Berlin",
    "website": "https://linden.example",
    "email_from": "news@linden.example",
    "email_from_name": "Linden",
    "sms_from": "+4930123456",
}
FOOTER = "{{ company.postal_address }} {{ links.unsubscribe }}"
MESSAGE_ID = "0123456789abcdef0123456789abcdef"
LINKS = LinkSigner({"k1": "a secret of sufficient length"}, "https://mail.linden.example").links(
    MESSAGE_ID
)


def templates_of(
    files: Mapping[str, str], languages: tuple[str, ...] = ("de", "en"), **company: str
) -> Templates:
    return Templates(
        files,
        features=FEATURES,
        languages=languages,
        country="DE",
        currency="EUR",
        timezone="Europe/Berlin",
        company=COMPANY | company,
        crosses={"grid": ("lifecycle", "band")},
    )


def campaign_of(**changes: Any) -> Campaign:
    given: dict[str, Any] = {
        "campaign": "spring",
        "title": "Spring",
        "category": "service",
        "priority": "10",
        "runs": {"from": "2026-01-01"},
        "audience": {"where": "true"},
        "channels": ["email"],
        "message": "hello",
    }
    return Campaign.model_validate(given | changes)


def values_of(**customer: Any) -> dict[str, Any]:
    campaign = {"name": "spring", "title": "Spring", "category": "promo"}
    return {"customer": customer, "campaign": campaign, "cell": {"id": ""}}
