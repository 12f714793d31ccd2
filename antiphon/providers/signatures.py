"""Whether a request was signed by a provider: SendGrid's events, Twilio's callbacks and texts."""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from urllib.parse import parse_qsl

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from twilio.request_validator import (
    HMAC_SHA256,
    RequestValidator,
    get_signature_algorithm,
)

MOST_FIELDS = 1_000  # of a form
_PEM = ("-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----")


class EventVerifier:
    """Checks SendGrid's Signed Event Webhook: ECDSA P-256 and SHA-256 over timestamp and body.

    As the SDK's EventWebhook, but on bytes (it decodes and encodes a megabyte for each request),
    and a signature that cannot be read is a wrong one, not an exception. Of several `keys`, as
    SendGrid shows them (DER in base64, or PEM), each may have signed. Raises ValueError, which
    quotes nothing, for a text that is no such key.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [_public_key(key) for key in keys]

    def __bool__(self) -> bool:
        """Whether there is any key."""
        return bool(self._keys)

    def is_signed(self, body: bytes, signature: str, timestamp: str) -> bool:
        """Whether one of the keys signed this body at this time."""
        try:
            given = base64.b64decode(signature, validate=True)
            digest = hashlib.sha256(timestamp.encode("ascii"))
        except (binascii.Error, ValueError):
            return False
        digest.update(body)
        hashed = digest.digest()
        return any(_verifies(key, given, hashed) for key in self._keys)


def _verifies(key: ec.EllipticCurvePublicKey, signature: bytes, hashed: bytes) -> bool:
    try:
        key.verify(signature, hashed, ec.ECDSA(Prehashed(SHA256())))
    except InvalidSignature:
        return False
    return True


def _public_key(text: str) -> ec.EllipticCurvePublicKey:
    for line in _PEM:
        text = text.replace(line, "")
    try:
        key = load_der_public_key(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("it is no verification key as SendGrid shows it: MFkwEwYHKoZI…")
    return key


class Form:
    """The fields of a form, in their order; a name may come more than once."""

    def __init__(self, body: bytes) -> None:
        """Raises ValueError for what is no form in UTF-8."""
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
        self._fields: dict[str, list[str]] = {}
        for name, value in pairs:
            self._fields.setdefault(name, []).append(value)

    def __iter__(self):  # type: ignore[no-untyped-def]  # the SDK asks for the names
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def getlist(self, name: str) -> list[str]:
        """Every value of the name, as the SDK asks for them."""
        return self._fields[name]


class FormVerifier:
    """Checks X-Twilio-Signature: HMAC over the public address and the sorted fields.

    `tokens`: auth tokens (HMAC-SHA1). `shared_keys`: secrets of shared keys (HMAC-SHA256), which
    the header X-Twilio-Webhooks-Signature-Settings names. `base_url`: where Twilio knows us; what
    a proxy made of the address does not matter.
    """

    def __init__(self, tokens: Sequence[str], shared_keys: Sequence[str], base_url: str) -> None:
        self._tokens = [RequestValidator(token) for token in tokens]
        self._shared = [RequestValidator(key) for key in shared_keys]
        self._base_url = base_url.rstrip("/")

    def __bool__(self) -> bool:
        """Whether there is any secret."""
        return bool(self._tokens or self._shared)

    def is_signed(self, path: str, query: str, body: bytes, signature: str, settings: str) -> bool:
        """Whether Twilio signed this form for this address. `settings`: that header, or ''."""
        try:
            form = Form(body)
        except ValueError:
            return False
        algorithm = get_signature_algorithm(settings)
        url = f"{self._base_url}{path}" + (f"?{query}" if query else "")
        known = self._shared if algorithm.upper() == HMAC_SHA256 else self._tokens
        return any(one.validate(url, form, signature, algorithm) for one in known)
