"""Links in messages: what they lead to and the signed tokens that say for whom.

A token is `<key id>.<message id>.<signature>`, the 32 hex digits of the id written as 22
characters of base64. It names one message by its opaque id and nothing of the person; the
signature covers key id, purpose and message id, so that a token for one purpose serves no other.
"""

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum

from itsdangerous import BadData, Signer
from itsdangerous.encoding import base64_decode

from antiphon.errors import AntiphonError
from antiphon.keys import digest

_KEY_ID = re.compile(r"[A-Za-z0-9]{1,16}")
_MESSAGE_ID = re.compile(r"[0-9a-f]{32}")
_SHORTEST_KEY = 16
_BLOCK = 64  # bytes, of SHA-1


class Purpose(StrEnum):
    """What a link is for; the value is its place on the web server, short for the sake of SMS."""

    UNSUBSCRIBE = "u"
    PREFERENCES = "p"
    WEB = "v"
    SURVEY = "s"
    CONFIRM = "d"  # double opt-in: what the message asked to confirm
    CLICK = "c"


class BadToken(AntiphonError):
    """A token that we did not sign for this purpose, or whose key is gone."""


FIELDS = {  # of `links` in templates
    "unsubscribe": Purpose.UNSUBSCRIBE,
    "preferences": Purpose.PREFERENCES,
    "web": Purpose.WEB,
    "survey": Purpose.SURVEY,
    "confirm": Purpose.CONFIRM,
}


class Links:
    """The personal links of one message, each signed when it is first asked for: most messages
    show two of the six. `click` begins the redirects that count clicks; no template sees it.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[Purpose], str]) -> None:
        self._make = make
        self._made: dict[Purpose, str] = {}

    def of(self, purpose: Purpose) -> str:
        """The address for that purpose."""
        made = self._made.get(purpose)
        if made is None:
            made = self._made[purpose] = self._make(purpose)
        return made

    @property
    def unsubscribe(self) -> str:
        """Ends the messages of the category."""
        return self.of(Purpose.UNSUBSCRIBE)

    @property
    def preferences(self) -> str:
        """The preference centre."""
        return self.of(Purpose.PREFERENCES)

    @property
    def web(self) -> str:
        """The message itself, as a page."""
        return self.of(Purpose.WEB)

    @property
    def survey(self) -> str:
        """The survey of a campaign that has one; `/9` after it answers its score."""
        return self.of(Purpose.SURVEY)

    @property
    def confirm(self) -> str:
        """Confirms the consent that a campaign asks for (double opt-in)."""
        return self.of(Purpose.CONFIRM)

    @property
    def click(self) -> str:
        """What stands before the name of a target in a redirect of our own."""
        return self.of(Purpose.CLICK)

    def counted(self, target: str) -> str:
        """The redirect that counts a click and leads on to `target`.

        It holds a name of the target and not the target itself: the server looks it up in the
        message, so that nobody can make a redirect of ours lead anywhere else.
        """
        if not target.startswith(("https://", "http://")) or self._is_ours(target):
            return target
        return self._redirect(target)

    def _redirect(self, target: str) -> str:
        return f"{self.click}/{target_name(target)}"

    def _is_ours(self, target: str) -> bool:
        """Whether a target is a page of our own server."""
        base = self.click.rpartition("/c/")[0]
        return target == base or target.startswith(base + "/")

    @property
    def fields(self) -> Mapping[str, object]:
        """By name, as templates see them."""
        return LinkFields(self)

    @property
    def headers(self) -> dict[str, str]:
        """One-click unsubscription: RFC 2369 and RFC 8058, section 3.1."""
        return {
            "List-Unsubscribe": f"<{self.unsubscribe}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }


class TargetsOf(Links):
    """The links of a message that is rendered to see where its links lead; it counts nothing.

    `targets`: by name, filled while the message is rendered.
    """

    __slots__ = ("targets",)

    def __init__(self, make: Callable[[Purpose], str]) -> None:
        super().__init__(make)
        self.targets: dict[str, str] = {}

    def _redirect(self, target: str) -> str:
        """The target itself, noted."""
        self.targets[target_name(target)] = target
        return target


class LinkFields(Mapping[str, object]):
    """What templates read; asking for one signs one."""

    __slots__ = ("_links",)

    def __init__(self, links: Links) -> None:
        self._links = links

    def counted(self, target: str) -> str:
        """See Links.counted."""
        return self._links.counted(target)

    def __getitem__(self, name: str) -> str:
        return self._links.of(FIELDS[name])

    def __contains__(self, name: object) -> bool:
        return name in FIELDS

    def __iter__(self) -> Iterator[str]:
        return iter(FIELDS)

    def __len__(self) -> int:
        return len(FIELDS)


class _Mac:
    """HMAC-SHA1 as itsdangerous signs (RFC 2104), what depends on the key alone worked out once:
    there are several links a message, and `hmac`'s own copies take three times as long."""

    def __init__(self, key: bytes) -> None:
        block = key.ljust(_BLOCK, b"\0")  # a derived key is shorter than a block
        self._inner = hashlib.sha1(bytes(byte ^ 0x36 for byte in block), usedforsecurity=False)
        self._outer = hashlib.sha1(bytes(byte ^ 0x5C for byte in block), usedforsecurity=False)

    def digest(self, message: bytes) -> bytes:
        """The 20 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class LinkSigner:
    """Makes and reads links. `keys`: key id → secret; the last one signs, all are accepted."""

    def __init__(self, keys: Mapping[str, str], base_url: str) -> None:
        if not keys:
            raise ValueError("no key to sign links with")
        for key_id, secret in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise ValueError("a key id is made of 1 to 16 letters and digits")
            if len(secret) < _SHORTEST_KEY:
                raise ValueError(
                    f"the link key {key_id!r} is shorter than {_SHORTEST_KEY} characters"
                )
        self._base_url = base_url.rstrip("/")
        self._newest = list(keys)[-1]
        self._signers = {
            (key_id, purpose): Signer(
                secret, salt=f"antiphon.link.{purpose}.{key_id}", key_derivation="hmac"
            )
            for key_id, secret in keys.items()
            for purpose in Purpose
        }
        self._macs = {
            purpose: _Mac(self._signers[self._newest, purpose].derive_key()) for purpose in Purpose
        }

    def token(self, purpose: Purpose, message_id: str) -> str:
        """A token that `read` turns back into the message's id."""
        return self._signed(purpose, _short(message_id))

    def _signed(self, purpose: Purpose, short: str) -> str:
        signature = _base64(self._macs[purpose].digest(short.encode("ascii")))
        return f"{self._newest}.{short}.{signature}"

    def read(self, purpose: Purpose, token: str) -> str:
        """The message id of a token; raises BadToken."""
        key_id, _, signed = token.partition(".")
        signer = self._signers.get((key_id, purpose))
        if signer is None:
            raise BadToken("signed by an unknown key")
        try:
            return base64_decode(signer.unsign(signed)).hex()
        except BadData:
            raise BadToken("the signature does not fit") from None

    def url(self, purpose: Purpose, message_id: str) -> str:
        """The address of one personal page."""
        return f"{self._base_url}/{purpose}/{self.token(purpose, message_id)}"

    def links(self, message_id: str) -> Links:
        """All personal links of a message."""
        return Links(self._maker(message_id))

    def targets(self, message_id: str) -> TargetsOf:
        """The same, to find out where the links of a message lead."""
        return TargetsOf(self._maker(message_id))

    def _maker(self, message_id: str) -> Callable[[Purpose], str]:
        short, base = _short(message_id), self._base_url
        return lambda purpose: f"{base}/{purpose.value}/{self._signed(purpose, short)}"


def target_name(target: str) -> str:
    """Ten characters that name an address within a message."""
    return digest("target", target)[:10]


def _short(message_id: str) -> str:
    if not _MESSAGE_ID.fullmatch(message_id):
        raise ValueError("a message id is 32 hex digits (keys.message_id)")
    return _base64(bytes.fromhex(message_id))


def _base64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
