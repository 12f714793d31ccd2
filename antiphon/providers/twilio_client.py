"""The HTTP client under Twilio's SDK: our pool, one request a call, no log of its own."""

import logging
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from antiphon.providers.transport import Answer, Transport

FORM = "application/x-www-form-urlencoded"


class NoAnswerOfTwilio(Exception):
    """An answer the SDK cannot read, or must not: it would lose what its headers say."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}, {answer.looks}")
        self.answer = answer


class PooledClient(AsyncHttpClient):  # type: ignore[misc]
    """Nothing is logged: the SDK's own client writes addresses and numbers at level INFO.

    `date`: what Twilio's clock showed at its last answer.
    """

    def __init__(self, transport: Transport) -> None:
        super().__init__(logging.getLogger("antiphon.twilio"), True)
        self._transport = transport
        self._date = ""

    @property
    def date(self) -> datetime | None:
        """The last answer's Date; None before the first."""
        try:
            return parsedate_to_datetime(self._date)
        except ValueError:
            return None

    async def request(  # noqa: PLR0917 - the SDK's signature
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The answer; raises NotSent, Unclear, or NoAnswerOfTwilio where it is not to be read."""
        sent = dict(headers or {})
        if auth is not None:
            sent |= authorization(auth)
        body = None
        if data is not None:
            body = urlencode(data, doseq=True).encode()
            sent["Content-Type"] = FORM
        query = {name: _text(value) for name, value in (params or {}).items() if value is not None}
        return response_of(await self.answer(method, uri, sent, body, query or None))

    async def answer(
        self,
        method: str,
        uri: str,
        headers: Mapping[str, str],
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """A JSON object with its status; raises as `request` does."""
        answer = await self._transport.request(method, uri, headers, body=body, params=params)
        self._date = answer.headers.get("Date", self._date)
        if not answer.is_whole or answer.status == 429 or not isinstance(answer.data, dict):
            raise NoAnswerOfTwilio(answer)
        return answer


def authorization(auth: tuple[str, str]) -> dict[str, str]:
    """The header of user name and password."""
    return {"Authorization": f"Basic {b64encode(':'.join(auth).encode()).decode()}"}


def response_of(answer: Answer) -> Response:
    """As the SDK reads it."""
    return Response(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)


def _text(value: Any) -> str:
    return str(value)
