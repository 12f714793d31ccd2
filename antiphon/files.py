"""The user's files of one run, as text: what is hashed, kept by content and replayed."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from antiphon.errors import ConfigError, Problem
from antiphon.keys import digest

FOLDERS = ("config", "templates", "sql")
ENDINGS = (".yaml", ".yml", ".j2", ".sql", ".css")


@dataclass(frozen=True, eq=False)
class ProjectFiles:
    """Relative path (with /) → text of every file under config/, templates/ and sql/.

    Two are equal when every byte is.
    """

    texts: Mapping[str, str]

    @cached_property
    def hash(self) -> str:
        """Changes when any byte of any file does."""
        parts = [part for path in sorted(self.texts) for part in (path, self.texts[path])]
        return digest("files", *parts)

    def __eq__(self, other: object) -> bool:
        """Whether every file is the same."""
        return isinstance(other, ProjectFiles) and self.hash == other.hash

    def __hash__(self) -> int:
        """Of the content."""
        return hash(self.hash)

    def under(self, folder: str) -> dict[str, str]:
        """Path below `folder` → text."""
        prefix = folder.rstrip("/") + "/"
        return {
            path.removeprefix(prefix): text
            for path, text in sorted(self.texts.items())
            if path.startswith(prefix)
        }


def read_files(root: Path) -> ProjectFiles:
    """Every file of the project's folders; raises ConfigError naming all that are not UTF-8."""
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix not in ENDINGS or not path.is_file():
                continue
            name = path.relative_to(root).as_posix()
            try:
                texts[name] = path.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                line = error.object[: error.start].count(b"\n") + 1
                hint = f"Save the file as UTF-8 (byte {error.start} is not)."
                problems.append(Problem(name, line, 1, "not UTF-8 text", hint=hint))
            except OSError as error:
                problems.append(Problem(name, 0, 0, f"cannot be read: {error.strerror}"))
    if problems:
        raise ConfigError(problems)
    return ProjectFiles(texts)
