"""Tells a web server what became of the messages, as the providers' webhooks do."""

import contextlib
import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import orjson

from antiphon.errors import UserFilesError
from antiphon.sandbox import fates, mail, reports
from antiphon.sandbox.fates import Events, Happening, chance
from antiphon.sandbox.journal import EVENTS, Entry
from antiphon.sandbox.signing import EventSigner, twilio_signature
from antiphon.sandbox.state import CANCELED, State

EVENTS_PATH = "/sendgrid/events"
INBOUND_PATH = "/twilio/inbound"
BATCH = 1000
TRIES = 6
LANES = 8  # reports of one request stay in one
TIMES = httpx.Timeout(15, connect=5)
LATE_STEPS = 5  # so many steps late is a report out of order
LISTS = {"bounce": "bounces", "spamreport": "spam_reports", "unsubscribe": "unsubscribes"}
DROPPED = {
    "bounces": "Bounced Address",
    "unsubscribes": "Unsubscribed Address",
    "spam_reports": "Spam Reporting Address",
}


@dataclass(frozen=True, slots=True)
class Report:
    """One happening of one message that is to be told."""

    entry: Entry
    part: int
    request: dict[str, Any]
    happening: Happening
    copy: int = 0

    @property
    def message_id(self) -> str:
        """Our own id."""
        return self.entry.messages[self.part]


class Reporter:
    """Plays the fates of accepted messages, in a thread of its own.

    `url`: where it is told, on this machine; without one fates only fill the provider's lists.
    What was told, and what was answered, stands in events.jsonl beside the journal.
    """

    def __init__(self, state: State, url: str = "") -> None:
        self._state = state
        self._url = _loopback(url) if url else ""
        self._signer = EventSigner(state.journal.folder)
        self._due: list[tuple[float, int, Report]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._ends = False
        self._writing = threading.Lock()
        # Made here and not in the thread: it imports, and an interrupted import blocks all others.
        self._client = httpx.Client(timeout=TIMES, trust_env=False) if self._url else None
        self._log = (state.journal.folder / EVENTS).open("ab", buffering=0)
        self._thread = threading.Thread(target=self._run, name="antiphon-events", daemon=True)

    def start(self) -> None:
        """Begin; messages accepted from now on have a fate."""
        self._state.on_accepted.append(self.accepted)
        self._thread.start()

    def stop(self) -> None:
        """End; what is not told yet is told to nobody."""
        with self._changed:
            self._ends = True
            self._changed.notify()
        self._thread.join(20)
        if self._client is not None:
            self._client.close()
        self._log.close()

    def accepted(self, entry: Entry, request: bytes) -> None:
        """Decide what becomes of the messages of a request."""
        events = self._state.faults.script.events
        if events is None:
            return
        asked = orjson.loads(request)
        wait = max(0.0, _leaves_at(asked) - self._state.clock().timestamp())
        begins = time.monotonic() + wait
        for part in range(len(entry.messages)):
            for happening in self._fate(events, entry, part, asked):
                self._plan(events, Report(entry, part, asked, happening), begins)

    def _fate(
        self, events: Events, entry: Entry, part: int, asked: dict[str, Any]
    ) -> list[Happening]:
        key = entry.messages[part] or f"{entry.provider_id}:{part}"
        seed = self._state.faults.script.seed
        if entry.api != mail.API:
            return fates.of_sms(events, seed, key)
        address = asked["personalizations"][part]["to"][0]["email"]
        reasons = (
            reason
            for kind, reason in DROPPED.items()
            if address.lower() in self._state.suppressed.get(kind, {})
        )
        return fates.of_email(events, seed, key, address, next(reasons, ""))

    def _plan(self, events: Events, report: Report, begins: float) -> None:
        seed = self._state.faults.script.seed
        key = f"{report.entry.provider_id}:{report.part}:{report.happening.name}"
        due = begins + report.happening.after
        if chance(seed, "out_of_order", key) < events.out_of_order:
            due += LATE_STEPS * max(events.seconds, 0.01)
        copies = 2 if chance(seed, "duplicates", key) < events.duplicates else 1
        if chance(seed, "lost", key) < events.lost:
            copies = 0
        with self._changed:
            for copy in range(copies):
                again = due + copy * max(events.seconds, 0.01)
                copied = Report(report.entry, report.part, report.request, report.happening, copy)
                heapq.heappush(self._due, (again, next(self._order), copied))
            self._changed.notify()

    def _run(self) -> None:
        with contextlib.ExitStack() as stack:
            lanes = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(LANES)]
            while (due := self._wait()) is not None:
                told = [report for report in due if self._happens(report)]
                if self._client is not None:
                    for number, lane in enumerate(lanes):
                        # In one lane nothing overtakes: only a script puts reports out of order.
                        own = [one for one in told if one.entry.number % LANES == number]
                        self._tell(self._client, lane, own)

    def _tell(self, client: httpx.Client, lane: ThreadPoolExecutor, told: list[Report]) -> None:
        mails = [report for report in told if report.entry.api == mail.API]
        for start in range(0, len(mails), BATCH):
            lane.submit(self._post_events, client, mails[start : start + BATCH])
        for report in told:
            if report.entry.api != mail.API:
                lane.submit(self._call_back, client, report)

    def _wait(self) -> list[Report] | None:
        """What is due by now, as soon as anything is; None at the end."""
        with self._changed:
            while not self._ends:
                now = time.monotonic()
                if self._due and self._due[0][0] <= now:
                    found = []
                    while self._due and self._due[0][0] <= now:
                        found.append(heapq.heappop(self._due)[2])
                    return found
                self._changed.wait(self._due[0][0] - now if self._due else None)
        return None

    def _happens(self, report: Report) -> bool:
        """Note at the provider's what happened; False for a message that was cancelled."""
        batch, name = report.request.get("batch_id"), report.happening.name
        if batch and self._state.batches.get(batch) == "cancel":
            return False
        if report.entry.api != mail.API:
            if self._state.texts.get(report.entry.provider_id) == CANCELED:
                return False
            if name == "inbound":
                self._state.suppress("stop", report.request["To"])
            elif report.copy == 0:
                error = report.happening.fields.get("ErrorCode")
                self._state.texts[report.entry.provider_id] = (name, int(error) if error else None)
            return True
        address = report.request["personalizations"][report.part]["to"][0]["email"]
        fields = report.happening.fields
        kind = LISTS.get(name)
        if name == "bounce" and fields["type"] == "blocked":
            kind = "blocks"
        if name == "dropped" and fields["reason"] == "Invalid":
            kind = "invalid_emails"
        if kind:
            reason, status = fields.get("reason", ""), fields.get("status", "")
            self._state.suppress(kind, address, reason, status)
        return True

    def _post_events(self, client: httpx.Client, due: list[Report]) -> None:
        """Post an array, again and again until it is taken; each try is signed anew."""
        now = self._state.clock()
        events = [
            reports.email_event(one.entry, one.part, one.request, one.happening, now) for one in due
        ]
        body = b"[" + b",\r\n".join(orjson.dumps(event) for event in events) + b"]\r\n"

        def post() -> httpx.Response:
            stamp = str(int(self._state.clock().timestamp()))
            headers = {
                "content-type": "application/json",
                "x-twilio-email-event-webhook-signature": self._signer.sign(stamp, body),
                "x-twilio-email-event-webhook-timestamp": stamp,
            }
            return client.post(self._url + EVENTS_PATH, content=body, headers=headers)

        status = self._until_taken(post, TRIES, whatever=True)
        self._note(due, status)

    def _call_back(self, client: httpx.Client, report: Report) -> None:
        """Post a status or an answer; the signature is that of the public address."""
        callback = report.request.get("StatusCallback", "")
        form = self._form(report)
        if report.happening.name == "inbound":
            public = _instead(callback, INBOUND_PATH) if callback else self._url + INBOUND_PATH
        elif not callback:
            return
        else:
            public = callback.partition("#")[0]
        token = self._state.tokens.get(form["AccountSid"], "")
        headers = {"x-twilio-signature": twilio_signature(token, public, form)}
        parts = urlsplit(public)
        local = self._url + urlunsplit(("", "", parts.path or "/", parts.query, ""))
        times, whatever = reports.retries_of(callback)
        status = self._until_taken(
            lambda: client.post(local, data=form, headers=headers), times + 1, whatever=whatever
        )
        self._note([report], status)

    def _form(self, report: Report) -> dict[str, str]:
        if report.happening.name == "inbound":
            body = str(report.happening.fields["Body"])
            return reports.inbound_form(report.entry, report.request, body)
        return reports.status_form(report.entry, report.request, report.happening)

    def _until_taken(
        self, post: Callable[[], httpx.Response], tries: int, *, whatever: bool
    ) -> int:
        """The last status; 0 where nobody answered. The gaps between tries grow."""
        status = 0
        for number in range(tries):
            if number:
                time.sleep(0.1 * 2**number)
            if self._ends:
                break
            try:
                status = post().status_code
            except httpx.ConnectError:
                status = 0
                continue
            except httpx.HTTPError:
                status = 0
                if whatever:
                    continue
                break
            if 200 <= status < 300 or not whatever:
                break
        return status

    def _note(self, told: list[Report], status: int) -> None:
        lines = [
            {
                "at": self._state.clock(),
                "message": report.message_id,
                "provider_id": report.entry.provider_id,
                "event": report.happening.name,
                "copy": report.copy,
                "status": status,
            }
            for report in told
        ]
        with self._writing:
            self._log.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))


def told(folder: Path) -> list[dict[str, Any]]:
    """What was reported so far: message, event, copy, and the status that it was answered."""
    path = folder / EVENTS
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [orjson.loads(line) for line in lines if line.endswith(b"\n")]


def _leaves_at(asked: dict[str, Any]) -> float:
    """Unix seconds for which a message was scheduled; 0 where it leaves at once."""
    if asked.get("ScheduleType") == "fixed" and asked.get("SendAt"):
        return datetime.fromisoformat(asked["SendAt"]).timestamp()
    return float(asked.get("send_at") or 0)


def _loopback(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname in {"127.0.0.1", "localhost", "::1"}:
        return url.rstrip("/")
    raise UserFilesError(
        f"Events go to an address of this machine, not to {url}.\n"
        "  Write --events-to http://127.0.0.1:PORT: what is rehearsed stays here."
    )


def _instead(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))
