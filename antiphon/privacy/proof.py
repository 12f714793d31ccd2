"""The proof that a person is gone: a search of every table and every file for what they were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from antiphon.ledger.erasure import Person
from antiphon.privacy import files
from antiphon.project import Project


@dataclass(frozen=True)
class Proof:
    """What was searched, and where the person still is.

    `left`: place → rows or files of ours. `sources`: the company's own files, which no pull reads
    the person from any more. `copies`: packed ones, of backups above all.
    """

    words: int
    tables: int
    parquet: int
    files: int
    left: dict[str, int] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether nothing of ours names the person any more."""
        return not self.left

    def with_database(self, searched: int, left: Sequence[Path]) -> "Proof":
        """The same after a search of the ledger's own files."""
        found = {**self.left, **{f"{path} (free pages)": 1 for path in left}}
        return replace(self, files=self.files + searched, left=found)


def prove(project: Project, person: Person, marks: files.Marks) -> Proof:
    """Search the ledger's tables, the lake's files and all others below var/."""
    ledger, root = project.ledger, project.root
    left = dict(ledger.erasure.find(person))
    in_lake, told_of = _search_lake(project, person)
    left |= {_short(path, root): rows for path, rows in in_lake.items()}
    count, copies = 0, []
    for path in our_files(project):
        count += 1
        if not files.names_them(path, marks):
            continue
        if files.is_packed(path):
            copies.append(_short(path, root))
        else:
            left[_short(path, root)] = 1
    mine = [one for one in source_files(project) if files.names_them(one, marks)]
    return Proof(
        words=len(person.words) or 1,
        tables=ledger.erasure.tables,
        parquet=sum(1 for _ in project.lake.path.rglob("*.parquet")),
        files=count,
        left=left,
        sources=(*(_short(one, root) for one in mine), *told_of),
        copies=tuple(copies),
    )


def _search_lake(project: Project, person: Person) -> tuple[dict[Path, int], list[str]]:
    """Files with rows of the person; and what sources say of them in facts of others, which would
    come again with the next pull."""
    found = project.lake.find(person.customer_id, person.words)
    facts = [path for path in found if "clean" in path.relative_to(project.lake.path).parts[:1]]
    theirs = project.lake.find(person.customer_id, (), facts) if facts else {}
    told_of = sorted({path.relative_to(project.lake.path).parts[1] for path in facts} - {""})
    of_others = [path for path in facts if path not in theirs]
    left = {path: rows for path, rows in found.items() if path not in of_others}
    names = [f"{name} of other customers name the person" for name in told_of if of_others]
    return left, names


def our_files(project: Project) -> Iterator[Path]:
    """All that we wrote but for the lake's Parquet files and the ledger."""
    yield from files.others(project.var, skipped(project))
    outbox = project.root / project.configuration.settings.providers.outbox
    if not outbox.is_relative_to(project.var):
        yield from files.others(outbox, skipped(project))


def skipped(project: Project) -> frozenset[Path]:
    """Files below var/ that are searched in another way, or are the company's own."""
    database = project.ledger.database
    ours = [Path(f"{database}{ending}") for ending in ("", "-wal", "-shm")] if database else []
    return frozenset([*ours, *source_files(project)])


def source_files(project: Project) -> list[Path]:
    """The files that sources.yaml names."""
    return sorted(_source_files(project))


def _source_files(project: Project) -> Iterator[Path]:
    for source in project.configuration.sources.sources.values():
        if source.file:
            pattern = Path(source.file)
            if pattern.is_absolute():
                yield from Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))
            else:
                yield from (path for path in project.root.glob(str(pattern)) if path.is_file())


def _short(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
