"""The post of a town: takes what the sandbox accepted, brings back what people did with it.

What comes back takes the way of the providers: events and forms are written and signed as theirs
are (antiphon/sandbox/reports.py, signing.py) and handed to whoever receives webhooks.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson

from antiphon.clock import Clock
from antiphon.sandbox import mail, reports
from antiphon.sandbox.fates import Happening
from antiphon.sandbox.journal import Entry
from antiphon.sandbox.server import Sandbox
from antiphon.sandbox.signing import EventSigner, twilio_signature
from antiphon.town.receiving import WebServer

BATCH = 1000
EVENTS, INBOUND = "/sendgrid/events", "/twilio/inbound"


@dataclass(frozen=True, slots=True)
class Letter:
    """One message that left: the request it was part of, and its place in it."""

    entry: Entry
    part: int
    request: Mapping[str, Any]

    @property
    def message_id(self) -> str:
        """Ours."""
        return self.entry.messages[self.part]

    @property
    def is_email(self) -> bool:
        """Else an SMS."""
        return self.entry.api == mail.API


@dataclass(frozen=True, slots=True)
class Report:
    """What a provider tells of one letter."""

    letter: Letter
    happening: Happening
    at: datetime


class Post:
    """Watches a sandbox; `refused` counts the reports that were not taken."""

    def __init__(self, sandbox: Sandbox, receiver: WebServer, clock: Clock) -> None:
        self._state, self._receiver, self._clock = sandbox.state, receiver, clock
        self._signer = EventSigner(sandbox.folder)
        self._waiting: deque[Letter] = deque()
        self.refused = 0
        sandbox.state.on_accepted.append(self._accepted)

    def _accepted(self, entry: Entry, request: bytes) -> None:
        asked = orjson.loads(request)
        self._waiting.extend(Letter(entry, part, asked) for part in range(len(entry.messages)))

    def letters(self) -> list[Letter]:
        """What left since this was asked last."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]

    def tell(self, told: Sequence[Report]) -> None:
        """Hand over reports, in the order given."""
        mails = [one for one in told if one.letter.is_email]
        for start in range(0, len(mails), BATCH):
            self._post_events(mails[start : start + BATCH])
        for one in told:
            if not one.letter.is_email:
                self._post_form(one)

    def unsubscribe(self, letter: Letter) -> None:
        """By the mail program's button; without one nothing can be done."""
        if path := one_click(letter):
            self.refused += self._receiver.unsubscribe(path) != 200

    def answer(self, path: str, score: int, form: Mapping[str, str]) -> None:
        """A survey: the tap in the message, then the page's form, where there is one."""
        self.refused += self._receiver.visit(f"{path}/{score}") != 200
        if form:
            self.refused += self._receiver.submit(path, form) != 200

    def _post_events(self, told: Sequence[Report]) -> None:
        events = [
            reports.email_event(
                one.letter.entry, one.letter.part, one.letter.request, one.happening, one.at
            )
            for one in told
        ]
        body = b"[" + b",\r\n".join(orjson.dumps(event) for event in events) + b"]\r\n"
        stamp = str(int(self._clock().timestamp()))
        headers = {
            "content-type": "application/json",
            "x-twilio-email-event-webhook-signature": self._signer.sign(stamp, body),
            "x-twilio-email-event-webhook-timestamp": stamp,
        }
        self._hand_over(EVENTS, "", headers, body)

    def _post_form(self, told: Report) -> None:
        letter = told.letter
        callback = str(letter.request.get("StatusCallback", ""))
        if not callback:
            return
        public = callback.partition("#")[0]
        if told.happening.name == "inbound":
            form = reports.inbound_form(
                letter.entry, letter.request, str(told.happening.fields["Body"])
            )
            parts = urlsplit(public)
            public = f"{parts.scheme}://{parts.netloc}{INBOUND}"
        else:
            form = reports.status_form(letter.entry, letter.request, told.happening)
        token = self._state.tokens.get(form["AccountSid"], "")
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": twilio_signature(token, public, form),
        }
        parts = urlsplit(public)
        self._hand_over(parts.path, parts.query, headers, urlencode(form).encode())

    def _hand_over(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> None:
        status = self._receiver.post(path, query, headers, body)
        self.refused += not 200 <= status < 300


def one_click(letter: Letter) -> str:
    """The path by which a mail program unsubscribes (RFC 8058); '' where the letter has none."""
    person = letter.request["personalizations"][letter.part]
    headers = {**letter.request.get("headers", {}), **person.get("headers", {})}
    link = str(headers.get("List-Unsubscribe", "")).strip().strip("<>")
    return urlsplit(link).path
