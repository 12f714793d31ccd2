"""The manual list: who is never written to again, by a person's own hand.

A suppression is by address, so that it holds for everybody who shares it. Whoever has a new address
tomorrow is written to there: for good it is the person's objection that counts, or a rule of
`suppress` in the policy.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from antiphon import keys
from antiphon.project import Project
from antiphon.sources.contacts import parse_email, parse_phone

SOURCE = "manual list"
EMAIL, SMS = "email", "sms"
CHANNELS = (EMAIL, SMS)

Key = tuple[str, str]  # channel, address_key


@dataclass(frozen=True, slots=True)
class Line:
    """One person or address, and the line it stands on (from 1)."""

    number: int
    text: str


@dataclass(frozen=True)
class Found:
    """The addresses (salted hashes) that lines stand for, and the lines that stand for none.

    `faults`: line → what is wrong with it, without what stands there.
    """

    keys: frozenset[Key]
    faults: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of them: addresses changed, and those that were so before."""

    changed: int
    unchanged: int


def lines_of(texts: Iterable[str]) -> list[Line]:
    """The lines that say something; empty ones and remarks (#) do not."""
    numbered = (Line(number, text.strip()) for number, text in enumerate(texts, start=1))
    return [line for line in numbered if line.text and not line.text.startswith("#")]


def find(project: Project, lines: Sequence[Line], channel: str | None = None) -> Found:
    """The addresses of each line: an e-mail address (with @), a telephone number (from +) or a
    customer's id, which stands for all valid addresses of that customer.

    `channel`: only addresses of this one.
    """
    settings = project.configuration.settings
    found, faults, people = set[Key](), dict[int, str](), list[Line]()
    for line in lines:
        of = EMAIL if "@" in line.text else SMS if line.text.startswith("+") else None
        if of is None:
            people.append(line)
            continue
        is_mail = of == EMAIL
        parsed = (
            parse_email(line.text) if is_mail else parse_phone(line.text, settings.business.country)
        )
        if channel not in (None, of):
            faults[line.number] = f"an address of {of}, and only {channel} is asked for"
        elif parsed.address is None:
            what = "e-mail address" if is_mail else "telephone number"
            faults[line.number] = f"no valid {what}: {parsed.reason}"
        else:
            found.add((of, keys.address_key(settings.salt, of, parsed.address)))
    wanted = CHANNELS if channel is None else (channel,)
    for line, known in zip(people, _of_customers(project, people), strict=True):
        mine = {(of, key) for of in wanted if known and (key := known[of])}
        if known is None:
            faults[line.number] = (
                "no customer has this id (an e-mail address has an @, a number begins with +)"
            )
        elif not mine:
            faults[line.number] = "this customer has no valid address"
        found |= mine
    return Found(frozenset(found), dict(sorted(faults.items())))


def add(project: Project, found: Found, reason: str) -> Changed:
    """Nobody writes to these addresses from now on, not even messages that are planned."""
    people, at = project.ledger.people, project.clock()
    new = people.suppress_all(found.keys, reason=reason, at=at, source=SOURCE)
    return Changed(new, len(found.keys) - new)


def lift(project: Project, found: Found, reason: str) -> Changed:
    """These addresses may be written to again, whatever they were suppressed for."""
    lifted = project.ledger.people.lift_all(found.keys, reason=reason, at=project.clock())
    return Changed(lifted, len(found.keys) - lifted)


def _of_customers(project: Project, lines: Sequence[Line]) -> list[dict[str, str | None] | None]:
    """For each line the keys of that customer's addresses by channel; None where there is none."""
    if not lines:
        return []
    asked = pa.table({"customer_id": [line.text for line in lines]})
    with project.lake.session(tables={"asked": asked}) as session:
        rows = session.rows(
            "SELECT customer_id, email_key, phone_key FROM customers "
            "WHERE customer_id IN (SELECT customer_id FROM asked)"
        )
    known: dict[str, dict[str, str | None]] = {
        customer: {EMAIL: email, SMS: phone} for customer, email, phone in rows
    }
    return [known.get(line.text) for line in lines]
