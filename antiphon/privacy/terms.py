"""What a person is searched by: whole words, in every spelling that files and requests give them.

An id that might stand for anything else (`12`) is looked for in columns of ids only: as a word it
would be found on every page.
"""

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

SHORTEST_NAME = 6  # of first and last name together
SHORTEST_NUMBER = 8  # an id of digits only
SHORTEST_ID = 4


@dataclass(frozen=True)
class Terms:
    """`words`: looked for everywhere. `is_telling`: the id is one of them."""

    customer_id: str
    words: tuple[str, ...]

    @property
    def is_telling(self) -> bool:
        """Whether the id is looked for in texts too."""
        return is_telling(self.customer_id)

    @property
    def pattern(self) -> re.Pattern[bytes] | None:
        """Finds any of the words in bytes, as a whole, in small or capital letters."""
        if not self.words:
            return None
        listed = b"|".join(re.escape(word.encode()) for word in sorted(self.words, key=_longest))
        return re.compile(rb"(?<![0-9A-Za-z])(?:" + listed + rb")(?![0-9A-Za-z])", re.IGNORECASE)


def terms_of(
    customer_id: str, addresses: Collection[str], names: Collection[tuple[str, str]]
) -> Terms:
    """Id, addresses and full names. First or last names alone are other people's too."""
    words: set[str] = set()
    if is_telling(customer_id):
        words |= _spellings(customer_id)
    for address in addresses:
        words |= _spellings(address)
        if address.startswith("+"):
            words.add(address[1:])
    for first, last in names:
        if first and last and len(first) + len(last) >= SHORTEST_NAME:
            for whole in (f"{first} {last}", f"{last} {first}", f"{last}, {first}"):
                words |= _spellings(whole)
    return Terms(customer_id, tuple(sorted(words)))


def is_telling(customer_id: str) -> bool:
    """Whether such an id, met anywhere, means this customer."""
    if customer_id.isdigit():
        return len(customer_id) >= SHORTEST_NUMBER
    return len(customer_id) >= SHORTEST_ID and any(one.isdigit() for one in customer_id)


def _spellings(text: str) -> set[str]:
    """As it is, in JSON, in addresses of pages and in forms."""
    return {text, json.dumps(text)[1:-1], quote(text, safe=""), quote_plus(text)}


def _longest(word: str) -> tuple[int, str]:
    return -len(word), word
