"""/v/TOKEN: the message itself as a page, for mail programs that do not show it."""

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from antiphon.errors import AntiphonError, LedgerError
from antiphon.message.content import Sms
from antiphon.message.links import Purpose
from antiphon.states import MessageState
from antiphon.steps.reading import Reader
from antiphon.web.pages import HEADERS, Visit, page
from antiphon.web.site import Site

# What a template writes may bring pictures and styles, never a script, a form or a frame.
POLICY = (
    "default-src 'none'; img-src https: http: data:; style-src 'unsafe-inline' https:; "
    "font-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
)


def routes(site: Site) -> list[Route]:
    """The one page."""
    return [page(site, "/v/{token}", _show, posts=False)]


def _show(visit: Visit) -> Response:
    message = visit.person(Purpose.WEB).message
    if message.state is MessageState.CONTROL:
        return visit.show("no_message.html", 404)
    try:
        content = Reader(visit.site.project).content(message)
    except LedgerError:
        raise
    except AntiphonError:  # its values were erased
        return visit.show("no_message.html", 410)
    if isinstance(content, Sms):
        return visit.show("sms.html", text=content.text)
    return HTMLResponse(content.html, 200, HEADERS | {"content-security-policy": POLICY})
