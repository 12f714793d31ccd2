"""Twilio's API, as far as we use it: creating and reading messages, and the account."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import orjson

from antiphon.message.sms import segments
from antiphon.sandbox.answers import Answer, as_json
from antiphon.sandbox.journal import Kind, read, request_of
from antiphon.sandbox.state import CANCELED, WRONG, State, new_id

API = "twilio"
MARK = "m"  # our message id in the query of the status callback
LONGEST = 1600
LARGEST_PAGE = 1000
USUAL_PAGE = 50
NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
ERRORS = "https://www.twilio.com/docs/errors/"
# Twilio's own magic numbers, which its test credentials answer so.
MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
SAYS = {
    20001: "A parameter is missing or wrong",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid From Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' "
    "number",
    21602: "Message body is required",
    21603: "A 'From' phone number is required",
    21604: "A 'To' phone number is required",
    21606: "The 'From' phone number provided is not a valid message-capable Twilio phone number "
    "for this destination",
    21609: "The 'StatusCallback' URL is not a valid URL",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "Message cannot be sent with the current combination of 'To' and/or 'From' parameters",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21701: "The messaging service does not exist",
    30409: "Cannot be cancelled: it is not scheduled",
    30036: "Validity Period must be from 1 to 36000 seconds",
    35111: "SendAt must be a moment in ISO 8601",
    35118: "MessagingServiceSid is required to schedule a message",
}


@dataclass(slots=True)
class Text:
    """A message as Twilio keeps it; `form` is how it was asked for."""

    sid: str
    account: str
    created_at: datetime
    form: Mapping[str, str]
    status: str
    sent_at: datetime | None = None

    @property
    def message_id(self) -> str:
        """Our own id, from the status callback; '' where it carries none."""
        query = urlsplit(self.form.get("StatusCallback", "")).query
        return next(iter(parse_qs(query).get(MARK, [])), "")

    def told(self, by_now: tuple[str, int | None] | None = None) -> dict[str, Any]:
        """As the API shows it; `by_now`: status and error since then."""
        status, error = by_now or (self.status, None)
        service = self.form.get("MessagingServiceSid")
        body = self.form.get("Body", "")
        uri = f"/2010-04-01/Accounts/{self.account}/Messages/{self.sid}"
        created = format_datetime(self.created_at)
        return {
            "account_sid": self.account,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": created,
            "date_sent": format_datetime(self.sent_at) if self.sent_at else None,
            "date_updated": created,
            "direction": "outbound-api",
            "error_code": error,
            "error_message": None,
            "from": self.form.get("From"),
            "messaging_service_sid": service,
            "num_media": "0",
            "num_segments": "0" if service else str(segments(body)),
            "price": None,
            "price_unit": None,
            "sid": self.sid,
            "status": status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.form["To"],
            "uri": f"{uri}.json",
        }


class Texts:
    """The messages of one sandbox, newest last."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._by_sid: dict[str, Text] = {}
        self._by_number: dict[str, list[Text]] = {}
        self._remember()

    def create(self, account: str, body: bytes) -> Answer:
        """POST …/Messages.json: 201 and the message, or Twilio's refusal."""
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        code = self._fault(form)
        if code:
            return refusal(code)
        status = "accepted" if form.get("MessagingServiceSid") else "queued"
        if form.get("ScheduleType") == "fixed":
            status = "scheduled"
        text = Text("SM" + new_id(), account, self._state.clock(), form, status)
        self._keep(text)
        kept = orjson.dumps({**form, "AccountSid": account})
        self._state.accept(API, text.sid, [text.message_id], kept)
        return as_json(201, text.told())

    def update(self, sid: str, body: bytes) -> Answer:
        """POST …/Messages/{sid}.json: a scheduled message is cancelled, no other one can be."""
        text = self._by_sid.get(sid)
        if text is None:
            return refusal(20404, 404)
        if dict(parse_qsl(body.decode())).get("Status") != "canceled":
            return refusal(20001)
        if text.status != "scheduled" or sid in self._state.texts:
            return refusal(30409, 409)
        self._state.texts[sid] = CANCELED
        now = self._state.clock()
        self._state.journal.write(now, API, sid, [text.message_id], kind=Kind.CANCELLED)
        return as_json(200, text.told(CANCELED))

    def _remember(self) -> None:
        """What an earlier sandbox in the same folder accepted."""
        for entry in read(self._state.journal.folder):
            if entry.api == API and entry.kind is Kind.ACCEPTED:
                form = request_of(self._state.journal.folder, entry)
                if form:
                    account = form.pop("AccountSid", "")
                    self._keep(Text(entry.provider_id, account, entry.at, form, "sent"))

    def _keep(self, text: Text) -> None:
        self._by_sid[text.sid] = text
        self._by_number.setdefault(text.form["To"], []).append(text)

    def fetch(self, sid: str) -> Answer:
        """GET …/Messages/{sid}.json."""
        text = self._by_sid.get(sid)
        if text is None:
            return refusal(20404, 404)
        return as_json(200, text.told(self._state.texts.get(sid)))

    def list(self, account: str, query: Mapping[str, str]) -> Answer:
        """GET …/Messages.json: a page of those to a number (or all), newest first."""
        size = max(1, min(int(query.get("PageSize", USUAL_PAGE)), LARGEST_PAGE))
        page = int(query.get("Page", 0))
        to = query.get("To")
        found = self._by_number.get(to, []) if to else [*self._by_sid.values()]
        newest = [text for text in reversed(found) if _is_wanted(text, query)]
        shown = newest[page * size : (page + 1) * size]
        path = f"/2010-04-01/Accounts/{account}/Messages.json"

        def at(number: int) -> str:
            return f"{path}?{urlencode({**query, 'PageSize': size, 'Page': number})}"

        return as_json(
            200,
            {
                "messages": [text.told(self._state.texts.get(text.sid)) for text in shown],
                "page": page,
                "page_size": size,
                "start": page * size,
                "end": page * size + max(0, len(shown) - 1),
                "uri": at(page),
                "first_page_uri": at(0),
                "next_page_uri": at(page + 1) if (page + 1) * size < len(newest) else None,
                "previous_page_uri": at(page - 1) if page else None,
            },
        )

    def _fault(self, form: Mapping[str, str]) -> int:
        """Twilio's code of what is wrong; 0 where nothing is."""
        to, sender = form.get("To", ""), form.get("From", "")
        service = form.get("MessagingServiceSid", "")
        validity = form.get("ValidityPeriod", "1")
        checks = (
            (not to, 21604),
            (not form.get("Body"), 21602),
            (len(form.get("Body", "")) > LONGEST, 21617),
            (not sender and not service, 21603),
            (bool(service) and not SERVICE.fullmatch(service), 21701),
            (sender in MAGIC_FROM, MAGIC_FROM.get(sender, 0)),
            (to in MAGIC_TO, MAGIC_TO.get(to, 0)),
            (not NUMBER.fullmatch(to), 21211),
            (to in self._state.suppressed.get("stop", {}), 21610),
            (not _is_callback(form.get("StatusCallback", "")), 21609),
            (form.get("ScheduleType") == "fixed" and not service, 35118),
            (form.get("ScheduleType") == "fixed" and not _is_moment(form.get("SendAt", "")), 35111),
            (not validity.isdigit() or not 1 <= int(validity) <= 36000, 30036),
        )
        return next((code for is_wrong, code in checks if is_wrong), 0)


def account_of(account: str) -> Answer:
    """GET /2010-04-01/Accounts/{sid}.json."""
    shown = {"sid": account, "friendly_name": "Sandbox", "status": "active", "type": "Full"}
    return as_json(200, {**shown, "uri": f"/2010-04-01/Accounts/{account}.json"})


def refusal(code: int, status: int = 400, message: str = "") -> Answer:
    """Twilio's error body."""
    said = message or SAYS.get(code, "The request was refused")
    body = {"code": code, "message": said, "more_info": f"{ERRORS}{code}", "status": status}
    return as_json(status, body)


def unauthorized(state: State, header: str, account: str) -> Answer | None:
    """Twilio's 401 where credentials are missing, of another account, or end with `wrong`.

    A good token is remembered: it signs this account's callbacks.
    """
    scheme, _, text = header.partition(" ")
    try:
        user, _, token = base64.b64decode(text, validate=True).decode().partition(":")
    except ValueError:
        user = token = ""
    belongs = user == account or user.startswith("SK")
    if scheme.lower() == "basic" and belongs and token and not token.endswith(WRONG):
        state.tokens[account] = token
        return None
    return refusal(20003, 401)


def _is_callback(url: str) -> bool:
    parts = urlsplit(url)
    return not url or (parts.scheme in {"http", "https"} and "_" not in (parts.hostname or "_"))


def _is_moment(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_wanted(text: Text, query: Mapping[str, str]) -> bool:
    if query.get("From") not in {None, text.form.get("From")}:
        return False
    day = (text.sent_at or text.created_at).date().isoformat()
    return (
        query.get("DateSent", day)[:10] == day
        and query.get("DateSent>", day)[:10] <= day
        and query.get("DateSent<", day)[:10] >= day
    )
