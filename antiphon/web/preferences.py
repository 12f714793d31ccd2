"""/p/TOKEN: what a person may choose, what we hold of them, and what we sent them.

Addresses are masked: a forwarded message carries its link with it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from babel import Locale
from starlette.responses import Response
from starlette.routing import Route

from antiphon import keys
from antiphon.campaigns.models import CHANNELS
from antiphon.collection import record
from antiphon.errors import AntiphonError
from antiphon.ledger import Message, Statement
from antiphon.ledger import Response as Told
from antiphon.ledger.people import ANY
from antiphon.message.content import Sms
from antiphon.message.links import Purpose
from antiphon.states import MessageState, ResponseKind
from antiphon.steps.reading import Reader
from antiphon.web import words
from antiphon.web.pages import Visit, page
from antiphon.web.site import Site
from antiphon.web.standing import CATEGORIES, Standing, addresses_held, standing
from antiphon.web.telling import told

SOURCE, LANGUAGE = "preferences", "language"
PAUSE = timedelta(days=30)
SHOWN = 30  # messages
SHOWN_FORM = "shown"  # a hidden field: a page without a tick sends nothing else
ENDING = frozenset({"none", "pause", "resume"})
LEFT = frozenset(
    {
        MessageState.ACCEPTED,
        MessageState.DELIVERED,
        MessageState.BOUNCED,
        MessageState.IN_DOUBT,
    }
)


def routes(site: Site) -> list[Route]:
    """The one page."""
    return [page(site, "/p/{token}", _preferences)]


def _preferences(visit: Visit) -> Response:
    site = visit.site
    message = visit.person(Purpose.PREFERENCES).message
    customer, project = message.customer_id, site.project
    now = standing(project, customer, site.now())
    chosen = _Choice(visit, message, now)
    is_saved = visit.is_post and chosen.is_understood
    if is_saved:
        record(project, list(chosen.responses()))
        project.ledger.statements.add(list(chosen.statements()))
        if language := visit.form.get("language", [""])[0]:
            visit.speak(language)
        now = standing(project, customer, site.now())
    messages = project.ledger.messages.by_customer(customer)
    addresses = _addresses(messages)
    held = {**addresses, **addresses_held(project, customer)}
    return visit.show(
        "preferences.html",
        400 if visit.is_post and not is_saved else 200,
        is_saved=is_saved,
        is_refused=visit.is_post and not is_saved,
        standing=now,
        categories=[one for one in CATEGORIES if any(one == of for _, of in now.wanted)],
        channels=CHANNELS,
        category_names=words.CATEGORIES[visit.language],
        channel_names=words.CHANNELS[visit.language],
        blocked=_blocked(site, addresses),
        languages=_languages(site),
        stated=_stated(site, customer),
        addresses=[(channel, _masked(channel, text)) for channel, text in held.items()],
        **_sent(visit, messages),
    )


# ------------------------------------------------------------ what was chosen


@dataclass(frozen=True)
class _Choice:
    """What a form asks for. Only what the person changed on the page counts: `was` tells what it
    showed, and something else may have been said since."""

    visit: Visit
    message: Message
    before: Standing

    @property
    def is_understood(self) -> bool:
        """Whether anything came that the page could have sent."""
        form = self.visit.form
        if ENDING.intersection(form):
            return True
        known = {f"{channel}.{category}" for channel, category in self.before.wanted}
        boxes = {*form.get("was", ()), *form.get("want", ())}
        languages = {one for one in form.get("language", ()) if one}
        business = self.visit.site.project.configuration.settings.business
        if boxes or languages:
            return bool(boxes & known or languages.intersection(business.languages))
        return SHOWN_FORM in form  # nothing was ticked, and nothing is

    def responses(self) -> Iterator[Told]:
        """One for each change."""
        form = self.visit.form
        if "none" in form:
            yield self._told(ResponseKind.OPT_OUT, ANY, ANY)
            return
        shown, ticked = set(form.get("was", ())), set(form.get("want", ()))
        for channel, category in sorted(self.before.wanted):
            name = f"{channel}.{category}"
            if name in ticked and name not in shown:
                yield self._told(ResponseKind.OPT_IN, channel, category)
            elif name in shown and name not in ticked:
                yield self._told(ResponseKind.OPT_OUT, channel, category)
        if "pause" in form and self.before.paused_until is None:
            until = (self._now + PAUSE).isoformat()
            yield self._told(ResponseKind.OPT_OUT, ANY, ANY, until=until)
        elif "resume" in form and self.before.paused_until is not None:
            for (channel, category), is_wanted in sorted(self.before.wanted.items()):
                if is_wanted and f"{channel}.{category}" in ticked | shown:
                    yield self._told(ResponseKind.OPT_IN, channel, category)

    def statements(self) -> Iterator[Statement]:
        """The language, where it was chosen."""
        language = self.visit.form.get("language", [""])[0]
        if language in self.visit.site.project.configuration.settings.business.languages:
            customer = self.message.customer_id
            yield Statement(customer, LANGUAGE, language, self._now, SOURCE)

    @property
    def _now(self) -> datetime:
        return self.visit.site.now()

    def _told(self, kind: ResponseKind, channel: str, category: str, **more: str) -> Told:
        evidence = {"by": SOURCE, "channel": channel, "category": category, **more}
        message, salt = self.message, self.visit.site.project.configuration.settings.salt
        is_own = channel in (ANY, message.channel) and message.address
        key = keys.address_key(salt, message.channel, message.address or "") if is_own else None
        return told(
            message,
            kind,
            self._now,
            f"preferences.{channel}.{category}",
            evidence,
            value=f"{channel}/{category}",
            address_key=key,
        )


# ------------------------------------------------------------ what is shown


def _addresses(messages: list[Message]) -> dict[str, str]:
    """Channel → the latest address written to."""
    return {one.channel: one.address for one in messages if one.address and one.state in LEFT}


def _masked(channel: str, address: str) -> str:
    """Enough to be recognised by its owner."""
    if channel == "sms":
        return f"{address[:3]} … {address[-3:]}"
    name, _, host = address.rpartition("@")
    return f"{name[:1]}…@{host}"


def _blocked(site: Site, addresses: Mapping[str, str]) -> bool:
    """Whether nothing is sent to one of the addresses, whatever is chosen here."""
    project = site.project
    salt, people = project.configuration.settings.salt, project.ledger.people
    return any(
        people.suppressed_now(channel, [keys.address_key(salt, channel, address)])
        for channel, address in addresses.items()
    )


def _languages(site: Site) -> list[tuple[str, str]]:
    """Those the company writes in, by the names they have themselves."""
    known = site.project.configuration.settings.business.languages
    return [(one, Locale.parse(one).get_display_name(one) or one) for one in known]


def _stated(site: Site, customer_id: str) -> dict[str, str]:
    """What the person said last of each thing."""
    found: dict[str, str | None] = {}
    for one in site.project.ledger.statements.of_customer(customer_id):
        found[one.name] = one.value
    return {name: value for name, value in sorted(found.items()) if value is not None}


def _subject(reader: Reader, message: Message) -> str:
    """Of an e-mail; '' of an SMS, and where it cannot be rendered any more."""
    if message.channel != "email":
        return ""
    try:
        content = reader.content(message)
    except (AntiphonError, KeyError):  # its values or templates are gone: one may still choose
        return ""
    return "" if isinstance(content, Sms) else content.subject


def _sent(visit: Visit, messages: list[Message]) -> dict[str, Any]:
    """The latest messages that left: when, by what channel, and their subject. The
    campaigns' own titles are for the staff, in their language."""
    left = [one for one in reversed(messages) if one.state in LEFT]
    reader = Reader(visit.site.project)
    rows = [
        {
            "at": one.left_at or one.planned_at,
            "channel": one.channel,
            "subject": _subject(reader, one),
        }
        for one in left[:SHOWN]
    ]
    return {"sent": rows, "earlier": len(left) - len(rows)}
