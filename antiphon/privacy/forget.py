"""Forgetting a person: erased everywhere, counted on under a pseudonym, proved by searching.

First a tombstone is put, which later pulls obey, and what is to be searched is noted in the ledger;
the note goes at the end. Whatever is killed meanwhile is done by forgetting the same id again.
"""

import json
import logging
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from secrets import token_hex

from antiphon import keys
from antiphon.errors import LedgerError, RunBusy, UserFilesError
from antiphon.lake import Erased, Known, Whom
from antiphon.ledger.erasure import FORGETTING, Changed, Person
from antiphon.privacy import files
from antiphon.privacy.proof import Proof, our_files, prove
from antiphon.privacy.terms import Terms, terms_of
from antiphon.privacy.tombstones import CUSTOMER, ORDER, PREFIX, REASON, returned, tombstone
from antiphon.project import Project
from antiphon.sources.contacts import parse_email, parse_phone
from antiphon.steps.intake import LEDGER
from antiphon.steps.run import DAILY, kept, take_lease

SOURCE = "forget"
PATIENCE_SECONDS = 120  # for a dispatcher to end what it is sending
PASSES = 3  # an answer may come in while we erase
log = logging.getLogger("antiphon.privacy")

Address = tuple[str, str]  # channel, as it is written


@dataclass
class Note:
    """What is known of whom, kept until the erasure is finished. `shared`: addresses that other
    customers have too. `is_erased`: only free pages of the ledger's file may still hold them, and
    the note names nobody any more."""

    customer_id: str
    pseudonym: str
    household: str
    addresses: list[Address] = field(default_factory=list)
    names: list[tuple[str, str]] = field(default_factory=list)
    shared: list[Address] = field(default_factory=list)
    shared_names: int = 0
    orders: list[str] = field(default_factory=list)
    message_ids: list[str] = field(default_factory=list)
    is_erased: bool = False


@dataclass(frozen=True)
class Forgotten:
    """What was erased, and the proof. `suppressed`: addresses that nobody writes to any more;
    `shared`: addresses that stay with others. `is_repeated`: it was begun before."""

    withdrawn: int
    suppressed: int
    shared: int
    ledger: Changed
    lake: Erased
    files: Counter[str]
    proof: Proof
    is_repeated: bool = False


def unfinished(project: Project) -> list[str]:
    """People whose erasure was begun and not finished."""
    notes = [_read(fact.value) for fact in project.ledger.facts.starting(FORGETTING)]
    return [note.customer_id for note in notes if note.customer_id]


def to_repeat(project: Project) -> list[str]:
    """Whom to forget again: erasures that were not finished, and forgotten people of whom
    something is held again, as a backup was put back."""
    return sorted({*unfinished(project), *returned(project)})


def forget(project: Project, customer_id: str, also: Iterable[str] = ()) -> Forgotten:
    """Erase a person from lake, ledger and files. `also`: further addresses to look for.

    Raises UserFilesError for an id that nothing is known of, and RunBusy while a run is at work or
    a message to the person is being sent.
    """
    ledger = project.ledger
    lease = take_lease(ledger, DAILY)
    with kept(ledger, lease):
        key = tombstone(project.configuration.settings.salt, CUSTOMER, customer_id)
        is_repeated = ledger.tombstones.forgotten_at(key) is not None
        name, note = _begin(project, customer_id, also)
        was_erased = note.is_erased
        withdrawn = ledger.messages.withdraw(REASON, project.clock(), ids=note.message_ids)
        suppressed = _suppress(project, note)
        _await_dispatchers(project, customer_id)
        terms = _terms(customer_id, note)
        person, marks = _person(project, customer_id, note, terms), _marks(note, terms)
        changed, erased = Changed(), Erased()
        for _ in range(PASSES):
            _add(changed, ledger.erasure.erase(person))
            if not ledger.erasure.find(person):
                break
        found = project.lake.erase(_whom(customer_id, note, terms))
        erased.gone += found.gone
        erased.renamed += found.renamed
        erased.files += found.files
        cleaned = _clean_files(project, marks)
        proof = prove(project, person, marks)
        if proof.is_clean:
            rest = Note("", note.pseudonym, note.household, is_erased=True)
            ledger.facts.put(name, json.dumps(asdict(rest)), project.clock())
        proof = _compacted(project, proof, marks, always=was_erased)
        if proof.is_clean:
            ledger.facts.forget(name)
    return Forgotten(
        withdrawn, suppressed, len(note.shared), changed, erased, cleaned, proof, is_repeated
    )


# ---------------------------------------------------------------- who it is


def _begin(project: Project, customer_id: str, also: Iterable[str]) -> tuple[str, Note]:
    """The name and content of the note, the tombstones put."""
    ledger, now = project.ledger, project.clock()
    salt = project.configuration.settings.salt
    key = tombstone(salt, CUSTOMER, customer_id)
    name = FORGETTING + key
    stored = ledger.facts.get(name)
    known, theirs = project.lake.known(customer_id), ledger.erasure.identities(customer_id)
    is_known = known.is_there or theirs.rows or stored
    if not is_known and ledger.tombstones.forgotten_at(key) is None:
        raise UserFilesError(
            f"nothing is known of a customer {customer_id!r}: neither lake nor ledger has that id."
            "\n  An id is the customer_id of your own source of customers."
        )
    note = _read(stored) if stored else _new(project, customer_id, known.heir)
    more = [("email" if "@" in one else "sms", one) for one in also]
    note.addresses = _merged(note.addresses, [*known.addresses, *theirs.addresses, *more])
    note.names = _merged(note.names, known.names)
    note.orders = sorted({*note.orders, *known.orders})
    note.message_ids = sorted({*note.message_ids, *theirs.message_ids})
    of_others = project.lake.shared(
        customer_id, Known(frozenset(note.addresses), frozenset(note.names))
    )
    note.shared = sorted(of_others.addresses)
    note.shared_names = len(of_others.names)
    note.names = [one for one in note.names if one not in of_others.names]
    ledger.facts.put(name, json.dumps(asdict(note)), now)
    ledger.tombstones.put(CUSTOMER, [key], now)
    ledger.tombstones.put(ORDER, [tombstone(salt, ORDER, one) for one in note.orders], now)
    return name, note


def _new(project: Project, customer_id: str, heir: str) -> Note:
    """A pseudonym that lies in the same bucket, so that rows stay where they are."""
    buckets = project.lake.current().buckets
    while True:
        pseudonym = PREFIX + token_hex(8)
        if keys.bucket_of(pseudonym, buckets) == keys.bucket_of(customer_id, buckets):
            return Note(customer_id, pseudonym, f"customer:{heir or pseudonym}")


def _read(stored: str) -> Note:
    note = Note(**json.loads(stored))
    note.addresses = [(channel, address) for channel, address in note.addresses]
    note.names = [(first, last) for first, last in note.names]
    return note


def _merged(
    before: Iterable[tuple[str, str]], more: Iterable[tuple[str, str]]
) -> list[tuple[str, str]]:
    return sorted({*before, *more})


def _terms(customer_id: str, note: Note) -> Terms:
    addresses = [address for channel, address in note.addresses if not _is_shared(note, address)]
    return terms_of(customer_id, addresses, note.names)


def _is_shared(note: Note, address: str) -> bool:
    return address.lower() in {one.lower() for _, one in note.shared}


def _person(project: Project, customer_id: str, note: Note, terms: Terms) -> Person:
    return Person(
        customer_id,
        note.pseudonym,
        note.household,
        frozenset(key for _, key in _keys(project, note)),
        terms.pattern,
        terms.words,
    )


def _whom(customer_id: str, note: Note, terms: Terms) -> Whom:
    return Whom(
        customer_id, note.pseudonym, note.household, LEDGER, terms.words, tuple(note.orders)
    )


def _marks(note: Note, terms: Terms) -> files.Marks:
    return files.Marks(terms.customer_id, terms.pattern, frozenset(note.message_ids))


# ---------------------------------------------------------------- messages and addresses


def _keys(project: Project, note: Note) -> set[tuple[str, str]]:
    """Channel and salted hash of every valid address that is nobody else's, however it is
    written."""
    own = _keyed(project, note.addresses)
    return own - _keyed(project, note.shared)


def _keyed(project: Project, addresses: Iterable[Address]) -> set[tuple[str, str]]:
    settings, found = project.configuration.settings, set()
    for channel, address in addresses:
        parsed = (
            parse_email(address)
            if channel == "email"
            else parse_phone(address, settings.business.country)
        )
        if parsed.address:
            found.add((channel, keys.address_key(settings.salt, channel, parsed.address)))
    return found


def _suppress(project: Project, note: Note) -> int:
    """Nobody writes to these addresses, until somebody who has one agrees anew."""
    keyed = _keys(project, note)
    return project.ledger.people.suppress_all(
        keyed, reason=REASON, at=project.clock(), source=SOURCE
    )


def _await_dispatchers(project: Project, customer_id: str) -> None:
    """Until nobody has a message of theirs in hands."""
    patience = time.monotonic() + PATIENCE_SECONDS
    while project.ledger.erasure.under_way(customer_id):
        if time.monotonic() > patience:
            raise RunBusy(
                "a message to this person is being sent at this moment; nothing was erased yet.\n"
                "  Repeat it in a minute (`antiphon outbox` shows what is under way)."
            )
        time.sleep(0.5)


# ---------------------------------------------------------------- files and database


def _clean_files(project: Project, marks: files.Marks) -> Counter[str]:
    done = Counter[str]()
    for path in our_files(project):
        is_journal = path.name == files.REQUESTS and marks.message_ids
        if is_journal or files.names_them(path, marks):
            done[files.clean(path, marks).value] += 1
    return done


def _compacted(project: Project, proof: Proof, marks: files.Marks, *, always: bool) -> Proof:
    """The proof with the ledger's own file searched, which is written anew where free pages of it
    still hold what was deleted."""
    database = project.ledger.database
    if database is None:
        project.ledger.erasure.compact()
        return proof
    project.ledger.erasure.checkpoint()
    if always or any(files.names_them(path, marks) for path in _parts(database)):
        with suppress(LedgerError):  # somebody writes: the search says what is left
            project.ledger.erasure.compact()
    left = [path for path in _parts(database) if files.names_them(path, marks)]
    return proof.with_database(len(list(_parts(database))), left)


def _parts(database: Path) -> Iterable[Path]:
    return (path for path in (database, Path(f"{database}-wal")) if path.exists())


def _add(total: Changed, one: Changed) -> None:
    total.gone += one.gone
    total.renamed += one.renamed
    total.blanked += one.blanked
