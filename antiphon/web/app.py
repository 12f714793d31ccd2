"""The public server as an ASGI application: `create_app(project)`."""

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from antiphon.errors import LedgerError
from antiphon.project import Project
from antiphon.web import (
    clicks,
    confirmation,
    preferences,
    surveys,
    tills,
    unsubscribe,
    webversion,
)
from antiphon.web.keys import WebhookKeys
from antiphon.web.pages import not_found
from antiphon.web.site import Site
from antiphon.web.webhooks import Webhooks

log = logging.getLogger("antiphon.web")
PARTS = (unsubscribe, preferences, confirmation, clicks, webversion, surveys, tills)


def create_app(project: Project, keys: WebhookKeys | None = None) -> "App":
    """The application of a project; `keys` absent: those of its accounts.

    Opens nothing yet: it answers while the ledger cannot be reached, with 503.
    """
    return App(Site(project, keys))


class App:
    """ASGI. `site`: what it serves, for whoever runs it."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._inner = Starlette(
            routes=_routes(site),
            exception_handlers={
                LedgerError: _not_now(site),
                404: not_found(site),
                Exception: _our_fault(site),
            },
        )
        # it would lead to whatever host the request names
        self._inner.router.redirect_slashes = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. A proxy may or may not have taken the path of `base_url` away."""
        path = scope.get("path", "")
        links = self.site.project.configuration.settings.links  # as they are now
        prefix = urlsplit(links.base_url).path.rstrip("/")
        if prefix and path.startswith(prefix + "/"):
            scope = {**scope, "path": path.removeprefix(prefix), "raw_path": None}
        await self._inner(scope, receive, send)


def _routes(site: Site) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        *Webhooks(site).routes(),
        Route("/health", _health(site)),
        Route("/robots.txt", _robots),
    ]
    for part in PARTS:
        routes += part.routes(site)
    return routes


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _health(site: Site) -> Callable[[Request], Awaitable[Response]]:
    """For a proxy or a watchdog: 200 while the ledger answers. It tells nothing of anybody."""

    def waiting() -> int:
        return site.project.ledger.inbox.waiting().requests

    async def health(_: Request) -> Response:
        try:
            count = await asyncio.to_thread(waiting)
        except LedgerError as error:
            site.failed(error)
            return PlainTextResponse("the ledger does not answer\n", 503)
        return PlainTextResponse(f"ok, {count} requests wait to be read\n")

    return health


async def _robots(_: Request) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n")


def _not_now(site: Site) -> Handler:
    """A webhook while the ledger is away: the provider asks again, for a day."""

    async def answer(_: Request, error: Exception) -> Response:
        assert isinstance(error, LedgerError)
        site.failed(error)
        return PlainTextResponse("not now\n", 503, {"retry-after": "30"})

    return answer


def _our_fault(site: Site) -> Handler:
    """What nobody foresaw: the log says where in our code, and nothing of whom it met."""

    async def answer(request: Request, error: Exception) -> Response:
        site.counts.add("web: our own fault")
        frames = traceback.extract_tb(error.__traceback__)
        where = ", ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames[-4:])
        log.error("%s: %s at %s", request.method, type(error).__name__, where)
        return PlainTextResponse("our own fault\n", 500)

    return answer
