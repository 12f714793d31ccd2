"""Campaign tags on links (UTM): whose they are, and what stays as it was written."""

import pytest
from message_fixtures import COMPANY, FEATURES, LINKS, values_of

from antiphon.campaigns.settings import Company, Retention, Settings, UtmTags
from antiphon.message.content import Email, Personal, Sms
from antiphon.message.tagging import Tags
from antiphon.message.templates import Templates

TAGS = Tags(
    {"utm_source": "antiphon", "utm_medium": "{channel}", "utm_campaign": "{campaign}"},
    ("linden.example", "shop.example"),
)
SPRING = "utm_source=antiphon&utm_medium=email&utm_campaign=spring"


def tagged(files: dict[str, str], tags: Tags | None = TAGS) -> Templates:
    files = {"hello/subject.j2": "Hi", "hello/body.html.j2": "<p>Hi</p>"} | files
    given = {"features": FEATURES, "languages": ("de",), "country": "DE", "currency": "EUR"}
    return Templates(files, **given, timezone="Europe/Berlin", company=COMPANY, tags=tags)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("/shop", f"https://linden.example/shop?{SPRING}"),
        ("/shop?score=1#top", f"https://linden.example/shop?score=1&{SPRING}#top"),
        ("https://www.linden.example/", f"https://www.linden.example/?{SPRING}"),
        ("https://SHOP.example/a", f"https://SHOP.example/a?{SPRING}"),
        ("https://other.example/shop", "https://other.example/shop"),
        ("https://notlinden.example/", "https://notlinden.example/"),
        ("mailto:hi@linden.example", "mailto:hi@linden.example"),
        ("https://[linden.example/", "https://[linden.example/"),
        (
            "/?utm_source=own",
            "https://linden.example/?utm_source=own&utm_medium=email&utm_campaign=spring",
        ),
    ],
)
def test_links_to_our_sites_are_tagged_and_others_are_not(address, expected):
    templates = tagged({"hello/body.txt.j2": f"{{{{ '{address}' | link }}}}"})
    email = templates.render("hello", "default", "de", "email", values_of(), LINKS)
    assert isinstance(email, Email)
    assert email.text == expected + "\n"


def test_every_word_of_a_tag_is_filled_in_and_written_for_an_address():
    tags = Tags({"utm_content": "{variant}/{language}/{message}/{category} ä&{other}"}, TAGS.sites)
    templates = tagged({"hello/sms.j2": "{{ '/' | link }}"}, tags)
    sms = templates.render("hello", "gift", "de", "sms", values_of(), LINKS)
    query = "utm_content=gift%2Fde%2Fhello%2Fpromo%20%C3%A4%26%7Bother%7D"
    assert sms == Sms(f"https://linden.example/?{query}")


def test_links_without_tags_are_as_they_are_written_and_personal_ones_are_never_tagged():
    body = "{{ '/a' | link }} {{ links.unsubscribe }}"
    for tags, link in ((None, "/a"), (TAGS, f"/a?{SPRING}")):
        templates = tagged({"hello/body.txt.j2": body}, tags)
        email = templates.render("hello", "default", "de", "email", values_of(), LINKS)
        assert isinstance(email, Email)
        assert email.text == f"https://linden.example{link} {LINKS.unsubscribe}\n"


def test_campaigns_that_share_a_message_have_skeletons_of_their_own_with_their_own_tags():
    templates = tagged({
        "hello/body.html.j2": "<p><a href=\"{{ '/a' | link }}\">{{ customer.first_name }}</a></p>"
    })  # fmt: skip
    skeletons = []
    for name in ("spring", "summer", "spring"):
        values = values_of(first_name="Ada")
        values["campaign"]["name"] = name
        made = templates.personal("hello", "default", "de", values, LINKS)
        assert isinstance(made, Personal)
        assert f"utm_campaign={name}" in made.skeleton.html
        assert made.whole() == templates.render("hello", "default", "de", "email", values, LINKS)
        skeletons.append(made.skeleton)
    assert skeletons[0] is skeletons[2]
    assert skeletons[0] is not skeletons[1]


def test_a_bundle_keeps_the_tags_and_the_hash_follows_them():
    files = {"hello/body.txt.j2": "{{ '/a' | link }}"}
    then = Templates.from_bundle(tagged(files).bundle("hello"))
    email = then.render("hello", "default", "de", "email", values_of(), LINKS)
    assert isinstance(email, Email)
    assert email.text == f"https://linden.example/a?{SPRING}\n"
    assert tagged(files).template_hash("hello") != tagged(files, None).template_hash("hello")
    assert then.bundle("hello") == tagged(files).bundle("hello")


SETTINGS = {
    "version": "1",
    "company": {name: COMPANY[name] for name in Company.model_fields},
    "business": {"timezone": "Europe/Berlin", "country": "DE", "languages": ["de"]}
    | {"currency": "EUR"},
    "lake": {"retention": dict.fromkeys(Retention.model_fields, "7 days")},
    "links": {"base_url": "https://mail.linden.example"},
    "salt": "s",
}


def test_the_tags_are_those_of_the_settings():
    plain = Settings.model_validate(SETTINGS)
    utm = UtmTags(source="news", content="{variant}", domains=("Shop.Example",))
    links = plain.links.model_copy(update={"utm": utm})
    templates = Templates.of({}, {}, plain.model_copy(update={"links": links}))
    assert templates.tags is not None
    assert templates.tags.parameters == {
        "utm_source": "news",
        "utm_medium": "{channel}",
        "utm_campaign": "{campaign}",
        "utm_content": "{variant}",
    }
    assert templates.tags.concerns("shop.example")
    assert Templates.of({}, {}, plain).tags is None
