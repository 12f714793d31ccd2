"""What the disk or the engine refused, told with place and next step and without row values."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from antiphon.errors import LakeError

# Errors of these kinds speak of names and grammar; all others may quote values of rows.
_SAFE_KINDS = (duckdb.ParserException, duckdb.BinderException, duckdb.CatalogException)
_FULL = ("No space left", "File too large", "Disk quota", "failed to offload")


class QueryError(LakeError):
    """The engine refused a statement. `kind` is the engine's own class of error.

    `detail` is the engine's message: it may quote values of rows, so never log or print it.
    """

    def __init__(self, kind: str, message: str, detail: str) -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(message)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Errors of the disk and the engine become LakeError; `path` is what was worked on."""
    try:
        yield
    except OSError as error:
        raise LakeError(_disk(path, error.strerror or str(error), error.errno)) from None
    except duckdb.OutOfMemoryException as error:
        if _is_full(str(error)):
            raise LakeError(_disk(path, "no space left", errno.ENOSPC)) from None
        raise LakeError(
            f"{path}: the engine ran out of memory. Raise lake.memory in config/settings.yaml "
            "or use more lake.buckets."
        ) from None
    except (duckdb.IOException, duckdb.PermissionException, duckdb.HTTPException) as error:
        text = str(error)
        code = errno.ENOSPC if _is_full(text) else 0
        code = errno.EACCES if "Permission denied" in text else code
        raise LakeError(_disk(path, text.splitlines()[0], code)) from None
    except duckdb.Error as error:
        kind, detail = type(error).__name__, str(error)
        safe = detail if isinstance(error, _SAFE_KINDS) else "a value does not fit (not shown here)"
        raise QueryError(kind, f"{path}: {kind}: {safe}", detail) from None


def _is_full(text: str) -> bool:
    return any(sign in text for sign in _FULL)


def _disk(path: Path, what: str, code: int | None) -> str:
    if code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        step = "Free space there (`antiphon clean` removes old snapshots), then repeat the run."
        return f"{path}: the disk is full ({what}); the lake is as it was. {step}"
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{path}: no permission ({what}); the lake is as it was. Give this user the right to "
            "read and write the folder, or set lake.path in config/settings.yaml."
        )
    return f"{path}: {what}; the lake is as it was. Check lake.path in config/settings.yaml."
