"""Pages for people: Jinja templates in their language, without scripts, cookies or foreign parts.

A page's address holds a token, so that no referrer leaves it and no cache keeps it.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

from babel.dates import format_date
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from antiphon.errors import LedgerError
from antiphon.message.links import Purpose
from antiphon.web.bodies import Bodies, TooLarge, TooMany
from antiphon.web.site import BadLink, Person, Site
from antiphon.web.words import LANGUAGES, WORDS

FOLDER = Path(__file__).parent / "pages"
MOST_FORM = 64 * 2**10
STYLE = (FOLDER / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
}
_STATUS = {"forged": 404, "unknown": 404, "expired": 410, "forgotten": 410}
_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_bodies = Bodies()


@dataclass
class Visit:
    """One request of a page. `form`: its fields, of POST; each name may have several values."""

    site: Site
    request: Request
    form: Mapping[str, list[str]] = field(default_factory=dict)
    body: bytes = b""
    language: str = ""

    def __post_init__(self) -> None:
        """Until a link tells of whom it is, the browser says which language."""
        self.language = self._accepted()

    @property
    def is_post(self) -> bool:
        """Only a POST changes anything: programs follow links."""
        return self.request.method == "POST"

    @property
    def token(self) -> str:
        """From the address."""
        return str(self.request.path_params["token"])

    def person(self, purpose: Purpose) -> Person:
        """Whose link it is; the page speaks the language of the message. Raises BadLink."""
        person = self.site.person(purpose, self.token)
        self.speak(person.language)
        return person

    def speak(self, language: str | None) -> None:
        """The page's language, where there are words of it."""
        if language in LANGUAGES:
            self.language = str(language)

    def show(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A page of pages/, with `t` (our words), `company` and `values`."""
        project = self.site.project
        zone = ZoneInfo(project.configuration.settings.business.timezone)

        def day(at: datetime) -> str:
            return format_date(at.astimezone(zone), "long", locale=self.language)

        html = _ENVIRONMENT.get_template(template).render(
            t=WORDS[self.language],
            language=self.language,
            style=Markup(STYLE),  # noqa: S704 - our own file
            company=project.configuration.settings.company,
            day=day,
            **values,
        )
        return HTMLResponse(html, status, HEADERS)

    def _accepted(self) -> str:
        wanted = self.request.headers.get("accept-language", "")
        asked = [part.split(";")[0].strip().lower()[:2] for part in wanted.split(",")]
        settings = self.site.project.configuration.settings
        known = [one for one in settings.business.languages if one in LANGUAGES]
        return next((one for one in asked if one in known), (*known, LANGUAGES[0])[0])


Endpoint = Callable[[Visit], Response]


def page(site: Site, path: str, endpoint: Endpoint, *, posts: bool = True) -> Route:
    """A route to a page; the endpoint may wait for the ledger, as it has a thread of its own.

    Wrong links are answered with a page that says what to do, a ledger that is away with 503.
    """

    async def answer(request: Request) -> Response:
        visit = Visit(site, request)
        try:
            if request.method == "POST":
                async with _bodies.read(request, MOST_FORM) as body:
                    visit.body, visit.form = body, _fields(request, body)
            return await run_in_threadpool(endpoint, visit)
        except BadLink as wrong:
            site.counts.add(f"web: {wrong.why} link")
            visit.speak(wrong.language)
            return visit.show("wrong_link.html", _STATUS[wrong.why], why=wrong.why)
        except LedgerError as error:
            site.failed(error)
            answered = visit.show("later.html", 503)
            answered.headers["retry-after"] = "60"
            return answered
        except (TooLarge, TooMany):
            return visit.show("later.html", 413)

    methods = ["GET", "POST"] if posts else ["GET"]
    return Route(path, answer, methods=methods)


def not_found(site: Site) -> Callable[[Request, Exception], Awaitable[Response]]:
    """What is answered at an address that is none of ours."""

    async def answer(request: Request, _: Exception) -> Response:
        return Visit(site, request).show("wrong_link.html", 404, why="forged")

    return answer


def _fields(request: Request, body: bytes) -> dict[str, list[str]]:
    """Of an ordinary form; anything else has none."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        return {}
    try:
        text = body.decode("ascii")
        return parse_qs(text, keep_blank_values=True, errors="replace", max_num_fields=500)
    except ValueError:
        return {}
