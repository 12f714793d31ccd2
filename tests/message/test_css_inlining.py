"""Styles written in once per template equal those of the finished page, inlined by css-inline."""

from collections.abc import Iterator

import pytest
from css_inline import CSSInliner
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree, html
from message_fixtures import LINKS, templates_of, values_of

from antiphon.message.content import Email
from antiphon.message.inlining import Inlined, inline
from antiphon.message.language import TemplateLanguage

CSS = """
p { margin: 0 } .big { font-size: 20px; font-family: "Segoe UI", Arial } td.x { padding: 1px }
.box td { color: red } .box p.big { color: #00f !important } #main > p { border: 0 }
a:hover { color: green } /* .x + p {} */
@media (max-width: 600px) { #main{width: 100%} .big{font-size: 9px !important} }
"""


def dom(text: str) -> str:
    """The page's tree as a browser sees it, the place of its style sheet aside."""
    browser = CSSInliner(inline_style_tags=False, keep_style_tags=True)  # parses as HTML5 says
    tree = html.document_fromstring(browser.inline(text))
    for sheet in list(tree.iter("style")):
        sheet.drop_tree()
    for element in tree.iter():
        if "style" in element.attrib:
            parts = element.attrib["style"].split(";")
            element.attrib["style"] = ";".join(p.strip() for p in parts if p.strip())
        element.text = " ".join((element.text or "").split()) or None
        element.tail = " ".join((element.tail or "").split()) or None
    return bytes(etree.tostring(tree, method="c14n")).decode()  # attributes in one order


def plain(name: str, files: dict[str, str], context: dict[str, object]) -> str:
    """The page as it is rendered without any inlining."""
    from jinja2 import DictLoader

    language = TemplateLanguage(DictLoader(files), html=True)
    return language.get_template(name).render(context)


def page(body: str, css: str = CSS) -> dict[str, str]:
    layout = "<!DOCTYPE html><html><head><style>{% include 'mail.css' %}</style></head>"
    layout += '<body id="main">{% block body %}{% endblock %}</body></html>'
    entry = "{% extends 'layout' %}{% from 'parts' import row, wrap %}{% block body %}"
    parts = (
        '{% macro row(t) %}<tr><td class="x">{{ t }}</td></tr>{% endmacro %}'
        '{% macro wrap() %}<div class="box">{{ caller() }}</div>{% endmacro %}'
        "{% macro unused() %}<p>never</p>{% endmacro %}"
    )
    return {
        "entry": entry + body + "{% endblock %}",
        "layout": layout,
        "parts": parts,
        "mail.css": css,
    }


STATIC = [
    "<p class='big'>{{ a }}</p>",
    "<p class=\"big\" style='color:pink'>x</p>",
    "<table>{% for i in n %}<tr><td class='x'>{{ i }}</td></tr>{% endfor %}</table>",
    "<table class='box'><tr><td>1</td></tr>{% if a %}<tr><td class=x>2</td></tr>"
    "{% endif %}</table>",
    "<table>{% for i in n %}{{ row(i) }}{% else %}<tr><td>none</td></tr>{% endfor %}</table>",
    "{% call wrap() %}<p class='big'>in a box</p>{% endcall %}<p class='big'>outside</p>",
    "{% if a == 'x' %}<div class='box'><p class='big'>a</p></div>{% elif a %}<p>b</p>"
    "{% else %}<p class='big'>c</p>{% endif %}",
    "<a href='{{ a }}' title=\"{{ a }} {% if a %}y{% endif %}\">x</a><br><img src='{{ a }}'>",
    "<!-- <p class='big'> --><p>{{ '<p class=big>' }}</p>",
    "{% set t = 'x' %}<p>{{ t }}{# <p class='big'> #}</p>",
    "{% raw %}<p class='big'>{{ no }}</p>{% endraw %}",
    "<ul>{%- for i in n -%}<li class='big'>{{ loop.index }}</li>{%- endfor -%}</ul>",
]
VARYING = [
    "<p class='{{ a }}'>x</p>",
    "<p {% if a %}class='big'{% endif %}>x</p>",
    "{% if a %}<div class='box'>{% else %}<div>{% endif %}<p class='big'>x</p></div>",
    "{% macro p() %}<p class='big'>x</p>{% endmacro %}{{ p() }}<div class='box'>{{ p() }}</div>",
    "{% set t %}<p class='big'>x</p>{% endset %}{{ t }}",
    "{% filter trim %}<p class='big'>x</p>{% endfilter %}",
    "{{ row('a') if a else row('b') }}",
    "<p style='width:{{ a }}px'>x</p>",
]


def contexts() -> Iterator[dict[str, object]]:
    for a in ("x", "y", ""):
        for n in ([], ["1"], ["1", "<2>", "3"]):
            yield {"a": a, "n": n}


@pytest.mark.parametrize("body", STATIC)
def test_styling_the_template_equals_styling_the_finished_page(body):
    files = page(body)
    once = Inlined.of("entry", files)
    assert once.complete
    for context in contexts():
        rendered = plain("entry", dict(once.sources), context)
        assert dom(rendered) == dom(inline(plain("entry", files, context)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(STATIC), min_size=2, max_size=5))
def test_so_it_is_for_any_mixture(bodies):
    files = page("<div>" + "</div><div class='box'>".join(bodies) + "</div>")
    once = Inlined.of("entry", files)
    for context in contexts():
        rendered = plain("entry", dict(once.sources), context)
        expected = inline(plain("entry", files, context))
        assert dom(rendered if once.complete else inline(rendered)) == dom(expected)


@pytest.mark.parametrize("body", VARYING)
def test_what_may_differ_from_message_to_message_is_left_to_the_finished_page(body):
    files = page(body)
    once = Inlined.of("entry", files)
    assert not once.complete
    assert once.sources == files


@pytest.mark.parametrize(
    "selector",
    ["p:first-child", "p + p", "p ~ p", "tr:nth-child(2)", "[href]", "div:not(.x)", "a::before"],
)
def test_selectors_that_look_at_neighbours_are_left_to_the_finished_page(selector):
    assert not Inlined.of("entry", page("<p>x</p>", f"{selector} {{ color: red }}")).complete


def test_only_at_rules_stay_in_the_head():
    once = Inlined.of("entry", page("<p class='big'>x</p>"))
    rendered = plain("entry", dict(once.sources), {})
    assert "@media" in rendered
    assert "#main{width: 100%}" in rendered.replace("{ ", "{").replace(" }", "}")
    assert ".box" not in rendered


@pytest.mark.parametrize(
    "body", ["<p class='big'>{{ cell.id }}</p>", "<p class='{{ cell.id }}'>x</p>"]
)
def test_both_ways_reach_the_message(body):
    style = "<style>.big { color: red }</style>"
    files = {"hello/subject.j2": "x", "hello/body.html.j2": style + body}
    values = values_of() | {"cell": {"id": "big"}}
    email = templates_of(files).render("hello", "default", "de", "email", values, LINKS)
    assert isinstance(email, Email)
    assert "color: red" in email.html.split("<p")[1]
