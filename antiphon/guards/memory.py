"""Whether the ledger remembers what was sent; where it may not, nothing is sent to real people.

A ledger of yesterday would send again what left today. So each dispatch to real people leaves a
word in the ledger and the same word in a file in the lake's folder. A ledger that was put back to
an earlier time, by whatever tool, has not got the file's word; a new one has never been confirmed.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from antiphon.errors import AntiphonError, ExitCode
from antiphon.ledger import Ledger
from antiphon.project import Project
from antiphon.steps.heartbeat import beating

FILE = "ledger.json"
RENEWED_SECONDS = 60  # what a ledger put back loses of a long dispatch unnoticed, at most
CONFIRMED, RESTORED, COUNT = "confirmed_at", "restored_at", "confirmations"
MINUTE = "%Y-%m-%d %H:%M UTC"
log = logging.getLogger("antiphon.dispatch")


class LiveSendingRefused(AntiphonError):
    """The ledger may have forgotten what was sent: a person has to look first."""

    exit_code = ExitCode.USER_FILES


@dataclass(frozen=True, slots=True)
class Witness:
    """What this lake last knew of the ledger: its id, the last word, the latest run, and how often
    a person had confirmed it."""

    witness: str
    word: str
    ledger: str
    run: str
    confirmations: int
    written_at: datetime


def doubt(project: Project) -> str:
    """Why the ledger may have forgotten what was sent; '' where it may be relied on."""
    try:
        seen = _read(_path(project))
    except ValueError:
        return f"{_path(project)} is damaged, so that nothing is known of what was sent before"
    reason = _doubt(project.ledger, seen)
    return (
        f"{reason} (here run {seen.run or 'none'} was the last known)"
        if reason and seen
        else reason
    )


def _doubt(ledger: Ledger, seen: Witness | None) -> str:
    """No time is compared with another: clocks are set, and rehearsals have their own."""
    reason = ""
    if ledger.facts.get(CONFIRMED) is None:
        restored = ledger.facts.get(RESTORED)
        reason = (
            f"the ledger was restored from a backup on {datetime.fromisoformat(restored):{MINUTE}}"
            if restored
            else "the ledger is new, and knows of nothing that was sent before it"
        )
    elif seen is not None and seen.ledger != ledger.facts.ledger_id:
        reason = "this is another ledger than the one that was used before"
    elif seen is None or seen.confirmations < _confirmations(ledger):
        reason = ""  # a person has confirmed it since
    elif not _knows(ledger, seen):
        reason = (
            f"the ledger is older than what was last known on {seen.written_at:{MINUTE}}: it was "
            "put back to an earlier time"
        )
    return reason


def _knows(ledger: Ledger, seen: Witness) -> bool:
    return seen.word in (ledger.facts.get(_fact(seen)) or "").split()


@contextmanager
def remembered(project: Project, *, reaches_people: bool) -> Iterator[None]:
    """For the time of a dispatch; raises LiveSendingRefused before anything leaves.

    It asks nothing where no account reaches people, or in a rehearsal.
    """
    if not reaches_people or project.configuration.settings.environment != "live":
        yield
        return
    require(project)
    renew(project)

    def keep() -> bool:
        try:
            renew(project)
        except (AntiphonError, OSError) as error:
            log.warning("the ledger's word was not renewed (%s)", type(error).__name__)
        return True

    try:
        with beating("memory", RENEWED_SECONDS, keep):
            yield
    finally:
        renew(project)


def require(project: Project) -> None:
    """Raise LiveSendingRefused where the ledger may have forgotten what was sent, or where the
    clock is a rehearsal's: hours and expiry would be judged by another day."""
    if at := project.environment.get("ANTIPHON_AT"):
        raise LiveSendingRefused(
            f"nothing is sent to real people as of {at}: with `environment: live` the machine's "
            "own clock holds.\n  Leave --at (or ANTIPHON_AT) out; to rehearse, write "
            "`environment: rehearsal` in config/settings.yaml."
        )
    if reason := doubt(project):
        raise LiveSendingRefused(
            f"nothing is sent to real people: {reason}.\n"
            "  Who was written to already would be written to again. Look at `antiphon runs` and "
            "`antiphon outbox`; put the right ledger back, or accept this one with `antiphon "
            "confirm` (docs/operations.md)."
        )


def renew(project: Project) -> None:
    """Leave a new word in ledger and lake; nothing where they have come apart."""
    with _locked(project):
        seen, ledger = _read(_path(project)), project.ledger
        if seen and seen.confirmations >= _confirmations(ledger) and not _knows(ledger, seen):
            log.warning("the ledger was put back while messages were sent: antiphon doctor")
            return
        _leave(project, seen)


def confirm(project: Project) -> None:
    """A person answers for it: this ledger is the one to go on with."""
    ledger, now = project.ledger, project.clock()
    with _locked(project):
        try:
            seen = _read(_path(project))
        except ValueError:
            seen = None
        # more than any machine can have seen of it, or of the one before it
        count = max(_confirmations(ledger), seen.confirmations if seen else 0) + 1
        ledger.facts.put(COUNT, str(count), now)
        ledger.facts.put(CONFIRMED, now.isoformat(), now)
        _path(project).unlink(missing_ok=True)
        _leave(project, None)


def distrust(ledger: Ledger, now: datetime) -> None:
    """It was restored: a person has to confirm it."""
    ledger.facts.put(RESTORED, now.isoformat(), now)
    ledger.facts.forget(CONFIRMED)


# ---------------------------------------------------------------- the two places


def _leave(project: Project, seen: Witness | None) -> None:
    """The ledger first: a process killed in between leaves the older word, which still counts."""
    ledger, now = project.ledger, project.clock()
    latest = ledger.runs.latest(limit=1)
    fresh = Witness(
        seen.witness if seen else uuid4().hex,
        uuid4().hex,
        ledger.facts.ledger_id,
        latest[0].run_id if latest else "",
        _confirmations(ledger),
        now,
    )
    before = f" {seen.word}" if seen else ""
    ledger.facts.put(_fact(fresh), f"{fresh.word}{before}", now)
    _write(_path(project), fresh)


def _fact(seen: Witness) -> str:
    return f"witness {seen.witness}"


def _confirmations(ledger: Ledger) -> int:
    return int(ledger.facts.get(COUNT) or 0)


def _path(project: Project) -> Path:
    return project.root / project.configuration.settings.lake.path / FILE


@contextmanager
def _locked(project: Project) -> Iterator[None]:
    """One dispatcher at a time, of all that share the lake's folder."""
    path = _path(project).with_suffix(".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(path: Path) -> Witness | None:
    """What stands there; raises ValueError where it is damaged."""
    with suppress(FileNotFoundError):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            return Witness(**{**found, "written_at": datetime.fromisoformat(found["written_at"])})
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from None
    return None


def _write(path: Path, witness: Witness) -> None:
    text = json.dumps(asdict(witness) | {"written_at": witness.written_at.isoformat()}, indent=1)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
