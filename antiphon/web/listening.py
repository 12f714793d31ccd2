"""A socket to serve on, and a server that ends when its process is told to."""

import contextlib
import signal
import socket
from collections.abc import Iterator

import uvicorn

from antiphon.errors import UserFilesError

WAITING = 2048  # connections that the kernel holds for us


class InProcess(uvicorn.Server):
    """One whose signals are ours: uvicorn heeds them only once it has begun."""

    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        """None of them."""
        return contextlib.nullcontext()


@contextlib.contextmanager
def ended_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the server in order, at whatever moment of its start they come; a
    second one does not wait for answers under way."""

    def end(*_: object) -> None:
        server.force_exit, server.should_exit = server.should_exit, True

    before = {one: signal.signal(one, end) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def listening(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on, before anybody serves them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named TCP, or asyncio leaves Nagle's algorithm on: then every answer is 40 ms late
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(WAITING)
    except OSError as error:
        listener.close()
        raise UserFilesError(
            f"Port {port} of {host} cannot be had ({error.strerror}).\n"
            "  Is one running already? Stop it, or name another with --port."
        ) from None
    return listener


def url_of(listener: socket.socket) -> str:
    """The address by which it is reached on this machine."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
