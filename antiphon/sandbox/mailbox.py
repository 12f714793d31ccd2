"""The mailbox page: what customers would have got, to be looked at in a browser."""

import html
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from antiphon.message.sms import segments
from antiphon.sandbox.index import Index, Item, filled

PAGE_SIZE = 50
TALK = 50
# A message shows its own styles and inline pictures; nothing is fetched, so that nobody outside
# learns that it was looked at.
SEALED = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; sandbox; "
    "frame-ancestors 'self'"
)
OWN = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; form-action 'self'"


class Mailbox:
    """The pages over an index."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._pages = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "pages"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/", self.listed),
            Route("/message/{number:int}", self.message),
            Route("/message/{number:int}/html", self.body),
        ]

    def listed(self, request: Request) -> Response:
        """A page of messages, newest first, or of those that contain all words of `q`."""
        q, channel = request.query_params.get("q", ""), request.query_params.get("channel", "")
        page = _whole(request.query_params.get("page", ""))
        items, has_more = self._index.page(q, channel, page, PAGE_SIZE)

        def link(number: int) -> str:
            return "/?" + urlencode({"q": q, "channel": channel, "page": number})

        return self._shown(
            "list.html",
            items=items,
            q=q,
            channel=channel,
            page=page,
            has_more=has_more,
            link=link,
            total=len(self._index.everything()) + self._index.lost,
            lost=self._index.lost,
        )

    def message(self, request: Request) -> Response:
        """One message as its reader would see it, and what else the provider was told."""
        item = self._item(request)
        if item is None:
            return HTMLResponse("There is no such message.", 404)
        if item.entry.api == "twilio":
            talk = self._index.of_person(item.to)
            first = max(0, talk.index(item) - TALK)
            return self._shown(
                "sms.html",
                item=item,
                talk=talk[first : first + 2 * TALK],
                details=_details(item, self._index.request(item)),
                segments=segments,
            )
        request_made = self._index.request(item)
        sender = request_made.get("from", {})
        return self._shown(
            "email.html",
            item=item,
            sender=f"{sender.get('name', '')} <{sender.get('email', '')}>",
            cancelled=self._index.is_cancelled(item),
            copies=len(self._index.of_message(item.message_id)),
            details=_details(item, request_made),
            text=_content(request_made, item, "text/plain") or "",
        )

    def body(self, request: Request) -> Response:
        """The e-mail itself, sealed off: no script, nothing fetched."""
        item = self._item(request)
        if item is None or item.entry.api == "twilio":
            return HTMLResponse("There is no such e-mail.", 404)
        made = self._index.request(item)
        page = _content(made, item, "text/html")
        if page is None:
            page = f"<pre>{html.escape(_content(made, item, 'text/plain') or '')}</pre>"
        return HTMLResponse(page, headers={"content-security-policy": SEALED})

    def _item(self, request: Request) -> Item | None:
        items = self._index.everything()
        number = request.path_params["number"]
        return items[number] if number < len(items) else None

    def _shown(self, template: str, /, **values: Any) -> Response:
        usual = {"q": "", "channel": ""}
        text = self._pages.get_template(template).render({**usual, **values})
        return HTMLResponse(text, headers={"content-security-policy": OWN})


def _content(request: Mapping[str, Any], item: Item, kind: str) -> str | None:
    """One part of an e-mail with this person's values in it; None where there is none."""
    person = request["personalizations"][item.part]
    for block in request.get("content", ()):
        if block.get("type") == kind:
            return filled(block["value"], person.get("substitutions"))
    return None


def _details(item: Item, request: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and values beside the text: headers, ids, how it was asked for."""
    if item.entry.api == "twilio":
        shown = {key: value for key, value in request.items() if key != "Body"}
        return [("sid", item.provider_id), ("our id", item.message_id), *shown.items()]
    person = request["personalizations"][item.part]
    headers = {**request.get("headers", {}), **person.get("headers", {})}
    arguments = {**request.get("custom_args", {}), **person.get("custom_args", {})}
    return [
        *headers.items(),
        ("X-Message-Id", item.entry.provider_id),
        *arguments.items(),
        ("categories", ", ".join(request.get("categories", ()))),
        ("in one request", f"{len(request['personalizations'])} messages"),
    ]


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
