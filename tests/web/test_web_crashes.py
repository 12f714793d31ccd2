"""A real server process, killed while providers post: what it acknowledged is there."""

import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from web_scene import Scene

BODY = b'[{"event":"processed","sg_event_id":"%d","email":"a@example.com","timestamp":%d}]\r\n'
POSTERS = 4


@contextmanager
def serving(scene: Scene, *arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`antiphon serve` in a process of its own; its address."""
    environment = {
        **os.environ,
        "ANTIPHON_ROOT": str(scene.project.root),
        "ANTIPHON_AT": scene.clock.now.isoformat(),
        "SENDGRID_WEBHOOK_KEY": scene.signer.public_key,
        "TWILIO_AUTH_TOKEN": "12345",
    }
    command = [sys.executable, "-m", "antiphon.cli", "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, text=True, cwd=scene.project.root
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+?(?=,)", process.stdout.readline())
        assert found, "the server did not start"
        yield found[0], process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def post_until(scene: Scene, url: str, ends: threading.Event, numbers, taken: list[bytes]) -> None:
    """Post one request after the other; note what was taken."""
    with httpx.Client(base_url=url, trust_env=False, timeout=10) as client:
        while not ends.is_set():
            body = BODY % (next(numbers), scene.clock.now.timestamp())
            _, path, more = scene.signed(body)
            try:
                status = client.post(path, **more).status_code
            except httpx.HTTPError:
                return
            assert status == 204
            taken.append(body)


def kept(scene: Scene) -> list[bytes]:
    """Everything in the inbox, read or not."""
    with sqlite3.connect(scene.project.root / "var" / "ledger.db") as connection:
        return [body for (body,) in connection.execute("SELECT body FROM inbox")]


def test_nothing_that_was_acknowledged_is_lost_when_the_server_is_killed(tmp_path: Path):
    scene = Scene.at(tmp_path)
    numbers, taken = itertools.count(), list[bytes]()
    for _ in range(2):
        with serving(scene) as (url, process):
            ends = threading.Event()
            posters = [
                threading.Thread(target=post_until, args=(scene, url, ends, numbers, taken))
                for _ in range(POSTERS)
            ]
            for poster in posters:
                poster.start()
            before = len(taken)
            while len(taken) < before + 60:
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            for poster in posters:
                poster.join()
    assert len(taken) >= 120
    found = kept(scene)
    assert set(taken) <= set(found)
    assert len(found) == len(set(found)) <= len(taken) + 2 * POSTERS  # answers under way


def test_a_server_that_is_told_to_end_answers_first_and_reads_what_it_took(tmp_path: Path):
    scene = Scene.at(tmp_path)
    message_id = scene.send()
    body = (
        b'[{"event":"click","sg_event_id":"e1","email":"ada@example.com","timestamp":%d,'
        b'"antiphon_message":"%s","url":"https://www.scene.example/"}]\r\n'
        % (int(scene.clock.now.timestamp()), message_id.encode())
    )
    with serving(scene) as (url, process):
        _, path, more = scene.signed(body)
        assert httpx.post(url + path, trust_env=False, **more).status_code == 204
        ends = time.monotonic() + 20
        while not scene.project.ledger.responses.of_message(message_id):
            assert time.monotonic() < ends, "the server's parser never read it"
            time.sleep(0.05)
        refused = httpx.post(url + path, trust_env=False, content=b"[]", headers=more["headers"])
        assert refused.status_code == 403
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert process.stdout is not None
        assert process.stdout.read() == "Ended.\n"
    assert scene.refused()["refused sendgrid_events: bad signature"] == 1
