"""/c/TOKEN/NAME: counts a click and leads on. The target is looked up in the message itself, so
that nobody can make this lead anywhere that we did not write."""

from urllib.parse import urlsplit

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from antiphon.collection import record
from antiphon.errors import AntiphonError, LedgerError
from antiphon.ledger import Message
from antiphon.message.links import Purpose
from antiphon.states import ResponseKind
from antiphon.steps.reading import Reader
from antiphon.web.pages import HEADERS, Visit, page
from antiphon.web.site import Site
from antiphon.web.telling import told

PROGRAMS = ("bot", "crawler", "preview", "scan", "proofpoint", "mimecast", "barracuda", "curl")
LONGEST_VALUE = 500


def routes(site: Site) -> list[Route]:
    """The one address."""
    return [page(site, "/c/{token}/{name}", _Clicks(site), posts=False)]


class _Clicks:
    """Answers with a redirect; a HEAD counts nothing."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def __call__(self, visit: Visit) -> Response:
        message = visit.person(Purpose.CLICK).message
        target = self._target(message, str(visit.request.path_params["name"]))
        if target is None:
            return visit.show("moved.html", 404)
        if visit.request.method == "GET":
            self._count(visit, message, target)
        return RedirectResponse(target, 302, HEADERS)

    def _target(self, message: Message, name: str) -> str | None:
        try:
            return Reader(self._site.project).targets(message).get(name)
        except LedgerError:
            raise
        except AntiphonError:  # its values were erased: it cannot be rendered any more
            return None

    def _count(self, visit: Visit, message: Message, target: str) -> None:
        """Whatever may go wrong with counting, the person gets where the link leads."""
        parts = urlsplit(target)
        value = f"{parts.scheme}://{parts.netloc}{parts.path}"[:LONGEST_VALUE]
        click = told(
            message,
            ResponseKind.CLICK,
            self._site.now(),
            "click",
            value=value,
            is_machine=_is_program(visit),
        )
        try:
            record(self._site.project, [click])
        except LedgerError as error:
            self._site.failed(error)


def _is_program(visit: Visit) -> bool:
    """Whether a program says that it is one; those that look ahead say so too."""
    headers = visit.request.headers
    if "prefetch" in headers.get("sec-purpose", headers.get("purpose", "")):
        return True
    agent = headers.get("user-agent", "").lower()
    return not agent or any(word in agent for word in PROGRAMS)
