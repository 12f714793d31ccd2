"""Our own hashes and keys: the same in Python, in DuckDB's SQL and in any later engine.

A hash is the md5 of UTF-8 text: a purpose, then the parts, each preceded by the unit separator
(U+001F). Its 64-bit number is the first 8 bytes of the digest, read as little-endian.
"""

import hashlib
import unicodedata

SEPARATOR = "\x1f"
TWO_TO_64 = 2**64


def digest(purpose: str, *parts: str) -> str:
    """32 hex digits of the md5 of `purpose` and `parts`."""
    text = SEPARATOR.join((purpose, *parts))
    return hashlib.md5(text.encode("utf-8"), usedforsecurity=False).hexdigest()


def number(purpose: str, *parts: str) -> int:
    """An unsigned 64-bit number, uniform over 0 … 2**64 − 1."""
    return int.from_bytes(bytes.fromhex(digest(purpose, *parts))[:8], "little")


def digest_sql(purpose: str, *expressions: str) -> str:
    """DuckDB expression equal to `digest(purpose, …)` of the VARCHAR expressions (none null)."""
    return f"md5({_joined_sql(purpose, expressions)})"


def number_sql(purpose: str, *expressions: str) -> str:
    """DuckDB UBIGINT expression equal to `number(purpose, …)`."""
    return f"md5_number_upper({_joined_sql(purpose, expressions)})"


def _joined_sql(purpose: str, expressions: tuple[str, ...]) -> str:
    quoted = "'" + purpose.replace("'", "''") + "'"
    return " || chr(31) || ".join((quoted, *(f"({expression})" for expression in expressions)))


def bucket_of(customer_id: str, buckets: int) -> int:
    """The customer's bucket; `buckets` is a power of two, so that growing splits files."""
    return number("bucket", customer_id) % buckets


def bucket_sql(expression: str, buckets: int) -> str:
    """DuckDB expression equal to `bucket_of`."""
    return f"({number_sql('bucket', expression)} % {buckets})::INTEGER"


def occurrence_key(campaign: str, step: str, unit: str, anchor: str) -> str:
    """The one time a campaign (the parent, under `for_each`) speaks to a unit: DESIGN §8.

    The unit comes last, as it alone may hold any character. `anchor` is `once`, a year, an event
    id, an enrolment or the ordinal of a repeat, never the run's day.
    """
    return "|".join((campaign, step, anchor, unit))


def message_id(salt: str, occurrence: str, attempt: int) -> str:
    """The public id of one attempt of an occurrence: a keyed hash, opaque to providers."""
    return digest("message", salt, occurrence, str(attempt))


def address_key(salt: str, channel: str, address: str) -> str:
    """What a suppression is filed under: a salted hash of the normalised address."""
    return digest("address", salt, channel, address)


def code_key(text: str) -> str:
    """A promo code as it is kept and compared: capital letters and digits, nothing in between."""
    normal = unicodedata.normalize("NFKC", text).upper()
    return "".join(one for one in normal if one.isalnum())


def code_key_sql(expression: str) -> str:
    """DuckDB expression equal to `code_key` of a code of ASCII characters, as ours are."""
    return f"upper(regexp_replace({expression}, '[^0-9A-Za-z]', '', 'g'))"
