"""A skeleton filled with somebody's values is the very e-mail that plain rendering gives."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from message_fixtures import FOOTER, LINKS, templates_of, values_of

from antiphon.errors import AntiphonError
from antiphon.message.content import Email, Personal
from antiphon.message.skeleton import Body
from antiphon.message.templates import MessageHeld, Templates

PAGE = ("hello", "default", "de")
NAUGHTY = ("Ada", "", " ", "<b>&'\"", "{{ 7 }}{% if %}", "%s %(x)d %", "-ILVx00-", "a\x1eb", "\\1")
NAUGHTY += ("Zoë \u202eevil", "名前 😀", "two  blanks ", "\U00100000", "line\nbreak", "$0 {0}")


@contextmanager
def warnings() -> Iterator[list[str]]:
    """What the room warns of: a skeleton that came out wrong is given up, and says so."""
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("antiphon.message")
    logger.addHandler(handler)
    yield found
    logger.removeHandler(handler)


def told(work: Any) -> object:
    """What comes of it: an e-mail, or how it failed."""
    try:
        made = work()
    except AntiphonError as error:
        return type(error), str(error)
    return made.whole() if isinstance(made, Personal) else made


def both(templates: Templates, values: dict[str, Any]) -> tuple[object, object]:
    """By skeleton, and plainly."""
    return (
        told(lambda: templates.personal(*PAGE, values, LINKS)),
        told(lambda: templates.render(*PAGE, "email", values, LINKS)),
    )


# ---------------------------------------------------------------- templates of all kinds

WORDS = """{% set greeting = "Guten Tag" %}{% set why = "von " ~ company.name %}
{% macro hello(name) %}
{% if name %}{{ greeting }}, {{ name }}{% else %}{{ greeting }}{% endif %}
{% endmacro %}
"""
MACROS = """{% import "_layouts/words.j2" as words with context %}
{% macro button(text, address="/shop") %}<p><a href="{{ address | link }}">{{ text }}</a></p>{% endmacro %}
{% macro points(items) %}<ul>{% for name, text in items %}<li>{{ loop.index }}. {{ name }}: {{ text }}</li>{% endfor %}</ul>{% endmacro %}
{% macro box(title) %}<table><tr><td>{{ title }}</td><td>{{ caller() }}</td></tr></table>{% endmacro %}
{% macro twice(text) %}{{ text }}{% set text = text ~ "+" %}{{ text }}{% endmacro %}
"""  # noqa: E501
LAYOUT = """{% import "_layouts/words.j2" as words with context %}
<html><head><title>{{ company.name }}</title></head><body>
<div>{% block first %}<p>The first block of {{ campaign.title }}, long enough to be kept.</p>{% endblock %}</div>
<p>Between the blocks there is a sentence that is the same for everybody.</p>
{% block body %}{% endblock %}
<p>{{ words.why }} &middot; <a href="{{ links.unsubscribe }}">off</a></p></body></html>
"""  # noqa: E501
START = (
    '{% extends "_layouts/l.j2" %}{% import "_layouts/m.j2" as m with context %}{% set x = "s" %}'
)
PART = "<p>{{ x }} of {{ customer.loyalty_tier | default('none') }}</p>"

NAME = 'customer.first_name | default("friend")'
EXPRESSIONS = (
    *(NAME, f"{NAME} | upper", f"({NAME}) ~ '!'", "customer.first_name", "company.name", "x"),
    *("words.hello(customer.first_name)", f"words.hello({NAME}) ~ '?'", "'<i>' ~ x", "x | upper"),
    *("customer.spend_total | default(0) | money", "5 | money", "links.web", "'/a?b=c' | link"),
    *("customer.order_count | default(0) | plural('# a', '# b')", "campaign.title", "words.why"),
    *("customer.last_order_day | date('long') | default('never')", "m.twice(x)", "m.twice('k')"),
    *("customer.registered_at | datetime | default('-')", "'y' if customer.is_member else x"),
    *(f"({NAME}) | truncate(5)", f"({NAME}) | replace('a', '<')", "'a' if company.name else x"),
    *(
        "[x, 'b'] | listing",
        "(customer.order_count | default(2)) * 3 + 1",
        "customer['loyalty_tier']",
    ),
    *("words.hello(none) if customer.is_member else '-'", "{'k': x}.k", "[x, 'q'][1]", "'l' | e"),
    *("words.hello(x) | title", f"words.hello({NAME}) | urlencode", "customer['loyalty_tier']"),
)
CONDITIONS = (
    *("customer.is_member", "customer.order_count > 2", "not customer.first_name", "x == 's'"),
    *("company.name", "company.name == 'x'", "customer.first_name and customer.is_member"),
    *("customer.loyalty_tier in ['gold', 'x']", "customer.last_order_day is none", "1 > 2"),
    *("words.hello(customer.first_name) == 'Guten Tag'", "customer.order_count is odd"),
)
expressions = st.sampled_from(EXPRESSIONS)
conditions = st.sampled_from(CONDITIONS)
constants = st.sampled_from((
    *("<p>A sentence that everybody gets, in full length.</p>", " ", "\n", "100 % of <b>it</b>"),
    *("<br>", "", "<table><tr><td>cell</td><td>", "</td></tr></table>", "\\1 %s {0}", "<ul><li>"),
    *("ILVx", "-", "x", "<h2>Another heading, quite long</h2>", "<a href='", "'>a link</a>"),
))  # fmt: skip


def composed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, max_size=4).map("".join)
    return st.one_of(
        st.builds("{{% if {} %}}{}{{% else %}}{}{{% endif %}}".format, conditions, body, body),
        st.builds(
            "{{% if {} %}}{}{{% elif {} %}}{}{{% endif %}}".format,
            *(conditions, body, conditions, body),
        ),
        st.builds(
            "{{% for i in [{}, 'b', {}] %}}{}{{{{ i }}}}{{{{ loop.index }}}}{{% endfor %}}".format,
            *(expressions, expressions, body),
        ),
        st.builds("{{% for i in [] %}}{}{{% else %}}{}{{% endfor %}}".format, body, body),
        st.builds("{{% for i in [1, 2, 3] if i != 2 %}}{}{{% endfor %}}".format, body),
        st.builds("{{% with x = {} %}}{}{{% endwith %}}".format, expressions, body),
        st.builds("{{% set z %}}{}{{% endset %}}{{{{ z }}}}".format, body),
        st.builds("{{% filter upper %}}{}{{% endfilter %}}".format, body),
        st.builds("{{% call m.box({}) %}}{}{{% endcall %}}".format, expressions, body),
        st.builds("{{{{ m.points([('a', {}), ({}, 'b')]) }}}}".format, expressions, expressions),
    )


simple = st.one_of(
    constants,
    constants,
    expressions.map("{{{{ {} }}}}".format),
    expressions.map("{{% set x = {} %}}".format),
    expressions.map("{{{{ m.button({}) }}}}".format),
    expressions.map("{{{{ m.button(address='/s', text={}) }}}}".format),
    st.just("{% include '_layouts/part.j2' %}"),
)
bodies = st.lists(st.recursive(simple, composed, max_leaves=8), max_size=8).map("".join)
optional = st.none() | st.text(max_size=6) | st.sampled_from(NAUGHTY)
customers = st.fixed_dictionaries({
    "first_name": optional,
    "timezone": st.sampled_from(("Asia/Tokyo", None)),
    "loyalty_tier": optional,
    "order_count": st.none() | st.integers(-2, 2_000),
    "spend_total": st.none() | st.sampled_from(("0.0000", "1234.5000")),
    "is_member": st.none() | st.booleans(),
    "last_order_day": st.none() | st.just("2026-03-09"),
    "registered_at": st.none() | st.just("2026-03-28T23:30:00+00:00"),
})  # fmt: skip


# Without shrinking: it takes minutes on templates of this size, and a failure says enough.
@settings(max_examples=40, deadline=None, phases=[Phase.generate])
@given(
    first=bodies,
    body=bodies,
    text=st.none() | bodies,
    subject=st.lists(expressions.map("{{{{ {} }}}}".format) | constants, max_size=3).map("".join),
    people=st.lists(customers, min_size=1, max_size=3),
)
def test_whatever_the_template_a_filled_skeleton_is_the_rendered_email(
    first, body, text, subject, people
):
    imports = '{% import "_layouts/words.j2" as words with context %}'
    imports += '{% import "_layouts/m.j2" as m with context %}{% set x = "s" %}'
    files = {
        "_layouts/words.j2": WORDS,
        "_layouts/m.j2": MACROS,
        "_layouts/l.j2": LAYOUT,
        "_layouts/part.j2": PART,
        "hello/subject.j2": f"{imports}Hi {subject}",
        "hello/body.html.j2": f"{START}{{% block first %}}{{{{ super() }}}}{first}{{% endblock %}}"
        f"{{% block body %}}{body}{{% endblock %}}",
    }
    if text is not None:
        files["hello/body.txt.j2"] = imports + text
    templates = templates_of(files)
    beside = templates_of(files | {"hello/body.txt.j2": "own text"})
    with warnings() as found:
        for customer in people * 3:
            by_skeleton, plain = both(templates, values_of(**customer))
            assert by_skeleton == plain
            if isinstance(plain, Email):  # the page is the same if no text is derived of it
                assert both(beside, values_of(**customer))[1].html == plain.html
    assert found == []


# ---------------------------------------------------------------- what is shared, and what is not

LONG = "This sentence is the same for everybody who gets the message. "
ADA = values_of(first_name="Ada", is_member=True)
BO = values_of(first_name="<Bo>", is_member=None)


def personals(files: dict[str, str], *people: dict[str, Any]) -> list[Personal]:
    """All of them by skeleton, proven equal to plain rendering."""
    templates, made = templates_of({"hello/subject.j2": "Hi"} | files), []
    for values in people or (ADA, BO):
        personal = templates.personal(*PAGE, values, LINKS)
        assert isinstance(personal, Personal)
        assert personal.whole() == templates.render(*PAGE, "email", values, LINKS)
        made.append(personal)
    return made


def test_branches_and_macros_are_values_and_all_people_share_one_skeleton():
    body = f"<p>{LONG}</p>{{% if customer.is_member %}}<p>Member!</p>{{% endif %}}<p>{LONG}"
    body += "{{ customer.first_name }}</p>"
    ada, bo = personals({"hello/body.html.j2": body})
    assert ada.skeleton is bo.skeleton
    assert ada.skeleton.html.count(LONG) == 2
    assert ada.skeleton.text.count(LONG.strip()) == 2
    assert "Member" not in ada.skeleton.html + ada.skeleton.text
    assert list(ada.values) == ["<p>Member!</p>", "Ada", "\n\nMember!\n\n", " Ada\n"]
    assert list(bo.values)[:2] == ["", "&lt;Bo&gt;"]


def test_what_the_company_the_words_and_the_campaign_say_is_not_sent_to_each_person():
    files = {
        "_layouts/words.j2": WORDS,
        "_layouts/m.j2": MACROS,
        "_layouts/l.j2": LAYOUT,
        "hello/body.html.j2": START
        + "{% block body %}{{ m.button(words.greeting) }}{{ m.points([('a', 'b'), ('c', 'd')]) }}"
        "{% for i in [1, 2] %}<i>{{ i }}</i>{% endfor %}{% endblock %}",
    }
    (made, _) = personals(files)
    assert set(made.values) == {LINKS.unsubscribe}
    assert "Linden &amp; Söhne" in made.skeleton.html
    assert "Guten Tag" in made.skeleton.html


def test_a_subject_that_differs_is_one_value_on_one_line():
    subject = "{% if customer.is_member %}Dear\nmember{% endif %} {{ customer.first_name }}"
    ada, bo = personals({"hello/subject.j2": subject, "hello/body.html.j2": LONG})
    assert (ada.values[0], bo.values[0]) == ("Dear member Ada", "<Bo>")
    assert ada.skeleton.subject in ada.skeleton.markers


def test_no_marker_stands_in_a_text_but_where_a_value_belongs():
    body = "{{ customer.first_name }}".join([LONG] * 30)
    text = f"{{{{ customer.first_name }}}} {LONG} {{% if customer.is_member %}}x{{% endif %}}\n"
    (made, _) = personals({"hello/body.html.j2": body, "hello/body.txt.j2": text})
    skeleton = made.skeleton
    whole = skeleton.subject + skeleton.html + skeleton.text
    assert [whole.count(marker) for marker in skeleton.markers] == [1] * 31
    assert not any(one in two for one in skeleton.markers for two in skeleton.markers if one != two)


def test_a_name_like_our_markers_arrives_as_text_and_alone():
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": LONG + "{{ customer.first_name }}"}
    templates = templates_of(files)
    made = templates.personal(*PAGE, ADA, LINKS)
    assert isinstance(made, Personal)
    marker = made.skeleton.markers[0]
    spoilt = templates.personal(*PAGE, values_of(first_name=f"a{marker}b"), LINKS)
    assert isinstance(spoilt, Email)
    assert spoilt.html == f"{LONG}a{marker}b"
    assert isinstance(templates.personal(*PAGE, BO, LINKS), Personal)


@pytest.mark.parametrize(("letter", "most"), [("a", 9_900), ("ä", 4_950)])
def test_values_beyond_the_limit_are_sent_alone(letter, most):
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": LONG + "{{ customer.first_name }}"}
    templates = templates_of(files | {"hello/body.txt.j2": "x"})
    for length, kind in ((most, Personal), (most + 200, Email)):
        values = values_of(first_name=letter * length)
        made = templates.personal(*PAGE, values, LINKS)
        assert isinstance(made, kind)
        weight = len(f"-abcd0-{letter * length}".encode())
        assert (weight <= 10_000) is (kind is Personal)


@pytest.mark.parametrize(
    "body",
    [
        "<style>p + p {color: red}</style><p>{{ customer.first_name }}</p><p>b</p>",
        "{% for letter in customer.first_name %}{{ letter }}{% endfor %}",
    ],
)
def test_what_cannot_be_split_is_rendered_for_each_person(body):
    templates = templates_of({"hello/subject.j2": "Hi", "hello/body.html.j2": body})
    made = templates.personal(*PAGE, ADA, LINKS)
    assert isinstance(made, Email)
    assert made == templates.render(*PAGE, "email", ADA, LINKS)


def test_a_skeleton_that_is_wrong_is_found_by_its_first_email_and_used_no_more(monkeypatch):
    def wrong(self, context):
        values = right(self, context)
        return [value + "!" for value in values]

    right = Body.values
    monkeypatch.setattr(Body, "values", wrong)
    files = {"hello/body.html.j2": "{{ customer.first_name }}", "hello/body.txt.j2": "x"}
    templates = templates_of({"hello/subject.j2": "Hi"} | files)
    with warnings() as found:
        for _ in range(3):
            assert templates.personal(*PAGE, ADA, LINKS).html == "Ada"
    assert found == ["templates/hello/ leaves batches: its skeleton is wrong"]


def test_a_null_holds_one_message_back_and_says_what_plain_rendering_says():
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": "{{ customer.first_name }}" + FOOTER}
    templates = templates_of(files)
    assert isinstance(templates.personal(*PAGE, ADA, LINKS), Personal)
    with pytest.raises(MessageHeld, match="first_name is null") as held:
        templates.personal(*PAGE, values_of(first_name=None), LINKS)
    assert held.value.template == "hello/body.html.j2"
    assert isinstance(templates.personal(*PAGE, BO, LINKS), Personal)


def test_marketing_carries_one_click_headers_of_the_person_by_skeleton_too():
    (made, _) = personals({"hello/body.html.j2": LONG})
    assert made.headers == LINKS.headers
    assert made.headers["List-Unsubscribe"].startswith("<https://")
