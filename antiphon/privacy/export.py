"""Everything that is held of a person, with where it came from and how long it stays."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from antiphon import __version__, keys
from antiphon.campaigns.conversions import duration_text
from antiphon.errors import AntiphonError, UserFilesError
from antiphon.ledger import Message
from antiphon.message.content import Email
from antiphon.privacy.terms import terms_of
from antiphon.privacy.tombstones import CUSTOMER, tombstone
from antiphon.project import Project
from antiphon.sources.contacts import parse_email, parse_phone
from antiphon.steps.customer import customer
from antiphon.steps.reading import Reader


def export(project: Project, customer_id: str) -> dict[str, Any]:
    """All of it, as JSON can hold it (`as_text`).

    `about`: sources, recipients, periods. `facts`: rows of the lake, by entity, each with its
    source. `derived`: what was worked out of them now. `decisions`, `quarantine`: what past runs
    left. `messages`: each as it was written. `ledger`: every other row, by table. `received`: the
    person's part of requests that providers sent. Raises UserFilesError where nothing is known.
    """
    ledger, lake = project.ledger, project.lake
    known, theirs = lake.known(customer_id), ledger.erasure.identities(customer_id)
    if not known.is_there and not theirs.rows:
        raise _nobody(project, customer_id)
    addresses = sorted({*known.addresses, *theirs.addresses})
    tables = ledger.holdings.of(customer_id, frozenset(_keys(project, addresses)))
    messages = tables.pop("messages", [])
    facts = lake.held(customer_id)
    terms = terms_of(customer_id, [address for _, address in addresses], known.names)
    received = list(ledger.holdings.received(terms.pattern)) if terms.pattern else []
    stores = {name: facts.pop(name, []) for name in ("decisions", "quarantine")}
    return {
        "customer_id": customer_id,
        "made_at": project.clock(),
        "made_by": f"Antiphon {__version__}",
        "about": _about(project),
        "facts": facts,
        "derived": _derived(project, customer_id),
        **stores,
        "messages": _messages(project, customer_id, messages),
        "ledger": tables,
        "received": received,
    }


def as_text(document: Mapping[str, Any]) -> str:
    """The document as JSON: instants in ISO 8601, money as text."""
    return json.dumps(document, ensure_ascii=False, indent=1, default=_plain) + "\n"


def write_messages(project: Project, customer_id: str, folder: Path) -> int:
    """A file for every message the person got or may have got: its text, and the page of an
    e-mail; how many messages."""
    reader, count = Reader(project), 0
    for message in project.ledger.messages.by_customer(customer_id):
        content = _content(reader, message)
        if content is None:
            continue
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        text = content.text
        if isinstance(content, Email):
            text = f"{content.subject}\n\n{text}"
            _write(folder / f"{message.message_id}.html", content.html)
        _write(folder / f"{message.message_id}.txt", text)
        count += 1
    return count


def _write(path: Path, text: str) -> None:
    """Readable by its owner alone, before anything stands in it."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def _nobody(project: Project, customer_id: str) -> UserFilesError:
    salt = project.configuration.settings.salt
    at = project.ledger.tombstones.forgotten_at(tombstone(salt, CUSTOMER, customer_id))
    if at is not None:
        return UserFilesError(
            f"customer {customer_id!r} was forgotten on {at:%Y-%m-%d}: nothing is held."
        )
    return UserFilesError(
        f"nothing is known of a customer {customer_id!r}: neither lake nor ledger has that id.\n"
        "  An id is the customer_id of your own source of customers."
    )


def _about(project: Project) -> dict[str, Any]:
    """Where facts come from, who gets them, how long they stay."""
    configuration = project.configuration
    settings, retention = configuration.settings, configuration.settings.lake.retention
    sources = {
        name: {"entity": source.entity, "from": source.file or "a database of the company"}
        for name, source in configuration.sources.sources.items()
    }
    recipients = {
        "email": list(settings.providers.email),
        "sms": list(settings.providers.sms),
    }
    return {
        "controller": {
            "name": settings.company.name,
            "postal_address": settings.company.postal_address,
            "website": settings.company.website,
        },
        "purposes": sorted({one.category for one in configuration.campaigns.values()}),
        "sources": sources,
        "recipients": recipients,
        "kept_for": {
            "facts": "as long as the sources have them; replaced ones in old snapshots for "
            + duration_text(retention.snapshots),
            "decisions": duration_text(retention.decisions) + ", then as daily counts",
            "quarantine": duration_text(retention.quarantine),
            "messages and answers": "until the person is forgotten",
        },
    }


def _derived(project: Project, customer_id: str) -> dict[str, Any]:
    """Features and segments as of now; nothing for somebody the current snapshot does not have."""
    try:
        found = customer(project, customer_id)
    except UserFilesError:
        return {}
    return {"features": dict(found.frame), "segments": list(found.segments)}


def _messages(
    project: Project, customer_id: str, rows: list[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    reader, ledger = Reader(project), project.ledger
    stored = {one.message_id: one for one in ledger.messages.by_customer(customer_id)}
    found = []
    for row in rows:
        message = stored.get(row["message_id"])
        content = _content(reader, message) if message else None
        written: dict[str, Any] = {}
        if content is not None:
            written["text"] = content.text
            if isinstance(content, Email):
                written["subject"] = content.subject
        found.append({**row, "values_json": json.loads(row["values_json"]), "written": written})
    return found


def _content(reader: Reader, message: Message) -> Any:
    """What was written; None for a control row, and for what cannot be rendered."""
    if not message.template_hash or not message.address:
        return None
    try:
        return reader.content(message)
    except AntiphonError:
        return None


def _keys(project: Project, addresses: list[tuple[str, str]]) -> set[str]:
    settings, found = project.configuration.settings, set()
    for channel, address in addresses:
        parsed = (
            parse_email(address)
            if channel == "email"
            else parse_phone(address, settings.business.country)
        )
        if parsed.address:
            found.add(keys.address_key(settings.salt, channel, parsed.address))
    return found


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
