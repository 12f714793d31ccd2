"""The tutorial followed to the letter: its commands, what they print, the files it quotes.

`python tests/test_tutorial.py` writes what the commands print into the page anew.
"""

import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from antiphon import cli, clock
from antiphon.clock import clock_from, edge_clock
from antiphon.commands.running import show_day
from antiphon.errors import ValidationStopped
from antiphon.project import Project, open_project
from antiphon.steps.daily import run_daily

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "tutorial-online-retail.md"
SHOP = ROOT / "docs" / "tutorial-online-retail"
FILE = ROOT.parent / "shared" / "data" / "online_retail" / "online_retail.csv.gz"
AT = {"ANTIPHON_AT": "2011-12-10T10:00+00:00"}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
PATHS = re.compile(r"`((?:config|sql|templates)/[^`<]+\.\w+)`")
needs_file = pytest.mark.skipif(not FILE.is_file(), reason=f"{FILE} is not beside this checkout")


@dataclass
class Shell:
    """A newcomer's terminal: folder and variables stay from command to command.

    `antiphon` runs in this process, and `antiphon run` without the workflow engine.
    """

    home: Path
    folder: Path = ROOT
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        self.variables = {**kept, "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    def run(self, command: str) -> str:
        """What the command prints, with this machine's folders and keys made anybody's."""
        program, *arguments = shlex.split(command)
        printed = self._antiphon(arguments) if program == "antiphon" else self._bash(command)
        printed = printed.replace(str(self.home), "/home/you")
        printed = re.sub(r"(https://mail\.[^/\s]+/\w+/)\S+", r"\1…", printed)
        return "".join(f"{line.rstrip()}\n" for line in printed.rstrip("\n").splitlines())

    def _bash(self, command: str) -> str:
        state = self.home / ".state"
        script = f"set -euo pipefail\n{command}\n{{ pwd; env -0; }} > {state}"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        # `head` closes the pipe before `zcat` is done: no fault
        assert done.returncode in (0, 141), f"{command}\n{done.stderr}"
        if done.returncode == 0:
            folder, _, variables = state.read_text(encoding="utf-8").partition("\n")
            self.folder = Path(folder)
            self.variables = dict(one.split("=", 1) for one in variables.split("\0") if one)
        return done.stdout

    def _antiphon(self, arguments: list[str]) -> str:
        before, here = dict(os.environ), Path.cwd()
        printed, progress = io.StringIO(), io.StringIO()
        clock._rehearsal.cache_clear()  # every command is a process of its own
        os.environ.update(self.variables)
        os.chdir(self.folder)
        try:
            with redirect_stdout(printed), redirect_stderr(progress):
                code = self._run_day() if arguments == ["run"] else cli.exit_code(arguments)
        finally:
            os.chdir(here)
            os.environ.clear()
            os.environ.update(before)
        assert code == 0, progress.getvalue()
        return printed.getvalue()

    def _run_day(self) -> int:
        now = edge_clock(os.environ)
        return show_day(open_project(self.folder, now), run_daily(self.folder, now))


def commands(block: str) -> Iterator[tuple[str, str]]:
    """The commands of a console block, each with what the page says it prints."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed


@pytest.fixture(scope="module")
def followed(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Project, list[tuple[str, str, str]]]:
    """The project after the last command of the page; each command, as said and as printed."""
    shell = Shell(tmp_path_factory.mktemp("home"))
    steps = []
    for kind, block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if kind == "console":
            for command, said in commands(block):
                steps.append((command, said, shell.run(command)))
    clock._rehearsal.cache_clear()
    return open_project(shell.folder, edge_clock(AT)), steps


@needs_file
def test_every_command_prints_what_the_page_says(
    followed: tuple[Project, list[tuple[str, str, str]]],
) -> None:
    _, steps = followed
    assert len(steps) > 20
    for command, said, printed in steps:
        assert printed == said, command


def test_every_file_the_page_quotes_says_so() -> None:
    text = PAGE.read_text(encoding="utf-8")
    quoted = 0
    for found in BLOCK.finditer(text):
        if found[1] == "console":
            continue
        *_, path = PATHS.findall(text[: found.start()])
        assert found[2] in (SHOP / path).read_text(encoding="utf-8"), path
        quoted += 1
    assert quoted >= 9


def one_row(project: Project, sql: str) -> tuple[Any, ...]:
    with project.lake.session() as session:
        (row,) = session.rows(sql)
    return row


@needs_file
def test_every_row_is_clean_or_in_quarantine_with_a_reason(
    followed: tuple[Project, list[tuple[str, str, str]]],
) -> None:
    project, _ = followed
    files = project.lake.current().files("quarantine", "2011-12-10-daily-1")
    paths = ", ".join(f"'{path}'" for path in files)
    expected = {"order_lines": (541_909, 406_829), "orders": (25_900, 22_190)}
    expected |= {"customers": (4_373, 4_372), "products": (4_053, 4_053)}
    for entity, (rows_in, clean) in expected.items():
        assert one_row(project, f"SELECT count(*) FROM {entity}") == (clean,)
        taken_out = (
            "SELECT count(*), count(DISTINCT row_number), count(*) FILTER (len(reasons) > 0) "
            f"FROM read_parquet([{paths}]) WHERE entity = '{entity}'"
        )
        assert one_row(project, taken_out) == (rows_in - clean,) * 3
    steps = {one.step: one.counts for one in project.ledger.runs.steps("2011-12-10-daily-1")}
    pulled = {entity: rows for entity, (rows, _) in expected.items()}
    assert steps["pull"] == pulled
    assert steps["validate"]["rows"] == sum(pulled.values())
    without = one_row(
        project,
        f"SELECT count(*) FROM read_parquet([{paths}]) WHERE entity = 'orders' "
        "AND array_to_string(reasons, ' ') LIKE '%no customer: invoice without CustomerID%'",
    )
    assert without == (3_710,)


@needs_file
def test_sales_are_those_that_everybody_counts(
    followed: tuple[Project, list[tuple[str, str, str]]],
) -> None:
    project, _ = followed
    sql = """
        SELECT count(*), count(DISTINCT customer_id),
            sum(quantity::BIGINT * unit_price)::DECIMAL(18, 2)
        FROM order_lines WHERE quantity > 0 AND unit_price > 0 AND customer_id IS NOT NULL
    """
    assert one_row(project, sql) == (397_884, 4_338, Decimal("8911407.90"))
    customers = "SELECT count(*) FROM customers WHERE customer_id IS NOT NULL"
    assert one_row(project, customers) == (4_372,)


@needs_file
def test_messages_are_sent_once(followed: tuple[Project, list[tuple[str, str, str]]]) -> None:
    project, _ = followed
    first, again = "2011-12-10-daily-1", "2011-12-10-daily-2"
    states = {count.state.value for count in project.ledger.messages.counts(first)}
    assert states == {"accepted", "control"}
    sent = sum(
        count.messages
        for count in project.ledger.messages.counts(first)
        if count.state.value == "accepted"
    )
    outbox = project.root / "var" / "outbox" / "2011-12-10"
    files = [path for path in outbox.rglob("*") if path.suffix in (".eml", ".txt")]
    assert len(files) == sent > 600
    assert not list(project.ledger.messages.counts(again))
    record = project.ledger.runs.get(again)
    assert record is not None
    assert record.verdict == "nothing new to send"


@needs_file
def test_on_tuesday_the_invoices_are_too_old_to_go_on(
    followed: tuple[Project, list[tuple[str, str, str]]],
) -> None:
    project, _ = followed
    before = project.lake.current().id
    tuesday = clock_from(datetime(2011, 12, 13, 10, tzinfo=UTC))
    with pytest.raises(ValidationStopped, match="no fresh invoices"):
        run_daily(project.root, tuesday)
    assert project.lake.current().id == before


def write() -> None:
    """What the commands print, into the page."""
    with TemporaryDirectory() as home:
        shell = Shell(Path(home))

        def filled(found: re.Match[str]) -> str:
            if found[1] != "console":
                return found[0]
            lines = (f"$ {command}\n{shell.run(command)}" for command, _ in commands(found[2]))
            return f"```console\n{''.join(lines)}```\n"

        PAGE.write_text(BLOCK.sub(filled, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
