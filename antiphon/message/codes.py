"""Promo codes of one's own: how they are made, written, read back and shown before there is one.

A code is a prefix, twelve characters drawn by a keyed hash (54 bits), and a check character. The
alphabet has no two characters that look alike (of 0 O Q D, 2 Z, 5 S, 8 B, 6 G, U V one each, of
1 I L none) and no vowels, so that no code is a word. It has 23 of them, a prime, so the check
character, a weighted sum modulo 23 as in ISBN-10, betrays every wrong character and every two
that changed places.
"""

import hashlib
from typing import TYPE_CHECKING

from antiphon.keys import SEPARATOR

if TYPE_CHECKING:
    from antiphon.campaigns.models import Offer

ALPHABET = "23456789CDFHJKMNPRTVWXY"
DRAWN = 12
LENGTH = DRAWN + 1
_SIZE = len(ALPHABET)
_VALUE = {character: value for value, character in enumerate(ALPHABET)}
_PAIRS = [a + b for a in ALPHABET for b in ALPHABET]
# What each pair adds to the check, by its place: a look-up for two characters.
_SUMS = [
    [place * _VALUE[pair[0]] + (place + 1) * _VALUE[pair[1]] for pair in _PAIRS]
    for place in range(2, DRAWN + 2, 2)
]
_SAMPLE = ALPHABET[:DRAWN]


def made(key: bytes, occurrence: str, trial: int = 0) -> str:
    """The body of an occurrence's code, without prefix; `trial`: the next one, where it is taken.

    `key`: the secret, at most 64 bytes (`code_secret`).
    """
    text = f"{occurrence}{SEPARATOR}{trial}".encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8, key=key).digest(), "little")
    drawn, total = "", 0
    for sums in _SUMS:
        number, pair = divmod(number, _SIZE * _SIZE)
        drawn += _PAIRS[pair]
        total += sums[pair]
    return drawn + ALPHABET[-total % _SIZE]


def code_secret(key: str) -> bytes:
    """The secret as `made` takes it, however long it was written."""
    return hashlib.sha256(key.encode("utf-8")).digest()


def check_character(drawn: str) -> str:
    """What follows the characters drawn; ValueError where one is not of the alphabet."""
    try:
        total = sum(weight * _VALUE[each] for weight, each in enumerate(drawn, start=2))
    except KeyError:
        raise ValueError("a character that no code has") from None
    return ALPHABET[-total % _SIZE]


def is_well_formed(body: str) -> bool:
    """Whether the last LENGTH characters of a code (keys.code_key) are as we make them."""
    try:
        return len(body) == LENGTH and check_character(body[:-1]) == body[-1]
    except ValueError:
        return False


def written(code: str) -> str:
    """A code of one's own (keys.code_key) as people read it: WB-7K3M-9XTR-4WHPC."""
    prefix, body = code[:-LENGTH], code[-LENGTH:]
    return "-".join(filter(None, (prefix, body[:4], body[4:8], body[8:])))


def sample(prefix: str) -> str:
    """A code as it will look, and as long; its check character is wrong: nobody ever gets it."""
    wrong = ALPHABET[_VALUE[check_character(_SAMPLE)] - 1]
    return written(prefix + _SAMPLE + wrong)


def shown(offer: "Offer") -> str:
    """The code that a message is composed with: the shared one, or a sample of one's own, which
    planning replaces."""
    is_own = offer.is_unique or offer.reminds
    return sample(offer.prefix or "") if is_own else offer.code


def written_sql(code: str) -> str:
    """DuckDB expression equal to `written`."""
    body = f"right({code}, {LENGTH})"
    return (
        f"(CASE WHEN length({code}) > {LENGTH} THEN left({code}, length({code}) - {LENGTH}) "
        f"|| '-' ELSE '' END || left({body}, 4) || '-' || substr({body}, 5, 4) || '-' "
        f"|| substr({body}, 9))"
    )
