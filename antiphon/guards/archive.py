"""The file of a backup: what is in it, with the digest of every part, so that damage is seen."""

import hashlib
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from antiphon.errors import UserFilesError
from antiphon.files import FOLDERS

FORMAT = 1
CONTENTS = "antiphon-backup.json"
LEDGER, MANIFEST, LINK_KEY = "ledger.db", "lake/manifest.json", "link.key"
OWN = (LEDGER, MANIFEST, LINK_KEY, CONTENTS)  # everything else is configuration
SCHEDULE = "prefect.yaml"
PLACES = tuple(f"{folder}/" for folder in FOLDERS)
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Contents:
    """What a backup says of itself. `rows`: of the ledger, by table; `files`: digest by name."""

    format: int
    made_at: datetime
    antiphon: str
    ledger_id: str
    last_run: str
    snapshot: int
    rows: Mapping[str, int]
    files: Mapping[str, str]

    @property
    def configuration(self) -> list[str]:
        """The user's files, by path in the project."""
        return sorted(set(self.files) - set(OWN))


def pack(folder: Path, target: Path, facts: Mapping[str, Any]) -> Contents:
    """All files of the folder as one archive, whole or not at all, readable by its owner alone."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    files = {name: digest_of(folder / name) for name in names if (folder / name).is_file()}
    contents = Contents(format=FORMAT, files=files, **facts)
    text = json.dumps(asdict(contents) | {"made_at": contents.made_at.isoformat()}, indent=1)
    (folder / CONTENTS).write_text(text, encoding="utf-8")
    fresh = target.with_name(f".{target.name}.new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
                for name in (CONTENTS, *files):
                    archive.add(folder / name, arcname=name)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return contents


def unpack(source: Path, folder: Path) -> Contents:
    """The archive's files in an empty folder; UserFilesError where it is damaged or no backup."""
    try:
        with tarfile.open(source, "r:gz") as archive:
            archive.extractall(folder, filter="data")
        found = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        if found["format"] > FORMAT:
            raise UserFilesError(
                f"{source} is a backup of format {found['format']}, this Antiphon knows up to "
                f"{FORMAT}.\n  Restore it with the Antiphon that made it ({found['antiphon']})."
            )
        made_at = datetime.fromisoformat(found["made_at"])
        contents = Contents(**{**found, "made_at": made_at})
        if not all(one == SCHEDULE or one.startswith(PLACES) for one in contents.configuration):
            raise ValueError("a name of no file of ours")
        if any(".." in Path(one).parts for one in contents.files):
            raise ValueError("a name that leads elsewhere")
        broken = [
            name for name, digest in contents.files.items() if digest_of(folder / name) != digest
        ]
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        raise UserFilesError(
            f"{source} is damaged, or no backup of Antiphon ({type(error).__name__}); nothing was "
            "changed.\n  Take another one: `antiphon backup FILE` makes them."
        ) from None
    if broken:
        raise UserFilesError(
            f"{source} is damaged in {', '.join(broken)}; nothing was changed.\n"
            "  Take another backup."
        )
    return contents


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    return found.hexdigest()
