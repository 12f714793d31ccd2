"""Asking the providers, where their webhooks cannot reach us: opt-outs, bounces, states of SMS.

What was told by a webhook too is known by the same id, or by the suppression that it led to.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from antiphon import keys
from antiphon.collection.telling import Teller, normalised
from antiphon.ledger.schema import EPOCH
from antiphon.project import Project
from antiphon.providers import Listed, ListsStates, ListsSuppressions, ProviderTrouble, Told
from antiphon.providers.registry import capabilities_of, open_account
from antiphon.response import sendgrid, twilio
from antiphon.response.events import Event
from antiphon.response.words import Keywords

OVERLAP = timedelta(hours=1)  # clocks differ, and lists lag
OPEN = timedelta(hours=12)  # so long after an SMS left its state may change: ten hours, and more
FIRST = timedelta(days=2)  # so far the first look at SMS goes back; lists are read whole
LISTS, STATES = "lists", "states"


@dataclass
class Polled:
    """What the providers told: counts, and which of them could not be asked, and why."""

    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[str] = field(default_factory=list)


def poll(project: Project) -> Polled:
    """Asks every account of `responses: poll:`; where one fails, the others are asked."""
    polled = Polled()
    for name in project.configuration.settings.responses.poll:
        try:
            polled.counts.update(asyncio.run(_ask(project, name)))
        except ProviderTrouble as trouble:
            polled.troubles.append(f"{name}: {trouble}")
    return polled


async def _ask(project: Project, name: str) -> Counter[str]:
    """Asks one account for all it can be asked."""
    settings, now = project.configuration.settings, project.clock()
    counts = Counter[str]()
    for channel in sorted(capabilities_of(settings, name).channels):
        account = open_account(settings, project.environment, name, channel, project.root)
        async with account as provider:
            if isinstance(provider, ListsSuppressions):
                since = _since(project, name, LISTS, EPOCH, OVERLAP)
                listed = await provider.suppressions(since, now)
                counts += _tell(project, sendgrid.PROVIDER, _news(project, listed), now)
                counts["listed"] += len(listed)
                _remember(project, name, LISTS, now)
            if isinstance(provider, ListsStates):
                since = _since(project, name, STATES, now - FIRST, OPEN)
                told = await provider.states(since)
                counts += _tell(project, twilio.PROVIDER, _texts(project, told), now)
                counts["texts"] += len(told)
                _remember(project, name, STATES, now)
    return counts


def _since(project: Project, name: str, what: str, first: datetime, back: timedelta) -> datetime:
    """From when on the account is asked: where the last look ended, and a little before."""
    until = project.ledger.facts.get(f"poll:{name}:{what}")
    return datetime.fromisoformat(until) - back if until else first


def _remember(project: Project, name: str, what: str, now: datetime) -> None:
    project.ledger.facts.put(f"poll:{name}:{what}", now.isoformat(), now)


def _news(project: Project, listed: Sequence[Listed]) -> list[Event]:
    """What the lists say of addresses to which somebody may still write."""
    salt, channel = project.configuration.settings.salt, "email"
    by_key = dict[str, list[Listed]]()
    for one in listed:
        if address := normalised(channel, one.address):
            by_key.setdefault(keys.address_key(salt, channel, address), []).append(one)
    known = project.ledger.people.suppressed_now(channel, by_key)
    events = (
        sendgrid.listed(one.list, one.address, one.at)
        for key, some in by_key.items()
        if key not in known
        for one in some
    )
    return [event for event in events if event is not None]


def _texts(project: Project, told: Sequence[Told]) -> list[Event]:
    """States of SMS that are ours, and what people wrote, the oldest first."""
    settings = project.configuration.settings
    responses = settings.responses
    keywords = Keywords(settings.business.languages, responses.stop_words, responses.start_words)
    ours = project.ledger.messages.sms_named({one.sid for one in told if not one.is_inbound})
    events = list[Event]()
    for one in sorted(told, key=lambda each: each.at):
        if one.is_inbound:
            reading = twilio.inbound_of(one.sid, one.number, one.body, one.at, keywords)
        elif one.sid in ours:
            reading = twilio.status_of(
                one.sid, one.status, one.error, one.number, ours[one.sid], one.at
            )
        else:
            continue
        events += reading.events
    return events


def _tell(project: Project, provider: str, events: Sequence[Event], now: datetime) -> Counter[str]:
    teller = Teller(project)
    teller.add(provider, now, events)
    return teller.tell(now)
