"""A project: the checkout a company works in, its files read, its lake and ledger at hand."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon.campaigns.configuration import Configuration, draft
from antiphon.clock import Clock, system_clock
from antiphon.entities import ColumnType
from antiphon.errors import ConfigError, UserFilesError
from antiphon.files import ProjectFiles, read_files
from antiphon.secrets import own_key, read_secret

if TYPE_CHECKING:
    from antiphon.lake import Lake
    from antiphon.ledger import Ledger


@dataclass(frozen=True, eq=False)
class Project:
    """Root folder, configuration and environment; opens the two stores when first asked.

    A resumed run replaces `configuration` by the one it had pinned.
    """

    root: Path
    configuration: Configuration
    environment: Mapping[str, str] = field(repr=False)
    clock: Clock = system_clock

    @cached_property
    def lake(self) -> "Lake":
        """The lake; imports the engine, so commands that read only files never pay for it."""
        from antiphon.lake import Lake  # noqa: PLC0415

        settings = self.configuration.settings.lake
        attributes: dict[str, dict[str, str]] = {}
        for source in self.configuration.sources.sources.values():
            own = {
                name: ColumnType[column.type.upper()] for name, column in source.attributes.items()
            }
            attributes.setdefault(source.entity, {}).update(own)
        return Lake(
            self.root / settings.path,
            memory=settings.memory,
            threads=settings.threads,
            buckets=settings.buckets,
            attributes=attributes,
            clock=self.clock,
        )

    @cached_property
    def ledger(self) -> "Ledger":
        """The ledger, migrated to this version where it is older."""
        from antiphon.ledger import Ledger  # noqa: PLC0415

        return Ledger.open(self.ledger_url)

    @property
    def ledger_url(self) -> str:
        """SQLAlchemy URL of the ledger; a relative SQLite path lies in the project."""
        settings = self.configuration.settings.ledger
        if settings.url_from:
            url = read_secret(self.environment, settings.url_from)
            if not url:
                raise UserFilesError(
                    f"config/settings.yaml: ledger.url_from names {settings.url_from}, "
                    f"which is not set.\n  Set {settings.url_from} (or {settings.url_from}_FILE)."
                )
        else:
            url = settings.url or "sqlite:///var/ledger.db"
        prefix = "sqlite:///"
        if url.startswith(prefix) and not url.startswith(prefix + "/"):
            path = self.root / url.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            return prefix + str(path)
        return url

    @property
    def link_keys(self) -> tuple[str, ...]:
        """Signing keys of links, the newest last; several are separated by commas."""
        keys = read_secret(self.environment, self.configuration.settings.links.key_from)
        return tuple(keys.split(",")) if keys else (own_key(self.var / "link.key"),)

    @property
    def code_key(self) -> str:
        """The secret that promo codes are drawn with."""
        key = read_secret(self.environment, self.configuration.settings.offers.key_from)
        return key or own_key(self.var / "code.key")

    @property
    def var(self) -> Path:
        """Where everything lies that Antiphon writes."""
        return self.root / "var"


def find_root(start: Path | None = None) -> Path:
    """The nearest folder at or above `start` that holds config/settings.yaml."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / "config" / "settings.yaml").is_file():
            return folder
    raise UserFilesError(
        f"{start}: no project here: neither it nor a folder above has config/settings.yaml.\n"
        "  Change to the project's folder, or name it with --project."
    )


def open_project(root: Path, clock: Clock = system_clock) -> Project:
    """Read and check the files; raises ConfigError with every problem."""
    return with_files(root, read_files(root), clock)


@lru_cache(maxsize=4)
def with_files(root: Path, files: ProjectFiles, clock: Clock) -> Project:
    """A project whose configuration comes from `files`, wherever these were kept.

    The same files give the same project, its stores open already.
    """
    from antiphon.check import load  # noqa: PLC0415 (reads conditions and templates: slow to import)

    return Project(root, load(files), os.environ, clock)


def glance(root: Path, files: ProjectFiles, clock: Clock = system_clock) -> Project:
    """A project of which only the shape of `config/` is read: to look at what was decided.

    Its conditions, templates and definitions are not there. Raises ConfigError with every problem
    of shape.
    """
    drafted = draft(files)
    configuration = drafted.configuration(with_definitions=False)
    if configuration is None:
        raise ConfigError([one for one in drafted.problems if not one.is_warning])
    return Project(root, configuration, os.environ, clock)
