"""Tokens of links: what they tell, whom they trust."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from antiphon.message.links import BadToken, LinkSigner, Purpose

OLD = {"k1": "the first secret, long enough"}
BOTH = OLD | {"k2": "the second secret, long enough"}
BASE = "https://mail.linden.example/"
ID = "00ff" * 8

hex_ids = st.binary(min_size=16, max_size=16).map(bytes.hex)


@given(message_id=hex_ids, purpose=st.sampled_from(Purpose))
def test_a_token_names_its_message_for_its_purpose_only(message_id, purpose):
    signer = LinkSigner(OLD, BASE)
    token = signer.token(purpose, message_id)
    assert signer.read(purpose, token) == message_id
    for other in set(Purpose) - {purpose}:
        with pytest.raises(BadToken):
            signer.read(other, token)


@given(message_id=hex_ids, purpose=st.sampled_from(Purpose))
def test_a_token_is_signed_as_itsdangerous_signs(message_id, purpose):
    signer = LinkSigner(OLD, BASE)
    own = Signer(OLD["k1"], salt=f"antiphon.link.{purpose}.k1", key_derivation="hmac")
    short = signer.token(purpose, message_id).removeprefix("k1.")
    assert own.unsign(short) == short.encode().rpartition(b".")[0]
    assert signer.url(purpose, message_id) in vars_of(signer.links(message_id))


def vars_of(links):
    return [*links.fields.values(), links.click]


def test_the_newest_key_signs_and_older_ones_are_still_read():
    token = LinkSigner(OLD, BASE).token(Purpose.WEB, ID)
    signer = LinkSigner(BOTH, BASE)
    assert signer.token(Purpose.WEB, ID).startswith("k2.")
    assert signer.read(Purpose.WEB, token) == ID
    with pytest.raises(BadToken):
        LinkSigner({"k2": BOTH["k2"]}, BASE).read(Purpose.WEB, token)


def test_a_token_does_not_change_its_key():
    token = LinkSigner(OLD, BASE).token(Purpose.WEB, ID)
    same_secret = LinkSigner({"k1": OLD["k1"], "k2": OLD["k1"]}, BASE)
    with pytest.raises(BadToken):
        same_secret.read(Purpose.WEB, "k2" + token.removeprefix("k1"))


@given(place=st.integers(0, 200), character=st.characters(codec="ascii"))
def test_a_token_that_was_changed_is_refused(place, character):
    signer = LinkSigner(BOTH, BASE)
    token = signer.token(Purpose.UNSUBSCRIBE, ID)
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    try:
        assert signer.read(Purpose.UNSUBSCRIBE, changed) == ID  # the last bits of base64 are free
        assert changed == token or place in (len(token) - 1, len("k2.") + 21)
    except BadToken:
        assert changed != token


@given(st.text())
def test_any_text_is_answered_with_bad_token(text):
    with pytest.raises(BadToken):
        LinkSigner(OLD, BASE).read(Purpose.WEB, text)


def test_links_fit_an_sms_and_stand_below_the_base_address():
    links = LinkSigner(OLD, BASE).links(ID)
    assert links.unsubscribe.startswith("https://mail.linden.example/u/k1.")
    assert len(links.unsubscribe) <= 88
    assert len(set(vars_of(links))) == len(Purpose)
    assert max(map(len, vars_of(links))) <= 88


@pytest.mark.parametrize(
    "keys", [{}, {"k1": "2 few"}, {"k.1": "a secret of sufficient length"}, {"": "x" * 20}]
)
def test_keys_that_cannot_serve_are_refused_without_printing_them(keys):
    with pytest.raises(ValueError, match="key") as error:
        LinkSigner(keys, BASE)
    assert not any(secret in str(error.value) for secret in keys.values())


@pytest.mark.parametrize("message_id", ["ada@example.org", "", "00FF" * 8, "0" * 31])
def test_only_an_opaque_id_goes_into_a_token(message_id):
    with pytest.raises(ValueError, match="message id"):
        LinkSigner(OLD, BASE).token(Purpose.WEB, message_id)
