"""What follows from what came back: suppressions, acts of consent, messages taken back.

All of it is drawn before a response is kept, and may be drawn again: a process that dies between
the two has lost nothing, and whatever is repeated is so already.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from antiphon import keys
from antiphon.collection.pauses import PAUSE, called_off, resumption
from antiphon.ledger import Act, Addressed, Response, Suppression
from antiphon.ledger.people import (
    ANY,
    BOUNCED,
    COMPLAINED,
    LIFTED_BY_PEOPLE,
    OPTED_OUT,
    SOFT_BOUNCES,
)
from antiphon.project import Project
from antiphon.states import ResponseKind

CONSEQUENTIAL = frozenset(
    {
        ResponseKind.BOUNCE,
        ResponseKind.SOFT_BOUNCE,
        ResponseKind.COMPLAINT,
        ResponseKind.OPT_OUT,
        ResponseKind.OPT_IN,
    }
)
OF_ADDRESS = frozenset({"list", "keyword"})  # sources by which a person stops a whole channel
KEYWORD, PREFERENCES, CONFIRMATION = "keyword", "preferences", "confirmation"
Key = tuple[str, str]  # channel, address key


@dataclass(frozen=True)
class Drawn:
    """What follows: addresses to be suppressed, acts of consent (by what people told), and what
    may lift something."""

    told: list[Response] = field(default_factory=list)
    suppressed: list[Suppression] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    lifts: list[Response] = field(default_factory=list)


def draw(
    project: Project, new: Sequence[Response], addresses: Mapping[str, str], now: datetime
) -> Counter[str]:
    """Draws the consequences of responses that nobody knew of; how many of each.

    `addresses`: address key → the address itself, of those whose owner is not known.
    """
    drawn = Drawn()
    lifted_at = project.ledger.people.lifted_at(
        {(one.channel, one.address_key) for one in new if one.channel and one.address_key}
    )
    for one in sorted(new, key=lambda each: (each.occurred_at, each.received_at)):
        reason = _reason(one)
        if reason is not None:
            key = (one.channel or "", one.address_key or "")
            is_over = key in lifted_at and lifted_at[key] > one.occurred_at
            if one.address_key and not (reason == OPTED_OUT and is_over):
                drawn.suppressed.append(_suppression(one, reason, now))
        elif one.kind in (ResponseKind.OPT_OUT, ResponseKind.OPT_IN):
            drawn.told.append(one)
            if one.kind == ResponseKind.OPT_IN:
                drawn.lifts.append(one)
    drawn.acts.extend(_acts(project, drawn.told))
    drawn.suppressed.extend(_worn_out(project, new, now))
    people = project.ledger.people
    told = Counter(suppressed=len(people.suppress_each(drawn.suppressed)))
    told["lifted"] = _lift(project, drawn, now)
    people.consent_acts(drawn.acts)
    told["objected"] = sum(not act.granted for act in drawn.acts if act.acted_at <= now)
    told["agreed"] = sum(act.granted for act in drawn.acts if act.acted_at <= now)
    told["withdrawn"] = _withdraw(project, new, drawn, addresses, now)
    return +told


def _reason(one: Response) -> str | None:
    """For what its address is suppressed; None where it is not."""
    if one.kind == ResponseKind.BOUNCE:
        return BOUNCED
    if one.kind == ResponseKind.COMPLAINT:
        return COMPLAINED
    is_whole = _source(one) in OF_ADDRESS or one.customer_id is None
    return OPTED_OUT if one.kind == ResponseKind.OPT_OUT and is_whole else None


def _source(one: Response) -> str:
    return str((one.evidence or {}).get("by") or "link")


def _proof(one: Response) -> dict[str, Any]:
    proof = {"response": one.response_id, "at": one.occurred_at.isoformat()}
    return {**proof, "message": one.message_id} if one.message_id else proof


def _suppression(one: Response, reason: str, now: datetime) -> Suppression:
    channel, key = one.channel or "", one.address_key or ""
    return Suppression(channel, key, reason, now, one.provider, _proof(one))


def _acts(project: Project, told: Sequence[Response]) -> list[Act]:
    """The acts of consent that responses are; a START is none, it only lifts."""
    mine = [one for one in told if one.customer_id and _source(one) not in OF_ADDRESS]
    if not mine:
        return []
    ids = {one.message_id for one in mine if one.message_id}
    messages = project.ledger.messages.addressed(ids)
    groups = _groups(project)
    acts, objections = list[Act](), list[tuple[Act, datetime | None]]()
    for one in mine:
        message = messages.get(one.message_id or "")
        act = _act(one, groups, message.category if message else ANY)
        acts.append(act)
        if not act.granted:
            until = (one.evidence or {}).get("until")
            objections.append((act, datetime.fromisoformat(str(until)) if until else None))
    people = {act.customer_id for act, _ in objections}
    ends = project.ledger.people.agreements_by(people, PAUSE) if people else []
    acts += called_off(objections, ends)
    for act, until in objections:
        acts += resumption(project, act, until) if until else []
    return acts


def _act(one: Response, groups: Mapping[str, str], category: str) -> Act:
    """`groups`: the provider's group → category; `category`: of the message."""
    evidence, source = one.evidence or {}, _source(one)
    granted = one.kind == ResponseKind.OPT_IN
    category = groups.get(str(evidence.get("group")), category)
    return Act(
        one.customer_id or "",
        str(evidence.get("channel") or one.channel or ANY),
        str(evidence.get("category") or category),
        granted,
        one.occurred_at,
        source,
        confirmed_at=one.occurred_at if granted and source == CONFIRMATION else None,
        evidence=_proof(one),
    )


def _groups(project: Project) -> dict[str, str]:
    """The provider's unsubscribe groups → the categories they stand for."""
    groups = {}
    for account in project.configuration.settings.accounts.values():
        for part in str(account.options.get("unsubscribe_groups", "")).split(","):
            category, _, number = part.partition("=")
            groups[number.strip()] = category.strip()
    return groups


def _worn_out(project: Project, new: Sequence[Response], now: datetime) -> list[Suppression]:
    """Suppressions of addresses that refused too often within the declared time."""
    soft = [one for one in new if one.kind == ResponseKind.SOFT_BOUNCE and one.address_key]
    if not soft:
        return []
    settings = project.configuration.settings.responses.soft_bounces
    earliest = min(one.occurred_at for one in soft) - settings.within
    known = project.ledger.responses.soft_bounces(
        {one.customer_id for one in soft if one.customer_id},
        {one.address_key for one in soft if one.address_key},
        earliest,
    )
    moments = defaultdict[Key, dict[str, datetime]](dict)
    for one in (*known, *soft):
        moments[one.channel or "", one.address_key or ""][one.response_id] = one.occurred_at
    found = {}
    for one in soft:
        of_address = moments[one.channel or "", one.address_key or ""].values()
        first = one.occurred_at - settings.within
        count = sum(first < at <= one.occurred_at for at in of_address)
        if count >= settings.count:
            found[one.channel, one.address_key] = _suppression(one, SOFT_BOUNCES, now)
    return list(found.values())


def _lift(project: Project, drawn: Drawn, now: datetime) -> int:
    """Lifts what its owner may lift, and did not stop again since; how many addresses."""
    stopped_at: dict[Key, datetime] = {}
    for one in drawn.suppressed:
        if one.reason == OPTED_OUT:
            at = datetime.fromisoformat(str((one.evidence or {})["at"]))
            stopped_at[one.channel, one.address_key] = at
    lifted = 0
    for told in drawn.lifts:
        key, reasons = (told.channel or "", told.address_key or ""), _lifted_by(told)
        if reasons and stopped_at.get(key, told.occurred_at) <= told.occurred_at:
            why = f"{_source(told)} by the person"
            lifted += project.ledger.people.lift_own([key], reasons=reasons, why=why, at=now)
    return lifted


def _lifted_by(one: Response) -> Collection[str]:
    """START lifts STOP; the person's own page whatever the person may lift of e-mail."""
    if one.channel == "sms":
        return {OPTED_OUT} if _source(one) == KEYWORD else ()
    return LIFTED_BY_PEOPLE if _source(one) in (PREFERENCES, CONFIRMATION) else ()


def _withdraw(
    project: Project,
    new: Sequence[Response],
    drawn: Drawn,
    addresses: Mapping[str, str],
    now: datetime,
) -> int:
    """Takes back what is planned for these people, and says for what reason; how many."""
    reasons = {(one.channel, one.address_key): one.reason for one in drawn.suppressed}
    objections = [act for act in drawn.acts if not act.granted and act.acted_at <= now]
    concerned = {one.customer_id for one in new if one.customer_id and one.kind in CONSEQUENTIAL}
    waiting = list[Addressed]()
    ledger, salt = project.ledger, project.configuration.settings.salt
    if concerned and (reasons or objections):
        waiting += ledger.messages.waiting_for(concerned)
    for channel in sorted({channel for channel, _ in reasons}):
        strangers = {addresses[key] for of, key in reasons if of == channel and key in addresses}
        if strangers:
            waiting += ledger.messages.waiting_at(channel, strangers)
    found = defaultdict[str, set[str]](set)
    for message in waiting:
        key = keys.address_key(salt, message.channel, message.address or "")
        if reason := reasons.get((message.channel, key)):
            found[f"the address was suppressed: {reason}"].add(message.message_id)
        elif source := _objected(project, message, objections):
            found[f"the customer objected: {source}"].add(message.message_id)
    return sum(ledger.messages.withdraw(why, now, ids=ids) for why, ids in sorted(found.items()))


def _objected(project: Project, message: Addressed, objections: Iterable[Act]) -> str:
    """By what the customer objected to such messages; '' where nobody did."""
    consent: Mapping[str, str] = project.configuration.policy.consent  # type: ignore[assignment]
    if consent.get(message.category, "opt_in") == "none":
        return ""
    return next(
        (
            act.source
            for act in objections
            if act.customer_id == message.customer_id
            and act.channel in (ANY, message.channel)
            and act.category in (ANY, message.category)
        ),
        "",
    )
