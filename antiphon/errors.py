"""What can go wrong, by whose fault; each error says where, what and the next step."""

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code tells a scheduler."""

    DONE = 0
    USER_FILES = 1
    USAGE = 2
    OUR_FAULT = 3


class AntiphonError(Exception):
    """Any error of ours. `exit_code` says by whose fault, `is_temporary` whether to try again."""

    exit_code = ExitCode.OUR_FAULT
    is_temporary = False


def may_pass(original: BaseException | None) -> bool:
    """Whether a driver's error (PEP 249) may pass by itself: no connection, a lock, a shutdown.

    SQLite calls wrong SQL an OperationalError too; its own name of the error tells them apart.
    """
    name = getattr(original, "sqlite_errorname", None)
    if name is not None:
        return str(name).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))
    return any(kind.__name__ == "OperationalError" for kind in type(original).__mro__)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing wrong (or doubtful) in one of the user's files.

    `line` and `column` count from 1; 0 means that the problem is the file's as a whole.
    `hint` is a whole sentence or two ("Did you mean 'channels'? Allowed here: audience, …").
    """

    path: str
    line: int
    column: int
    message: str
    source_line: str = ""
    hint: str = ""
    is_warning: bool = False

    def __str__(self) -> str:
        """As DESIGN §10 prints it: place and message, the offending line, the hint."""
        place = f"{self.path}:{self.line}:{self.column}" if self.line else self.path
        kind = "warning: " if self.is_warning else ""
        text = f"{place}: {kind}{self.message}"
        if self.source_line:
            text += f"\n    {self.line} | {self.source_line}"
        if self.hint:
            text += f"\n  {self.hint}"
        return text


class UserFilesError(AntiphonError):
    """The user's files or data are wrong: exit code 1."""

    exit_code = ExitCode.USER_FILES


class ConfigError(UserFilesError):
    """Every problem of every configuration file, at once."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = sorted(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class SourceError(UserFilesError):
    """A source is missing, locked, half written or not as declared; the lake is as it was."""


class ValidationStopped(UserFilesError):
    """An expectation declared `stop` failed: nothing of this pull was published."""


class ExecutorsDisagree(AntiphonError):
    """Great Expectations and the compiled contract counted different failures: our own fault."""


class LakeError(AntiphonError):
    """The lake cannot be read or written (permission, full disk, newer format)."""


class LedgerError(AntiphonError):
    """The ledger cannot be reached, is of another version, or refused a change."""


class LeaseLost(LedgerError):
    """Somebody else holds the lease now: this process may write nothing more."""


class RunBusy(AntiphonError):
    """Another run holds the lease; this one ended without doing anything."""

    exit_code = ExitCode.USAGE


class AuditFailed(AntiphonError):
    """The auditor found a breach: the run stays unreleased and nothing of it is sent."""
