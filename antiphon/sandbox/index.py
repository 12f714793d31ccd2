"""Every message of a journal by person, built when somebody looks and not while it is sent."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from antiphon.sandbox.journal import Entry, Kind, read, request_of


@dataclass(frozen=True, slots=True)
class Item:
    """One message to one person: the `part`-th of the request of line `entry`."""

    number: int
    entry: Entry
    part: int
    to: str
    name: str
    subject: str
    words: str  # what a search looks through, in small letters

    @property
    def message_id(self) -> str:
        """Our own id; '' where it had none."""
        return self.entry.messages[self.part]

    @property
    def provider_id(self) -> str:
        """As the provider calls it: in SendGrid's activity with a tail for each person."""
        if self.entry.api == "twilio":
            return self.entry.provider_id
        return f"{self.entry.provider_id}.recvd-sandbox-{self.part}"


class Index:
    """The messages of a folder, as far as it has been read; a longer journal is read on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lines = 0
        self._reading = threading.Lock()  # pages are served by threads
        self._items: list[Item] = []
        self._by_message: dict[str, list[Item]] = {}
        self._by_person: dict[str, list[Item]] = {}
        self._cancelled: set[str] = set()
        self.lost = 0  # messages whose request was not kept

    def everything(self) -> Sequence[Item]:
        """All messages whose requests were kept, oldest first."""
        self._read_on()
        return self._items

    def of_message(self, message_id: str) -> Sequence[Item]:
        """Those with this id of ours: more than one is a message sent twice."""
        self._read_on()
        return self._by_message.get(message_id, ())

    def of_person(self, to: str) -> Sequence[Item]:
        """Those to an address, however it is written."""
        self._read_on()
        return self._by_person.get(to.lower(), ())

    def is_cancelled(self, item: Item) -> bool:
        """Whether it was withdrawn before it left."""
        return item.message_id in self._cancelled

    def search(self, text: str, channel: str = "") -> Iterator[Item]:
        """Messages that contain every word of `text`, newest first; channel email, sms or both."""
        words = text.lower().split()
        api = {"email": "sendgrid", "sms": "twilio"}.get(channel, "")
        for item in reversed(self.everything()):
            if (not api or item.entry.api == api) and all(word in item.words for word in words):
                yield item

    def page(self, text: str, channel: str, page: int, size: int) -> tuple[list[Item], bool]:
        """One page of a search, and whether another one follows."""
        found = list(islice(self.search(text, channel), page * size, (page + 1) * size + 1))
        return found[:size], len(found) > size

    def request(self, item: Item) -> dict[str, Any]:
        """The request it came in."""
        return request_of(self._folder, item.entry) or {}

    def _read_on(self) -> None:
        with self._reading:
            self._read_lines()

    def _read_lines(self) -> None:
        for entry in read(self._folder, self._lines):
            self._lines = entry.number + 1
            if entry.kind is Kind.CANCELLED:
                self._cancelled.update(entry.messages)
            elif entry.kind is Kind.ACCEPTED and not entry.body_length:
                self.lost += len(entry.messages)
            elif entry.kind is Kind.ACCEPTED:
                for part, (to, name, subject, words) in enumerate(self._people(entry)):
                    self._add(Item(len(self._items), entry, part, to, name, subject, words))

    def _add(self, item: Item) -> None:
        self._items.append(item)
        self._by_person.setdefault(item.to.lower(), []).append(item)
        if item.message_id:
            self._by_message.setdefault(item.message_id, []).append(item)

    def _people(self, entry: Entry) -> Iterator[tuple[str, str, str, str]]:
        """Address, name, subject (of an SMS its text) and words of each message of a line."""
        request = request_of(self._folder, entry) or {}
        if entry.api == "twilio":
            to, text = request.get("To", ""), request.get("Body", "")
            yield to, "", text, f"{to} {text} {entry.messages[0]}".lower()
            return
        shared = request.get("subject", "")
        categories = " ".join(request.get("categories", ()))
        for message, person in zip(
            entry.messages, request.get("personalizations", ()), strict=False
        ):
            one = person["to"][0]
            subject = filled(person.get("subject") or shared, person.get("substitutions"))
            name = one.get("name", "")
            words = f"{one['email']} {name} {subject} {message} {categories}".lower()
            yield one["email"], name, subject, words


def filled(text: str, substitutions: dict[str, str] | None) -> str:
    """The text with every substitution in its place, as SendGrid puts them in: one pass each."""
    for marker, value in (substitutions or {}).items():
        if marker in text:
            text = text.replace(marker, value)
    return text
