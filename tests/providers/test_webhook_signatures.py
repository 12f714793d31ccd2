"""Signatures of both providers, by vectors that their SDKs publish.

SendGrid: sendgrid-python, test/unit/test_eventwebhook.py (MIT). Twilio: twilio-python,
tests/unit/test_request_validator.py (MIT).
"""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.providers.signatures import EventVerifier, Form, FormVerifier

KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+"
    "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
OTHER_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo"
    "7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
)
SIGNATURE = (
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtE"
    "ZtM="
)
STAMP = "1600112502"
EVENT = {
    "email": "hello@world.com",
    "event": "dropped",
    "reason": "Bounced Address",
    "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
    "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
    "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
    "timestamp": 1600112492,
}
BODY = orjson.dumps([EVENT], option=orjson.OPT_SORT_KEYS) + b"\r\n"

URL = "https://mycompany.com"
PATH, QUERY = "/myapp.php", "foo=1&bar=2"
FORM = (
    b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212"
    b"&Caller=%2B14158675309"
)
FORM_SIGNATURE = "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_the_published_event_is_signed():
    assert EventVerifier([KEY]).is_signed(BODY, SIGNATURE, STAMP)


def test_of_several_keys_each_may_have_signed():
    assert EventVerifier([OTHER_KEY, KEY]).is_signed(BODY, SIGNATURE, STAMP)


def test_a_key_may_be_written_as_pem():
    pem = f"-----BEGIN PUBLIC KEY-----\n{KEY[:64]}\n{KEY[64:]}\n-----END PUBLIC KEY-----\n"
    assert EventVerifier([pem]).is_signed(BODY, SIGNATURE, STAMP)


@pytest.mark.parametrize(
    ("keys", "body", "signature", "stamp"),
    [
        ([OTHER_KEY], BODY, SIGNATURE, STAMP),
        ([], BODY, SIGNATURE, STAMP),
        ([KEY], BODY.strip(), SIGNATURE, STAMP),
        ([KEY], b"", SIGNATURE, STAMP),
        ([KEY], BODY, SIGNATURE, "1600112503"),
        ([KEY], BODY, SIGNATURE, "gestern ä"),
        ([KEY], BODY, "", STAMP),
        ([KEY], BODY, "not base64!", STAMP),
        ([KEY], BODY, SIGNATURE[:-8], STAMP),
    ],
)
def test_anything_else_is_not(keys, body, signature, stamp):
    assert not EventVerifier(keys).is_signed(body, signature, stamp)


@given(place=st.integers(0, len(BODY) - 1), bit=st.integers(0, 7))
def test_no_bit_of_a_body_may_change(place, bit):
    changed = bytearray(BODY)
    changed[place] ^= 1 << bit
    assert not EventVerifier([KEY]).is_signed(bytes(changed), SIGNATURE, STAMP)


@given(st.text(), st.text())
def test_no_text_in_a_header_is_an_error(signature, stamp):
    assert not EventVerifier([KEY]).is_signed(BODY, signature, stamp)


@pytest.mark.parametrize("text", ["SG.secret", "", "bm8=", KEY[:-12]])
def test_what_is_no_key_is_said_without_printing_it(text):
    with pytest.raises(ValueError, match="MFkwEwYHKoZI") as error:
        EventVerifier([text])
    assert not text or text not in str(error.value)


def test_the_published_form_is_signed():
    assert FormVerifier(["12345"], [], URL).is_signed(PATH, QUERY, FORM, FORM_SIGNATURE, "")


def test_a_name_that_comes_twice_is_signed_as_published():
    body = b"Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234"
    signature = "IK+Dwps556ElfBT0I3Rgjkr1wJU="
    assert FormVerifier(["12345"], [], URL).is_signed(PATH, QUERY, body, signature, "")


def test_a_port_in_the_public_address_is_tried_with_and_without():
    for base, signature in (
        (f"{URL}:1234", FORM_SIGNATURE),
        ("http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
        (URL, "kvajT1Ptam85bY51eRf/AJRuM3w="),
        ("http://mycompany.com", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ):
        assert FormVerifier(["12345"], [], base).is_signed(PATH, QUERY, FORM, signature, "")


@pytest.mark.parametrize(
    ("path", "query", "body", "settings"),
    [
        ("/other.php", QUERY, FORM, ""),
        (PATH, "foo=1", FORM, ""),
        (PATH, QUERY, FORM + b"&More=1", ""),
        (PATH, QUERY, b"\xff", ""),
        (PATH, QUERY, b"no form", ""),
        (PATH, QUERY, b"%FF=1", ""),
        (PATH, QUERY, FORM, "key=k,algorithm=HMAC_SHA256"),  # no auth token signs so
        (PATH, QUERY, FORM, "algorithm=NONE"),
    ],
)
def test_anything_else_is_no_signed_form(path, query, body, settings):
    known = FormVerifier(["12345"], ["12345 shared"], URL)
    assert not known.is_signed(path, query, body, FORM_SIGNATURE, settings)


def test_a_form_keeps_every_value_in_order():
    form = Form(b"a=1&b=&a=%C3%A4")
    assert (list(form), form.getlist("a"), form.getlist("b")) == (["a", "b"], ["1", "ä"], [""])
