"""The local outbox: every e-mail a file that a mail program opens, every SMS a text file.

Files are `<day>/<campaign>/<message id>.eml` or `.txt`. A file appears whole or not at all, and
the same message always has the same place, so that writing it again changes nothing.
"""

import os
import re
from base64 import encodebytes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from email.header import Header
from email.utils import format_datetime, formataddr
from pathlib import Path
from tempfile import TemporaryFile
from typing import Self

from antiphon.campaigns.models import Model
from antiphon.message.content import Email, Personal, Sms
from antiphon.providers import Access, Capabilities, LookUp, Outcome, OutcomeKind, Outgoing

CAPABILITIES = Capabilities(
    frozenset({"email", "sms"}), 1_000, LookUp.CERTAIN, reaches_people=False
)
SECRETS: Mapping[str, str] = {}
RETRY_AFTER = timedelta(minutes=5)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_NUMBER = re.compile(r"\+[1-9][0-9]{5,14}")
_LONGEST_LINE = 900  # RFC 5322 allows 998 with the header's name
_OUTSIDE_ADDRESS = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff<>(),;:\\\"\[\]]")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class Options(Model):
    """Nothing can be told."""


def open_account(access: Access) -> "LocalOutbox":
    """The outbox below `access.folder`."""
    outbox = LocalOutbox(access.folder, access.channel, name=access.name)
    size = min(access.batch, outbox.capabilities.batch_size)
    outbox.capabilities = replace(outbox.capabilities, batch_size=size)
    return outbox


class LocalOutbox:
    """A provider that writes files. `durable`: flushed to the disk before they count as written."""

    capabilities = CAPABILITIES

    def __init__(
        self, folder: str | Path, channel: str, *, durable: bool = False, name: str = "local"
    ) -> None:
        self.folder, self.channel, self._durable = Path(folder), channel, durable
        self.name = name
        self._ending = {"email": ".eml", "sms": ".txt"}[channel]

    async def send(self, batch: Sequence[Outgoing], now: datetime) -> list[Outcome]:
        """Writes each message; see Provider.send."""
        return [self._deliver(message, now) for message in batch]

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing to close."""

    async def probe(self) -> list[str]:
        """Whether files can be written."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=self.folder):
                return []
        except OSError as error:
            return [f"{self.folder} cannot be written to: {error.strerror}"]

    async def lookup(self, message: Outgoing, since: datetime, now: datetime) -> Outcome | None:
        """Whether a file of that message is there: the folder is ours, so the answer is certain."""
        message_id = message.message_id
        if not _SAFE_NAME.fullmatch(message_id):
            return Outcome(message_id, OutcomeKind.REFUSED, "not a message id")
        for path in self.folder.glob(f"*/*/{message_id}{self._ending}"):
            return self._accepted(message_id, path)
        return Outcome(message_id, OutcomeKind.TRY_LATER, "no such file", retry_at=now)

    def _deliver(self, message: Outgoing, now: datetime) -> Outcome:
        for name in (message.message_id, message.campaign):
            if not _SAFE_NAME.fullmatch(name):
                return Outcome(message.message_id, OutcomeKind.REFUSED, "not a name for a file")
        try:
            data = self._bytes(message, now)
        except ValueError as error:
            return Outcome(message.message_id, OutcomeKind.REFUSED, str(error))
        folder = self.folder / message.day.isoformat() / message.campaign
        path = folder / f"{message.message_id}{self._ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._write(path, data)
        except OSError as error:
            return self._failed(message.message_id, path, error, now)
        return self._accepted(message.message_id, path)

    def _write(self, path: Path, data: bytes) -> None:
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with beside.open("wb") as file:
                file.write(data)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())
            beside.replace(path)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise
        if self._durable:
            handle = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)

    def _failed(self, message_id: str, path: Path, error: OSError, now: datetime) -> Outcome:
        """A file that is not there was not written; one that is there may not outlive a crash."""
        evidence = error.strerror or type(error).__name__
        if path.exists():
            return Outcome(message_id, OutcomeKind.UNKNOWN, evidence)
        return Outcome(message_id, OutcomeKind.TRY_LATER, evidence, retry_at=now + RETRY_AFTER)

    def _accepted(self, message_id: str, path: Path) -> Outcome:
        place = path.relative_to(self.folder).as_posix()
        return Outcome(message_id, OutcomeKind.ACCEPTED, f"file {place}", provider_id=place)

    def _bytes(self, message: Outgoing, now: datetime) -> bytes:
        """The file's content; raises ValueError for what cannot be addressed."""
        content = message.content
        if isinstance(content, Personal):
            content = content.whole()
        if isinstance(content, Email) and self.channel == "email":
            return as_mime(message, content, now)
        if isinstance(content, Sms) and self.channel == "sms":
            if not _NUMBER.fullmatch(message.to):
                raise ValueError("not a telephone number in E.164")
            lines = f"To: {message.to}\nFrom: {_line(message.sender)}\nDate: {now.isoformat()}\n"
            return f"{lines}\n{content.text}\n".encode()
        raise ValueError(f"not a message for {self.channel}")


def as_mime(message: Outgoing, content: Email, now: datetime) -> bytes:
    """The e-mail as a mail program reads it; raises ValueError for an address that is none.

    Written out here, as `email`'s own classes take 3 to 6 ms a message, and EmailMessage wraps
    List-Unsubscribe into encoded words, which no mail program follows. Bodies are base64, in
    which the boundary cannot occur; the same message has the same bytes.
    """
    sender, boundary = _address(message.sender), f"=_{message.message_id}"
    headers = {
        "From": formataddr((_line(message.sender_name), sender)),
        "To": _address(message.to),
        "Subject": _encoded(content.subject),
        "Date": format_datetime(now),
        "Message-ID": f"<{message.message_id}@{sender.rpartition('@')[2]}>",
        "X-Antiphon-Campaign": message.campaign,
        **{name: _line(value) for name, value in content.headers.items()},
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{boundary}"',
    }
    lines = [f"{name}: {value}" for name, value in headers.items()]
    for subtype, body in (("plain", content.text), ("html", content.html)):
        lines += ["", f"--{boundary}", f"Content-Type: text/{subtype}; charset=utf-8"]
        lines += ["Content-Transfer-Encoding: base64", "", _base64(body)]
    lines += [f"--{boundary}--", ""]
    return "\r\n".join(lines).encode("ascii")


def _encoded(text: str) -> str:
    """A header's text: as it is where ASCII and short, else in encoded words of RFC 2047."""
    line = _line(text)
    if line.isascii() and len(line) <= _LONGEST_LINE:
        return line
    return Header(line, "utf-8", header_name="Subject").encode(linesep="\r\n")


def _base64(text: str) -> str:
    return encodebytes(text.encode()).decode("ascii").replace("\n", "\r\n").rstrip("\r\n")


def _address(address: str) -> str:
    """The address, its domain in ASCII (IDNA); raises ValueError unless it is one."""
    local, at, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not (at and local.isascii() and local and domain) or _OUTSIDE_ADDRESS.search(address):
        raise ValueError("not an e-mail address that can be written to")
    return f"{local}@{domain}"


def _line(text: str) -> str:
    return _UNSAFE.sub(" ", text)
