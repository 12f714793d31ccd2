"""SendGrid: e-mail, a thousand persons a request.

The SDK names host, path, headers and credentials; body and transport are ours, since as shipped
it opens a connection for every call, waits without end and prints the key at level DEBUG.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field

from antiphon.campaigns.models import Model
from antiphon.campaigns.scalars import Flag, Line
from antiphon.providers import (
    MESSAGE_ARGUMENT,
    Access,
    Blame,
    Capabilities,
    Listed,
    LookUp,
    Outcome,
    OutcomeKind,
    Outgoing,
    ProviderTrouble,
)

if TYPE_CHECKING:
    from antiphon.providers.transport import Answer, Transport

CAPABILITIES = Capabilities(frozenset({"email"}), 1000, LookUp.FOUND, reaches_people=True)
CAN_BE_ASKED = True  # what came back: providers.ListsSuppressions, ListsStates
SECRETS: Mapping[str, str] = {"key": "SENDGRID_API_KEY"}
URL = "https://api.sendgrid.com"
LISTS = ("bounces", "invalid_emails", "spam_reports", "unsubscribes")
LARGEST_PAGE = 500
_PARTS = ("campaign", "category", "arm")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _categories(text: object) -> tuple[str, ...]:
    names = tuple(part.strip() for part in str(text).split(",") if part.strip())
    names = () if names == ("none",) else names
    if set(names) - set(_PARTS) or len(set(names)) < len(names):
        raise ValueError(f"write some of {', '.join(_PARTS)}, with commas between; or none")
    return names


def _groups(text: object) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in str(text).split(","):
        match = re.fullmatch(r"\s*(promo|lifecycle|service)\s*=\s*([1-9][0-9]{0,9})\s*", part)
        if not match or match[1] in found:
            raise ValueError("write group numbers by category, such as promo=12, lifecycle=13")
        found[match[1]] = int(match[2])
    return found


def _pool(text: str) -> str:
    if not 2 <= len(text) <= 64:
        raise ValueError("write the name of an IP pool, 2 to 64 characters")
    return text


class Options(Model):
    """What settings.yaml may say of a SendGrid account."""

    categories: Annotated[tuple[str, ...], BeforeValidator(_categories)] = Field(
        default=("campaign", "category"),
        description="Categories of its statistics: some of campaign, category, arm; or none",
    )
    unsubscribe_groups: Annotated[dict[str, int], BeforeValidator(_groups)] = Field(
        default_factory=dict, description="Unsubscribe group by category: promo=12, lifecycle=13"
    )
    sandbox_mode: Flag = Field(
        default=False, description="yes: SendGrid checks each request and sends nothing"
    )
    ip_pool: Annotated[Line, AfterValidator(_pool)] | None = Field(
        default=None, description="Pool of sending addresses"
    )


def open_account(access: Access, *, reaches_people: bool = True) -> "SendGrid":
    """An account, without a connection yet; raises ValueError for a key that cannot be one."""
    if not access.secrets["key"].startswith("SG."):
        raise ValueError("its key is not a SendGrid API key, which begins with 'SG.'.")
    size = min(access.batch, CAPABILITIES.batch_size)
    capabilities = replace(CAPABILITIES, batch_size=size, reaches_people=reaches_people)
    return SendGrid(access, Options.model_validate(dict(access.options)), capabilities)


class SendGrid:
    """One account; see Provider."""

    channel = "email"

    def __init__(self, access: Access, options: Options, capabilities: Capabilities) -> None:
        self.name, self.capabilities = access.name, capabilities
        self._access, self._options = access, options
        self._transport: Transport | None = None
        self._has_activity = True

    async def __aenter__(self) -> Self:
        """Loads what it needs; nothing is connected yet."""
        from sendgrid import SendGridAPIClient  # noqa: PLC0415 - not for `check`

        from antiphon.providers import sendgrid_answers, sendgrid_mail  # noqa: PLC0415
        from antiphon.providers.transport import Transport  # noqa: PLC0415

        access, options = self._access, self._options
        self._mail, self._answers = sendgrid_mail, sendgrid_answers
        self._rules = sendgrid_mail.Rules(
            options.categories,
            options.unsubscribe_groups,
            options.sandbox_mode,
            options.ip_pool or "",
        )
        self._sdk = SendGridAPIClient(access.secrets["key"], host=access.url or URL)
        self._headers = {**self._sdk.client.request_headers, "Content-Type": "application/json"}
        self._send_url = _url(self._sdk.client.mail.send)
        self._transport = Transport(self._sdk.host, access.at_once, access.time_out)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Closes the connections."""
        if self._transport is not None:
            await self._transport.__aexit__()

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """One request, for those whom SendGrid would take; see Provider.send."""
        fresh = [message for message in batch if message.expires_at > now]
        request = self._mail.request(fresh, self._rules)
        outcomes = request.outcomes | {
            m.message_id: Outcome(m.message_id, OutcomeKind.TRY_LATER, "it has expired", "", now)
            for m in batch
            if m.expires_at <= now
        }
        if request.sent:
            answered = await self._post(request.body, request.sent, now)
            outcomes |= {outcome.message_id: outcome for outcome in answered}
        return [outcomes[message.message_id] for message in batch]

    async def _post(self, body: bytes, sent: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        answer, trouble = await self._ask("POST", self._send_url, body=body)
        if answer is not None:
            return self._answers.outcomes(answer, sent, now)
        kind, evidence = trouble
        return [Outcome(m.message_id, kind, evidence, blame=Blame.NETWORK) for m in sent]

    async def _ask(
        self, method: str, url: str, **request: Any
    ) -> "tuple[Answer | None, tuple[OutcomeKind, str]]":
        """The answer, or how certain it is that none of the request was acted on."""
        from antiphon.providers.transport import NotSent, Unclear  # noqa: PLC0415

        assert self._transport is not None, "outside its context"
        try:
            answer = await self._transport.request(method, url, self._headers, **request)
        except NotSent as error:
            return None, (OutcomeKind.TRY_LATER, str(error))
        except Unclear as error:
            return None, (OutcomeKind.UNKNOWN, str(error))
        return answer, (OutcomeKind.UNKNOWN, "")

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """Asks Email Activity, a paid add-on, for our id; silence proves nothing."""
        if not self._has_activity or not _MESSAGE_ID.fullmatch(message.message_id):
            return None
        query = f"(unique_args['{MESSAGE_ARGUMENT}']=\"{message.message_id}\")"
        url = _url(self._sdk.client.messages)
        answer, _ = await self._ask("GET", url, params={"limit": "1", "query": query})
        if answer is None:
            return None
        if answer.status in (401, 403, 404):
            self._has_activity = False  # not part of this account: it need not be asked again
            return None
        data = answer.data if answer.status == 200 else None
        found = data.get("messages") if isinstance(data, dict) else None
        if not isinstance(found, list) or not found or not isinstance(found[0], dict):
            return None
        provider_id = str(found[0].get("msg_id", ""))[:100]
        status = re.sub(r"\W", "", str(found[0].get("status", "")))[:40]
        evidence = f"found in Email Activity: {status}"
        return Outcome(message.message_id, OutcomeKind.ACCEPTED, evidence, provider_id)

    async def suppressions(self, since: datetime, until: datetime) -> list[Listed]:
        """Bounces, invalid addresses, complaints and global unsubscribes; blocks are none: they
        do not stop what is sent later. See ListsSuppressions."""
        found = list[Listed]()
        for name in LISTS:
            url, offset = _url(self._sdk.client.suppression._(name)), 0
            asked = {
                "start_time": str(int(since.timestamp())),
                "end_time": str(int(until.timestamp())),
                "limit": str(LARGEST_PAGE),
            }
            while True:
                page = await self._page(url, {**asked, "offset": str(offset)})
                found += (one for row in page if (one := _listed(name, row)) is not None)
                if len(page) < LARGEST_PAGE:
                    break
                offset += len(page)
        return found

    async def _page(self, url: str, asked: Mapping[str, str]) -> list[Any]:
        answer, (_, trouble) = await self._ask("GET", url, params=asked)
        if answer is None:
            raise ProviderTrouble(f"SendGrid cannot be asked for its lists: {trouble}.")
        if answer.status != 200 or not isinstance(answer.data, list):
            raise ProviderTrouble(
                f"SendGrid does not show its lists ({answer.status}, {answer.looks}).\n"
                "  Give the key the scope 'Suppressions: read' in its console."
            )
        return answer.data

    async def probe(self) -> list[str]:
        """Whether the key may send."""
        answer, (_, trouble) = await self._ask("GET", _url(self._sdk.client.scopes))
        if answer is None:
            return [f"SendGrid cannot be reached: {trouble}."]
        if answer.status == 401:
            return ["SendGrid does not accept the key: make a new one in its console."]
        scopes = answer.data.get("scopes") if isinstance(answer.data, dict) else None
        if answer.status != 200 or not isinstance(scopes, list):
            return [
                f"SendGrid answers {answer.status} ({answer.looks}) when asked what the key may."
            ]
        if "mail.send" not in scopes:
            return [
                "The key may not send mail: give it the scope 'Mail Send' in SendGrid's console."
            ]
        return []

    async def sender_faults(self, sender: str) -> list[str]:
        """What is wrong with the sender's address; nothing where the key may not ask for it."""
        domain = sender.rpartition("@")[2].lower()
        url = _url(self._sdk.client.whitelabel.domains)
        answer, _ = await self._ask("GET", url, params={"limit": "200"})
        known = answer.data if answer is not None and answer.status == 200 else None
        if not isinstance(known, list):
            return []
        mine = [
            one
            for one in known
            if isinstance(one, dict) and f".{domain}".endswith(f".{one.get('domain', '')}".lower())
        ]
        if any(one.get("valid") for one in mine):
            return []
        if mine:
            return [f"SendGrid has not found the DNS records of {domain}: verify them there."]
        answer, _ = await self._ask("GET", _url(self._sdk.client.verified_senders))
        data = answer.data if answer is not None and answer.status == 200 else None
        senders = data.get("results") if isinstance(data, dict) else None
        if not isinstance(senders, list):
            return []
        for one in (one for one in senders if isinstance(one, dict)):
            if str(one.get("from_email", "")).lower() == sender.lower() and one.get("verified"):
                return []
        return [
            f"{domain} is not authenticated at SendGrid, nor the sender verified: Settings, "
            "Sender Authentication."
        ]


def _listed(name: str, row: Any) -> Listed | None:
    """One row of a list; None where it is not what SendGrid shows."""
    try:
        return Listed(name, str(row["email"]), datetime.fromtimestamp(int(row["created"]), UTC))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _url(resource: Any) -> str:
    """The address the SDK would call."""
    return str(resource._build_url(None))  # it has no public name
