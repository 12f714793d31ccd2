"""Whose message a response answers: by our id, by the provider's, or by the address."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from antiphon import keys
from antiphon.collection.consequences import CONSEQUENTIAL
from antiphon.ledger import Addressed, Match, Response
from antiphon.project import Project
from antiphon.quoting import literal

BACK = timedelta(days=30)  # a reply answers a message no older than that
TRIED_FOR = timedelta(days=7)  # so long a response waits for its owner to become known
TRIED_AT_ONCE = 10_000
KEYS = {"email": "email_key", "sms": "phone_key"}
Sent = tuple[Addressed, datetime]  # a message, and when it left


def with_messages(project: Project, responses: Sequence[Response]) -> list[Response]:
    """The responses, with customer, campaign and channel of the messages that they name; with the
    address key too where something may follow for the address."""
    named = {one.message_id for one in responses if one.message_id and _lacks(one)}
    return filled(project, responses, project.ledger.messages.addressed(named))


def filled(
    project: Project, responses: Sequence[Response], found: Mapping[str, Addressed]
) -> list[Response]:
    """As `with_messages`, of messages found already."""
    salt = project.configuration.settings.salt
    whole = []
    for one in responses:
        whom = found.get(one.message_id or "")
        if whom is None or not _lacks(one):
            whole.append(one)
            continue
        key = one.address_key
        if key is None and one.kind in CONSEQUENTIAL and whom.address:
            key = keys.address_key(salt, whom.channel, whom.address)
        whole.append(
            replace(
                one,
                customer_id=one.customer_id or whom.customer_id,
                campaign=one.campaign or whom.campaign,
                channel=one.channel or whom.channel,
                address_key=key,
            )
        )
    return whole


def _lacks(one: Response) -> bool:
    return one.customer_id is None or (one.address_key is None and one.kind in CONSEQUENTIAL)


def match_late(project: Project, now: datetime) -> int:
    """Finds the owners of responses of which only the address is known; how many were found.

    The lake knows whose an address is; of all who share one, it is who was written to last before.
    """
    waiting = project.ledger.responses.unmatched(now - TRIED_FOR, TRIED_AT_ONCE)
    found = list[Match]()
    for channel in sorted({one.channel for one in waiting if one.channel in KEYS}):
        mine = [one for one in waiting if one.channel == channel]
        owners = _owners(project, channel, {one.address_key or "" for one in mine})
        if not owners:
            continue
        people = {customer for some in owners.values() for customer in some}
        earliest = min(one.occurred_at for one in mine) - BACK
        sent = defaultdict[str, list[Sent]](list)
        for message, left_at in project.ledger.messages.left_for(people, channel, earliest):
            sent[message.customer_id].append((message, left_at))
        for one in mine:
            match = _match(project, one, owners.get(one.address_key or "", []), sent)
            if match is not None:
                found.append(match)
    return project.ledger.responses.match(found)


def _owners(project: Project, channel: str, address_keys: Collection[str]) -> dict[str, list[str]]:
    """Address key → the customers who have that address."""
    listed = ", ".join(literal(key) for key in sorted(address_keys))
    column = KEYS[channel]
    owners = defaultdict[str, list[str]](list)
    with project.lake.session() as session:
        rows = session.rows(
            f"SELECT {column}, customer_id FROM customers "  # noqa: S608 - hashes of ours
            f"WHERE {column} IN ({listed}) ORDER BY customer_id"
        )
    for key, customer_id in rows:
        owners[key].append(customer_id)
    return owners


def _match(
    project: Project,
    one: Response,
    owners: Sequence[str],
    sent: Mapping[str, Sequence[Sent]],
) -> Match | None:
    """The last message to the address that had left by then, of the provider's request where it
    is named; else its only owner."""
    salt = project.configuration.settings.salt
    fitting = [
        (message, left_at)
        for owner in owners
        for message, left_at in sent.get(owner, ())
        if left_at <= one.occurred_at
        and keys.address_key(salt, message.channel, message.address or "") == one.address_key
    ]
    named = [each for each in fitting if one.provider_id and each[0].provider_id == one.provider_id]
    best, _ = max(named or fitting, key=lambda each: each[1], default=(None, None))
    if best is not None:
        return Match(one.response_id, best.customer_id, best.message_id, best.campaign)
    return Match(one.response_id, owners[0]) if len(owners) == 1 else None
