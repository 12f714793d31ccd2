"""What check says of templates, before anything is rendered."""

import re
from pathlib import Path

import pytest
from message_fixtures import FOOTER, campaign_of, templates_of

from antiphon.message.language import FILTERS
from antiphon.message.values import OFFER_FIELDS


@pytest.mark.parametrize(
    ("body", "layout", "complaint"),
    [
        ("{% if customer.first_name %}", FOOTER, "Unexpected end of template"),
        ("{% extends '_layouts/page.j2' %}", "{% if cell.id %}" + FOOTER, "Unexpected end"),
        ("{% extends '_layouts/pag.j2' %}", FOOTER, "no template '_layouts/pag.j2'"),
        ("{% include '_layouts/pag.j2' %}", FOOTER, "no template '_layouts/pag.j2'"),
    ],
)
def test_what_cannot_be_read_is_not_said_to_lack_anything(complaints, body, layout, complaint):
    [found] = complaints(body, files={"_layouts/page.j2": layout}, category="promo")
    assert complaint in found


def test_a_footer_that_a_block_takes_away_is_asked_for(complaints):
    layout = "{% block end %}{% include '_layouts/foot.j2' %}{% endblock %}"
    files = {"_layouts/page.j2": layout, "_layouts/foot.j2": FOOTER}
    body = "{% extends '_layouts/page.j2' %}"
    assert complaints(body, files=files, category="promo") == []
    found = complaints(body + "{% block end %}{% endblock %}", files=files, category="promo")
    assert len(found) == 2
    assert all("has to print" in one for one in found)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{{ customer.frist_name }}", "unknown name 'customer.frist_name'"),
        ("\n\n{% if customer.nick %}x{% endif %}", "body.html.j2:3:16: unknown name"),
        ("{{ custmer.first_name }}", "Did you mean 'customer'?"),
        ("{{ company.phone }}", "unknown name 'company.phone'"),
        ("{{ offer.code }}", "This campaign has no offer."),
        ("{{ links.survey }}", "unknown name 'links.survey'"),
        ("{{ links.confirm }}", "unknown name 'links.confirm'"),
        ("{{ customer.first_name | uper }}", "Did you mean 'upper'?"),
        ("{{ 1 if customer.first_name is definde else 2 }}", "unknown test 'definde'"),
        ("{% if customer.first_name %}", "Unexpected end of template"),
        ("{{ customer.first_name", "unexpected end of template"),
        ("{% extends 'none.j2' %}", "no template 'none.j2'"),
        ("{% include '_layouts/fot.j2' %}", "Did you mean '_layouts/foot.j2'?"),
        ("{% include customer.first_name %}", "must be written out"),
        ("{% import '_layouts/foot.j2' as foot %}{{ foot.nothing() }}", "unknown name 'nothing'"),
        ("{{ customer[customer.first_name] }}", "computed while rendering"),
        ("{{ customer.first_name.upper() }}", "Use a filter"),
        ("{{ customer.__class__ }}", "unknown name 'customer.__class__'"),
        ("{{ customer }}", "only a single value can be printed"),
        ("{{ range(3) }}", "unknown name 'range'"),
        ("{{ self.body() }}", "unknown name 'self'"),
        ("{% for x in customer.first_name %}{% endfor %}", "only a list can be looped over"),
        ("{% for x in ['a'] %}{{ y }}{% endfor %}", "unknown name 'y'"),
        ("{% for x in ['a'] %}{% endfor %}{{ x }}", "unknown name 'x'"),
        ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(customer.frist) }}", "customer.frist"),
        ("{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}", "needs 'a'"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "uses itself"),
        ("{% include 'hello/body.html.j2' %}", "uses itself"),
        ("{{ customer.spend_total }}", "a value of type money printed bare"),
        ("{{ customer.last_order_day }}", "a value of type day printed bare"),
        ("{{ customer.first_name | money }}", "does not take a value of type text"),
        ("{{ customer.registered_at | date }}", "For an instant use the filter datetime."),
        ("{{ customer.last_order_day | date('lang') }}", "Did you mean 'long'?"),
        ("{{ customer.order_count | plural('one') }}", "not the plural forms"),
        ("{% if customer.order_count > 'x' %}{% endif %}", "integer and text cannot be compared"),
        ("{{ (customer.spend_total * 1.5) | money }}", "an amount and an inexact number"),
        ("{{ (customer.first_name + 1) | number }}", "text cannot be calculated with"),
        ("{{ 'x' if customer.first_name }}", "needs its 'else …'"),
        ("<a href='https://shop.example/x'>x</a>", "a link that is not counted"),
        ("{% autoescape false %}x{% endautoescape %}", "may not be used in templates"),
        ("{{ customer.first_name | safe }}", "unknown filter 'safe'"),
    ],
)
def test_check_finds_it_before_anything_is_sent(complaints, body, complaint):
    found = "\n".join(complaints(body, files={"_layouts/foot.j2": "x"}))
    assert complaint in found


@pytest.mark.parametrize(
    "body",
    [
        "{{ customer.first_name | default('dear reader') | upper }}",
        "{% set n = customer.order_count + 1 %}{% if n > 2 %}{{ n | plural('#', '#') }}{% endif %}",
        "{% for name, text in [('a', 'b'), ('c', 'd')] %}"
        "{{ loop.index }}{{ name }}{{ text }}{% endfor %}",
        "{% for item in [{'a': 1}, {'a': 2}] %}{{ item.a }}{% endfor %}",
        "{% macro m(a, b='x') %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}"
        "{% call m(customer.first_name) %}{{ cell.id }}{% endcall %}",
        "{% from '_layouts/parts.j2' import shout with context %}{{ shout('x') }}",
        "{% with a = customer.first_name %}{{ a }}{% endwith %}",
        "{{ customer.last_order_day | date('long') if customer.last_order_day else 'never' }}",
        "{{ (customer.spend_total - 5) | money }}{{ customer['first_name'] }}",
        "{% if customer.loyalty_tier in ['gold', 'silver'] %}x{% endif %}"
        "{% if not customer.is_member %}x{% endif %}",
        "{{ ['a', 'b'] | listing }} {{ '/shop' | link }}",
    ],
)
def test_what_is_right_is_not_complained_about_and_renders(complaints, rendered, body):
    parts = {
        "_layouts/parts.j2": "{% macro shout(x) %}{{ x }}{{ customer.first_name }}{% endmacro %}"
    }
    assert complaints(body, files=parts) == []
    customer = {
        "first_name": "Ada",
        "order_count": 3,
        "last_order_day": "2026-01-02",
        "spend_total": "9.9900",
        "loyalty_tier": "gold",
        "is_member": False,
    }
    assert rendered(body, files=parts.items(), **customer)


def test_the_walk_follows_layouts_blocks_and_super(complaints):
    layout = "{% set word = 'x' %}{% block a %}{{ customer.nope }}{% endblock %}"
    page = "{% extends '_layouts/l.j2' %}{% block a %}{{ super() }}{{ word }}{% endblock %}"
    replaced = "{% extends '_layouts/l.j2' %}{% block a %}{{ word }}{% endblock %}"
    files = {"_layouts/l.j2": layout}
    assert "templates/_layouts/l.j2:1:" in complaints(page, files=files)[0]
    assert complaints(replaced, files=files) == []


def test_a_name_set_after_extends_is_known_in_the_layout(complaints):
    layout = {"_layouts/l.j2": "{{ title }}"}
    assert complaints("{% extends '_layouts/l.j2' %}{% set title = 'x' %}", files=layout) == []


def test_an_import_without_context_does_not_see_the_customer(complaints):
    files = {"_layouts/p.j2": "{% macro m() %}{{ customer.first_name }}{% endmacro %}"}
    found = complaints("{% import '_layouts/p.j2' as p %}{{ p.m() }}", files=files)
    assert "with context" in found[0]


@pytest.mark.parametrize(("language", "forms", "fine"), [("ru", 2, False), ("ru", 3, True)])
def test_plural_forms_are_counted_by_the_language(complaints, language, forms, fine):
    words = ", ".join(["'#'"] * forms)
    found = complaints(f"{{{{ 2 | plural({words}) }}}}", languages=(language,))
    assert (found == []) is fine


def test_a_missing_part_is_named_with_the_places_where_it_was_looked_for():
    templates = templates_of({"hello/en/sms.j2": "x", "hello/de/sms.j2": "x"})
    (problem, *_) = templates.check(campaign_of())
    assert "no body.html.j2 for email in 'de'" in problem.message
    assert "hello/de/body.html.j2, hello/body.html.j2" in problem.hint
    assert templates.check(campaign_of(channels=["sms"])) == []


def test_a_missing_message_names_those_there_are(complaints):
    assert "Messages are: hello." in complaints("x", message="helo")[0]


def test_two_languages_in_one_message_are_warned_of():
    files = {"hello/de/subject.j2": "x", "hello/de/body.html.j2": "x", "hello/en/subject.j2": "x"}
    (problem,) = templates_of(files).check(campaign_of())
    assert problem.is_warning
    assert "mixes languages" in problem.message


def test_an_unknown_language_is_a_problem_of_settings(complaints):
    assert "unknown language 'xx'" in complaints("x", languages=("xx",))[0]


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        (FOOTER, []),
        ("{{ company.postal_address }}", ["links.unsubscribe"]),
        ("{{ links.unsubscribe }}", ["company.postal_address"]),
        ("{% if customer.first_name %}" + FOOTER + "{% endif %}", ["company", "links"]),
        ("{{ links.unsubscribe if cell.id else '' }} {{ company.postal_address }}", ["links"]),
        ("{% macro foot() %}" + FOOTER + "{% endmacro %}{{ foot() }}", []),
    ],
)
@pytest.mark.parametrize("category", ["promo", "lifecycle"])
def test_marketing_always_prints_address_and_way_out(complaints, body, missing, category):
    found = complaints(body, category=category)
    assert len(found) == len(missing)
    assert all(name in text for name, text in zip(missing, found, strict=True))


def test_a_service_message_needs_neither(complaints):
    assert complaints("x", category="service") == []


@pytest.mark.parametrize(
    ("text", "sender", "fine"),
    [
        ("Hi, answer STOP to end", "+4930123456", True),
        ("Hi, answer STOP to end", "Linden", False),
        ("Hi {{ links.unsubscribe }}", "Linden", True),
        ("Stopover in Linz", "+4930123456", False),
    ],
)
def test_a_marketing_sms_offers_a_way_out_that_works(text, sender, fine):
    templates = templates_of({"hello/sms.j2": text}, sms_from=sender)
    problems = templates.check(campaign_of(category="promo", channels=["sms"]))
    assert (problems == []) is fine


def test_a_field_the_offer_lacks_is_unknown():
    files = {"hello/sms.j2": "{{ offer.code }} {{ offer.discount }}"}
    templates = templates_of(files)
    offer = {"channels": ["sms"], "offer": {"code": "X"}}
    (problem,) = templates.check(campaign_of(**offer))
    assert "offer.discount" in problem.message
    offer["offer"] = {"code": "X", "discount": "5 %"}
    assert templates.check(campaign_of(**offer)) == []


def test_the_documentation_names_every_filter_and_every_field():
    text = (Path(__file__).parents[2] / "docs" / "templates.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`\.?([a-z_0-9.]+?)[`(]", text))
    assert named >= set(FILTERS) - {"d", "e"}
    assert named >= {f"offer.{OFFER[0]}", *OFFER[1:]}


OFFER = list(OFFER_FIELDS)
