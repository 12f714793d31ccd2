"""/d/TOKEN: confirms the consent that a message asked for (double opt-in), by a button.

A GET changes nothing: scanners follow every link, and would agree in everybody's name.
"""

from starlette.responses import Response
from starlette.routing import Route

from antiphon import keys
from antiphon.collection import record
from antiphon.ledger import Message
from antiphon.message.links import Purpose
from antiphon.states import ResponseKind
from antiphon.web.pages import Visit, page
from antiphon.web.site import Site
from antiphon.web.telling import told
from antiphon.web.words import CATEGORIES, CHANNELS

SOURCE = "confirmation"
ACTS = (ResponseKind.OPT_IN.value, ResponseKind.OPT_OUT.value)


def routes(site: Site) -> list[Route]:
    """The one page."""
    return [page(site, "/d/{token}", _confirm)]


def _confirm(visit: Visit) -> Response:
    site = visit.site
    message = visit.person(Purpose.CONFIRM).message
    campaign = site.project.configuration.campaigns.get(message.campaign)
    category = campaign.confirms if campaign else None
    if category and visit.is_post and not _is_confirmed(site, message):
        evidence = {"by": SOURCE, "channel": message.channel, "category": category}
        salt = site.project.configuration.settings.salt
        agreed = told(
            message,
            ResponseKind.OPT_IN,
            site.now(),
            "confirm",
            evidence,
            value=category,
            address_key=keys.address_key(salt, message.channel, message.address or ""),
        )
        record(site.project, [agreed])
    return visit.show(
        "confirm.html",
        is_done=visit.is_post,
        category=CATEGORIES[visit.language].get(category, category) if category else "",
        channel=CHANNELS[visit.language].get(message.channel, message.channel),
        preferences=site.beside(Purpose.PREFERENCES, message.message_id),
    )


def _is_confirmed(site: Site, message: Message) -> bool:
    """Whether the last that its customer said, anywhere, is this confirmation."""
    said = site.project.ledger.responses.of_customer(message.customer_id)
    acts = [one for one in said if one.kind in ACTS]
    if not acts:
        return False
    last = acts[-1]
    return last.message_id == message.message_id and (last.evidence or {}).get("by") == SOURCE
