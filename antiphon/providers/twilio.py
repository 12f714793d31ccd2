"""Twilio: SMS, one request a message, over a pool of connections of our own.

The SDK names address, headers and credentials, and reads errors; it does everything but sending
itself. Its own asynchronous client waits for ever, replays POSTs when told to retry, and mixes up
answers without its pool (docs/providers.md): none of that is used.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Any, Self
from urllib.parse import quote, urlencode, urlsplit

import phonenumbers
from pydantic import AfterValidator, Field

from antiphon.campaigns.models import Model
from antiphon.campaigns.scalars import Flag, Line, Whole
from antiphon.message.content import Sms
from antiphon.message.sms import LONGEST_SMS
from antiphon.providers import (
    Access,
    Capabilities,
    LookUp,
    Outcome,
    OutcomeKind,
    Outgoing,
    ProviderTrouble,
    Told,
)

if TYPE_CHECKING:
    from antiphon.providers.transport import Transport
    from antiphon.providers.twilio_answers import Created

CAPABILITIES = Capabilities(frozenset({"sms"}), 1, LookUp.FOUND, reaches_people=True)
CAN_BE_ASKED = True  # what came back: providers.ListsSuppressions, ListsStates
SECRETS: Mapping[str, str] = {"account": "TWILIO_ACCOUNT_SID", "token": "TWILIO_AUTH_TOKEN"}
URL = "https://api.twilio.com"
LONGEST_VALIDITY = 36_000  # seconds
CALLBACK_PATH = "/twilio/status"
MOST_LISTED = 100_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RETRIES = "#rc=3&rp=all"  # Twilio repeats a lost callback thrice; the fragment is not signed
EARLIER = timedelta(minutes=2)  # their clock and ours may differ by so much
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
_HALF = re.compile(r"[\ud800-\udfff]")


def _service(text: str) -> str:
    if not re.fullmatch(r"MG[0-9a-fA-F]{32}", text):
        raise ValueError("write the Messaging Service's SID, MG and 32 hexadecimal digits")
    return text


class Options(Model):
    """What settings.yaml may say of a Twilio account."""

    messaging_service: Annotated[Line, AfterValidator(_service)] | None = Field(
        default=None, description="SID of the Messaging Service that sends; absent: sms_from"
    )
    callbacks: Flag = Field(
        default=True, description="Twilio tells links.base_url what becomes of each message"
    )
    longest_validity: Whole = Field(
        default=LONGEST_VALIDITY,
        ge=60,
        le=LONGEST_VALIDITY,
        description="Seconds for which Twilio may try, at most; never beyond a message's expiry",
    )


def open_account(access: Access, *, reaches_people: bool = True) -> "Twilio":
    """An account, without a connection yet; raises ValueError for credentials that are none."""
    if not re.fullmatch(r"AC[0-9a-fA-F]{32}", access.secrets["account"]):
        raise ValueError("its account is not an account SID, AC and 32 hexadecimal digits.")
    capabilities = replace(CAPABILITIES, reaches_people=reaches_people)
    return Twilio(access, Options.model_validate(dict(access.options)), capabilities)


class Twilio:
    """One account; see Provider."""

    channel = "sms"

    def __init__(self, access: Access, options: Options, capabilities: Capabilities) -> None:
        self.name, self.capabilities = access.name, capabilities
        self._access, self._options = access, options
        self._transport: Transport | None = None
        is_ours = not reaches_out(access.url or URL)
        told = options.callbacks and access.callback_url
        self._callback = ""
        if told and (is_ours or can_be_called(access.callback_url)):
            self._callback = f"{access.callback_url}{CALLBACK_PATH}"

    async def __aenter__(self) -> Self:
        """Loads what it needs; nothing is connected yet."""
        from twilio.rest import Client  # noqa: PLC0415 - not for `check`

        from antiphon.providers import twilio_answers, twilio_client  # noqa: PLC0415
        from antiphon.providers.transport import Transport  # noqa: PLC0415

        access = self._access
        self._answers, self._client = twilio_answers, twilio_client
        url = access.url or URL
        self._transport = Transport(url, access.at_once, access.time_out)
        self._http = twilio_client.PooledClient(self._transport)
        self._sdk = Client(
            access.secrets["account"], access.secrets["token"], http_client=self._http
        )
        self._sdk.api.base_url = url
        version, account = self._sdk.api.v2010, access.secrets["account"]
        self._send_url = self._sdk.get_hostname(
            version.absolute_url(f"/Accounts/{account}/Messages.json")
        )
        self._send_headers = {
            **self._sdk.get_headers("POST", {"Content-Type": twilio_client.FORM}),
            **twilio_client.authorization(self._sdk.auth),
        }
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connections."""
        if self._transport is not None:
            await self._transport.__aexit__()

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """One message; what else is in the batch goes on alone. See Provider.send."""
        outcomes = [await self._send(message, now) for message in batch[:1]]
        return outcomes + [self._answers.alone(message.message_id) for message in batch[1:]]

    async def _send(self, message: Outgoing, now: datetime) -> Outcome:
        trouble = unfit(message)
        if trouble:
            return Outcome(message.message_id, OutcomeKind.REFUSED, trouble)
        left = int((message.expires_at - now).total_seconds())
        if left < 1:
            return Outcome(
                message.message_id, OutcomeKind.TRY_LATER, "it has expired", retry_at=now
            )
        assert isinstance(message.content, Sms)
        asked = {
            "To": message.to,
            "Body": message.content.text,
            "ValidityPeriod": str(min(left, self._options.longest_validity)),
        }
        if self._options.messaging_service:
            asked["MessagingServiceSid"] = self._options.messaging_service
        else:
            asked["From"] = message.sender
        if self._callback:
            asked["StatusCallback"] = (
                f"{self._callback}?m={quote(message.message_id, safe='')}{RETRIES}"
            )
        try:
            created = await self._created(urlencode(asked).encode())
        except Exception as error:
            return self._answers.failed(message.message_id, error, now)
        return self._answers.created(message.message_id, created)

    async def _created(self, body: bytes) -> "Created":
        """As the SDK's `messages.create_async`, request for request and error for error (a test
        compares them), without the objects it builds for each: a tenth of a message's time."""
        url = self._send_url
        answer = await self._http.answer("POST", url, self._send_headers, body)
        if not 200 <= answer.status < 300:
            response = self._client.response_of(answer)
            raise self._sdk.api.v2010.exception("POST", url, response, "Unable to create record")
        told = answer.data
        return self._answers.Created(told.get("status"), told.get("sid"), told.get("error_code"))

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """Whether Twilio lists a message to that number with that text, made since the claim.

        The list is no proof of absence: it may lag behind.
        """
        if unfit(message) or not isinstance(message.content, Sms):
            return None
        try:
            listed = await self._sdk.messages.list_async(to=message.to, limit=100, page_size=100)
        except Exception:
            return None
        skew = (self._http.date or now) - now
        earliest = since + skew - EARLIER
        for one in listed:
            if one.date_created is None or one.date_created < earliest:
                continue
            if one.body == message.content.text and str(one.direction).startswith("outbound"):
                return self._answers.created(message.message_id, one, "found in Twilio's list")
        return None

    async def states(self, since: datetime) -> list[Told]:
        """See ListsStates; Twilio counts `since` in days of UTC, so there may be older ones."""
        try:
            listed = await self._sdk.messages.list_async(
                date_sent_after=since, limit=MOST_LISTED, page_size=1000
            )
        except Exception as error:
            raise ProviderTrouble(self._answers.trouble(error)) from None
        return [_told(one) for one in listed if one.sid and one.status]

    async def probe(self) -> list[str]:
        """Whether the credentials open an account that may send."""
        try:
            account = await self._sdk.api.accounts(self._access.secrets["account"]).fetch_async()
        except Exception as error:
            return [self._answers.trouble(error)]
        if account.status != "active":
            return [f"The Twilio account is {account.status}: see its console."]
        return []


def _told(one: Any) -> Told:
    is_inbound = str(one.direction) == "inbound"
    number = one.from_ if is_inbound else one.to
    moments = (one.date_sent, one.date_updated, one.date_created)
    at = next((at for at in moments if at is not None), None)
    return Told(
        str(one.sid),
        str(one.status).lower(),
        str(one.error_code or ""),
        str(number or ""),
        str(one.body or "") if is_inbound else "",
        is_inbound,
        (at or EPOCH).astimezone(UTC),
    )


def unfit(message: Outgoing) -> str:
    """Why Twilio would refuse the message; empty where it would not."""
    content = message.content
    if not isinstance(content, Sms):
        return "not a message for SMS"
    if not content.text.strip():
        return "its text is empty"
    if len(content.text) > LONGEST_SMS:
        return f"its text has more than {LONGEST_SMS:,} characters"
    if _HALF.search(content.text):
        return "its text holds half a character"
    return "" if is_number(message.to) else "not a telephone number in E.164"


def is_number(text: str) -> bool:
    """Whether it is a number in E.164 that can exist."""
    if not _NUMBER.fullmatch(text):
        return False
    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(text)))
    except phonenumbers.NumberParseException:
        return False


def reaches_out(url: str) -> bool:
    """Whether an address lies outside this machine and its network."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith((".localhost", ".local", ".internal"))


def can_be_called(url: str) -> bool:
    """Whether Twilio can post there: from outside, and no underscore in the host's name."""
    return reaches_out(url) and "_" not in (urlsplit(url).hostname or "")
