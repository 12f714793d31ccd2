"""The mailbox page: a marketer sees what customers would have got, and nothing is fetched."""

import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import orjson
import pytest
from sandbox_clients import SERVICE, mail, person, sendgrid, twilio

from antiphon.clock import system_clock
from antiphon.sandbox.index import Index
from antiphon.sandbox.journal import Journal
from antiphon.sandbox.server import Sandbox, running

HTML = """<html><body><h1>Hello -name-</h1><img src="http://127.0.0.1:1/x.png">
<script>document.body.innerHTML = "taken over"</script></body></html>"""
CONTENT = [{"type": "text/plain", "value": "Hi -name-"}, {"type": "text/html", "value": HTML}]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with running() as found:
        people = [person(number) for number in range(120)]
        people[7]["substitutions"] = {"-name-": "<b>Zoë & {{ Söhne }}</b>"}
        sendgrid(found.url).send(mail(*people, content=CONTENT, categories=["winback"]))
        for text in ("Your parcel is on its way", "Grüße 🎉"):
            twilio(found.url).messages.create(
                to="+15005550123", messaging_service_sid=SERVICE, body=text
            )
        yield found


def page(sandbox: Sandbox, path: str) -> str:
    with urllib.request.urlopen(sandbox.url + path, timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def test_messages_are_listed_newest_first_in_pages(sandbox: Sandbox) -> None:
    first = page(sandbox, "/")
    assert first.index("Grüße 🎉") < first.index("Your parcel") < first.index("ann119@")
    assert first.count("<tr>") == 51
    assert "122 messages were accepted" in first
    last = page(sandbox, "/?page=2")
    assert last.count("<tr>") == 23
    assert 'rel="prev"' in last
    assert 'rel="next"' not in last


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("?q=ann77@", 1),
        ("?q=winback", 50),
        ("?q=HELLO+ann+42", 1),
        ("?q=mail-13", 1),
        ("?q=parcel", 1),
        ("?channel=sms", 2),
        ("?channel=email&q=parcel", 0),
        ("?q=nothing+of+the+kind", 0),
        ("?page=99999999999999", 50),
        ("?page=-1&q=ann5@", 1),
    ],
)
def test_a_search_finds_what_contains_every_word(sandbox: Sandbox, query: str, rows: int) -> None:
    assert page(sandbox, "/" + query).count('href="/message/') == 2 * rows


def test_an_email_is_shown_with_its_persons_values_as_text_and_its_headers(
    sandbox: Sandbox,
) -> None:
    shown = page(sandbox, "/message/7")
    assert "Hello &lt;b&gt;Zoë &amp; {{ Söhne }}&lt;/b&gt;" in shown
    assert "https://x.example/u/7" in shown
    assert "mail-7" in shown
    assert '<iframe sandbox src="/message/7/html"' in shown
    with urllib.request.urlopen(f"{sandbox.url}/message/3/html", timeout=10) as answer:
        assert "<h1>Hello Ann 3</h1>" in answer.read().decode()
        policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox;" in policy


def test_sms_to_one_number_are_a_conversation_with_their_segments(sandbox: Sandbox) -> None:
    shown = page(sandbox, "/message/121")
    assert shown.index("Your parcel") < shown.index("Grüße 🎉")
    assert shown.count("1 segment<") == 2


@pytest.mark.parametrize("path", ["/message/100000", "/message/121/html", "/message/x"])
def test_what_is_not_there_is_not_found(sandbox: Sandbox, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        page(sandbox, path)
    with refused.value as answer:
        assert answer.code == 404


def test_a_page_of_the_web_cannot_read_it_by_a_name_that_leads_here(sandbox: Sandbox) -> None:
    request = urllib.request.Request(sandbox.url, headers={"host": "rebound.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    with refused.value as answer:
        assert answer.code == 400


def test_no_script_of_a_message_runs_in_a_browser(sandbox: Sandbox, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium on this machine")
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--user-data-dir={tmp_path}", f"{sandbox.url}/message/3/html"]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
    assert "Hello Ann 3" in dom
    assert "<body>taken over" not in dom


def test_a_message_accepted_twice_is_pointed_out(sandbox: Sandbox) -> None:
    with running() as other:
        for _ in range(2):
            sendgrid(other.url).send(mail(person(1)))
        assert "accepted 2 times" in page(other, "/message/0")
    assert "accepted 2 times" not in page(sandbox, "/message/3")


def test_what_an_earlier_sandbox_took_is_still_shown(tmp_path: Path) -> None:
    for number in range(2):
        with running(tmp_path) as one:
            sendgrid(one.url).send(mail(person(number)))
            to = f"+1500555012{number}"
            twilio(one.url).messages.create(to=to, from_="+15005550006", body="Hi")
            assert "2 messages were" in page(one, "/") or "4 messages were" in page(one, "/")
            found = twilio(one.url).messages.list(to="+15005550120")
            assert [text.body for text in found] == ["Hi"]
    assert one.accepted() == {"mail-0": 1, "mail-1": 1}


def test_without_requests_the_journal_counts_and_the_mailbox_says_so() -> None:
    with running(keeps_requests=False) as one:
        sendgrid(one.url).send(mail(person(1), person(2)))
        assert one.accepted() == {"mail-1": 1, "mail-2": 1}
        assert "the texts of 2 were not kept" in page(one, "/")


def test_a_hundred_thousand_messages_are_searched_at_once(tmp_path: Path) -> None:
    people = [person(number) for number in range(1000)]
    body = orjson.dumps(mail(*people))
    ids = [one["custom_args"]["antiphon_message"] for one in people]
    with Journal(tmp_path) as journal:
        for number in range(100):
            journal.write(system_clock(), "sendgrid", f"request-{number}", ids, body)
    index = Index(tmp_path)
    assert len(index.everything()) == 100_000
    began = system_clock()
    found, has_more = index.page("ann999@", "", 0, 50)
    assert (len(found), has_more) == (50, True)
    assert index.page("nobody at all", "email", 0, 50) == ([], False)
    assert (system_clock() - began).total_seconds() < 3


def test_a_search_takes_any_text(sandbox: Sandbox) -> None:
    for text in ("%", "';--", "\\", "  ", "é" * 500, "<script>alert(1)</script>"):
        shown = page(sandbox, "/?q=" + quote(text))
        assert "<script>" not in shown
