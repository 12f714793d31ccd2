"""What a provider is given to deliver."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Email:
    """One rendered e-mail. `headers` are those beyond the usual ones (RFC 8058)."""

    subject: str
    html: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sms:
    """One rendered SMS."""

    text: str
