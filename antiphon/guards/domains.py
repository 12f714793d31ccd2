"""SPF, DKIM and DMARC of a sending domain, as mailbox providers look at them.

RFC 7208, 6376 and 7489.
Large providers refuse or hide mail of a domain without them (Google's and Yahoo's rules for bulk
senders). The resolver is an argument: tests ask a server of their own.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import dns.exception
import dns.resolver
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

SPF_LOOKUPS = 10  # RFC 7208, 4.6.4: beyond it the record is an error for every receiver
SHORTEST_KEY = 1024  # bits; Google asks for 2048
GOOD_KEY = 2048
SECONDS = 5.0


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: what was found, and what to do about it ('' where nothing is)."""

    area: str
    level: Level
    found: str
    todo: str = ""


class NoAnswer(Exception):
    """The name server did not answer: nothing is known."""


def resolver() -> dns.resolver.Resolver:
    """The machine's own name servers, asked with patience."""
    found = dns.resolver.Resolver()
    found.lifetime = SECONDS
    return found


def look_at(
    domain: str, selectors: Sequence[str], asked: dns.resolver.Resolver
) -> Iterator[Finding]:
    """What SPF, DKIM and DMARC of the domain are worth. `selectors`: those of its DKIM keys."""
    try:
        yield _spf(domain, asked)
        yield _dkim(domain, selectors, asked)
        yield _dmarc(domain, asked)
    except NoAnswer as error:
        yield Finding(
            "DNS",
            Level.WARNING,
            f"no name server answers for {domain} ({error})",
            "Look whether this machine may ask DNS (port 53), then repeat.",
        )


# ---------------------------------------------------------------- SPF


def _spf(domain: str, asked: dns.resolver.Resolver) -> Finding:
    records = [text for text in _texts(domain, asked) if _is_spf(text)]
    if not records:
        return Finding(
            "SPF",
            Level.WARNING,
            f"{domain} has no SPF record",
            f'Add a TXT record to {domain}, such as "v=spf1 include:sendgrid.net ~all". (Where '
            "your provider signs with a return path of its own below your domain, it brings its "
            "own SPF.)",
        )
    if len(records) > 1:
        todo = "Merge them into one TXT record: with two, receivers count it as an error."
        return Finding("SPF", Level.WRONG, f"{domain} has {len(records)} SPF records", todo)
    terms = records[0].lower().split()
    if any(term in ("all", "+all") for term in terms):
        todo = "End it with ~all or -all: +all lets anybody send as you."
        return Finding("SPF", Level.WRONG, f"the SPF record of {domain} allows everybody", todo)
    if "?all" in terms or not any(
        term in ("~all", "-all") or "redirect=" in term for term in terms
    ):
        todo = "End it with ~all or -all."
        return Finding("SPF", Level.WARNING, f"the SPF record of {domain} forbids nobody", todo)
    lookups = _lookups(domain, asked, set())
    if lookups > SPF_LOOKUPS:
        return Finding(
            "SPF",
            Level.WRONG,
            f"the SPF record of {domain} asks for {lookups} other records, {SPF_LOOKUPS} at most "
            "are allowed",
            "Take out services that do not send for you any more.",
        )
    return Finding("SPF", Level.OK, f"{domain}: {records[0]}")


def _is_spf(text: str) -> bool:
    return text.lower().split(" ")[0] == "v=spf1"


def _lookups(domain: str, asked: dns.resolver.Resolver, seen: set[str]) -> int:
    """How many DNS questions a receiver has to ask for the record, those of includes too."""
    if domain in seen or len(seen) > SPF_LOOKUPS:
        return 0
    seen.add(domain)
    count = 0
    for text in filter(_is_spf, _texts(domain, asked)):
        for term in text.lower().split()[1:]:
            bare = term.lstrip("+-~?")
            name = bare.partition(":")[0].partition("/")[0]
            if bare.startswith(("include:", "exists:", "redirect=")) or name in ("a", "mx", "ptr"):
                count += 1
            if bare.startswith(("include:", "redirect=")):
                target = bare.partition("=" if "redirect=" in bare else ":")[2]
                count += _lookups(target, asked, seen) if "%" not in target else 0
    return count


# ---------------------------------------------------------------- DKIM


def _dkim(domain: str, selectors: Sequence[str], asked: dns.resolver.Resolver) -> Finding:
    found = {one: _texts(f"{one}._domainkey.{domain}", asked) for one in selectors}
    keys = {one: "".join(texts) for one, texts in found.items() if texts}
    tried = ", ".join(f"{one}._domainkey" for one in selectors)
    if not keys:
        return Finding(
            "DKIM",
            Level.WRONG,
            f"{domain} has no key at {tried}",
            "Authenticate the domain at your provider (SendGrid: Settings, Sender Authentication) "
            "and add the records it names. Where the selector is another one: --selector NAME.",
        )
    for selector, text in keys.items():
        wrong = _key_fault(_tags(text))
        if wrong:
            todo = f"Put the key your provider names at {selector}._domainkey.{domain}."
            return Finding("DKIM", Level.WRONG, f"the key {selector} of {domain} {wrong}", todo)
    short = [one for one, text in keys.items() if 0 < _bits(_tags(text)) < GOOD_KEY]
    if short:
        todo = f"Ask your provider for a key of {GOOD_KEY} bits."
        return Finding("DKIM", Level.WARNING, f"the key {short[0]} of {domain} is short", todo)
    return Finding("DKIM", Level.OK, f"{domain} has a key at {', '.join(keys)}._domainkey")


def _key_fault(tags: dict[str, str]) -> str:
    if tags.get("v", "DKIM1") != "DKIM1":
        return "is no DKIM record"
    if "p" not in tags:
        return "has no public key (p=)"
    if not tags["p"]:
        return "was revoked (p= is empty)"
    bits = _bits(tags)
    if bits == 0:
        return "cannot be read"
    if 0 < bits < SHORTEST_KEY:
        return f"has only {bits} bits"
    return ""


def _bits(tags: dict[str, str]) -> int:
    """Length of an RSA key; 0 where it cannot be read, -1 where another kind has no such length."""
    if tags.get("k", "rsa") != "rsa":
        return -1
    try:
        key = load_der_public_key(base64.b64decode("".join(tags["p"].split()), validate=True))
    except (binascii.Error, ValueError, UnsupportedAlgorithm, KeyError):
        return 0
    return key.key_size if isinstance(key, RSAPublicKey) else 0


# ---------------------------------------------------------------- DMARC


def _dmarc(domain: str, asked: dns.resolver.Resolver) -> Finding:
    labels = domain.split(".")
    for start in range(len(labels) - 1):  # a parent domain's record holds for those below it
        place = ".".join(labels[start:])
        records = [
            text
            for text in _texts(f"_dmarc.{place}", asked)
            if text.partition(";")[0].replace(" ", "").upper() == "V=DMARC1"
        ]
        if len(records) > 1:
            todo = "Leave one TXT record: with two, receivers take it for none."
            return Finding("DMARC", Level.WRONG, f"_dmarc.{place} has {len(records)} records", todo)
        if records:
            return _policy(place, _tags(records[0]), is_parent=bool(start))
    return Finding(
        "DMARC",
        Level.WRONG,
        f"{domain} has no DMARC record",
        f'Add a TXT record to _dmarc.{domain}, to begin with "v=DMARC1; p=none; '
        f'rua=mailto:dmarc@{domain}".',
    )


def _policy(place: str, tags: dict[str, str], *, is_parent: bool) -> Finding:
    policy = (tags.get("sp") if is_parent else None) or tags.get("p", "")
    if policy.lower() not in ("none", "quarantine", "reject"):
        todo = "Write p=none, p=quarantine or p=reject after v=DMARC1."
        return Finding("DMARC", Level.WRONG, f"the record at _dmarc.{place} has no policy", todo)
    if "rua" not in tags:
        todo = "Add rua=mailto:… to see who sends in your name."
        found = f"_dmarc.{place}: p={policy}, and nobody gets its reports"
        return Finding("DMARC", Level.WARNING, found, todo)
    return Finding("DMARC", Level.OK, f"_dmarc.{place}: p={policy}")


# ---------------------------------------------------------------- records


def _tags(text: str) -> dict[str, str]:
    """`v=DKIM1; p=…` as a dictionary, names in lower case."""
    parts = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, sign, value in parts if sign}


def _texts(name: str, asked: dns.resolver.Resolver) -> list[str]:
    """TXT records of a name, aliases followed; NoAnswer where nobody knows."""
    try:
        answer = asked.resolve(name, "TXT", search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, UnicodeError) as error:
        raise NoAnswer(type(error).__name__) from None
    return [b"".join(record.strings).decode("utf-8", "replace").strip() for record in answer]
