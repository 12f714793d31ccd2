"""Templates of messages: checked, compiled once per message, variant, language and channel."""

import json
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any, Self

from jinja2 import TemplateError

from antiphon.campaigns.models import Campaign
from antiphon.campaigns.settings import Settings
from antiphon.campaigns.touches import Touch, touches
from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError, Problem
from antiphon.keys import digest
from antiphon.message import checking
from antiphon.message.content import Email, Personal, Sms
from antiphon.message.expressions import Sources, Survey
from antiphon.message.links import Links
from antiphon.message.packing import Given
from antiphon.message.pages import Pages, Place, TemplateFault
from antiphon.message.roots import roots_of
from antiphon.message.skeleton import Skeletons, Split
from antiphon.message.sms import LONGEST_SMS
from antiphon.message.survey import Surveyor
from antiphon.message.tagging import Tags, tags_of
from antiphon.message.tree import DEFAULT_VARIANT, PARTS, REQUIRED, Part, Tree
from antiphon.message.values import (
    CAMPAIGN_FIELDS,
    EMPTY,
    OCCASION_FIELDS,
    OFFER_FIELDS,
    Json,
    MessageHeld,
    Record,
    Unsendable,
    clean,
    record,
)

BUNDLE_VERSION = 1
COMPANY_FIELDS = ("name", "postal_address", "website", "email_from", "email_from_name", "sms_from")
log = logging.getLogger("antiphon.message")
_ANYTHING_GIVEN = Given()
_NOTHING = Record({})
_BLANKS = re.compile("[\u00a0\u202f\u2009]")  # what Babel writes between number and currency


class Templates:
    """The templates of all messages over the given files, for one company.

    `files`: path below templates/ → text. `features`: the columns of the customer frame with
    their types. The first of `languages` is the fallback. `crosses`: their dimensions, by name.
    `tags`: what links carry. `counts_clicks`: they are redirects of our own.
    """

    def __init__(
        self,
        files: Mapping[str, str],
        *,
        features: Mapping[str, ColumnType],
        languages: Sequence[str],
        country: str,
        currency: str,
        timezone: str,
        company: Mapping[str, str],
        crosses: Mapping[str, Collection[str]] | None = None,
        tags: Tags | None = None,
        counts_clicks: bool = False,
    ) -> None:
        self.tree = Tree(files, tuple(languages))
        self.features = dict(features)
        self.country, self.currency, self.timezone = country, currency, timezone
        self.company = {
            name: clean(", ".join(company[name].split("\n")))
            for name in COMPANY_FIELDS
            if name in company
        }
        self.sms_segments = 2  # what `check` takes for too many, and the base of links it assumes
        self.base_url = "https://mail.example.com"
        self._company = Record(self.company)
        self.crosses = crosses or {}
        self.message = ""  # of a bundle: which message it holds
        self._sources = Sources(files)
        self._surveys: dict[tuple[str, str, Given], Survey] = {}
        self._hashes: dict[str, str] = {}
        self._rendering = Lock()  # recorders and pages are shared by all threads
        self.tags, self.counts_clicks = tags, counts_clicks
        self.pages = Pages(
            self.tree,
            lambda path, language: self._survey(path, language, _ANYTHING_GIVEN),
            self.company.get("website", ""),
            country,
            currency,
            timezone,
            tags,
            counts_clicks,
        )
        self._skeletons = Skeletons(self.pages, self.company)

    @classmethod
    def of(
        cls,
        files: Mapping[str, str],
        features: Mapping[str, ColumnType],
        settings: Settings,
        crosses: Mapping[str, Collection[str]] | None = None,
    ) -> Self:
        """With the company, languages, currency and time zone of config/settings.yaml."""
        templates = cls(
            files,
            features=features,
            languages=settings.business.languages,
            country=settings.business.country,
            currency=settings.business.currency,
            timezone=settings.business.timezone,
            company=settings.company.model_dump(include=set(COMPANY_FIELDS)),
            crosses=crosses,
            tags=tags_of(settings),
            counts_clicks=settings.links.clicks == "own",
        )
        templates.sms_segments = settings.sms.segments
        templates.base_url = settings.links.base_url
        return templates

    # ------------------------------------------------------------ before any message

    def check(self, campaign: Campaign) -> list[Problem]:
        """Everything wrong with the templates this campaign needs, each problem once."""
        return sorted(set().union(*map(self.check_touch, touches([campaign]))))

    def check_touch(self, touch: Touch) -> set[Problem]:
        """The same of one step of a campaign, or of one without steps."""
        return checking.check(self, touch)

    def language(self, wanted: str | None) -> str:
        """The language a customer is written to."""
        return self.tree.language(wanted)

    def needed(
        self, message: str, variant: str, language: str, channel: str, root: str = "customer"
    ) -> frozenset[str]:
        """Names of the values of a root that the templates use: what a message has to store."""
        names: set[str] = set()
        for _, survey in self.surveys(message, variant, self.language(language), channel):
            names |= {
                name.removeprefix(f"{root}.") for name in survey.used if name.startswith(f"{root}.")
            }
            is_timed = root == "customer" and "datetime" in survey.filters
            if is_timed and "timezone" in self.features:
                names.add("timezone")
        return frozenset(names)

    def surveys(
        self,
        message: str,
        variant: str,
        language: str,
        channel: str,
        given: Given = _ANYTHING_GIVEN,
    ) -> Iterator[tuple[Part, Survey]]:
        """What each part that exists uses."""
        for part in PARTS[channel]:
            path = self.tree.find(message, variant, language, part)
            if path is not None:
                yield part, self._survey(path, language, given)

    def _survey(self, path: str, language: str, given: Given) -> Survey:
        key = (path, language, given)
        if key not in self._surveys:
            surveyor = Surveyor(
                self._sources,
                lambda name: self.tree.resolve(name, language),
                roots_of(self.features, self.company, given),
                language,
            )
            self._surveys[key] = surveyor.survey(path)
        return self._surveys[key]

    # ------------------------------------------------------------ rendering

    def render(  # noqa: PLR0917
        self,
        message: str,
        variant: str,
        language: str,
        channel: str,
        values: Mapping[str, Any],
        links: Links,
    ) -> Email | Sms:
        """One message. `values` is the stored JSON (`values.unpack`).

        Raises MessageHeld where a null would be printed, TemplateFault where a template fails.
        """
        language = self.language(language)
        context = self._context(values, links)
        for part in REQUIRED[channel]:
            if self.tree.find(message, variant, language, part) is None:
                raise TemplateFault(f"templates/{message}/ has no {part}; run antiphon check")
        with self._rendering:
            if channel == "sms":
                text, _ = self._part(message, variant, language, Part.SMS, context)
                return self._sms(_BLANKS.sub(" ", text).strip(), message, variant, language)
            subject, _ = self._part(message, variant, language, Part.SUBJECT, context)
            html, derived = self._part(message, variant, language, Part.HTML, context)
            text, _ = self._part(message, variant, language, Part.TEXT, context)
        subject = " ".join(subject.split())
        for part, content in ((Part.SUBJECT, subject), (Part.HTML, html)):
            if not content or content.isspace():
                raise Unsendable(EMPTY, self._path(message, variant, language, part))
        return Email(
            subject=subject,
            html=html,
            text=derived or text.strip() + "\n",
            headers=_headers(values, links),
        )

    def _path(self, message: str, variant: str, language: str, part: Part) -> str:
        return self.tree.find(message, variant, language, part) or f"{message}/{part}"

    def _sms(self, text: str, message: str, variant: str, language: str) -> Sms:
        """The SMS, unless it says nothing or more than providers take."""
        path = self._path(message, variant, language, Part.SMS)
        if not text:
            raise Unsendable(EMPTY, path)
        if len(text) > LONGEST_SMS:
            raise Unsendable(
                f"{len(text):,} characters, of {LONGEST_SMS:,} that providers take", path
            )
        return Sms(text)

    def personal(
        self,
        message: str,
        variant: str,
        language: str,
        values: Mapping[str, Any],
        links: Links,
    ) -> Personal | Email:
        """One e-mail as a skeleton that others share; `whole()` of it is what `render` gives.

        An Email where it cannot be told apart, or not within the limits of a batch. Raises as
        `render` does.
        """
        place = Place(message, variant, self.language(language), Part.HTML)
        split = self._skeletons.split(place, values["campaign"])
        made: Personal | None = None
        if split is not None:
            try:
                with self._rendering:
                    made = split.personal(self._context(values, links), _headers(values, links))
                    is_due = split.is_due
            except Exception:  # whatever it is: `render` needs no skeleton, and says it better
                log.debug("templates/%s/: an e-mail beside its batch", message)
            if made is not None and not is_due:
                return made
        email = self._proven(split, place, made, values, links)
        return made if made is not None and email == made.whole() else email

    def _proven(
        self,
        split: Split | None,
        place: Place,
        made: Personal | None,
        values: Mapping[str, Any],
        links: Links,
    ) -> Email:
        """The rendered e-mail; a skeleton that does not come out the same is used no more."""
        try:
            email = self.render(*place[:3], "email", values, links)
        except AntiphonError:
            if made is not None and split is not None:
                split.is_wrong = True
            raise
        assert isinstance(email, Email)
        if made is not None and split is not None and made.whole() != email:
            split.is_wrong = True
            log.warning("templates/%s/ leaves batches: its skeleton is wrong", place.message)
        return email

    def _context(self, values: Mapping[str, Any], links: Links) -> dict[str, object]:
        cell = values.get("cell", "")
        is_old = isinstance(cell, str)  # as messages had it before cells had values of their own
        offer, occasion = values.get("offer"), values.get("occasion")
        return {
            "customer": record("customer", values["customer"], self.features),
            "campaign": _campaign(tuple(values["campaign"].items())),
            "cell": clean(cell) if is_old else _cell(cell),
            "offer": record("offer", offer, OFFER_FIELDS) if offer else _NOTHING,
            "occasion": record("occasion", occasion, OCCASION_FIELDS) if occasion else _NOTHING,
            "links": Record(links.fields),
            "company": self._company,
        }

    def _part(
        self, message: str, variant: str, language: str, part: Part, context: dict[str, object]
    ) -> tuple[str, str]:
        """The part and the text derived from it; empty where the message has no such part."""
        page = self.pages.page(Place(message, variant, language, part))
        if page is None:
            return "", ""
        try:
            return page.render(context)
        except MessageHeld as held:
            raise MessageHeld(held.variable, page.path) from None
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError) as error:
            # The error's text may quote a value of the customer: only its kind is told.
            raise TemplateFault(f"templates/{page.path}: {type(error).__name__}") from error

    # ------------------------------------------------------------ kept by content

    def bundle(self, message: str) -> str:
        """All that renderings of `message` depend on, as JSON: the same text, the same pages."""
        tags = self.tags and {
            "parameters": list(self.tags.parameters.items()),  # their order is that of the address
            "sites": self.tags.sites,
        }
        surveys = [
            survey
            for variant in self.tree.variants(message)
            for language in self.tree.languages
            for channel in REQUIRED
            for _, survey in self.surveys(message, variant, language, channel)
        ]
        used = set().union(*(survey.used for survey in surveys))
        names = {name for survey in surveys for name in survey.files}
        paths = {
            place
            for name in names
            for language in self.tree.languages
            if (place := self.tree.resolve(name, language)) is not None
        } | {path for survey in surveys for path in survey.files.values()}
        return json.dumps(
            {
                "version": BUNDLE_VERSION,
                "message": message,
                "files": {path: self.tree.files[path] for path in sorted(paths)},
                "features": {
                    name: type_.value
                    for name, type_ in sorted(self.features.items())
                    if f"customer.{name}" in used or name == "timezone"
                },
                "languages": self.tree.languages,
                "country": self.country,
                "currency": self.currency,
                "timezone": self.timezone,
                "company": {
                    name: value
                    for name, value in self.company.items()
                    if f"company.{name}" in used or name == "website"
                },
                **({"tags": tags} if tags else {}),
                **({"counts_clicks": True} if self.counts_clicks else {}),
            },
            ensure_ascii=False,
            sort_keys=True,
        )

    def template_hash(self, message: str) -> str:
        """Changes when any rendering of `message` could: the ledger's key of its `bundle`."""
        if message not in self._hashes:
            self._hashes[message] = digest("content", self.bundle(message))
        return self._hashes[message]

    @classmethod
    def from_bundle(cls, text: str) -> Self:
        """The templates of one message as they were."""
        bundle = json.loads(text)
        if bundle["version"] != BUNDLE_VERSION:
            raise TemplateFault(
                f"a template of version {bundle['version']}, written by another Antiphon"
            )
        tags = bundle.get("tags")
        templates = cls(
            bundle["files"],
            features={name: ColumnType(type_) for name, type_ in bundle["features"].items()},
            languages=bundle["languages"],
            country=bundle["country"],
            currency=bundle["currency"],
            timezone=bundle["timezone"],
            company=bundle["company"],
            tags=Tags(dict(tags["parameters"]), tags["sites"]) if tags else None,
            counts_clicks=bundle.get("counts_clicks", False),
        )
        templates.message = bundle["message"]
        return templates


@lru_cache(maxsize=256)
def _campaign(values: tuple[tuple[str, Json], ...]) -> Record:
    """The same for a million messages."""
    return record("campaign", dict(values), CAMPAIGN_FIELDS)


def _cell(values: Mapping[str, Json]) -> Record:
    return record("cell", values, dict.fromkeys(values, ColumnType.TEXT)) if values else _NOTHING


def _headers(values: Mapping[str, Any], links: Links) -> Mapping[str, str]:
    """Those of marketing: RFC 8058."""
    return links.headers if values["campaign"]["category"] != "service" else {}


__all__ = [
    "DEFAULT_VARIANT",
    "Email",
    "MessageHeld",
    "Sms",
    "TemplateFault",
    "Templates",
    "Unsendable",
]
