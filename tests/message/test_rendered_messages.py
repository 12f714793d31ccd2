"""What templates make of values: nulls, types, languages, headers, text bodies."""

import json
import re
import threading
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from message_fixtures import FEATURES, FOOTER, LINKS, campaign_of, templates_of, values_of

from antiphon.campaigns.touches import Touch
from antiphon.entities import ColumnType
from antiphon.message.content import Email, Sms
from antiphon.message.packing import Values
from antiphon.message.plain import plain_text
from antiphon.message.templates import TemplateFault, Templates
from antiphon.message.values import MessageHeld, decode, encode, unpack


@pytest.mark.parametrize("part", ["html", "text", "subject", "sms"])
@pytest.mark.parametrize(
    ("expression", "variable"),
    [
        ("customer.first_name", "customer.first_name"),
        ("customer.first_name | upper", "customer.first_name"),
        ("customer.first_name ~ '!'", "customer.first_name"),
        ("customer.spend_total | money", "customer.spend_total"),
        ("(customer.spend_total - 5) | money", "customer.spend_total"),
        ("customer.last_order_day | date", "customer.last_order_day"),
        ("customer.registered_at | datetime", "customer.registered_at"),
        ("customer.order_count | plural('#', '#')", "customer.order_count"),
        ("customer.average_gap | round | number", "customer.average_gap"),
        ("offer.discount", "offer.discount"),
    ],
)
def test_a_null_in_a_printed_place_holds_the_message_back(part, expression, variable):
    name = {"html": "body.html.j2", "text": "body.txt.j2"}.get(part, f"{part}.j2")
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": "Hi", "hello/sms.j2": "Hi"}
    files[f"hello/{name}"] = f"a {{{{ {expression} }}}} b"
    values = values_of(**dict.fromkeys(FEATURES)) | {"offer": {"code": "X", "discount": None}}
    channel = "sms" if part == "sms" else "email"
    with pytest.raises(MessageHeld) as held:
        templates_of(files).render("hello", "default", "de", channel, values, LINKS)
    assert held.value.variable == variable
    assert held.value.template == f"hello/{name}"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{% if customer.first_name %}a{% else %}b{% endif %}", "b"),
        ("{{ customer.first_name | default('friend') }}", "friend"),
        ("{{ customer.spend_total | money | default('nothing') }}", "nothing"),
        ("{{ customer.spend_total | default(0) | money }}", "0,00 €"),
        (
            "{% if customer.order_count > 3 or customer.order_count < 3 %}a{% else %}b{% endif %}",
            "b",
        ),
        ("{% if customer.first_name is none %}a{% endif %}", "a"),
        ("{% if customer.first_name is defined %}a{% else %}b{% endif %}", "b"),
        ("{% if customer.loyalty_tier == 'gold' %}a{% else %}b{% endif %}", "b"),
        ("{% if customer.loyalty_tier in ['gold'] %}a{% else %}b{% endif %}", "b"),
        ("{{ 'x' if customer.last_order_day else 'never' }}", "never"),
    ],
)
def test_a_null_that_is_asked_for_or_has_a_default_holds_nothing_back(rendered, template, expected):
    assert rendered(template, "sms", **dict.fromkeys(FEATURES)) == expected


@pytest.mark.parametrize(
    ("language", "template", "expected"),
    [
        ("de", "{{ customer.spend_total | money }}", "1.234,50 €"),
        ("en", "{{ customer.spend_total | money }}", "1.234,50 €"),  # English as in Germany
        ("ru", "{{ customer.spend_total | money }}", "1 234,50 €"),
        ("en", "{{ customer.last_order_day | date('long') }}", "9 March 2026"),
        ("de", "{{ customer.last_order_day | date('day_month') }}", "9. März"),
        ("de", "{{ customer.last_order_day | date('weekday') }}", "Montag"),
        ("ru", "{{ customer.last_order_day | date('day_month') }}", "9 марта"),
        ("de", "{{ 0.155 | percent }} {{ 12345.678 | number(1) }}", "16 % 12.345,7"),
        ("de", "{{ ['a', 'b', 'c'] | listing }}", "a, b und c"),
        ("ru", "{{ ['a', 'b', 'c'] | listing }}", "a, b и c"),
        ("de", "{{ 1 | plural('# Punkt', '# Punkte') }}", "1 Punkt"),
        ("de", "{{ 1200 | plural('# Punkt', '# Punkte') }}", "1.200 Punkte"),
        ("en", "{{ 1 | plural('one order', 'other orders') }}", "one order"),
        ("ru", "{{ 21 | plural('# заказ', '# заказа', '# заказов') }}", "21 заказ"),
        ("ru", "{{ 3 | plural('# заказ', '# заказа', '# заказов') }}", "3 заказа"),
        ("ru", "{{ 11 | plural('# заказ', '# заказа', '# заказов') }}", "11 заказов"),
        ("ru", "{{ 5 | plural(one='a', few='b', many='c', other='d') }}", "c"),
        ("ru", "{{ 1.5 | plural(one='a', few='b', many='c', other='d') }}", "d"),
    ],
)
def test_values_are_written_as_the_language_writes_them(rendered, language, template, expected):
    customer = {"spend_total": "1234.5000", "last_order_day": "2026-03-09"}
    assert rendered(template, "sms", language, **customer) == expected


def test_an_instant_is_told_in_the_customers_own_zone(rendered):
    template = "{{ customer.registered_at | datetime('short') }}"
    at = "2026-03-28T23:30:00+00:00"
    assert rendered(template, "sms", timezone="Asia/Tokyo", registered_at=at) == "29.03.26, 08:30"
    assert rendered(template, "sms", timezone=None, registered_at=at) == "29.03.26, 00:30"


def test_the_zone_is_stored_with_a_message_that_tells_instants():
    files = {"hello/sms.j2": "{{ customer.registered_at | datetime }}"}
    needed = templates_of(files).needed("hello", "default", "de", "sms")
    assert needed == {"registered_at", "timezone"}


def test_needed_names_what_every_branch_layout_and_part_uses():
    files = {
        "_layouts/l.j2": "{{ customer.order_count }}{% block b %}{% endblock %}",
        "hello/subject.j2": "{% if customer.is_member %}{{ customer.first_name }}{% endif %}",
        "hello/body.html.j2": "{% extends '_layouts/l.j2' %}{% block b %}x{% endblock %}",
        "hello/gift/body.html.j2": "{{ customer.loyalty_tier }}",
        "hello/sms.j2": "x",
    }
    templates = templates_of(files)
    name = {"is_member", "first_name"}
    assert templates.needed("hello", "default", "de", "email") == name | {"order_count"}
    assert templates.needed("hello", "gift", "de", "email") == name | {"loyalty_tier"}
    assert templates.needed("hello", "default", "de", "sms") == frozenset()


@pytest.mark.parametrize(
    ("variant", "language", "expected"),
    [
        ("default", "de", "message de"),
        ("default", "en", "message en"),
        ("default", "fr", "message de"),
        ("default", "de-AT", "message de"),
        ("default", None, "message de"),
        ("gift", "en", "gift en"),
        ("gift", "de", "gift"),
        ("plain", "en", "message en"),
    ],
)
def test_variant_goes_before_language_and_language_before_fallback(variant, language, expected):
    files = {
        "hello/de/sms.j2": "message de",
        "hello/en/sms.j2": "message en",
        "hello/gift/sms.j2": "gift",
        "hello/gift/en/sms.j2": "gift en",
    }
    templates = templates_of(files)
    language = templates.language(language)
    page = templates.render("hello", variant, language, "sms", values_of(), LINKS)
    assert page == Sms(expected)


def test_an_included_file_has_its_own_languages(rendered):
    files = {"_layouts/w.j2": "fallback", "_layouts/en/w.j2": "english"}
    template = "{% include '_layouts/w.j2' %}"
    assert rendered(template, "sms", "de", files=files.items()) == "fallback"
    assert rendered(template, "sms", "en", files=files.items()) == "english"


def test_html_is_escaped_and_text_is_not(rendered):
    template = '<p title="{{ customer.first_name }}">{{ customer.first_name }}</p>'
    name = "<b>\"Tom\" & 'Jerry'"
    html = rendered(template, first_name=name)
    escaped = "&lt;b&gt;&#34;Tom&#34; &amp; &#39;Jerry&#39;"
    assert html == f'<p title="{escaped}">{escaped}</p>'
    assert rendered("{{ customer.first_name }}", "subject", first_name=name) == name
    assert rendered("{{ customer.first_name }}", "text", first_name=name) == name + "\n"


def test_jinja_in_a_value_stays_text(rendered):
    name = "{{ company.name }}{% if %}"
    for part in ("subject", "sms"):
        assert rendered("{{ customer.first_name }}", part, first_name=name) == name


def test_a_subject_is_one_line_whatever_the_template_and_the_name(rendered):
    template = "Hi\n  {{ customer.first_name }}\n"
    subject = rendered(template, "subject", first_name="a\r\nBcc: x@example.org\u2028b\x00")
    assert subject == "Hi a Bcc: x@example.org b"


def test_an_sms_keeps_to_plain_blanks(rendered):
    assert "\u00a0" not in rendered("{{ 5 | money }}", "sms")


def test_the_text_body_comes_from_the_page_where_there_is_none(rendered):
    html = "<style>p{color:red}</style><title>t</title><p>Hi {{ customer.first_name }}</p>"
    html += "<table><tr><td>a</td><td><a href=\"{{ '/shop' | link }}\">Shop</a></td></tr></table>"
    email = templates_of({"hello/subject.j2": "x", "hello/body.html.j2": html}).render(
        "hello", "default", "de", "email", values_of(first_name="<Ada>"), LINKS
    )
    assert isinstance(email, Email)
    assert email.text == "Hi <Ada>\n\na [Shop](https://linden.example/shop)\n"
    assert rendered("own text", "text") == "own text\n"


@settings(max_examples=60, deadline=None)
@given(name=st.text(max_size=12), count=st.none() | st.integers(-3, 4))
def test_a_text_derived_by_shape_is_that_of_the_finished_page(name, count):
    html = (
        "<h1>Hi {{ customer.first_name }}!</h1>{% if customer.order_count %}<p>"
        "{{ customer.order_count | plural('# order', '# orders') }}</p>{% endif %}"
        "{% macro m(x) %}<li>{{ x }}</li>{% endmacro %}<ul>{{ m(customer.first_name) }}"
        "{{ m('b') }}</ul><p><a href='{{ links.web }}'>web</a></p>"
    )
    files = {"hello/subject.j2": "x", "hello/body.html.j2": html}
    templates = _SHARED.setdefault("t", templates_of(files))
    values = values_of(first_name=name, order_count=count)
    email = templates.render("hello", "default", "de", "email", values, LINKS)
    assert isinstance(email, Email)
    assert not re.search("[\U00100000-\U0010ffff]", email.html + email.text)
    # A value's own blanks at its ends are the only difference.
    assert "".join(email.text.split()) == "".join(plain_text(email.html).split())


_SHARED: dict[str, Templates] = {}


def test_threads_do_not_mix_their_values():
    files = {"hello/subject.j2": "x", "hello/body.html.j2": "<p>{{ customer.first_name }}</p>" * 20}
    templates = templates_of(files)
    wrong: list[str] = []

    def work(name: str) -> None:
        for _ in range(200):
            values = values_of(first_name=name)
            email = templates.render("hello", "default", "de", "email", values, LINKS)
            assert isinstance(email, Email)
            if email.html != f"<p>{name}</p>" * 20:
                wrong.append(email.html)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("Ada", "Bo", "Cy")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_marketing_carries_one_click_headers_and_service_does_not():
    files = {"hello/subject.j2": "x", "hello/body.html.j2": FOOTER}
    values = values_of()
    email = templates_of(files).render("hello", "default", "de", "email", values, LINKS)
    assert isinstance(email, Email)
    assert email.headers["List-Unsubscribe"] == f"<{LINKS.unsubscribe}>"
    assert email.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    values["campaign"]["category"] = "service"
    email = templates_of(files).render("hello", "default", "de", "email", values, LINKS)
    assert isinstance(email, Email)
    assert email.headers == {}


def test_a_template_that_fails_says_where_and_quotes_no_value():
    files = {"hello/sms.j2": "{{ (1 / customer.order_count) | number }}"}
    with pytest.raises(TemplateFault) as fault:
        templates_of(files).render(
            "hello", "default", "de", "sms", values_of(order_count=0, first_name="Ada"), LINKS
        )
    assert str(fault.value) == "templates/hello/sms.j2: ZeroDivisionError"


@given(
    st.sampled_from(list(ColumnType)).flatmap(
        lambda type_: st.tuples(st.just(type_), _VALUES[type_] | st.none())
    )
)
def test_values_come_back_from_json_as_they_were(pair):
    type_, value = pair
    assert decode(json.loads(json.dumps(encode(value))), type_) == value


_VALUES = {
    ColumnType.TEXT: st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"))),
    ColumnType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnType.NUMBER: st.floats(allow_nan=False, allow_infinity=False),
    ColumnType.MONEY: st.decimals(allow_nan=False, allow_infinity=False, places=4),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.DAY: st.dates(),
    ColumnType.INSTANT: st.datetimes(timezones=st.just(UTC)),
}


def test_an_instant_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        encode(datetime(2026, 1, 1))  # noqa: DTZ001


def test_stored_values_hold_the_needed_names_and_no_others():
    campaign = campaign_of(offer={"code": "X", "discount": "5 €", "valid": "14 days"})
    row = {"first_name": "Ada", "spend_total": Decimal("1.5000"), "loyalty_tier": "gold"}
    values = Values(Touch(campaign), date(2026, 5, 12), {"first_name", "spend_total"})
    stored = unpack(values.pack(row))
    assert stored["customer"] == {"first_name": "Ada", "spend_total": "1.5000"}
    assert stored["offer"] == {"code": "X", "discount": "5 €", "valid_until": "2026-05-26"}


# ---------------------------------------------------------------- kept by content

_BUNDLED = {
    "_layouts/l.j2": "{{ company.name }} {% include '_layouts/w.j2' %} {% block b %}{% endblock %}",
    "_layouts/de/w.j2": "Wort",
    "_layouts/en/w.j2": "word",
    "_layouts/unused.j2": "x",
    "hello/subject.j2": "{{ customer.first_name }} {{ customer.spend_total | money }}",
    "hello/body.html.j2": "{% extends '_layouts/l.j2' %}{% block b %}<p>x</p>{% endblock %}",
    "hello/gift/en/subject.j2": "gift {{ customer.last_order_day | date }}",
    "hello/sms.j2": "{{ customer.registered_at | datetime }}",
    "other/sms.j2": "x",
}
_ROW = {
    "first_name": "Ada",
    "spend_total": "1.5000",
    "last_order_day": "2026-01-02",
    "registered_at": "2026-01-02T23:30:00+00:00",
    "timezone": "Asia/Tokyo",
}


def test_a_bundle_renders_the_very_same_messages():
    now = templates_of(_BUNDLED)
    then = Templates.from_bundle(now.bundle("hello"))
    for variant in ("default", "gift"):
        for language in ("de", "en"):
            for channel in ("email", "sms"):
                page = ("hello", variant, language, channel, values_of(**_ROW), LINKS)
                assert then.render(*page) == now.render(*page)
    assert then.bundle("hello") == now.bundle("hello")


@pytest.mark.parametrize("path", [path for path in _BUNDLED if "/" in path])
def test_the_hash_follows_what_the_message_is_made_of_and_nothing_else(path):
    before = templates_of(_BUNDLED).template_hash("hello")
    after = templates_of(_BUNDLED | {path: _BUNDLED[path] + "!"}).template_hash("hello")
    assert (before == after) is (path in ("other/sms.j2", "_layouts/unused.j2"))


def test_the_hash_follows_the_company_settings_that_are_printed():
    before = templates_of(_BUNDLED).template_hash("hello")
    assert templates_of(_BUNDLED, name="Other").template_hash("hello") != before
    assert templates_of(_BUNDLED, email_from="x@y.example").template_hash("hello") == before
