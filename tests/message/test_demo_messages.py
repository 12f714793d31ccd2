"""The messages that come with Antiphon: complete, right by check, and as we last looked at them.

After a change that is meant, write the golden files anew: ANTIPHON_GOLDEN=write pytest <this file>
"""

import os
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from message_fixtures import COMPANY, LINKS, campaign_of

from antiphon.campaigns.touches import Touch
from antiphon.entities import ColumnType
from antiphon.files import read_files
from antiphon.message.content import Email, Sms
from antiphon.message.inlining import Inlined
from antiphon.message.packing import Values
from antiphon.message.preview import preview_page
from antiphon.message.templates import Templates
from antiphon.message.tree import Part
from antiphon.message.values import unpack

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden"
T = ColumnType
FEATURES = {
    **dict.fromkeys(("first_name", "favourite_category", "loyalty_tier", "timezone"), T.TEXT),
    **dict.fromkeys(("city", "last_product_name", "run_out_product_name"), T.TEXT),
    **dict.fromkeys(("run_out_category", "cart_product", "back_product"), T.TEXT),
    **dict.fromkeys(("cheaper_product",), T.TEXT),
    **dict.fromkeys(("bonus_points", "order_count_365d", "days_since_cart_abandoned"), T.INTEGER),
    **dict.fromkeys(("order_count",), T.INTEGER),
    **dict.fromkeys(("first_order_day", "last_order_day", "run_out_day"), T.DAY),
    **dict.fromkeys(("bonus_expires_on", "next_checkup_on"), T.DAY),
    "cheaper_price": T.MONEY,
}
ADA = {
    "first_name": "Ada",
    "favourite_category": "vitamins",
    "loyalty_tier": "gold",
    "timezone": "Europe/Berlin",
    "city": "Kiel",
    "last_product_name": "Vitamin D3 (small)",
    "run_out_product_name": "Nasal Spray (large)",
    "run_out_category": "allergy",
    "cart_product": "Day Cream (large)",
    "back_product": "Omega-3 (large)",
    "cheaper_product": "Zinc (small)",
    "cheaper_price": Decimal("7.4900"),
    "bonus_points": 1240,
    "order_count": 12,
    "order_count_365d": 7,
    "days_since_cart_abandoned": 2,
    "first_order_day": date(2024, 3, 1),
    "last_order_day": date(2026, 1, 20),
    "run_out_day": date(2026, 5, 15),
    "bonus_expires_on": date(2026, 5, 19),
    "next_checkup_on": date(2026, 5, 26),
}
# Of whoever gets bonus-expires these two are known: they are its occasion and its condition.
NOBODY = dict.fromkeys(ADA) | {
    "order_count": 0,
    "order_count_365d": 0,
    "bonus_points": 50,
    "bonus_expires_on": date(2026, 5, 19),
}
PROMO = {"category": "promo", "offer": {"code": "MAI15", "discount": "15%", "valid": "14 days"}}
LIFECYCLE = {"category": "lifecycle"}
CAMPAIGNS = {
    "welcome": {**LIFECYCLE, "channels": ["email", "sms"]},
    "second-order": {**PROMO, "variants": {"voucher": "50", "advice": "50"}},
    "winback": {
        **PROMO,
        "channels": ["email", "sms"],
        "variants": {"discount": "50", "gift": "50"},
    },
    "vitamins": PROMO,
    "skin-care": PROMO,
    "birthday": {**PROMO, "category": "lifecycle", "channels": ["email", "sms"]},
    "cart": LIFECYCLE,
    "refill": {"category": "service", "channels": ["sms", "email"]},
    "vip": LIFECYCLE,
    "letter": {"category": "promo"},
    "welcome-first-order-start": LIFECYCLE,
    "welcome-first-order-advice": LIFECYCLE,
    "welcome-first-order-voucher": PROMO,
    "purchase-survey": {**LIFECYCLE, "survey": "purchase"},
    "bonus-expires": {**LIFECYCLE, "channels": ["email", "sms"]},
    "back-in-stock": LIFECYCLE,
    "price-drop": LIFECYCLE,
    "skin-care-evening": {"category": "promo"},
    "shop-closed": {"category": "service", "channels": ["sms", "email"]},
    "first-order-anniversary": {**PROMO, "category": "lifecycle"},
    "new-year": LIFECYCLE,
    "checkup": {"category": "service", "channels": ["email", "sms"]},
    "programme": LIFECYCLE,
    "winback-reminder": PROMO,
    "parents": PROMO,
}
GSM_7 = set(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
    "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_7_TWICE = set("^{}\\[~]|€")


@pytest.fixture(scope="module")
def templates():
    return Templates(
        read_files(ROOT).under("templates"),
        features=FEATURES,
        languages=("de", "en"),
        country="DE",
        currency="EUR",
        timezone="Europe/Berlin",
        company=COMPANY | {"name": "Linden Apotheke", "sms_from": "Linden"},
    )


def pages():
    for message, changes in CAMPAIGNS.items():
        campaign = campaign_of(message=message, **changes)
        for variant in campaign.arms:
            for language in ("de", "en"):
                for channel in campaign.channels:
                    yield pytest.param(
                        campaign,
                        (message, variant, language, channel),
                        id=f"{message}-{variant}-{language}-{channel}",
                    )


EACH = list(pages())


def render(templates, campaign, page, customer):
    names = templates.needed(*page)
    values = unpack(Values(Touch(campaign), date(2026, 5, 12), names).pack(customer))
    return templates.render(*page, values, LINKS)


@pytest.mark.parametrize("message", CAMPAIGNS)
def test_check_finds_nothing(templates, message):
    assert templates.check(campaign_of(message=message, **CAMPAIGNS[message])) == []


@pytest.mark.parametrize(("campaign", "page"), EACH)
def test_a_message_suits_those_of_whom_much_or_nothing_is_known(templates, campaign, page):
    for customer in (ADA, NOBODY):
        content = render(templates, campaign, page, customer)  # holds nobody back
        text = content.text if isinstance(content, Sms) else content.subject + content.html
        assert "None" not in text
        if isinstance(content, Email):
            assert ("Ada" in text) is (customer is ADA)


@pytest.mark.parametrize(("campaign", "page"), [p for p in EACH if p.values[1][3] == "sms"])
def test_an_sms_is_one_segment(templates, campaign, page):
    text = render(templates, campaign, page, ADA).text
    assert set(text) <= GSM_7 | GSM_7_TWICE
    assert len(text) + sum(character in GSM_7_TWICE for character in text) <= 160


@pytest.mark.parametrize(("campaign", "page"), [p for p in EACH if p.values[1][3] == "email"])
def test_an_email_is_styled_once_per_template(templates, campaign, page):
    message, variant, language, _ = page
    path = templates.tree.find(message, variant, language, Part.HTML)
    surveys = dict(templates.surveys(*page))
    sources = {name: templates.tree.files[f] for name, f in surveys[Part.HTML].files.items()}
    assert Inlined.of(path, sources).complete


@pytest.mark.parametrize(
    "name",
    [
        "winback-discount-de",
        "second-order-advice-en",
        "cart-default-de",
        "refill-default-en",
        "purchase-survey-default-de",
        "price-drop-default-en",
    ],
)
def test_an_email_is_as_we_last_looked_at_it(templates, name):
    campaign, page = next(p.values for p in EACH if p.id == f"{name}-email")
    content = render(templates, campaign, page, ADA)
    assert isinstance(content, Email)
    compare(f"{name}.html", content.html)
    compare(f"{name}.txt", f"Subject: {content.subject}\n\n{content.text}")


@pytest.mark.parametrize(
    "name",
    [
        "winback-gift-de",
        "birthday-default-en",
        "refill-default-de",
        "bonus-expires-default-en",
        "shop-closed-default-de",
    ],
)
def test_an_sms_is_as_we_last_looked_at_it(templates, name):
    campaign, page = next(p.values for p in EACH if p.id == f"{name}-sms")
    compare(f"{name}.sms.txt", render(templates, campaign, page, ADA).text + "\n")


def compare(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("ANTIPHON_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_a_preview_shows_the_message_and_runs_nothing_of_it():
    mail = Email('"Hi" <b>', '<p onclick="x">"Hi"</p><script>1</script>', "a < b\n", {"X": "<y>"})
    page = preview_page("Spring <1>", {"customer": "<7>"}, mail, Sms("short & sweet"))
    assert "<script" not in page
    assert page.count("<iframe sandbox ") == 2
    assert "&lt;p onclick=&quot;x&quot;&gt;&quot;Hi&quot;" in page
    assert "SMS, 13 characters" in page
    assert "short &amp; sweet" in page
    assert "a &lt; b" in page
    assert "<dt>X</dt><dd>&lt;y&gt;</dd>" in page
