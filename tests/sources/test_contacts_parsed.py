"""Addresses and numbers are parsed once, by the rules of email-validator and phonenumbers."""

import csv
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given, settings
from hypothesis import strategies as st
from source_project import SHARED_DATA, EmptyLake, Project, rows

from antiphon.campaigns.models import Source
from antiphon.keys import address_key
from antiphon.sources import contacts
from antiphon.sources.contacts import is_plain, parse_email, parse_phone
from antiphon.sources.pull import pull_source

EMAILS = SHARED_DATA / "bad_input" / "email" / "isemail_tests.xml"
PHONES = SHARED_DATA / "bad_input" / "phone"


def isemail_addresses() -> list[str]:
    """The vectors; control characters are written there as their visible symbols."""
    if not EMAILS.is_file():
        return []
    addresses = [test.findtext("address") or "" for test in ET.parse(EMAILS).iter("test")]
    return [
        re.sub("[\u2400-\u241f]", lambda symbol: chr(ord(symbol[0]) - 0x2400), address)
        for address in addresses
    ]


def validator_says(address: str) -> str | None:
    try:
        found = validate_email(address, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return (found.ascii_email or "").lower()


@pytest.mark.skipif(not EMAILS.is_file(), reason="isemail_tests.xml is not beside this checkout")
def test_the_vectors_of_isemail_get_the_verdict_of_email_validator() -> None:
    addresses = isemail_addresses()
    assert len(addresses) > 150
    verdicts = {address: parse_email(address).address for address in addresses}
    assert verdicts == {address: validator_says(address.strip()) for address in addresses}
    assert 10 < sum(address is not None for address in verdicts.values()) < len(addresses)


LABEL = st.text("abcxyzXYZ019-_", min_size=1, max_size=12) | st.sampled_from(["xn--a", "a" * 64])
LOCAL = st.text("abcXYZ09._+-'", min_size=1, max_size=10) | st.just("a" * 65)
DOMAIN = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
TLD = st.sampled_from(["de", "com", "museum", "test", "local", "localhost", "c", "d3", "example"])


@given(st.builds("{}@{}.{}".format, LOCAL, DOMAIN, TLD))
@example("a@b.de")
@example("ann@mail.test")
@example("ann@arpa.arpa")
@example("\u017fam@kiel.de")
@example("a@" + "a." * 90 + "de")
@settings(max_examples=600, deadline=None)
def test_an_address_called_plain_is_one_that_email_validator_accepts(address: str) -> None:
    if is_plain(address):
        assert validator_says(address) == address.lower()


def test_usual_addresses_are_plain() -> None:
    usual = ["ann.lee@example.com", "a_b+c-d@mail.firma-x.co.uk", "X1@ABC.DE"]
    assert all(map(is_plain, usual))
    assert not any(map(is_plain, ["a@b", "a..b@c.de", "a@-b.de", "a b@c.de", "a@b.c\n", "ä@b.de"]))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("  Ann.Lee@Example.DE ", "ann.lee@example.de"),
        ("ann@BÜCHER.de", "ann@xn--bcher-kva.de"),
        ("o'neil@example.ie", "o'neil@example.ie"),
    ],
)
def test_an_address_is_kept_in_lower_case_ascii(text: str, address: str) -> None:
    assert parse_email(text).address == address


@pytest.mark.parametrize(
    "text", ["", "ann", "ann@", "@de.de", "änn@b.de", "secret@@b.de", "s@b..d"]
)
def test_the_reason_does_not_quote_the_address(text: str) -> None:
    parsed = parse_email(text)
    assert parsed.address is None
    assert parsed.reason
    assert "secret" not in parsed.reason
    assert not set("'\"ä:(") & set(parsed.reason)


@pytest.mark.skipif(not PHONES.is_dir(), reason="the phone vectors are not beside this checkout")
def test_the_examples_of_libphonenumber_get_their_verdict() -> None:
    with (PHONES / "libphonenumber_examples.csv").open(encoding="utf-8", newline="") as stream:
        vectors = list(csv.DictReader(stream))
    assert len(vectors) > 1000
    wrong = []
    for vector in vectors:
        wanted = vector["e164"] if vector["expected"] == "valid" else None
        for text in (vector["e164"], vector["international"], vector["national"]):
            if parse_phone(text, vector["region"]).address != wanted:
                wrong.append((vector["region"], vector["type"], text))
    assert wrong == []


@pytest.mark.skipif(not PHONES.is_dir(), reason="the phone vectors are not beside this checkout")
def test_mobile_numbers_of_every_country_are_understood() -> None:
    examples = json.loads((PHONES / "examples.mobile.json").read_text(encoding="utf-8"))
    numbers = {region: parse_phone(text, region).address for region, text in examples.items()}
    assert [region for region, number in numbers.items() if number is None] == []


@pytest.mark.parametrize(
    ("text", "region", "reason"),
    [
        ("030 123456", "XX", "unknown country"),
        ("call me", "DE", "not a telephone number"),
        ("+49 1", "DE", "too short"),
        ("0301234567890123456", "DE", "too long"),
        ("030 12", "DE", "no such number"),
    ],
)
def test_the_reason_says_what_is_wrong_with_a_number(text: str, region: str, reason: str) -> None:
    assert parse_phone(text, region).reason == reason


# ---------------------------------------------------------------- staged customers

PEOPLE = (
    "customer_id,email,phone,country\n"
    "1,Ann@Example.de,030 123456,\n"
    "2,ann@example.de,+33 6 12 34 56 78,\n"
    "3,ann@,06 12 34 56 78,fr\n"
    "4,,,\n"
)


def test_customers_are_staged_with_their_parsed_addresses(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    ann, other, bad, none = rows(project.pull("customers", "c.csv"))
    assert ann["email"] == "Ann@Example.de"
    assert (ann["email_address"], ann["email_valid"]) == ("ann@example.de", True)
    assert (
        ann["email_key"] == other["email_key"] == address_key("pepper", "email", "ann@example.de")
    )
    assert ann["phone_e164"] == "+4930123456"
    assert other["phone_e164"] == bad["phone_e164"] == "+33612345678"
    assert bad["phone_key"] == address_key("pepper", "sms", "+33612345678")
    assert (bad["email_address"], bad["email_valid"], bad["email_key"]) == (None, False, None)
    assert bad["email_reason"] == "There must be something after the @-sign"
    assert bad["_problems"] == []
    assert (none["email_valid"], none["phone_valid"], none["email_reason"]) == (None, None, None)


class KnowingLake(EmptyLake):
    """A lake whose customers already have addresses, parsed in a way nobody else would."""

    @contextmanager
    def session(self, snapshot: Any = None) -> Iterator[Any]:
        known = pa.table(
            {
                "email": ["Ann@Example.de"],
                "email_address": ["known@example.de"],
                "email_valid": [True],
                "email_reason": pa.array([None], pa.string()),
                "email_key": ["k"],
                "phone": ["030 123456"],
                "phone_e164": pa.array([None], pa.string()),
                "phone_valid": [False],
                "phone_reason": ["known"],
                "phone_key": pa.array([None], pa.string()),
                "country": ["AT"],
            }
        )
        with super().session(snapshot) as session:
            session.execute("DROP VIEW customers")
            session._connection.register("customers", known)
            yield session


def test_a_value_the_lake_knows_is_not_parsed_again(project: Project) -> None:
    path = project.write("c.csv", PEOPLE)
    source = Source(entity="customers", file="c.csv")
    mark = pull_source("shop", source, project.settings()).watermark
    path.write_text(PEOPLE + "5,new@example.de,030 123456,AT\n")
    settings = project.settings(lake=KnowingLake(project.root / "lake"))
    found = rows(pull_source("shop", source, settings, mark))
    assert found[0]["email_address"] == "known@example.de"
    assert found[1]["email_address"] == "ann@example.de"
    assert found[4]["email_address"] == "new@example.de"
    # the same number in another country is another question
    assert found[0]["phone_e164"] == "+4930123456"
    assert (found[4]["phone_valid"], found[4]["phone_reason"]) == (False, "known")


def test_under_another_salt_nothing_known_is_used(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    source = Source(entity="customers", file="c.csv")
    mark = pull_source("shop", source, project.settings()).watermark
    settings = project.settings(lake=KnowingLake(project.root / "lake"), salt="other")
    found = rows(pull_source("shop", source, settings, mark))
    assert found[0]["email_key"] == address_key("other", "email", "ann@example.de")


def test_many_values_are_parsed_by_two_processes_with_the_same_result(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(f"{n},Person{n}@example.de,0301{n:06},\n" for n in range(300))
    project.write("c.csv", "customer_id,email,phone,country\n" + lines)
    alone = rows(project.pull("customers", "c.csv"))
    monkeypatch.setattr(contacts, "MANY_VALUES", 100)
    monkeypatch.setattr(contacts, "CHUNK_VALUES", 40)
    assert rows(project.pull("customers", "c.csv")) == alone
    assert alone[299]["email_address"] == "person299@example.de"
