"""POST /redeem: a till or a web shop asks whether a code counts, and uses it up.

Whoever may ask has the secret (`offers: till_from` in settings.yaml) as a bearer token. The body
is a JSON object with `code` and, where they are known, `order_id`, `receipt`, `customer_id`,
`discount`, `redeemed_at`; the answer {"accepted": true, "verdict": "counted", "discount": "15%",
"gift": null, "campaign": …}. The same order or receipt asked again gets the same answer: a till
whose connection broke asks again.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from antiphon.offers.redeeming import redeem
from antiphon.offers.uses import FIELDS, use_of
from antiphon.response.redemptions import Told
from antiphon.secrets import read_secret
from antiphon.states import RedemptionVerdict
from antiphon.web.site import Site

LARGEST = 10_000  # bytes of a body
SHORTEST_SECRET = 16
log = logging.getLogger("antiphon.web")


class Refused(Exception):
    """An answer that redeems nothing."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status, self.why = status, why


def routes(site: Site) -> list[Route]:
    """The one address."""
    return [Route("/redeem", _redeem(site), methods=["POST"])]


def _redeem(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            _admit(site, request)
            given = _given(await _body(request))
            return JSONResponse(await asyncio.to_thread(_used, site, given))
        except Refused as refused:
            site.counts.add(f"tills: refused with {refused.status}")
            return JSONResponse({"accepted": False, "why": refused.why}, refused.status)

    return answer


def _admit(site: Site, request: Request) -> None:
    project = site.project
    name = project.configuration.settings.offers.till_from
    secret = read_secret(project.environment, name) or ""
    if len(secret) < SHORTEST_SECRET:
        log.warning("a till is refused: %s is not set, or shorter than 16 characters", name)
        raise Refused(503, "no till is let in here yet")
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), secret.encode()):
        raise Refused(401, "the bearer token is missing or wrong")


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST:
            raise Refused(413, f"more than {LARGEST} bytes")
        parts.append(part)
    return b"".join(parts)


def _given(body: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused(400, "the body is no JSON") from None
    if not isinstance(given, dict) or set(given) - set(FIELDS):
        raise Refused(400, f"write an object with some of: {', '.join(FIELDS)}")
    return given


def _used(site: Site, given: dict[str, Any]) -> dict[str, Any]:
    project, now = site.project, site.now()
    try:
        told: Told = use_of(given, "till", project.configuration.settings.business.timezone, now)
    except ValueError as error:
        raise Refused(400, str(error)) from None
    (one,) = redeem(project, [told])
    site.counts.add(f"tills: {one.verdict}")
    accepted = one.verdict == RedemptionVerdict.COUNTED
    code = project.ledger.codes.get(told.code) if accepted else None
    return {
        "accepted": accepted,
        "verdict": one.verdict.value,
        "campaign": one.campaign if accepted else None,
        "discount": code.discount if code else None,
        "gift": code.gift if code else None,
    }
