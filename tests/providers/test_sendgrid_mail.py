"""The body of a request: what SendGrid's own helpers build, and nothing it refuses."""

import json
import re
import time
from datetime import timedelta
from typing import Any

import pytest
from email_validator import validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from provider_contract import HEADERS, NOW, SKELETON, email, outgoing, personal
from sendgrid.helpers.mail import (
    Asm,
    Category,
    Content,
    CustomArg,
    From,
    Header,
    IpPoolName,
    Mail,
    MailSettings,
    Personalization,
    SandBoxMode,
    Subject,
    SubscriptionTracking,
    Substitution,
    To,
    TrackingSettings,
)

from antiphon.message.content import Email, Personal, Skeleton, Sms
from antiphon.providers import BATCH_REFUSED, Blame, OutcomeKind, Outgoing
from antiphon.providers.sendgrid_mail import LARGEST, Request, Rules, mailable, request

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Zl", "Zp")))
WORD = TEXT.filter(lambda text: bool(text.strip()) and not re.search("[\ufffe\uffff]", text))
NUMBERS = st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True)


def sdk_body(batch: list[Outgoing], rules: Rules) -> dict[str, Any]:
    """The same request by the SDK's helpers, as its README shows them."""
    first = batch[0]
    content = first.content
    assert isinstance(content, Email | Personal)
    shared = content.skeleton if isinstance(content, Personal) else content
    mail = Mail()
    mail.from_email = From(first.sender, first.sender_name or None)
    mail.subject = Subject(shared.subject)
    mail.add_content(Content("text/plain", shared.text))
    mail.add_content(Content("text/html", shared.html))
    for message in reversed(batch):  # each goes in at the front
        person = Personalization()
        person.add_to(To(message.to))
        person.add_custom_arg(CustomArg("antiphon_message", message.message_id))
        assert isinstance(message.content, Email | Personal)
        for name, value in message.content.headers.items():
            person.add_header(Header(name, value))
        if isinstance(message.content, Personal):
            for marker, value in message.content.substitutions.items():
                person.add_substitution(Substitution(marker, value))
        mail.add_personalization(person)
    for name in reversed(rules.categories):
        mail.add_category(Category(getattr(first, name)))
    if first.category in rules.groups:
        mail.asm = Asm(rules.groups[first.category])
    if rules.sandbox_mode:
        mail.mail_settings = MailSettings(sandbox_mode=SandBoxMode(True))
    if rules.ip_pool:
        mail.ip_pool_name = IpPoolName(rules.ip_pool)
    if content.headers:
        mail.tracking_settings = TrackingSettings(subscription_tracking=SubscriptionTracking(False))
    body: dict[str, Any] = mail.get()
    return body


@st.composite
def batches(draw: st.DrawFn) -> list[Outgoing]:
    """Some persons of one skeleton, or one with a whole e-mail."""
    headers = draw(st.sampled_from([{}, HEADERS]))
    name = draw(WORD.map(str.strip))
    if draw(st.booleans()):
        whole = Email(draw(WORD), draw(WORD), draw(WORD), headers)
        return [outgoing(draw(st.integers(0, 99)), content=whole, sender_name=name)]
    markers = ("-0a-", "-1b-")
    skeleton = Skeleton(draw(WORD), f"{draw(WORD)} -1b-", f"-0a- {draw(WORD)}", markers)
    numbers = [*draw(NUMBERS), 100, 101]  # a batch of one would be sent whole
    return [
        outgoing(
            number,
            content=Personal(skeleton, (draw(TEXT), draw(TEXT)), headers),
            sender_name=name,
            to=f"person{number}@example.org",
        )
        for number in numbers
    ]


RULES = st.builds(
    Rules,
    categories=st.sampled_from([(), ("campaign",), ("arm", "category"), ("campaign", "arm")]),
    groups=st.sampled_from([{}, {"promo": 12}, {"service": 3}]),
    sandbox_mode=st.booleans(),
    ip_pool=st.sampled_from(["", "warm"]),
)


@settings(max_examples=80, deadline=None)
@given(batch=batches(), rules=RULES)
def test_the_body_is_what_the_sdk_builds(batch: list[Outgoing], rules: Rules) -> None:
    made = request(batch, rules)
    assert made.outcomes == {}
    assert json.loads(made.body) == sdk_body(batch, rules)


def headed(headers: dict[str, str]) -> Personal:
    return Personal(SKELETON, ("a", "b"), HEADERS | headers)


@settings(max_examples=50, deadline=None)
@given(batch=batches())
def test_what_sendgrid_puts_together_is_the_whole_message(batch: list[Outgoing]) -> None:
    """Substituted in the other order: it does not matter which comes first."""
    body = body_of(request(batch, Rules()))
    for message, person in zip(batch, body["personalizations"], strict=True):
        parts = [body["subject"], *(part["value"] for part in body["content"])]
        for marker, value in reversed(person.get("substitutions", {}).items()):
            parts = [part.replace(marker, value) for part in parts]
        content = message.content
        assert isinstance(content, Email | Personal)
        whole = content.whole() if isinstance(content, Personal) else content
        assert parts == [whole.subject, whole.text, whole.html]


def body_of(made: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.body)
    return found


def why(message: Outgoing, *others: Outgoing) -> str:
    """The evidence of a message that does not join; the others must."""
    made = request([message, *others], Rules())
    assert [m.message_id for m in made.sent] == [m.message_id for m in others]
    return made.outcomes[message.message_id].evidence


@settings(max_examples=100, deadline=None)
@given(
    st.builds(
        "{}@{}".format,
        st.text("abcZ09.!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=66),
        st.text("abZ09-.", min_size=3, max_size=80).map(lambda text: f"{text}.org"),
    )
)
@example("a@b.de")
@example("a" * 64 + "@b.de")
@example("a" * 65 + "@b.de")
@example("ada@" + "b" * 63 + ".de")
@example("ada@" + "b" * 64 + ".de")
@example("ada@xn--bcher-kva.de")
@example("ada@a--b.de")
@example("ada@ab--c.de")
def test_a_plain_address_is_taken_only_if_email_validator_takes_it(address: str) -> None:
    found = mailable(address)
    if found is not None:
        checked = validate_email(address, check_deliverability=False, globally_deliverable=False)
        assert found == checked.ascii_email or found.lower() == (checked.ascii_email or "").lower()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ada@example.org", "ada@example.org"),
        ("ada@bücher.example", "ada@xn--bcher-kva.example"),
        ("ada+news@sub.example.co.uk", "ada+news@sub.example.co.uk"),
        ("ädä@example.org", None),
        ("ada@localhost", None),
        ("ada..b@example.org", None),
        (".ada@example.org", None),
        ("ada.@example.org", None),
        ("ada@example..org", None),
        ("ada@-example.org", None),
        ("ada@example.org\n", None),
        ("\u202eada@example.org", None),
        ("ada@exam\u200bple.org", None),
        ("ada@[127.0.0.1]", None),
        ('"a b"@example.org', None),
        ("Ada <ada@example.org>", None),
        ("ada@example.org, bob@example.org", None),
        ("a" * 400 + "@example.org", None),
    ],
)
def test_an_address_is_taken_as_sendgrid_takes_it(address: str, expected: str | None) -> None:
    assert mailable(address) == expected


def test_no_address_takes_long_to_refuse() -> None:
    began = time.perf_counter()
    for text in ("a." * 200 + "@", "a@" + "a-" * 200, "a" * 100_000, "@" * 300, "a@" + "a." * 120):
        assert mailable(text) is None
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (personal(1, to="no"), "not an e-mail address SendGrid takes"),
        (personal(1, "\ud800", ""), "its subject holds a control character"),
        (personal(1, "Ada", "\ud800"), "its text holds half a character"),
        (personal(1, "Ada\r\nBcc: x@y.de", ""), "its subject holds a control character"),
        (personal(1, "Ada"), "its values do not match its template"),
        (
            outgoing(1, content=headed({"X-Note": "a\r\nBcc: b@c.de"})),
            "a header with a control character",
        ),
        (
            outgoing(1, content=headed({"Subject": "other"})),
            "a header SendGrid does not take",
        ),
        (
            outgoing(1, content=headed({"X A": "other"})),
            "a header SendGrid does not take",
        ),
    ],
)
def test_one_that_sendgrid_would_refuse_does_not_join_the_others(
    message: Outgoing, reason: str
) -> None:
    made = request([personal(2), message, personal(3)], Rules())
    assert [m.message_id for m in made.sent] == [f"{2:032x}", f"{3:032x}"]
    outcome = made.outcomes[message.message_id]
    assert (outcome.kind, outcome.evidence) == (OutcomeKind.REFUSED, reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (email(subject=" \r\n"), "its subject is empty"),
        (email(text="", html=" "), "its text is empty"),
        (email(text="\ud800"), "its text holds half a character"),
    ],
)
def test_an_email_that_cannot_be_sent_says_why(content: Email, reason: str) -> None:
    assert why(outgoing(1, content=content)) == reason


def test_an_empty_subject_after_a_condition_is_refused_for_that_person_only() -> None:
    skeleton = Skeleton("{{1}}", "<p>{{2}}</p>", "{{2}}", ("{{1}}", "{{2}}"))
    one, two = (outgoing(n, content=Personal(skeleton, (s, "x"))) for n, s in ((1, " "), (2, "S")))
    made = request([one, two], Rules())
    assert [m.message_id for m in made.sent] == [two.message_id]
    assert made.outcomes[one.message_id].evidence == "its subject is empty"


def test_a_part_without_text_is_left_out() -> None:
    body = body_of(request([outgoing(1, content=email(text=""))], Rules()))
    assert [part["type"] for part in body["content"]] == ["text/html"]


@pytest.mark.parametrize("letter", ["x", "ü", "🌿"])
def test_substitutions_beyond_the_limit_go_alone_and_whole(letter: str) -> None:
    room = 10_000 - sum(len(marker) for marker in SKELETON.markers) - 1
    fits = letter * (room // len(letter.encode()))
    assert request([personal(1), personal(2, "A", fits)], Rules()).outcomes == {}
    assert why(personal(2, "A", fits + letter), personal(1)).startswith(BATCH_REFUSED)
    made = request([personal(2, "A", fits + letter)], Rules())
    assert fits + letter in body_of(made)["content"][1]["value"]


def test_no_request_is_larger_than_sendgrid_takes() -> None:
    large = {f"X-{n}": "x" * 900 for n in range(1000)}
    batch = [outgoing(n, content=Personal(SKELETON, ("a", "b"), large)) for n in range(40)]
    made = request(batch, Rules())
    assert 0 < len(made.sent) < len(batch)
    assert LARGEST - 1_000_000 < len(made.body) <= LARGEST
    assert len(made.sent) + len(made.outcomes) == len(batch)
    assert all(o.evidence.startswith(BATCH_REFUSED) for o in made.outcomes.values())
    (alone,) = request(
        [outgoing(1, content=email(html="x" * 30_000_000))], Rules()
    ).outcomes.values()
    assert alone.kind is OutcomeKind.REFUSED


def test_a_first_one_of_another_kind_holds_up_nobody() -> None:
    odd = personal(1, content=Sms("Hi"))
    made = request([odd, personal(2), personal(3)], Rules())
    assert [m.message_id for m in made.sent] == [f"{2:032x}", f"{3:032x}"]
    assert set(made.outcomes) == {odd.message_id}


@pytest.mark.parametrize(
    "change",
    [
        {"campaign": "autumn"},
        {"category": "service"},
        {"arm": "other"},
        {"sender": "other@linden.example"},
        {"sender_name": "Other"},
        {"is_test": True},
        {"content": email()},
        {"content": Personal(Skeleton("S", "a", "b", ()), (), HEADERS)},
        {"content": Personal(SKELETON, ("a", "b"), {})},
    ],
)
def test_what_shares_no_request_goes_alone(change: dict[str, object]) -> None:
    made = request([personal(1), personal(2, **change)], Rules(("campaign", "arm")))
    assert [m.message_id for m in made.sent] == [f"{1:032x}"]
    outcome = made.outcomes[f"{2:032x}"]
    assert outcome.kind is OutcomeKind.TRY_LATER
    assert outcome.evidence.startswith(BATCH_REFUSED)


@pytest.mark.parametrize(
    "sender", ["", "näws@linden.example", "news@linden", "a@b.de\nBcc: c@d.de"]
)
def test_a_sender_sendgrid_does_not_take_is_the_accounts_trouble(sender: str) -> None:
    made = request([personal(1, sender=sender), personal(2, sender=sender)], Rules())
    assert made.body == b""
    assert {(o.kind, o.blame) for o in made.outcomes.values()} == {
        (OutcomeKind.TRY_LATER, Blame.ACCOUNT)
    }


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Linden; Apotheke, Köln 🌿", "Linden; Apotheke, Köln 🌿"),
        ("Linden\r\nBcc: x@y.de", "Linden  Bcc: x@y.de"),
        ("\u202enedniL\u202c", "nedniL"),
        ("Apo\x00theke", "Apo theke"),
    ],
)
def test_the_senders_name_is_cleaned(name: str, expected: str) -> None:
    made = request([outgoing(1, sender_name=name)], Rules())
    assert body_of(made)["from"]["name"] == expected
    assert "name" not in body_of(request([outgoing(1, sender_name="\n")], Rules()))["from"]


def test_a_thousand_take_a_few_hundredths_of_a_second_to_build() -> None:
    batch = [personal(n, expires_at=NOW + timedelta(hours=1)) for n in range(1000)]
    request(batch, Rules())
    best = min(_timed(batch) for _ in range(5))
    assert best < 0.1


def _timed(batch: list[Outgoing]) -> float:
    began = time.perf_counter()
    request(batch, Rules())
    return time.perf_counter() - began
