"""Backup and restore: the ledger, the lake's manifest, the configuration, the key of links.

The lake's files are no part of it: they come again from the sources and the ledger. They hold
nothing that is nowhere else but old decisions; who wants these keeps copies of the lake's folder.
"""

import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from antiphon import __version__
from antiphon.clock import Clock, system_clock
from antiphon.errors import RunBusy
from antiphon.files import ENDINGS, FOLDERS, read_files
from antiphon.guards import archive, memory
from antiphon.guards.archive import LEDGER, LINK_KEY, MANIFEST, SCHEDULE, Contents
from antiphon.ledger import Outcome
from antiphon.project import Project, glance
from antiphon.states import CONTACT_STATES, MessageState
from antiphon.steps.holder import is_dead
from antiphon.steps.intake import ledger_mark, publisher
from antiphon.steps.run import LEASE

BACKED_UP = "backed_up_at"
SETTINGS = "config/settings.yaml"

LEFT = sorted(CONTACT_STATES & {"accepted", "delivered", "bounced"})
KNOWN_AT_ONCE = 5_000
log = logging.getLogger("antiphon.backup")


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did, for a person. `before`: a backup of what was there; None: nothing was.

    `kept` and `differing`: files of the configuration that were left as they are, and of these
    the ones that are other than in the backup.
    """

    contents: Contents
    before: Path | None
    in_doubt: int
    known_to_have_left: int
    written: tuple[str, ...]
    differing: tuple[str, ...]
    manifest: str


def back_up(project: Project, target: Path) -> Contents:
    """Write a backup; runs and dispatchers may go on meanwhile."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".antiphon-", dir=target.parent) as name:
        folder = Path(name)
        manifest = _lake(project) / "manifest.json"
        if manifest.exists():  # before the ledger: what the lake has seen, the ledger knows
            _copy(manifest, folder / MANIFEST)
        rows = project.ledger.copy_to(folder / LEDGER)
        for path in _configuration(project.root):
            _copy(project.root / path, folder / path)
        if (key := project.var / LINK_KEY).exists():
            _copy(key, folder / LINK_KEY)
        latest = project.ledger.runs.newest()
        facts = {
            "made_at": project.clock(),
            "antiphon": __version__,
            "ledger_id": project.ledger.facts.ledger_id,
            "last_run": latest.run_id if latest else "",
            "snapshot": project.lake.current().id if manifest.exists() else 0,
            "rows": rows,
        }
        contents = archive.pack(folder, target, facts)
    project.ledger.facts.put(BACKED_UP, contents.made_at.isoformat(), contents.made_at)
    return contents


def restore(
    root: Path, source: Path, clock: Clock, *, configuration: bool = False, force: bool = False
) -> Restored:
    """Put a backup in the place of the ledger, and of what else is not there.

    What was there is backed up first. Sending to real people is refused afterwards until somebody
    confirms. `configuration`: the user's files too, where there are others. `force`: though
    somebody may be at work. Raises RunBusy, and UserFilesError for a file that is no backup.
    """
    var = root / "var"
    var.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".antiphon-", dir=var) as name:
        folder = Path(name)
        contents = archive.unpack(source, folder)
        is_new = not (root / SETTINGS).exists()
        differing = _differing(root, folder, contents)
        if not is_new:
            if not force:
                _nobody_is_at_work(glance(root, read_files(root), clock))
            if configuration:
                _put_aside(root, differing, clock)
        written = contents.configuration if is_new else differing if configuration else []
        for path in written:
            _copy(folder / path, root / path)
        project = glance(root, read_files(root), clock)
        before = _save_present(project)
        doubts, known = _put_back(project, folder / LEDGER, contents)
        manifest = _put_back_manifest(project, folder)
        if (folder / LINK_KEY).exists() and not (var / LINK_KEY).exists():
            _copy(folder / LINK_KEY, var / LINK_KEY)
            (var / LINK_KEY).chmod(0o600)
        left_alone = () if written else tuple(differing)
        return Restored(
            contents, before, doubts - known, known, tuple(written), left_alone, manifest
        )


# ---------------------------------------------------------------- ledger


def _nobody_is_at_work(project: Project) -> None:
    ledger = project.ledger
    lease = ledger.leases.holder(LEASE, system_clock())
    busy = [lease.holder] if lease is not None and not is_dead(lease.holder) else []
    busy += [holder for holder in ledger.messages.holders() if not is_dead(holder)]
    if busy:
        raise RunBusy(
            f"a run or a dispatcher may be at work ({busy[0]}), so nothing was restored.\n"
            "  End it, and stop worker or cron until you have confirmed; with --force it is done "
            "all the same."
        )


def _save_present(project: Project) -> Path | None:
    """A backup of the ledger that is about to go, where it holds anything."""
    if not project.ledger.runs.latest(limit=1):
        return None
    folder = project.var / "backups"
    path = folder / f"before-restore-{project.clock():%Y%m%dT%H%M%S}.tar.gz"
    back_up(project, path)
    return path


def _put_back(project: Project, copy: Path, contents: Contents) -> tuple[int, int]:
    """Messages that may have left since the backup, and those of which the lake knows they did."""
    settings, ledger, now = project.configuration.settings, project.ledger, project.clock()
    seen = ledger_mark(project.lake.current())
    accounts = {"email": settings.providers.email[0], "sms": settings.providers.sms[0]}
    reason = f"restored from a backup of {contents.made_at:%Y-%m-%d %H:%M} UTC: it may have left"
    forgotten = ledger.tombstones.all()
    doubts = ledger.restore(copy, accounts, {"reason": reason}, now, seen=seen)
    ledger.tombstones.put_all(forgotten)  # whom we forgot since stays forgotten
    memory.distrust(ledger, now)
    _remember_lost_runs(project, contents)
    return doubts, _settle_by_lake(project)


def _remember_lost_runs(project: Project, contents: Contents) -> None:
    """Put runs on record that the lake knows and the ledger forgot: no later run gets their ids,
    under which the lake keeps what they decided."""
    manifest, runs = project.lake.current().manifest, project.ledger.runs
    known = {key for store in manifest.stores.values() for key in store}
    known.add(publisher(project.lake.current()))
    reason = f"lost: the ledger was restored from a backup of {contents.made_at:%Y-%m-%d %H:%M} UTC"
    for run_id in sorted(known - {""}, key=lambda one: (one[:10], int(one.rpartition("-")[2]))):
        day, flow = date.fromisoformat(run_id[:10]), run_id[11:].rpartition("-")[0]
        while runs.get(run_id) is None:
            now = project.clock()
            runs.abandon(runs.begin(flow, day, now, now).run_id, reason, now)


def _settle_by_lake(project: Project) -> int:
    """Doubts that the lake ends: it has seen that the message left. How many."""
    ledger, settled = project.ledger, 0
    evidence = {"evidence": "the lake has seen that it left"}
    for channel in ("email", "sms"):
        after = ""
        while some := ledger.messages.in_doubt(channel, limit=KNOWN_AT_ONCE, after=after):
            after = some[-1].message_id
            known = _left(project, [one.message_id for one in some])
            outcomes = [
                Outcome(one.message_id, MessageState.ACCEPTED, evidence, one.provider)
                for one in some
                if one.message_id in known
            ]
            settled += ledger.messages.record(outcomes, project.clock()).moved
    return settled


def _left(project: Project, ids: list[str]) -> set[str]:
    if project.lake.current().id == 0:
        return set()
    asked = {"asked": pa.table({"message_id": ids}), "leaving": pa.table({"state": LEFT})}
    with project.lake.session(tables=asked) as session:
        rows = session.rows(
            "SELECT message_id FROM contacts WHERE message_id IN (SELECT message_id FROM asked) "
            "AND state IN (SELECT state FROM leaving)"
        )
    return {str(row[0]) for row in rows}


# ---------------------------------------------------------------- manifest, configuration


def _put_back_manifest(project: Project, folder: Path) -> str:
    """What became of the lake's manifest, in words. A newer one that is there stays: it knows of
    contacts that the ledger has forgotten."""
    lake, copy = _lake(project), folder / MANIFEST
    if not copy.exists():
        return "the backup has none: nothing had been pulled"
    if (lake / "manifest.json").exists():
        return "the lake's own stays: it may know more than the backup"
    paths = set(_paths(json.loads(copy.read_text(encoding="utf-8"))))
    missing = [path for path in paths if not (lake / path).exists()]
    if missing:
        return (
            f"not put back: {len(missing):,} of the lake's {len(paths):,} files are not there. "
            "The next run pulls the sources anew"
        )
    _copy(copy, lake / "manifest.json")
    return "put back"


def _paths(document: object) -> Iterator[str]:
    """Every file a manifest names."""
    if isinstance(document, str) and document.endswith(".parquet"):
        yield document
    elif isinstance(document, list | dict):
        for part in document.values() if isinstance(document, Mapping) else document:
            yield from _paths(part)


def _lake(project: Project) -> Path:
    return project.root / project.configuration.settings.lake.path


def _configuration(root: Path) -> list[str]:
    """The user's files, as runs pin them, and the schedule."""
    found = [
        path.relative_to(root).as_posix()
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*"))
        if path.is_file() and path.suffix in ENDINGS
    ]
    return found + ([SCHEDULE] if (root / SCHEDULE).is_file() else [])


def _differing(root: Path, folder: Path, contents: Contents) -> list[str]:
    """Files of the configuration that are missing, or other than in the backup."""
    return [
        path
        for path in contents.configuration
        if not (root / path).is_file() or archive.digest_of(root / path) != contents.files[path]
    ]


def _put_aside(root: Path, paths: list[str], clock: Clock) -> None:
    for path in paths:
        if (root / path).is_file():
            stamp = f"before-restore-{clock():%Y%m%dT%H%M%S}"
            _copy(root / path, root / "var" / "backups" / stamp / path)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
