"""The Big List of Naughty Strings as names: text in every place, and harmless in headers."""

import email
import json
import os
import unicodedata
from datetime import UTC, date, datetime
from email import policy
from html.parser import HTMLParser
from pathlib import Path

import pytest
from message_fixtures import LINKS, MESSAGE_ID, templates_of, values_of

from antiphon.message.content import Email
from antiphon.message.values import clean
from antiphon.providers import Outgoing
from antiphon.providers.local import as_mime

SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[3] / "shared"))
LIST = SHARED / "data" / "bad_input" / "blns" / "blns.json"
OWN = [
    "<script>alert(1)</script>",
    "\r\nBcc: x@example.org",
    "{{ 7*7 }}",
    "\u202egnp.exe",
    "A\x00B",
]


def names() -> list[str]:
    listed = json.loads(LIST.read_text(encoding="utf-8")) if LIST.exists() else []
    return OWN + [name for name in listed if name.strip()]


class Page(HTMLParser):
    """Every tag and every text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, object]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


FILES = {
    "hello/subject.j2": "Hi {{ customer.first_name }}",
    "hello/body.html.j2": '<p title="{{ customer.first_name }}">{{ customer.first_name }}</p>',
    "hello/body.txt.j2": "{{ customer.first_name }}",
    "hello/sms.j2": "Hi {{ customer.first_name }}.",
}


@pytest.fixture(scope="module")
def templates():
    return templates_of(FILES)


@pytest.mark.parametrize("name", names(), ids=lambda name: ascii(name)[:30])
def test_a_naughty_name_arrives_as_text(templates, name):
    values = values_of(first_name=name)
    page = templates.render("hello", "default", "de", "email", values, LINKS)
    sms = templates.render("hello", "default", "de", "sms", values, LINKS)
    assert isinstance(page, Email)
    html = Page(page.html)
    assert html.tags == [("p", [("title", clean(name))])]
    assert html.text == clean(name)
    assert page.text == clean(name).strip() + "\n"
    blanks = str.maketrans("\u00a0\u202f\u2009", "   ")  # an SMS keeps to plain ones
    assert sms.text == f"Hi {clean(name)}.".translate(blanks)
    outgoing = Outgoing(
        message_id=MESSAGE_ID,
        campaign="spring",
        category="promo",
        arm="default",
        day=date(2026, 5, 12),
        to="ada@example.org",
        sender="n@l.example",
        sender_name=name,
        content=page,
        expires_at=datetime(2026, 5, 13, tzinfo=UTC),
    )
    raw = as_mime(outgoing, page, datetime(2026, 5, 12, tzinfo=UTC))
    read = email.message_from_bytes(raw, policy=policy.default)
    assert read.get_all("To") == ["ada@example.org"]
    assert read["Bcc"] is None
    assert "".join(str(read["Subject"]).split()) == "".join(page.subject.split())


def test_clean_keeps_every_letter_and_loses_every_control():
    every = "".join(map(chr, range(0x110000)))
    kept = clean(every)
    lost = {c for c in set(every) - set(kept) if unicodedata.category(c) not in ("Cc", "Cs")}
    turning = set("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    ours = set(map(chr, range(0x100000, 0x110000)))  # marks of message/plain.py
    assert lost == turning | ours | set("\ufffe\uffff")
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in kept)
