"""What a provider says of a failure, fit for a log: one short line without anybody's data."""

import re

LONGEST = 160
_QUOTED = re.compile(r"\[[^\]]*\]|\"[^\"]*\"|(?<!\w)'[^']*'|`[^`]*`|<[^>]*>|“[^”]*”|«[^»]*»")
_ADDRESS = re.compile(r"\S*@\S*")
_NUMBER = re.compile(r"\+?\d[\d\s().-]{4,}\d")


def without_people(text: str) -> str:
    """The text with whatever might be a person's taken out: quotations, addresses, numbers."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for pattern in (_QUOTED, _ADDRESS, _NUMBER):
        line = pattern.sub("…", line)
    return line[:LONGEST]
