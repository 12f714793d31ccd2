"""SPF, DKIM and DMARC, asked of a real name server on the loopback."""

import base64
from collections.abc import Sequence
from functools import lru_cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from loopback_dns import name_server

from antiphon.guards.domains import Finding, Level, look_at

DOMAIN = "shop.example"
SPF = "v=spf1 include:sendgrid.net ~all"
DMARC = "v=DMARC1; p=none; rua=mailto:dmarc@shop.example"


@lru_cache
def key(bits: int = 2048) -> str:
    public = rsa.generate_private_key(public_exponent=65537, key_size=bits).public_key()
    found = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return f"v=DKIM1; k=rsa; p={base64.b64encode(found).decode()}"


def records(**changes: Sequence[str] | None) -> dict[str, Sequence[str]]:
    given: dict[str, Sequence[str] | None] = {
        "spf": [SPF, "some other text"],
        "dkim": [key()],
        "dmarc": [DMARC],
        **changes,
    }
    names = {"spf": DOMAIN, "dkim": f"s1._domainkey.{DOMAIN}", "dmarc": f"_dmarc.{DOMAIN}"}
    found = {names[kind]: texts for kind, texts in given.items() if texts is not None}
    return {"sendgrid.net": ["v=spf1 ip4:167.89.0.0/17 -all"], **found}


def found(area: str, **changes: Sequence[str] | None) -> Finding:
    with name_server(records(**changes)) as resolver:
        (one,) = [one for one in look_at(DOMAIN, ("s1", "s2"), resolver) if one.area == area]
    assert bool(one.todo) is (one.level is not Level.OK)
    return one


def test_a_domain_that_is_set_up_is_fine() -> None:
    with name_server(records()) as resolver:
        levels = [one.level for one in look_at(DOMAIN, ("s1", "s2"), resolver)]
    assert levels == [Level.OK] * 3


@pytest.mark.parametrize(
    ("texts", "level", "words"),
    [
        (None, Level.WARNING, "no SPF record"),
        (["v=spf10 -all"], Level.WARNING, "no SPF record"),
        ([SPF, "v=spf1 -all"], Level.WRONG, "2 SPF records"),
        (["v=spf1 include:sendgrid.net +all"], Level.WRONG, "allows everybody"),
        (["v=spf1 include:sendgrid.net all"], Level.WRONG, "allows everybody"),
        (["v=spf1 include:sendgrid.net ?all"], Level.WARNING, "forbids nobody"),
        (["v=spf1 include:sendgrid.net"], Level.WARNING, "forbids nobody"),
        (["v=spf1 " + "a:x.example " * 11 + "-all"], Level.WRONG, "11 other records"),
        (["v=spf1 include:shop.example -all"], Level.OK, "-all"),
    ],
)
def test_spf(texts: list[str] | None, level: Level, words: str) -> None:
    one = found("SPF", spf=texts)
    assert one.level is level
    assert words in one.found


@pytest.mark.parametrize(
    ("texts", "level", "words"),
    [
        (None, Level.WRONG, "no key"),
        (["v=DKIM1; k=rsa; p="], Level.WRONG, "revoked"),
        (["v=DKIM1; k=rsa"], Level.WRONG, "no public key"),
        (["v=DKIM1; k=rsa; p=notakey"], Level.WRONG, "cannot be read"),
        (["v=DKIM2; p=abc"], Level.WRONG, "no DKIM record"),
        ([key(1024)], Level.WARNING, "short"),
        (["v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="], Level.OK, "s1"),
    ],
)
def test_dkim(texts: list[str] | None, level: Level, words: str) -> None:
    one = found("DKIM", dkim=texts)
    assert one.level is level
    assert words in one.found


def test_a_key_behind_an_alias_is_found() -> None:
    there = {**records(dkim=None), "s1.domainkey.u1.wl.sendgrid.net": [key()]}
    aliases = {f"s1._domainkey.{DOMAIN}": "s1.domainkey.u1.wl.sendgrid.net"}
    with name_server(there, aliases=aliases) as resolver:
        assert [one.level for one in look_at(DOMAIN, ("s1", "s2"), resolver)] == [Level.OK] * 3


@pytest.mark.parametrize(
    ("texts", "level", "words"),
    [
        (None, Level.WRONG, "no DMARC record"),
        ([DMARC, DMARC + ";"], Level.WRONG, "2 records"),
        (["v=DMARC1; rua=mailto:a@b.example"], Level.WRONG, "no policy"),
        (["v=DMARC1; p=reject"], Level.WARNING, "nobody gets its reports"),
        ([" v=DMARC1 ; P=Quarantine; rua=mailto:a@b.example"], Level.OK, "p=Quarantine"),
    ],
)
def test_dmarc(texts: list[str] | None, level: Level, words: str) -> None:
    one = found("DMARC", dmarc=texts)
    assert one.level is level
    assert words in one.found


def test_a_subdomain_has_its_parents_dmarc() -> None:
    there = {f"_dmarc.{DOMAIN}": ["v=DMARC1; p=reject; sp=none; rua=mailto:a@b.example"]}
    with name_server(there) as resolver:
        one = [one for one in look_at(f"mail.{DOMAIN}", ("s1",), resolver) if one.area == "DMARC"]
    assert one[0].found == f"_dmarc.{DOMAIN}: p=none"


def test_a_silent_name_server_is_no_verdict_on_the_domain() -> None:
    with name_server({}, silent=True) as resolver:
        (one,) = look_at(DOMAIN, ("s1",), resolver)
    assert (one.area, one.level) == ("DNS", Level.WARNING)
