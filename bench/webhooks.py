"""Webhooks under load: `python -m bench.webhooks [EVENTS] [sqlite|postgres] [--keep]`.

SendGrid's events in its own batch size (768 KB a post), signed, posted over loopback by a process
beside the server; the server is one process, checks each signature and answers when the events are
on the disk. Then the parser reads them into responses. Events a second, wall; CPU of the server.
PostgreSQL: as its own defaults are, fsync on; ANTIPHON_TEST_POSTGRES names a server.
"""

from __future__ import annotations

import contextlib
import http.client
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import md5
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from antiphon.collection.inbox import parse
from antiphon.files import read_files
from antiphon.ledger import Ledger, Outcome
from antiphon.project import Project, glance
from antiphon.providers.signatures import EventVerifier, FormVerifier
from antiphon.sandbox.signing import EventSigner
from antiphon.states import MessageState
from antiphon.web.app import create_app
from antiphon.web.keys import WebhookKeys
from antiphon.web.webhooks import EVENTS_PATH, SIGNATURE, TIMESTAMP
from bench.ledger import messages
from bench.report import Conditions, Target, keep, page, verdicts

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

NOW = datetime(2026, 5, 12, 8, 0, tzinfo=UTC)
HOUR, AT_A_TIME = timedelta(hours=1), 100_000
POST_BYTES = 768_000  # Event Webhook: every 30 seconds or 768 kilobytes
LANES = 8  # posts at the same time
AIMS = {"into the inbox": 200_000, "read into responses": 30_000}
KINDS = ("delivered", "open", "click", "bounce")
SETTINGS = """version: 1
company: {name: Bench, postal_address: Bench 1, website: "https://b.example", \
email_from: a@b.example, email_from_name: B, sms_from: B}
business: {timezone: Europe/Berlin, country: DE, languages: [de], currency: EUR}
lake:
  retention: {snapshots: 1 day, decisions: 1 day, quarantine: 1 day, validation: 1 day}
links: {base_url: "https://mail.b.example"}
salt: bench
"""


@dataclass(frozen=True)
class Reached:
    """Events a second into the inbox and out of it; CPU of the server, and of the parser, for
    all."""

    place: str
    events: int
    into: float
    cpu_seconds: float
    read: float
    read_cpu_seconds: float
    responses: int


def event(number: int) -> dict[str, Any]:
    """As SendGrid tells it, 560 bytes; one in four makes no response."""
    kind = KINDS[number % len(KINDS)]
    key = _hashed(number)
    tells: dict[str, dict[str, Any]] = {
        "delivered": {"response": "250 2.0.0 OK 1620000000 gsmtp", "tls": 1},
        "open": {"useragent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0)", "ip": "203.0.113.9"},
        "click": {"url": "https://b.example/cream?a=1", "useragent": "Mozilla/5.0 (iPhone)"},
        "bounce": {"reason": "552 full", "status": "5.2.2", "type": "blocked"},
    }
    return {
        "email": f"c{number // len(KINDS)}@example.org",
        "timestamp": int(NOW.timestamp()) - number % 3600,
        "smtp-id": f"<{key[:22]}@geopod-ismtpd-1>",
        "event": kind,
        "category": ["letter", "promo"],
        "sg_event_id": key + key[:16],
        "sg_message_id": f"{key[:22]}.recvd-5f7d9c6b8-abcde-1-645A2B3C-1A.{number % 1000}",
        "antiphon_message": md5(
            str(number // len(KINDS)).encode(), usedforsecurity=False
        ).hexdigest(),
        **tells[kind],
    }


def _hashed(number: int) -> str:
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()


def posts(events: int) -> Iterator[bytes]:
    """Bodies of SendGrid's size."""
    body, size = list[bytes](), 0
    for number in range(events):
        one = orjson.dumps(event(number))
        if body and size + len(one) > POST_BYTES:
            yield b"[" + b",\r\n".join(body) + b"]\r\n"
            body, size = [], 0
        body.append(one)
        size += len(one) + 3
    yield b"[" + b",\r\n".join(body) + b"]\r\n"


def company(root: Path, url: str) -> Project:
    """A project with this ledger."""
    (root / "config").mkdir(parents=True, exist_ok=True)
    files = {
        "settings": SETTINGS,
        "sources": "version: 1\nsources: {}\n",
        "segments": "version: 1\nsegments: {}\n",
        "policy": "version: 1\nconsent: {promo: opt_in, lifecycle: opt_out, service: none}\n",
    }
    for name, text in files.items():
        (root / "config" / f"{name}.yaml").write_text(text, encoding="utf-8")
    project = glance(root, read_files(root), lambda: NOW)
    vars(project)["ledger"] = Ledger.open(url)
    return project


def send(project: Project, many: int) -> None:
    """Messages that left, which the events speak of."""
    ledger = project.ledger
    lease = ledger.leases.acquire("planner", "bench", HOUR, NOW)
    run = ledger.runs.begin("daily", NOW.date(), NOW, NOW, lease=lease)
    for start in range(0, many, AT_A_TIME):
        rows = messages(start, min(AT_A_TIME, many - start))
        ledger.messages.plan(rows, run.run_id, lease, NOW)
    ledger.messages.release(run.run_id, lease, NOW)
    for group in ledger.messages.due_groups("email", NOW):
        while claimed := ledger.messages.claim(group, "sendgrid", 1_000, NOW, "bench", HOUR):
            accepted = [Outcome(one.message_id, MessageState.ACCEPTED) for one in claimed]
            ledger.messages.record(accepted, NOW, "bench")


def _serve(root: Path, url: str, said: Connection) -> None:
    """The server's process: tells its address, and in the end the CPU it took."""
    from antiphon.web.server import running  # noqa: PLC0415

    project = company(root, url)
    keys = WebhookKeys(
        EventVerifier([EventSigner(root).public_key]),
        FormVerifier([], [], project.configuration.settings.links.base_url),
    )
    with running(create_app(project, keys)) as address:
        said.send(address)
        before = time.process_time()
        said.recv()
        said.send(time.process_time() - before)


def post_all(address: str, signer: EventSigner, bodies: list[bytes]) -> float:
    """Seconds until every post was acknowledged."""
    stamp = str(int(NOW.timestamp()))
    signed = [(body, signer.sign(stamp, body)) for body in bodies]
    host = urlsplit(address).netloc

    def lane(mine: list[tuple[bytes, str]]) -> None:
        connection = http.client.HTTPConnection(host)
        for body, signature in mine:
            headers = {
                "content-type": "application/json",
                SIGNATURE: signature,
                TIMESTAMP: stamp,
            }
            connection.request("POST", EVENTS_PATH, body, headers)
            answered = connection.getresponse()
            answered.read()
            if answered.status != 204:
                raise RuntimeError(f"the server answered {answered.status}")
        connection.close()

    with ThreadPoolExecutor(LANES) as lanes:
        began = time.perf_counter()
        for done in [lanes.submit(lane, signed[number::LANES]) for number in range(LANES)]:
            done.result()
        return time.perf_counter() - began


def measure(root: Path, url: str, place: str, events: int) -> Reached:
    """Post, and read."""
    project = company(root, url)
    send(project, events // len(KINDS) + 1)
    signer, bodies = EventSigner(root), list(posts(events))
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    server = context.Process(target=_serve, args=(root, url, theirs))
    server.start()
    try:
        seconds = post_all(ours.recv(), signer, bodies)
        ours.send("end")
        cpu_seconds = ours.recv()
    finally:
        server.join(30)
        server.kill()
    if project.ledger.inbox.waiting().requests != len(bodies):
        raise RuntimeError("the inbox does not hold what was acknowledged")
    began, cpu = time.perf_counter(), time.process_time()
    parse(project)
    read, cpu = time.perf_counter() - began, time.process_time() - cpu
    responses = sum(project.ledger.responses.counts(NOW.replace(year=2000)).values())
    project.ledger.close()
    return Reached(place, events, events / seconds, cpu_seconds, events / read, cpu, responses)


@contextlib.contextmanager
def ledger_url(place: str, root: Path) -> Iterator[str]:
    """An empty ledger."""
    if place == "sqlite":
        yield f"sqlite:///{root / 'ledger.db'}"
        return
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from postgres_server import (  # type: ignore[import-not-found]  # noqa: PLC0415
        database,
        running_server,
    )

    with running_server(durable=True) as server:
        if server is None:
            raise SystemExit("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        with database(server) as url:
            yield url


def table(reached: list[Reached]) -> list[str]:
    """As Markdown."""
    lines = [
        "| ledger | events | into the inbox, events/s | CPU of the server, µs an event | "
        "read into responses, events/s | CPU, µs an event | responses |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in reached:
        into, read = (1e6 * cpu / one.events for cpu in (one.cpu_seconds, one.read_cpu_seconds))
        lines.append(
            f"| {one.place} | {one.events:,} | {one.into:,.0f} | {into:.2f} | {one.read:,.0f} | "
            f"{read:.1f} | {one.responses:,} |"
        )
    return lines


def targets(reached: list[Reached]) -> list[Target]:
    """What was aimed at."""
    return [
        Target(f"{aim:,} events/s {what}, {one.place}", f"{value:,.0f} events/s", value >= aim)
        for one in reached
        for (what, aim), value in zip(AIMS.items(), (one.into, one.read), strict=True)
    ]


def main(arguments: list[str]) -> None:
    """Measure; print; keep where asked."""
    plain = [one for one in arguments if not one.startswith("--")]
    events = int(plain[0]) if plain else 1_000_000
    reached = []
    with tempfile.TemporaryDirectory(prefix="webhooks-") as folder:
        conditions = Conditions(Path(folder))
        for place in plain[1:] or ["sqlite", "postgres"]:
            root = Path(folder) / place
            root.mkdir()
            with ledger_url(place, root) as url:
                reached.append(measure(root, url, place, events))
        parts = {
            f"{POST_BYTES // 1000} KB a post, {LANES} at a time": table(reached),
            "Targets": verdicts(targets(reached)),
        }
        text = page("Webhooks", conditions, parts)
    print(text)
    if "--keep" in arguments:
        keep(Path(__file__).parent / "RESULTS.md", text)


if __name__ == "__main__":
    main(sys.argv[1:])
