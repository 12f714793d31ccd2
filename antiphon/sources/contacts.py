"""E-mail addresses and telephone numbers, parsed once: when a value is new or has changed.

An address is kept in lower case, its local part too: the standard would let `Ann@` and `ann@` be
two people, no mail service does, and an objection of one must hold for the other. Local parts
beyond ASCII are refused, as providers cannot deliver to them; domains are kept in Punycode.
A telephone number is read as one of the customer's country, else of the business's.
"""
# ruff: noqa: S608 - names come from entities.py or are quoted

import multiprocessing
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import phonenumbers
import pyarrow as pa
import pyarrow.parquet as pq
from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from phonenumbers import NumberParseException, PhoneNumberFormat, ValidationResult

from antiphon.keys import address_key
from antiphon.lake.session import Session
from antiphon.quoting import literal

CHUNK_VALUES = 10_000
MANY_VALUES = 50_000  # from here on two processes pay their start
PROCESSES = 2

# Plain addresses, for which email-validator is certain to say yes (a test compares the two).
_PLAIN = re.compile(
    r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,63}",
    re.ASCII | re.IGNORECASE,
)
_SPECIAL = tuple(f".{name}" for name in SPECIAL_USE_DOMAIN_NAMES)

_PARSE_REASONS = {
    NumberParseException.INVALID_COUNTRY_CODE: "unknown country",
    NumberParseException.NOT_A_NUMBER: "not a telephone number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "too short",
    NumberParseException.TOO_SHORT_NSN: "too short",
    NumberParseException.TOO_LONG: "too long",
}
_LENGTH_REASONS = {
    ValidationResult.TOO_SHORT: "too short",
    ValidationResult.TOO_LONG: "too long",
    ValidationResult.INVALID_LENGTH: "wrong length",
    ValidationResult.INVALID_COUNTRY_CODE: "unknown country",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "the area code is missing",
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """An address as messages use it, or why it cannot be used."""

    address: str | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Contacts:
    """How addresses are read: the company's country and salt.

    `may_reuse`: what the lake knows was parsed by the same rules.
    """

    country: str
    salt: str
    may_reuse: bool = True


def parse_email(text: str) -> Parsed:
    """The address in lower case; syntax only, nobody is asked."""
    text = text.strip()
    if is_plain(text):
        return Parsed(text.lower())
    try:
        found = validate_email(text, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        return Parsed(None, _general(str(error)))
    return Parsed((found.ascii_email or found.normalized).lower())


def is_plain(text: str) -> bool:
    """Whether the address is so plain that it is valid beyond doubt, at a fortieth of the cost."""
    if len(text) > 200 or "--" in text or not _PLAIN.fullmatch(text):
        return False
    local, _, domain = text.lower().partition("@")
    labels = domain.split(".")
    return len(local) <= 64 and max(map(len, labels)) <= 63 and not f".{domain}".endswith(_SPECIAL)


def _general(reason: str) -> str:
    """The validator's reason without the characters of the address that it may quote."""
    return re.split(r"[:'\"‘“(]", reason, maxsplit=1)[0].strip().rstrip(".") or "not valid"


def parse_phone(text: str, region: str) -> Parsed:
    """The number in E.164; `region` is where one without a country code is dialled."""
    try:
        number = phonenumbers.parse(text, region.upper())
    except NumberParseException as error:
        return Parsed(None, _PARSE_REASONS.get(error.error_type, "not a telephone number"))
    if not phonenumbers.is_valid_number(number):
        length = phonenumbers.is_possible_number_with_reason(number)
        return Parsed(None, _LENGTH_REASONS.get(length, "no such number"))
    return Parsed(phonenumbers.format_number(number, PhoneNumberFormat.E164))


# ---------------------------------------------------------------- whole files


def add_contacts(
    session: Session, drafts: Sequence[Path], target: Path, scratch: Path, contacts: Contacts
) -> list[Path]:
    """Write the drafts beside `target` with the derived columns of customers filled in.

    Each distinct value that the session's customers do not have yet is parsed, once.
    """
    staged = f"read_parquet([{', '.join(literal(str(draft)) for draft in drafts)}])"
    region = f"coalesce(upper(country), {literal(contacts.country.upper())})"
    emails = _Values("email", "email_address", "email", "email", "''")
    phones = _Values("phone", "phone_e164", "phone", "sms", region)
    known_emails = _results_sql(session, emails, staged, scratch, contacts)
    known_phones = _results_sql(session, phones, staged, scratch, contacts)
    written = []
    for draft in drafts:
        path = target.with_name(target.stem + draft.stem.removeprefix(drafts[0].stem) + ".parquet")
        session.write(
            f"""
            SELECT staged.* REPLACE (
                emails.address AS email_address, emails.valid AS email_valid,
                emails.reason AS email_reason, emails.key AS email_key,
                phones.address AS phone_e164, phones.valid AS phone_valid,
                phones.reason AS phone_reason, phones.key AS phone_key)
            FROM read_parquet({literal(str(draft))}) AS staged
            LEFT JOIN ({known_emails}) AS emails ON emails.value = staged.email
            LEFT JOIN ({known_phones}) AS phones
                ON phones.value = staged.phone AND phones.region = {region}
            ORDER BY _row""",
            path,
        )
        written.append(path)
    return written


@dataclass(frozen=True, slots=True)
class _Values:
    """One kind of address: its columns in customers, and the region it is read in (SQL)."""

    raw: str
    address: str
    prefix: str
    channel: str
    region: str


_RESULT = pa.schema(
    [
        ("value", pa.string()),
        ("region", pa.string()),
        ("address", pa.string()),
        ("valid", pa.bool_()),
        ("reason", pa.string()),
        ("key", pa.string()),
    ]
)


def _results_sql(
    session: Session, kind: _Values, staged: str, scratch: Path, contacts: Contacts
) -> str:
    """A SELECT with one row per staged value: known to the lake, or parsed now."""
    known = f"""
        SELECT {kind.raw} AS value, {kind.region} AS region,
            any_value({kind.address}) AS address, any_value({kind.prefix}_valid) AS valid,
            any_value({kind.prefix}_reason) AS reason, any_value({kind.prefix}_key) AS key
        FROM customers WHERE {kind.prefix}_valid IS NOT NULL AND {contacts.may_reuse}
            AND {kind.raw} IN (SELECT {kind.raw} FROM {staged})
        GROUP BY ALL"""
    fresh, parsed = scratch / f"{kind.raw}.parquet", scratch / f"{kind.raw}-parsed.parquet"
    count = session.write(
        f"""
        SELECT DISTINCT {kind.raw} AS value, {kind.region} AS region FROM {staged}
        WHERE {kind.raw} IS NOT NULL
            AND ({kind.raw}, {kind.region}) NOT IN (SELECT (value, region) FROM ({known}))""",
        fresh,
    )
    with pq.ParquetWriter(parsed, _RESULT, compression="zstd") as writer:
        for batch in _parsed(fresh, kind.channel, contacts.salt, is_many=count > MANY_VALUES):
            writer.write_batch(batch)
    return f"SELECT * FROM read_parquet({literal(str(parsed))}) UNION ALL ({known})"


def _parsed(path: Path, channel: str, salt: str, *, is_many: bool) -> Iterator[pa.RecordBatch]:
    chunks = pq.ParquetFile(path).iter_batches(CHUNK_VALUES)
    parse = partial(_parse_batch, channel=channel, salt=salt)
    if not is_many:
        yield from map(parse, chunks)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        while some := list(islice(chunks, 4 * PROCESSES)):  # bounded: the rest stays in the file
            yield from pool.map(parse, some)


def _parse_batch(batch: pa.RecordBatch, *, channel: str, salt: str) -> pa.RecordBatch:
    values, regions = batch.column("value").to_pylist(), batch.column("region").to_pylist()
    found = [
        parse_email(value) if channel == "email" else parse_phone(value, region)
        for value, region in zip(values, regions, strict=True)
    ]
    columns = {
        "value": values,
        "region": regions,
        "address": [one.address for one in found],
        "valid": [one.address is not None for one in found],
        "reason": [one.reason for one in found],
        "key": [one.address and address_key(salt, channel, one.address) for one in found],
    }
    return pa.RecordBatch.from_pydict(columns, schema=_RESULT)
