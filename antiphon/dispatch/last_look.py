"""The last look before a message leaves: holds, suppression, consent, the policy on real time."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from antiphon import keys
from antiphon.dispatch.judging import Postponed, postponed
from antiphon.ledger import HoldKind, Message, Outcome
from antiphon.project import Project
from antiphon.states import MessageState


def stopped(
    project: Project, channel: str, claimed: Sequence[Message], now: datetime
) -> dict[str, Outcome]:
    """Message → the outcome to record of one that may not leave now: withdrawn with its reason,
    or planned again for a later moment. Those that may leave are not in it.
    """
    reasons = {
        **_suppressed(project, channel, claimed),
        **dict(_objecting(project, channel, claimed, now)),
    }
    found = {
        message_id: Outcome(message_id, MessageState.WITHDRAWN, {"reason": reason})
        for message_id, reason in reasons.items()
    }
    found |= _held(project, claimed, now)
    asked = [message for message in claimed if message.message_id not in found]
    return found | {
        message_id: _outcome(message_id, told)
        for message_id, told in postponed(project, asked, now).items()
    }


def _held(project: Project, claimed: Sequence[Message], now: datetime) -> dict[str, Outcome]:
    """Messages whose campaign was paused or cancelled after they were claimed."""
    held = project.ledger.holds.open()
    found = {}
    for message in claimed:
        hold = held.get(message.campaign)
        if hold is None:
            continue
        evidence = {"reason": f"campaign {hold.kind}: {hold.reason}"}
        if hold.kind is HoldKind.CANCELLED:
            outcome = Outcome(message.message_id, MessageState.WITHDRAWN, evidence)
        else:
            waits = MessageState.PLANNED
            outcome = Outcome(message.message_id, waits, evidence, not_before=now)
        found[message.message_id] = outcome
    return found


def _outcome(message_id: str, told: Postponed) -> Outcome:
    evidence = {"rule": told.rule, "reason": f"forbidden now, later than planned: {told.rule}"}
    if told.until is None:
        return Outcome(message_id, MessageState.WITHDRAWN, evidence)
    return Outcome(message_id, MessageState.PLANNED, evidence, not_before=told.until)


def _suppressed(project: Project, channel: str, claimed: Sequence[Message]) -> dict[str, str]:
    salt = project.configuration.settings.salt
    key_of = {
        message.message_id: keys.address_key(salt, channel, message.address or "")
        for message in claimed
    }
    suppressed = project.ledger.people.suppressed_now(channel, set(key_of.values()))
    return {
        message_id: "the address was suppressed since"
        for message_id, key in key_of.items()
        if key in suppressed
    }


def _objecting(
    project: Project, channel: str, claimed: Sequence[Message], now: datetime
) -> Iterator[tuple[str, str]]:
    consent = project.configuration.policy.consent
    for category in sorted({message.category for message in claimed}):
        if consent.get(category, "opt_in") == "none":  # type: ignore[call-overload]
            continue
        mine = [message for message in claimed if message.category == category]
        customers = {message.customer_id for message in mine}
        objecting = project.ledger.people.objections_now(customers, channel, category, now)
        for message in mine:
            if message.customer_id in objecting:
                yield message.message_id, "the customer objected since"
