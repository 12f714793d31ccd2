"""Signatures on what the sandbox reports, as the providers make them.

Written by hand: the SDKs can only check SendGrid's. Tests check both with the SDKs.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY_FILE = "webhook-key.pem"


class EventSigner:
    """Signs SendGrid's events; its key lies in a folder and stays the same."""

    def __init__(self, folder: Path) -> None:
        path = folder / KEY_FILE
        if not path.exists():
            _write_key(path)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def public_key(self) -> str:
        """As SendGrid shows it: DER in base64."""
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        found = self._key.public_key().public_bytes(serialization.Encoding.DER, form)
        return base64.b64encode(found).decode()

    def sign(self, timestamp: str, body: bytes) -> str:
        """ECDSA P-256 with SHA-256 over timestamp and body, DER in base64."""
        made = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return base64.b64encode(made).decode()


def twilio_signature(token: str, url: str, form: Mapping[str, str]) -> str:
    """HMAC-SHA1 over the whole address and each sorted name and value, in base64."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


def _write_key(path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(text)
