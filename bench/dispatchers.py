"""A warm process that forks dispatchers: each is a process of its own, started in milliseconds.

    python -m bench.dispatchers ROOT BEGAN

It says when it is ready. For each line on its standard input it then starts one and answers with
its process id. They send until they are killed, or until their starter is gone. What they raise is
left in ROOT/errors, what they warn of in ROOT/warnings.txt.
"""

import argparse
import contextlib
import mmap
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from antiphon.dispatch.dispatcher import send_due
from antiphon.files import read_files
from antiphon.ledger import Message, Messages, Outcome
from antiphon.project import Project, glance
from bench.outbox import NOW, make_outbox

CLOCK, ERRORS, WARNINGS = "clock", "errors", "warnings.txt"
PAUSE_SECONDS = 0.02  # between passes that found nothing
STOP_SECONDS = 60.0  # a dispatcher that was asked to stop is gone by then
CLAIMS_LATE = "--claims-late"
LEDGER_URL = "ANTIPHON_LEDGER_URL"
SETTINGS: Mapping[str, Any] = {
    "ledger": {"url_from": LEDGER_URL},
    "providers": {"email": "sandbox", "sms": "sandbox"},
    "accounts": {"sandbox": {"batch": 4, "at_once": 2, "time_out": 2}},
    "dispatch": {"failures": 5, "pause": "1 minute", "in_doubt": {"grace": "30 days"}},
}


class SharedClock:
    """One clock of several processes, which may be made to jump."""

    def __init__(self, path: Path, began: float) -> None:
        self.began = began
        if not path.exists():
            path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._jumped = mmap.mmap(file.fileno(), 8)

    def __call__(self) -> datetime:
        """NOW, what passed since, and the jumps."""
        (jumped,) = struct.unpack("d", self._jumped[:8])
        return NOW + timedelta(seconds=time.monotonic() - self.began + jumped)

    def jump(self, by: timedelta) -> None:
        """Forwards, or backwards."""
        (jumped,) = struct.unpack("d", self._jumped[:8])
        self._jumped[:8] = struct.pack("d", jumped + by.total_seconds())


@dataclass
class Herd:
    """Dispatchers at work; made by `herd`."""

    root: Path
    parent: "subprocess.Popen[str]"
    alive: list[int] = field(default_factory=list)

    def start(self) -> int:
        """The process id of one more."""
        assert self.parent.stdin is not None
        self.parent.stdin.write("\n")
        self.parent.stdin.flush()
        self.alive.append(int(self.told()))
        return self.alive[-1]

    def told(self) -> str:
        """The next line of the warm process."""
        assert self.parent.stdout is not None
        line = self.parent.stdout.readline()
        assert line, "the warm process is gone"
        return line

    def kill(self, pid: int, by: signal.Signals = signal.SIGKILL) -> None:
        """End one of them, and wait until it is gone."""
        self.alive.remove(pid)
        deadline = time.monotonic() + STOP_SECONDS
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, by)
            while time.monotonic() < deadline:
                os.kill(pid, 0)
                time.sleep(0.001)
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"dispatcher {pid} did not stop")

    def errors(self) -> list[str]:
        """What dispatchers raised; a killed one raises nothing."""
        return [path.read_text(encoding="utf-8") for path in (self.root / ERRORS).glob("*")]

    def warnings(self) -> str:
        """What their passes said a person should look at."""
        path = self.root / WARNINGS
        return path.read_text(encoding="utf-8") if path.exists() else ""


@contextlib.contextmanager
def herd(root: Path, clock: SharedClock, *, claims_late: bool = False) -> Iterator[Herd]:
    """Where dispatchers of the project come from; none is left on the way out."""
    (root / ERRORS).mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bench.dispatchers", str(root), repr(clock.began)]
    command += [CLAIMS_LATE] * claims_late
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    ) as parent:
        one = Herd(root, parent)
        try:
            one.told()
            yield one
        finally:
            for pid in list(one.alive):
                one.kill(pid)
            parent.kill()


def main() -> None:
    """Fork a dispatcher for each line."""
    parser = argparse.ArgumentParser(prog="bench.dispatchers")
    parser.add_argument("root", type=Path)
    parser.add_argument("began", type=float)
    parser.add_argument(CLAIMS_LATE, action="store_true")
    given = parser.parse_args()
    clock = SharedClock(given.root / CLOCK, given.began)
    configuration = glance(given.root, read_files(given.root), clock).configuration
    _live_through_one()
    if given.claims_late:
        claim_late()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the dead are gone at once
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _dispatch(Project(given.root, configuration, os.environ, clock))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _live_through_one() -> None:
    """A pass of its own with a message of each kind: what a first one costs, no child pays."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        clock = SharedClock(path / CLOCK, time.monotonic())
        environment = {**os.environ, LEDGER_URL: f"sqlite:///{path / 'ledger.db'}"}
        outbox = make_outbox(path / "project", clock, SETTINGS, environment=environment)
        for channel in ("email", "sms"):
            outbox.plan(1, campaign=f"warm-{channel}", channel=channel)
        outbox.release()
        send_due(outbox.project)
        assert outbox.states() == {"accepted": 2}
        outbox.project.ledger.close()


def _dispatch(project: Project) -> None:
    starter, asked = os.getppid(), []
    signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        while os.getppid() == starter and not asked:
            tally = send_due(project)
            with (project.root / WARNINGS).open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in tally.warnings)
            if not tally.counts:
                time.sleep(PAUSE_SECONDS)
    except BaseException:
        path = project.root / ERRORS / str(os.getpid())
        path.write_text(traceback.format_exc(), encoding="utf-8")
    finally:
        os._exit(0)


def claim_late() -> None:
    """The fault that the proof must find: a claim is committed after the request, not before."""
    claim, record = Messages.claim, Messages.record
    under_way: set[str] = set()

    def seen_only(
        self: Messages, group: object, account: str, limit: int, now: datetime, *rest: object
    ) -> list[Message]:
        found = claim(self, group, account, limit + len(under_way), now, *rest)  # type: ignore[arg-type]
        _move(self, [one.message_id for one in found], "planned")
        mine = [one for one in found if one.message_id not in under_way][:limit]
        under_way.update(one.message_id for one in mine)
        return mine

    def claimed_first(
        self: Messages, outcomes: "list[Outcome]", now: datetime, holder: str | None = None
    ) -> object:
        ids = [one.message_id for one in outcomes if one.message_id in under_way]
        _move(self, ids, "sending")
        under_way.difference_update(ids)
        return record(self, outcomes, now, holder)

    Messages.claim = seen_only  # type: ignore[method-assign,assignment]
    Messages.record = claimed_first  # type: ignore[method-assign,assignment]


def _move(messages: Messages, ids: list[str], state: str) -> None:
    with messages._engine.begin() as connection:
        for message_id in ids:
            connection.exec_driver_sql(
                f"UPDATE messages SET state = '{state}' WHERE message_id = '{message_id}'"
            )


if __name__ == "__main__":
    main()
