"""Signed requests of SendGrid and Twilio: checked, kept as they came, answered. Nothing is parsed.

An answer of 2xx says that the request is durable. A refused request was counted, and the provider
asks again for hours: a wrong key can be mended meanwhile without losing anything.
"""

from datetime import UTC, datetime, timedelta

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from antiphon.ledger import Arrival
from antiphon.response.sources import Source
from antiphon.web.bodies import Bodies, TooLarge, TooMany
from antiphon.web.site import Site

MOST_EVENTS = 16 * 2**20  # bytes of one post; SendGrid's own are of 768 KB
MOST_FORM = 64 * 2**10
AHEAD = timedelta(minutes=10)  # so far their clock may be before ours
EVENTS_PATH, STATUS_PATH, INBOUND_PATH = "/sendgrid/events", "/twilio/status", "/twilio/inbound"
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
FORM_SIGNATURE = "x-twilio-signature"
FORM_SETTINGS = "x-twilio-webhooks-signature-settings"
NO_ANSWER = b'<?xml version="1.0" encoding="UTF-8"?><Response/>'  # Twilio itself answers STOP


class Refused(Exception):
    """A request that is not taken: the status, and what it is counted as."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Webhooks:
    """The three addresses that providers post to."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._bodies = Bodies()

    def routes(self) -> list[Route]:
        """Where they stand below `links: base_url`."""
        return [
            Route(EVENTS_PATH, self._events, methods=["POST"]),
            Route(STATUS_PATH, self._status, methods=["POST"]),
            Route(INBOUND_PATH, self._inbound, methods=["POST"]),
        ]

    async def _events(self, request: Request) -> Response:
        return await self._take(request, Source.SENDGRID_EVENTS, Response(status_code=204))

    async def _status(self, request: Request) -> Response:
        return await self._take(request, Source.TWILIO_STATUS, Response(status_code=204))

    async def _inbound(self, request: Request) -> Response:
        answer = Response(NO_ANSWER, media_type="text/xml")
        return await self._take(request, Source.TWILIO_INBOUND, answer)

    async def _take(self, request: Request, source: Source, answer: Response) -> Response:
        is_events = source is Source.SENDGRID_EVENTS
        try:
            self._look_at_head(request, is_events=is_events)
            most = MOST_EVENTS if is_events else MOST_FORM
            async with self._bodies.read(request, most) as body:
                signed = self._is_event_signed if is_events else self._is_form_signed
                if not signed(request, body):
                    raise Refused(403, "bad signature")
                query = request.url.query
                arrival = Arrival(source.value, self._site.now(), body, query)
                await self._site.receiver.keep(arrival)
        except Refused as refused:
            return self._refusal(source, refused.status, refused.why)
        except TooLarge:
            return self._refusal(source, 413, "too large")
        except TooMany:
            return self._refusal(source, 503, "too many at once")
        except ClientDisconnect:
            return self._refusal(source, 400, "broken off")
        return answer

    def _refusal(self, source: Source, status: int, why: str) -> Response:
        self._site.counts.add(f"refused {source.value}: {why}")
        headers = {"retry-after": "30"} if status == 503 else {}
        return Response(f"{why}\n", status, headers, media_type="text/plain")

    # ------------------------------------------------------------ what tells a provider

    def _look_at_head(self, request: Request, *, is_events: bool) -> None:
        """Refuses before the body is read what cannot be signed."""
        keys = self._site.keys
        if not (keys.events if is_events else keys.forms):
            raise Refused(403, "no key to check signatures with")
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != ("application/json" if is_events else "application/x-www-form-urlencoded"):
            raise Refused(415, "wrong content type")
        names = (SIGNATURE, TIMESTAMP) if is_events else (FORM_SIGNATURE,)
        if not all(request.headers.get(name) for name in names):
            raise Refused(403, "no signature")
        if is_events:
            self._look_at_time(request.headers[TIMESTAMP])

    def _look_at_time(self, stamp: str) -> None:
        """A signature is good for as long as the provider repeats the request, and some days; a
        replay is harmless, as every event is unique."""
        try:
            if not stamp.isascii() or not stamp.isdigit():
                raise ValueError(stamp)
            signed_at = datetime.fromtimestamp(int(stamp), UTC)
        except (ValueError, OverflowError, OSError):
            raise Refused(403, "bad timestamp") from None
        now = self._site.now()
        if now - signed_at > self._site.project.configuration.settings.web.signature_age:
            raise Refused(403, "too old")
        if signed_at - now > AHEAD:
            raise Refused(403, "from the future")

    def _is_event_signed(self, request: Request, body: bytes) -> bool:
        headers = request.headers
        return self._site.keys.events.is_signed(body, headers[SIGNATURE], headers[TIMESTAMP])

    def _is_form_signed(self, request: Request, body: bytes) -> bool:
        signature = request.headers[FORM_SIGNATURE]
        settings = request.headers.get(FORM_SETTINGS, "")
        path, query = request.url.path, request.url.query
        return self._site.keys.forms.is_signed(path, query, body, signature, settings)
