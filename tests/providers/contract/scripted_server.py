"""A server on loopback that answers, or fails to, exactly as told; for the adapters' tests."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPMessage, parse_headers, responses
from io import BytesIO
from typing import BinaryIO


@dataclass(frozen=True)
class Reply:
    """An answer. `cut`: so many bytes of the body are missing when the connection closes;
    `closes`: it closes after the answer without having said so."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int = 0
    closes: bool = False


DROP = "drop"  # the request was read, the connection closed
RESET = "reset"  # the request was read, the connection reset
HANG = "hang"  # the request was read, nothing is answered
DEAF = "deaf"  # the connection is closed before anything is read
GARBAGE = "garbage"  # not HTTP


@dataclass(frozen=True)
class Request:
    """What came in."""

    method: str
    path: str
    headers: HTTPMessage
    body: bytes


@dataclass
class Server:
    """Answers by `script`, then by `usual`; keeps what it saw, and counts connections."""

    usual: Reply
    script: list[Reply | str] = field(default_factory=list)
    seen: list[Request] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        """Until the listener is closed; a thread a connection."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while not (self.script and self.script[0] == DEAF) and (request := _read(stream)):
                self.seen.append(request)
                if not self._answer(connection, self.script.pop(0) if self.script else self.usual):
                    return
            if self.script and self.script[0] == DEAF:
                self.script.pop(0)
                _reset(connection)

    def _answer(self, connection: socket.socket, action: Reply | str) -> bool:
        """Whether the connection goes on."""
        if action == HANG:
            self.over.wait(30)
        if action == RESET:
            _reset(connection)
        if action == GARBAGE:
            connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
        if isinstance(action, str):
            return False
        head = f"HTTP/1.1 {action.status} {responses.get(action.status, 'Odd')}\r\n"
        headers = {"Content-Length": str(len(action.body) + action.cut), **action.headers}
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.sendall(head.encode() + b"\r\n" + action.body)
        return not (action.cut or action.closes)


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _read(stream: BinaryIO) -> Request | None:
    line = stream.readline().decode("latin-1").split()
    if len(line) != 3:
        return None
    raw = b""
    while (one := stream.readline()) not in (b"\r\n", b""):
        raw += one
    headers = parse_headers(BytesIO(raw + b"\r\n"))
    return Request(line[0], line[1], headers, stream.read(int(headers.get("Content-Length", 0))))


@contextlib.contextmanager
def serving(usual: Reply) -> Iterator[Server]:
    """A server in a thread, gone on the way out."""
    server = Server(usual)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        server.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        threading.Thread(target=server.serve, args=(listener,), daemon=True).start()
        try:
            yield server
        finally:
            server.over.set()
            listener.shutdown(socket.SHUT_RDWR)


def refusing_url() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"http://127.0.0.1:{taken.getsockname()[1]}"
