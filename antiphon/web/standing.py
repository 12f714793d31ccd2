"""What a person agreed or objected to, by all that is on record: here and in the sources."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args

from antiphon import keys
from antiphon.campaigns.models import CHANNELS, Category
from antiphon.collection.pauses import PAUSE
from antiphon.errors import LakeError
from antiphon.ledger import Message
from antiphon.ledger.people import ANY
from antiphon.project import Project

CATEGORIES: tuple[Category, ...] = get_args(Category)
AGREED = ("opt_in", "double_opt_in")  # nothing is sent without an agreement
_UNDATED = datetime.min.replace(tzinfo=UTC)
_Said = tuple[str, str, datetime, bool]  # channel, category, when, agreed


@dataclass(frozen=True)
class Standing:
    """What may be sent to a person; `wanted`: by (channel, category).

    `paused_until`: all of that begins again only then.
    """

    wanted: Mapping[tuple[str, str], bool]
    paused_until: datetime | None


def standing(project: Project, customer_id: str, now: datetime) -> Standing:
    """Of every channel and category that a person can choose; those that need no consent are not
    among them. While a person pauses, what holds afterwards.

    Raises LedgerError; a lake that cannot be read is left out.
    """
    said = _imported(project, customer_id)
    paused_until = None
    for act in project.ledger.people.acts_of(customer_id):
        if act.acted_at > now and act.source == PAUSE and act.granted:
            paused_until = max(paused_until or act.acted_at, act.acted_at)
        said.append((act.channel, act.category, act.acted_at, act.granted))
    consent: Mapping[str, str] = project.configuration.policy.consent  # type: ignore[assignment]
    wanted: dict[tuple[str, str], bool] = {}
    for category in CATEGORIES:
        need = consent.get(category, "opt_in")
        for channel in CHANNELS if need != "none" else ():
            latest = _latest(said, channel, category)
            wanted[channel, category] = need not in AGREED if latest is None else latest
    return Standing(wanted, paused_until)


def has_objected(project: Project, message: Message) -> bool:
    """Whether the last that the customer said of the message's channel and category, here or in
    the sources, was no. A break is no such no. Raises LedgerError."""
    channel, category = message.channel, message.category
    acts = project.ledger.people.acts_of(message.customer_id)
    said = [(act.channel, act.category, act.acted_at, act.granted) for act in acts]
    if _latest(said, channel, category) is not False:
        return False
    return _latest([*said, *_imported(project, message.customer_id)], channel, category) is False


def can_object(project: Project, message: Message) -> bool:
    """Whether an objection would keep any such message back: no rule on consent asks for one
    where the policy says `none` of the category."""
    return any(
        rule.needs != "none"
        and (rule.category is None or message.category in rule.category)
        and (rule.channel is None or message.channel in rule.channel)
        for rule in project.configuration.policy.consent_rules
    )


def _latest(said: list[_Said], channel: str, category: str) -> bool | None:
    """The latest that was said of it; of one instant the objection. None: nothing."""
    mine = [
        (at, not granted)
        for of_channel, of_category, at, granted in said
        if of_channel in (ANY, channel) and of_category in (ANY, category)
    ]
    return not max(mine)[1] if mine else None


def addresses_held(project: Project, customer_id: str) -> dict[str, str]:
    """Channel → where the person can be written to, as the sources have it now; a lake that cannot
    be read is left out."""
    query = "SELECT email_address, phone_e164 FROM customers WHERE customer_id = $1"
    for email, phone in _in_the_lake(project, customer_id, query):
        held = {"email": email, "sms": phone}
        return {channel: address for channel, address in held.items() if address}
    return {}


def _imported(project: Project, customer_id: str) -> list[_Said]:
    query = "SELECT channel, category, acted_at, granted FROM consents WHERE customer_id = $1"
    rows = _in_the_lake(project, customer_id, query)
    return [(channel, category, at or _UNDATED, granted) for channel, category, at, granted in rows]


def _in_the_lake(project: Project, customer_id: str, query: str) -> list[tuple[Any, ...]]:
    try:
        snapshot = project.lake.current()
        if not snapshot.id:
            return []
        bucket = keys.bucket_of(customer_id, snapshot.buckets)
        with project.lake.session(snapshot, bucket=bucket) as session:
            return list(session.rows(query, [customer_id]))
    except LakeError:
        return []
