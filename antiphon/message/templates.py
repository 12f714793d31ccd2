"""Templates of messages: checked, compiled once per message, variant, language and channel."""

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Self

from jinja2 import DictLoader, Template, TemplateError

from antiphon.campaigns.models import Campaign, Settings
from antiphon.campaigns.touches import Touch, touches
from antiphon.entities import ColumnType
from antiphon.errors import AntiphonError, Problem
from antiphon.keys import digest
from antiphon.message import checking
from antiphon.message.content import Email, Personal, Sms
from antiphon.message.expressions import Sources, Survey
from antiphon.message.formats import Formats
from antiphon.message.inlining import Inlined, inline
from antiphon.message.language import TemplateLanguage, printable
from antiphon.message.links import Links
from antiphon.message.packing import Given
from antiphon.message.plain import Recorder
from antiphon.message.shapes import Fields, Leaf, Value
from antiphon.message.skeleton import as_personal
from antiphon.message.survey import Surveyor
from antiphon.message.tree import DEFAULT_VARIANT, PARTS, REQUIRED, Part, Tree
from antiphon.message.values import (
    CAMPAIGN_FIELDS,
    OCCASION_FIELDS,
    OFFER_FIELDS,
    MessageHeld,
    Record,
    clean,
    record,
)

BUNDLE_VERSION = 1
COMPANY_FIELDS = ("name", "postal_address", "website", "email_from", "email_from_name", "sms_from")
_ANYTHING_GIVEN = Given()
_BLANKS = re.compile("[\u00a0\u202f\u2009]")  # what Babel writes between number and currency


class _AnyText(dict[str, Value]):
    """The fields of a root of which nothing is known: whatever is asked for is a text."""

    def get(self, name: str, default: Any = None) -> Value:
        """A text."""
        return Leaf(ColumnType.TEXT)


class TemplateFault(AntiphonError):
    """A template failed on a message although it passed the check."""


@dataclass(frozen=True)
class _Page:
    """One part, compiled. `inlined` false: its CSS has to be inlined in every rendering.

    `recorder`: of an HTML body that has no text body beside it.
    """

    path: str
    template: Template
    inlined: bool = True
    recorder: Recorder | None = None

    def render(self, context: Mapping[str, object]) -> tuple[str, str]:
        """The page and, with a recorder, the text derived from it."""
        if self.recorder is None:
            page, text = self.template.render(context), ""
        else:
            self.recorder.values.clear()
            page, text = self.recorder.page_and_text(self.template.render(context))
        return page if self.inlined else inline(page), text


class Templates:
    """The templates of all messages over the given files, for one company.

    `files`: path below templates/ → text. `features`: the columns of the customer frame with
    their types. The first of `languages` is the fallback. `crosses`: their dimensions, by name.
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
    ) -> None:
        self.tree = Tree(files, tuple(languages))
        self.features = dict(features)
        self.country, self.currency, self.timezone = country, currency, timezone
        self.company = {
            name: clean(", ".join(company[name].split("\n")))
            for name in COMPANY_FIELDS
            if name in company
        }
        self.crosses = crosses or {}
        self.message = ""  # of a bundle: which message it holds
        self._sources = Sources(files)
        self._surveys: dict[tuple[str, str, Given], Survey] = {}
        self._pages: dict[tuple[str, str, str, Part], _Page | None] = {}
        self._hashes: dict[str, str] = {}
        self._rendering = Lock()  # recorders and pages are shared by all threads
        self._formats: dict[str, Formats] = {}

    @classmethod
    def of(
        cls,
        files: Mapping[str, str],
        features: Mapping[str, ColumnType],
        settings: Settings,
        crosses: Mapping[str, Collection[str]] | None = None,
    ) -> Self:
        """With the company, languages, currency and time zone of config/settings.yaml."""
        return cls(
            files,
            features=features,
            languages=settings.business.languages,
            country=settings.business.country,
            currency=settings.business.currency,
            timezone=settings.business.timezone,
            company=settings.company.model_dump(include=set(COMPANY_FIELDS)),
            crosses=crosses,
        )

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
                self._roots(given),
                language,
            )
            self._surveys[key] = surveyor.survey(path)
        return self._surveys[key]

    def _roots(self, given: Given) -> dict[str, Value]:
        def fields(path: str, types: Mapping[str, ColumnType]) -> Fields:
            return Fields({name: Leaf(type_) for name, type_ in types.items()}, path)

        text = ColumnType.TEXT
        return {
            "customer": fields("customer", self.features),
            "campaign": fields("campaign", CAMPAIGN_FIELDS),
            "cell": Fields(_AnyText(), "cell")
            if given.cell is None
            else fields("cell", dict.fromkeys(given.cell, text)),
            "offer": fields("offer", {n: OFFER_FIELDS[n] for n in given.offer}),
            "occasion": fields("occasion", {n: OCCASION_FIELDS[n] for n in given.occasion}),
            "links": fields("links", dict.fromkeys(("unsubscribe", "preferences", "web"), text)),
            "company": fields("company", dict.fromkeys(self.company, text)),
        }

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
                return Sms(_BLANKS.sub(" ", text).strip())
            subject, _ = self._part(message, variant, language, Part.SUBJECT, context)
            html, derived = self._part(message, variant, language, Part.HTML, context)
            text, _ = self._part(message, variant, language, Part.TEXT, context)
        return Email(
            subject=" ".join(subject.split()),
            html=html,
            text=derived or text.strip() + "\n",
            headers=links.headers if values["campaign"]["category"] != "service" else {},
        )

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
        email = self.render(message, variant, language, "email", values, links)
        assert isinstance(email, Email)
        return as_personal(email)

    def _context(self, values: Mapping[str, Any], links: Links) -> dict[str, object]:
        cell = values.get("cell", "")
        is_old = isinstance(cell, str)  # as messages had it before cells had values of their own
        texts = {} if is_old else dict.fromkeys(cell, ColumnType.TEXT)
        return {
            "customer": record("customer", values["customer"], self.features),
            "campaign": record("campaign", values["campaign"], CAMPAIGN_FIELDS),
            "cell": clean(cell) if is_old else record("cell", cell, texts),
            "offer": record("offer", values.get("offer", {}), OFFER_FIELDS),
            "occasion": record("occasion", values.get("occasion", {}), OCCASION_FIELDS),
            "links": Record(links.fields),
            "company": Record(self.company),
        }

    def _part(
        self, message: str, variant: str, language: str, part: Part, context: dict[str, object]
    ) -> tuple[str, str]:
        """The part and the text derived from it; empty where the message has no such part."""
        key = (message, variant, language, part)
        if key not in self._pages:
            self._pages[key] = self._compile(*key)
        page = self._pages[key]
        if page is None:
            return "", ""
        try:
            return page.render(context)
        except MessageHeld as held:
            raise MessageHeld(held.variable, page.path) from None
        except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError) as error:
            # The error's text may quote a value of the customer: only its kind is told.
            raise TemplateFault(f"templates/{page.path}: {type(error).__name__}") from error

    def _compile(self, message: str, variant: str, language: str, part: Part) -> _Page | None:
        path = self.tree.find(message, variant, language, part)
        if path is None:
            return None
        survey = self._survey(path, language, _ANYTHING_GIVEN)
        sources: Mapping[str, str] = {
            name: self.tree.files[file] for name, file in survey.files.items()
        }
        inlined = True
        if part is Part.HTML:
            once = Inlined.of(path, sources)
            sources, inlined = once.sources, once.complete
        if language not in self._formats:
            self._formats[language] = Formats(language, self.country, self.currency, self.timezone)
        filters = self._formats[language].filters() | {"link": self._link}
        recorder = None
        if part is Part.HTML and self.tree.find(message, variant, language, Part.TEXT) is None:
            recorder = Recorder(printable)
        environment = TemplateLanguage(
            DictLoader(sources),
            filters,
            html=part is Part.HTML,
            finalize=recorder.finalize if recorder else None,
        )
        try:
            return _Page(path, environment.get_template(path), inlined, recorder)
        except TemplateError as error:
            raise TemplateFault(f"templates/{path}: {error}; run antiphon check") from error

    def _link(self, address: str) -> str:
        """Every link of a template: relative ones are the company's. Tags and clicks come here."""
        return self.company["website"].rstrip("/") + address if address.startswith("/") else address

    # ------------------------------------------------------------ kept by content

    def bundle(self, message: str) -> str:
        """All that renderings of `message` depend on, as JSON: the same text, the same pages."""
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
        templates = cls(
            bundle["files"],
            features={name: ColumnType(type_) for name, type_ in bundle["features"].items()},
            languages=bundle["languages"],
            country=bundle["country"],
            currency=bundle["currency"],
            timezone=bundle["timezone"],
            company=bundle["company"],
        )
        templates.message = bundle["message"]
        return templates


__all__ = ["DEFAULT_VARIANT", "Email", "MessageHeld", "Sms", "TemplateFault", "Templates"]
