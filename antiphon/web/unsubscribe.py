"""/u/TOKEN: unsubscription by one click (RFC 8058), or by a page and a button.

A GET changes nothing: scanners follow every link. A POST needs no cookie and no field: whoever
has the link may leave. Where the policy asks for no consent (messages on orders), it says so.
"""

from starlette.responses import Response
from starlette.routing import Route

from antiphon.collection import record
from antiphon.message.links import Purpose
from antiphon.states import ResponseKind
from antiphon.web.pages import Visit, page
from antiphon.web.site import Site
from antiphon.web.standing import can_object, has_objected
from antiphon.web.telling import told
from antiphon.web.words import CATEGORIES, CHANNELS

ONE_CLICK = b"List-Unsubscribe=One-Click"  # RFC 8058, section 3.1; also within multipart


def routes(site: Site) -> list[Route]:
    """The one page."""
    return [page(site, "/u/{token}", _unsubscribe)]


def _unsubscribe(visit: Visit) -> Response:
    site = visit.site
    message = visit.person(Purpose.UNSUBSCRIBE).message
    is_possible = can_object(site.project, message)
    has_left = is_possible and has_objected(site.project, message)
    if visit.is_post and is_possible and not has_left:
        how = "one-click" if _is_one_click(visit) else "page"
        evidence = {
            "by": "link",
            "how": how,
            "channel": message.channel,
            "category": message.category,
        }
        out = told(message, ResponseKind.OPT_OUT, site.now(), "unsubscribe", evidence)
        record(site.project, [out])
    return visit.show(
        "unsubscribe.html",
        is_possible=is_possible,
        has_left=has_left,
        is_done=visit.is_post,
        category=CATEGORIES[visit.language].get(message.category, message.category),
        channel=CHANNELS[visit.language].get(message.channel, message.channel),
        preferences=site.beside(Purpose.PREFERENCES, message.message_id),
    )


def _is_one_click(visit: Visit) -> bool:
    if "List-Unsubscribe" in visit.form:
        return True
    return ONE_CLICK in visit.body or b'name="List-Unsubscribe"' in visit.body
