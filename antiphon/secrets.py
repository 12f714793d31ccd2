"""Secrets: from the environment, or from files it names; never from a configuration file."""

import contextlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from antiphon.errors import UserFilesError


def read_secret(environment: Mapping[str, str], name: str) -> str | None:
    """The value of NAME, or the content of the file NAME_FILE names; None where neither is set."""
    if value := environment.get(name, "").strip():
        return value
    if path := environment.get(f"{name}_FILE", "").strip():
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserFilesError(
                f"{name}_FILE names a file that cannot be read ({type(error).__name__}).\n"
                f"  Correct {name}_FILE, or set {name} itself."
            ) from None
        if not value:
            raise UserFilesError(f"The file that {name}_FILE names is empty.")
        return value
    return None


def own_key(path: Path) -> str:
    """A key of this machine's own, made on first use and readable by its owner alone.

    For a rehearsal with the local outbox; what goes to real people is signed with a key from the
    environment, which several machines can share.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(32), encoding="ascii")
        with contextlib.suppress(FileExistsError):  # another process was quicker: its key holds
            os.link(draft, path)
        draft.unlink()
    return path.read_text(encoding="ascii").strip()
