"""Links as redirects of our own: what stands in the message, and that they lead where they did."""

import re

from antiphon.message.content import Sms
from antiphon.message.links import Links, LinkSigner, TargetsOf, target_name
from antiphon.message.tagging import Tags
from antiphon.message.templates import Templates

COMPANY = {"name": "Linden", "website": "https://www.linden.example", "postal_address": "Berlin"}
FILES = {
    "letter/subject.j2": "Hello",
    "letter/body.html.j2": (
        "<p>{{ customer.name }}</p>"
        "<a href=\"{{ '/cream?a=1&b=2' | link }}\">to the cream of summer</a>"
        "<a href=\"{{ 'https://other.example/x' | link }}\">other</a>"
        '<a href="{{ links.unsubscribe | link }}">leave</a>'
        "<a href=\"{{ 'mailto:a@linden.example' | link }}\">write</a>"
    ),
    "letter/sms.j2": "{{ '/cream' | link }} {{ links.unsubscribe }}",
}
SIGNER = LinkSigner({"k1": "a secret of sufficient length"}, "https://mail.linden.example")
IDS = ("00ff" * 8, "11ee" * 8)
VALUES = {"customer": {"name": "Ada"}, "campaign": {"name": "c", "title": "C", "category": "promo"}}


def templates(counts: bool) -> Templates:
    from antiphon.entities import ColumnType

    return Templates(
        FILES,
        features={"name": ColumnType.TEXT},
        languages=("en",),
        country="DE",
        currency="EUR",
        timezone="Europe/Berlin",
        company=COMPANY,
        tags=Tags({"utm_campaign": "{campaign}"}, ("linden.example",)),
        counts_clicks=counts,
    )


def rendered(made: Templates, links: Links, channel: str = "email"):
    return made.render("letter", "default", "en", channel, VALUES, links)


def hrefs(html: str) -> list[str]:
    return [one.replace("&amp;", "&") for one in re.findall(r'href="([^"]*)"', html)]


def test_links_lead_over_our_server_and_on_to_where_they_led_before():
    plain = hrefs(rendered(templates(False), SIGNER.links(IDS[0])).html)
    counted = hrefs(rendered(templates(True), SIGNER.links(IDS[0])).html)
    targets = SIGNER.targets(IDS[0])
    rendered(templates(True), targets)
    assert counted[0].startswith("https://mail.linden.example/c/k1.")
    led = [targets.targets.get(one.rpartition("/")[2], one) for one in counted]
    assert led == plain
    assert len(targets.targets) == 2
    assert "utm_campaign=c" in plain[0]
    assert "?" not in counted[0]


def test_only_pages_of_others_are_counted():
    counted = hrefs(rendered(templates(True), SIGNER.links(IDS[0])).html)
    assert counted[2].startswith(SIGNER.links(IDS[0]).unsubscribe)
    assert counted[3] == "mailto:a@linden.example"


def test_the_links_of_two_people_differ_and_name_the_same_targets():
    one, other = (hrefs(rendered(templates(True), SIGNER.links(id_)).html) for id_ in IDS)
    assert one[0] != other[0]
    assert one[0].rsplit("/", 1)[1] == other[0].rsplit("/", 1)[1]


def test_an_email_in_a_batch_comes_out_the_same():
    made = templates(True)
    for id_ in IDS * 6:
        links = SIGNER.links(id_)
        personal = made.personal("letter", "default", "en", VALUES, links)
        whole = personal.whole() if hasattr(personal, "whole") else None
        assert whole == rendered(made, links)
        assert links.click in whole.html


def test_what_is_kept_by_content_counts_as_it_did():
    kept = Templates.from_bundle(templates(True).bundle("letter"))
    assert rendered(kept, SIGNER.links(IDS[0])) == rendered(templates(True), SIGNER.links(IDS[0]))
    assert templates(True).template_hash("letter") != templates(False).template_hash("letter")


def test_an_sms_counts_too():
    made = rendered(templates(True), SIGNER.links(IDS[0]), "sms")
    assert isinstance(made, Sms)
    counted, leave = made.text.split()
    assert counted.startswith(SIGNER.links(IDS[0]).click + "/")
    assert leave == SIGNER.links(IDS[0]).unsubscribe


def test_a_name_tells_targets_apart():
    links = TargetsOf(lambda purpose: f"https://m.example/{purpose.value}/t")
    for target in ("https://a.example/1", "https://a.example/2"):
        assert links.counted(target) == target
    assert set(links.targets) == {
        target_name("https://a.example/1"),
        target_name("https://a.example/2"),
    }
