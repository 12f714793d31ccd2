"""The files of a small company, and what they say."""

from pathlib import Path

import yaml
from back_office import SALT

from antiphon.campaigns.configuration import Configuration
from antiphon.files import read_files
from antiphon.project import glance

SETTINGS = {
    "version": 1,
    "company": {
        "name": "Office",
        "postal_address": "Office, Street 1, 10115 Berlin",
        "website": "https://office.example",
        "email_from": "hello@office.example",
        "email_from_name": "Office",
        "sms_from": "Office",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["de"],
        "currency": "EUR",
    },
    "lake": {
        "threads": 1,
        "retention": dict.fromkeys(
            ("snapshots", "decisions", "quarantine", "validation"), "30 days"
        ),
    },
    "accounts": {"sendgrid": {"options": {"unsubscribe_groups": "promo=12, lifecycle=13"}}},
    "responses": {"stop_words": {"de": ["genug", "stopp"]}},
    "links": {"base_url": "https://mail.office.example"},
    "salt": SALT,
}
POLICY = {
    "version": 1,
    "consent": {"promo": "opt_in", "lifecycle": "opt_out", "service": "none"},
}


def configuration_in(root: Path) -> Configuration:
    """The files, written to a folder and read."""
    (root / "config" / "campaigns").mkdir(parents=True, exist_ok=True)
    for name, document in {"settings": SETTINGS, "policy": POLICY}.items():
        (root / "config" / f"{name}.yaml").write_text(yaml.safe_dump(document), encoding="utf-8")
    for name in ("sources", "segments"):
        empty = f"version: 1\n{name}: {{}}\n"
        (root / "config" / f"{name}.yaml").write_text(empty, encoding="utf-8")
    return glance(root, read_files(root)).configuration
