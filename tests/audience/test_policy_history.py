"""Claims on which earlier contacts are read: all that some rule counts, and few more."""

from datetime import UTC, date, datetime, timedelta

import pytest

from antiphon.audience.policy_history import counting_sql
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rules import Policy
from antiphon.policy.moment import Moment

NOW = datetime(2026, 5, 12, 8, tzinfo=UTC)
MOMENT = Moment(NOW, date(2026, 5, 12), "Europe/Berlin")
SECOND = timedelta(seconds=1)


def campaign(name, *tags):
    return Campaign.model_validate(
        {
            "campaign": name,
            "title": name,
            "category": "promo",
            "priority": "1",
            "runs": {"from": "2026-01-01"},
            "channels": ["email"],
            "message": "note",
            "tags": [*tags],
        }
    )


KNOWN = [campaign("today"), campaign("deal", "discount"), campaign("plain")]


def is_read(world, sections, ago, name="plain", state="delivered", channel="email"):
    """Whether a contact so long ago is read, where only `today` speaks."""
    rules = Policy.model_validate({"version": "1", "consent": {}, **sections})
    world.connection.execute("DELETE FROM contacts")
    world.add("contacts", message_id="m", customer_id="a", campaign=name, state=state,
              channel=channel, category="promo", contact_at=NOW - ago)  # fmt: skip
    counting = counting_sql(rules, KNOWN, ["today"], MOMENT)
    return world.connection.execute(f"SELECT count(*) FROM contacts WHERE {counting}").fetchone()[0]


def cap(**keys):
    return {"caps": [{"name": "c", "max": 1, **keys}]}


@pytest.mark.parametrize(
    ("sections", "reach"),
    [
        (cap(per="7 days"), timedelta(days=7)),
        (cap(per="calendar week"), timedelta(days=8)),
        (cap(per="calendar month"), timedelta(days=32)),
        (cap(per="calendar quarter"), timedelta(days=93)),
        (cap(per="calendar year"), timedelta(days=367)),
        ({"gaps": [{"name": "g", "at_least": "5 days"}]}, timedelta(days=5)),
        (
            {"cool_downs": [{"name": "r", "ignored": 2, "within": "60 days", "rest": "9 days"}]},
            timedelta(days=60),
        ),
        ({"ratios": [{"name": "s", "of": "x", "share": "30%", "per": "90 days"}]}, timedelta(90)),
        (
            {"sequences": [{"name": "q", "tag": "x", "after": "plain", "within": "40 days"}]},
            timedelta(days=40),
        ),
        (
            {"exclusions": [{"name": "e", "campaigns": ["plain", "deal"], "per": "20 days"}]},
            timedelta(days=20),
        ),
    ],
)
def test_a_rule_is_given_the_past_as_far_as_it_looks(world, sections, reach):
    assert is_read(world, sections, reach - SECOND)
    assert not is_read(world, sections, reach + SECOND)
    assert not is_read(world, sections, reach - SECOND, state="control")


@pytest.mark.parametrize(
    ("sections", "name"),
    [
        (cap(per="ever"), "plain"),
        ({"sequences": [{"name": "q", "tag": "x", "after": "plain"}]}, "plain"),
        ({"exclusions": [{"name": "e", "tags": ["discount", "x"]}]}, "deal"),
    ],
)
def test_what_counts_for_ever_is_always_read(world, sections, name):
    assert is_read(world, sections, timedelta(days=5000), name)


def test_only_contacts_in_the_scope_of_the_far_rule_are_read(world):
    sections = {
        "caps": [
            {"name": "far", "max": 1, "per": "90 days", "tag": "discount"},
            {"name": "sms", "max": 1, "per": "30 days", "channel": "sms"},
            {"name": "near", "max": 1, "per": "7 days"},
        ]
    }
    far, month, near = timedelta(days=80), timedelta(days=20), timedelta(days=6)
    assert is_read(world, sections, far, "deal")
    assert not is_read(world, sections, far, "plain")
    assert is_read(world, sections, month, channel="sms")
    assert not is_read(world, sections, month)
    assert is_read(world, sections, near, "gone")


def test_all_of_todays_campaigns_and_the_days_before_are_read(world):
    assert is_read(world, {}, timedelta(days=5000), "today", "withdrawn")
    assert is_read(world, {}, timedelta(days=2) - SECOND, state="control")
    assert not is_read(world, {}, timedelta(days=2) + SECOND)


def test_a_budget_of_the_month_is_given_its_month(world):
    sections = {"budgets": [{"name": "b", "money": 5, "per": "month"}], "costs": {"email": 1}}
    assert is_read(world, sections, timedelta(days=11))
    assert not is_read(world, sections, timedelta(days=12))


def test_rules_of_other_days_look_at_nothing(world):
    assert not is_read(world, cap(per="ever", until="2026-05-11"), timedelta(days=3))
