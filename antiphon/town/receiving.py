"""Who takes what comes back to a town: the real web server, in a thread, on loopback."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpx

from antiphon.project import Project

TIMES = httpx.Timeout(30, connect=5)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}  # RFC 8058


class WebServer:
    """One that is running at an address; signatures, pages and inbox are the real ones."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def post(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> int:
        """A provider's request; the status of the answer."""
        address = f"{path}?{query}" if query else path
        return self._client.post(address, content=body, headers=dict(headers)).status_code

    def unsubscribe(self, path: str) -> int:
        """What a mail program does when its reader clicks on unsubscribe."""
        return self._client.post(path, data=ONE_CLICK).status_code

    def visit(self, path: str) -> int:
        """Somebody opens a page."""
        return self._client.get(path).status_code

    def submit(self, path: str, form: Mapping[str, str]) -> int:
        """Somebody sends a form."""
        return self._client.post(path, data=dict(form)).status_code


@contextmanager
def served(project: Project) -> Iterator[WebServer]:
    """The web server of a project; ended on the way out."""
    from antiphon.web.app import create_app  # noqa: PLC0415 (pages and their templates: slow)
    from antiphon.web.server import running  # noqa: PLC0415

    with (
        running(create_app(project)) as url,
        httpx.Client(base_url=url, timeout=TIMES, trust_env=False) as client,
    ):
        yield WebServer(client)
