"""Secrets that were typed into a file: found, so that they are refused, and masked when shown."""

import re
from collections.abc import Iterator

_SHAPES = {
    "a URL with a password": r"(?<=://)[^\s/:@'\"]*:[^\s/@'\"]+(?=@)",
    "a password in a URL": r"(?i)(?<=[?&;]password=)[^\s&;'\"]+",
    "a SendGrid API key": r"\bSG\.[\w-]{10,}\.[\w-]{10,}",
    "a Twilio key": r"\bSK[0-9a-f]{32}\b",
    "an AWS access key": r"\bAKIA[0-9A-Z]{16}\b",
    "a GitHub token": r"\bgh[pousr]_\w{20,}",
    "a Slack token": r"\bxox[abprs]-[\w-]{10,}",
    "a secret key": r"\b[sr]k_(?:live|test)_\w{10,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
_NAMES = r"(?i)\b[\w-]*(?:password|passwd|secret|token|api[_-]?key)"
_NAME = re.compile(_NAMES)
_NAMED = re.compile(_NAMES + r"\b[\"']?\s*:\s*(?P<value>\S.*)")
_FOUND = [(what, re.compile(shape)) for what, shape in _SHAPES.items()]
_ANY = re.compile(
    r"://[^\s/@]*@|SG\.|SK[0-9a-f]|AKIA|gh[pousr]_|xox|k_live|k_test|-----BEGIN|(?i:password=)"
)


def secrets(text: str) -> Iterator[tuple[int, str]]:
    """Where in the text (from 0) something looks like a secret, and what it looks like."""
    if _ANY.search(text):
        for what, shape in _FOUND:
            yield from ((match.start(), what) for match in shape.finditer(text))


def is_secret_name(key: str) -> bool:
    """Whether a key of this name would hold a secret."""
    return _NAME.fullmatch(key) is not None


def masked(text: str) -> str:
    """The text with everything that looks like a secret replaced."""
    for _, shape in _FOUND:
        text = shape.sub("•••", text)
    return text


def masked_line(line: str) -> str:
    """A line of a file, masked; the values of keys such as `password` too."""
    return _NAMED.sub(lambda match: match[0].replace(match["value"], "•••"), masked(line))
