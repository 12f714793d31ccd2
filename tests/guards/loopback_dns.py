"""A name server on the loopback: it speaks DNS over UDP, and knows what it is given."""

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset


@contextmanager
def name_server(
    texts: Mapping[str, Sequence[str]], *, silent: bool = False, aliases: Mapping[str, str] = {}
) -> Iterator[dns.resolver.Resolver]:
    """A resolver that asks a server with these TXT records; a `silent` one never answers."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind(("127.0.0.1", 0))
    listening.settimeout(0.05)
    over = threading.Event()

    def answer(question: bytes) -> bytes:
        query = dns.message.from_wire(question)
        response = dns.message.make_response(query)
        name = query.question[0].name.to_text().rstrip(".").lower()
        while name in aliases:
            alias = dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{aliases[name]}.")
            response.answer.append(alias)
            name = aliases[name]
        records = texts.get(name)
        if records:
            quoted = [" ".join(f'"{part}"' for part in _parts(text)) for text in records]
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *quoted))
        elif records is None:
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response.to_wire()

    def serve() -> None:
        while not over.is_set():
            try:
                question, sender = listening.recvfrom(4096)
            except TimeoutError:
                continue
            if not silent:
                listening.sendto(answer(question), sender)

    thread = threading.Thread(target=serve)
    thread.start()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = listening.getsockname()[1]
    resolver.lifetime = 0.4 if silent else 3
    try:
        yield resolver
    finally:
        over.set()
        thread.join()
        listening.close()


def _parts(text: str) -> list[str]:
    """A TXT record is made of strings of 255 bytes at most."""
    return [text[start : start + 250] for start in range(0, len(text), 250)] or [""]
