"""HTTP for the adapters: pooled connections, explicit timeouts, no retry of its own.

Each way to fail is told apart by what it says of the request: whether it certainly never arrived.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cached_property
from io import BytesIO
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

IDLE_SECONDS = 4  # connections idle for longer are not used again: the server may be closing them
CONNECT_SECONDS = 10
LARGE_BODY = 1024 * 1024
LONGEST_ANSWER = 4 * 1024 * 1024
LONGEST_WAIT = timedelta(hours=1)  # whatever time a provider names
_HTML = re.compile(rb"\s*<(?:!doctype|html|head|body)", re.IGNORECASE)


class NotSent(Exception):
    """The request certainly never reached the provider; the text says why, without an address."""


class Unclear(Exception):
    """The request may have been acted on: no answer, half an answer, or a server's error."""


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is empty where it could not be read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool = True

    @cached_property
    def data(self) -> Any:
        """The body as JSON; None where it is something else."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def looks(self) -> str:
        """What kind of body it is, for evidence: a person's data never is."""
        if not self.is_whole:
            return "cut off"
        if not self.body.strip():
            return "empty"
        if _HTML.match(self.body):
            return "HTML"
        return "JSON" if self.data is not None else "no JSON"

    def wait(self, now: datetime) -> timedelta | None:
        """How long the provider asks us to wait: Retry-After, else X-RateLimit-Reset.

        A time it names is read against its own clock (Date), as ours may be a rehearsal's.
        """
        date = _date(self.headers.get("Date", "")) or now
        after, reset = (
            self.headers.get("Retry-After", ""),
            self.headers.get("X-RateLimit-Reset", ""),
        )
        if re.fullmatch(r"[0-9]{1,9}", after.strip()):
            seconds = float(after)
        elif until := _date(after):
            seconds = (until - date).total_seconds()
        elif re.fullmatch(r"[0-9]{1,11}", reset.strip()):
            seconds = int(reset) - date.timestamp()
        else:
            return None
        return min(max(timedelta(seconds=seconds), timedelta(seconds=1)), LONGEST_WAIT)


class Transport:
    """A pool of connections to one API, an async context manager."""

    def __init__(self, url: str, at_once: int, time_out: float) -> None:
        self._url, self._at_once, self._time_out = url, at_once, time_out
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Nothing is connected yet."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes what is open."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        body: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request; raises NotSent or Unclear where no answer's head came back.

        A GET is repeated once where a kept connection turns out to be closed; a POST never is.
        """
        session = self._session = self._session or self._open()
        # Written whole, a large body would hold up the other requests of the loop.
        data = body if body is None or len(body) <= LARGE_BODY else BytesIO(body)
        try:
            async with session.request(
                method, url, headers=headers, data=data, params=params, allow_redirects=False
            ) as response:
                return await _read(response)
        except (aiohttp.ClientConnectorError, aiohttp.ServerFingerprintMismatch) as error:
            raise NotSent(_why(error)) from None
        except aiohttp.ClientHttpProxyError as error:
            raise NotSent(f"the proxy refused the connection ({error.status})") from None
        except aiohttp.ConnectionTimeoutError:
            raise NotSent("no connection in time") from None
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError):
            raise NotSent("the address of the API is none") from None
        except TimeoutError:
            raise Unclear(f"no answer in {self._time_out:g} s") from None
        except aiohttp.ServerDisconnectedError:
            raise Unclear("the connection was closed without an answer") from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unclear(f"the connection broke ({type(error).__name__})") from None
        except ValueError:
            raise NotSent("the request cannot be written") from None

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=self._at_once, keepalive_timeout=IDLE_SECONDS)
        connect = min(CONNECT_SECONDS, self._time_out / 2)
        times = aiohttp.ClientTimeout(total=self._time_out, connect=connect, sock_connect=connect)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=times,
            proxy=_proxy(self._url),
            cookie_jar=aiohttp.DummyCookieJar(),
        )


async def _read(response: aiohttp.ClientResponse) -> Answer:
    """The answer, its status kept even where the body breaks off or never ends."""
    body, is_whole = b"", True
    try:
        body = await response.content.read(LONGEST_ANSWER)
        while len(body) < LONGEST_ANSWER and (more := await response.content.read(1 << 16)):
            body += more
    except (aiohttp.ClientError, TimeoutError, OSError):
        body, is_whole = b"", False
    return Answer(response.status, response.headers, body, is_whole)


def _proxy(url: str) -> str | None:
    """The proxy the environment names, as the SDKs honour it; never for this machine itself."""
    parts = urlsplit(url)
    if parts.hostname in (None, "localhost", "127.0.0.1", "::1") or proxy_bypass(parts.netloc):
        return None
    named = getproxies().get(parts.scheme)
    return f"http://{named}" if named and "://" not in named else named


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the name of the API's host is not known"
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "the API's certificate is not trusted"
    if isinstance(error, aiohttp.ServerFingerprintMismatch):
        return "the API's certificate is another one"
    cause = getattr(error, "os_error", None)
    return f"no connection ({type(cause).__name__ if cause else type(error).__name__})"


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
