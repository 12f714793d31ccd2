"""What the sandbox remembers while it runs, shared by its APIs."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from antiphon.clock import Clock
from antiphon.sandbox.faults import Faults
from antiphon.sandbox.journal import Entry, Journal

Accepted = Callable[[Entry, bytes], None]
CANCELED = ("canceled", None)
WRONG = "wrong"  # credentials that end so are refused, to rehearse it


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Why an address gets nothing any more."""

    address: str
    at: datetime
    reason: str = ""
    status: str = ""


@dataclass(slots=True)
class State:
    """One sandbox. `suppressed`: list (bounces, …, stop) → address → why.

    `sender`: the one address that may send. `batches`: batch_id → '', pause or cancel;
    `scheduled`: batch_id → its requests that wait (provider's id, unix seconds, our ids).
    `texts`: SID → status and error by now. `tokens`: account → what signs Twilio's callbacks.
    `on_accepted` is told each request that was accepted, and its body as JSON.
    """

    journal: Journal
    faults: Faults
    clock: Clock
    shows_activity: bool = True
    sender: str = "news@example.com"
    suppressed: dict[str, dict[str, Suppressed]] = field(default_factory=dict)
    batches: dict[str, str] = field(default_factory=dict)
    scheduled: dict[str, list[tuple[str, int, list[str]]]] = field(default_factory=dict)
    texts: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    on_accepted: list[Accepted] = field(default_factory=list)

    def suppress(self, kind: str, address: str, reason: str = "", status: str = "") -> None:
        """Put an address on a list, as of now; the first reason stays."""
        listed = self.suppressed.setdefault(kind, {})
        listed.setdefault(address.lower(), Suppressed(address, self.clock(), reason, status))

    def accept(self, api: str, provider_id: str, messages: list[str], request: bytes) -> Entry:
        """Journal a request that is accepted; it is on disk when this returns."""
        entry = self.journal.write(self.clock(), api, provider_id, messages, request)
        for tell in self.on_accepted:
            tell(entry, request)
        return entry


def new_id(size: int = 16) -> str:
    """A name nobody guesses, of hexadecimal digits, two for each of `size`."""
    return secrets.token_hex(size)
