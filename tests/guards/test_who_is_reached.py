"""Who may be written to: outside `environment: live` only the allow-list."""

import pytest

from antiphon.campaigns.settings import ProviderSettings, Settings
from antiphon.dispatch.guards import may_reach

SETTINGS = {
    "version": "1",
    "company": {
        "name": "Linden",
        "postal_address": "Lindenstr. 1",
        "website": "https://linden.example",
        "email_from": "news@linden.example",
        "email_from_name": "Linden",
        "sms_from": "Linden",
    },
    "business": {
        "timezone": "Europe/Berlin",
        "country": "DE",
        "languages": ["de"],
        "currency": "EUR",
    },
    "lake": {
        "retention": {
            "snapshots": "7 days",
            "decisions": "90 days",
            "quarantine": "30 days",
            "validation": "30 days",
        }
    },
    "links": {"base_url": "https://links.linden.example"},
    "salt": "s",
}
ALLOWED = ("Ann@Example.com", "*@Prüfung.Example.ORG", "+49 151 23456789", " bob@example.com ")


def settings(environment: str, allowed: tuple[str, ...] = ALLOWED) -> Settings:
    made = Settings.model_validate(SETTINGS | {"environment": environment})
    return made.model_copy(update={"providers": ProviderSettings(allow_list=allowed)})


@pytest.mark.parametrize(
    ("channel", "address", "reached"),
    [
        ("email", "ann@example.com", True),
        ("email", "ANN@EXAMPLE.COM", True),
        ("email", "bob@example.com", True),
        ("email", "anybody@xn--prfung-4ya.example.org", True),
        ("email", "anybody@prüfung.example.org", True),
        ("email", "anybody@sub.xn--prfung-4ya.example.org", False),
        ("email", "anybody@example.org", False),
        ("email", "joann@example.com", False),
        ("email", "ann@example.com.evil.net", False),
        ("email", "*@prüfung.example.org@evil.net", False),
        ("email", "", False),
        ("sms", "+4915123456789", True),
        ("sms", "0151 23456789", True),
        ("sms", "+49151234567890", False),
        ("sms", "ann@example.com", False),
        ("email", "+4915123456789", False),
        ("sms", "", False),
    ],
)
def test_a_rehearsal_reaches_only_the_allow_list(channel: str, address: str, reached: bool) -> None:
    assert may_reach(settings("rehearsal"), True, channel, address) is reached


def test_an_empty_allow_list_reaches_nobody() -> None:
    nobody = settings("rehearsal", ())
    assert not may_reach(nobody, True, "email", "ann@example.com")
    assert not may_reach(nobody, True, "email", "")


def test_live_and_accounts_that_reach_nobody_take_everything() -> None:
    assert may_reach(settings("live"), True, "email", "anybody@example.org")
    assert may_reach(settings("rehearsal"), False, "email", "anybody@example.org")
