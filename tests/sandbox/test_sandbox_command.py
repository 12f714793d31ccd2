"""`antiphon sandbox`, as a person starts and ends it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from demo_project import ROOT
from sandbox_clients import mail, person, sendgrid

from antiphon.cli import exit_code
from antiphon.errors import ExitCode
from antiphon.sandbox import journal
from antiphon.sandbox.server import running


def begin(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], str]:
    """The command, and the address that it says."""
    command = [sys.executable, "-m", "antiphon.cli", "sandbox", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--folder", str(folder), *arguments],
        env={**os.environ, "ANTIPHON_ROOT": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    return process, line.split()[4].rstrip(":")


def end(process: subprocess.Popen[str]) -> str:
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0  # what it says fits into the pipe
    assert process.stdout
    return process.stdout.read()


def test_it_says_where_it_is_and_at_its_end_what_it_took(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    process, url = begin(tmp_path)
    for number in (1, 2, 2):
        sendgrid(url).send(mail(person(number)))
    said = end(process)
    assert "3 messages were accepted in all, 1 of them more than once" in said
    assert f"export ANTIPHON_SANDBOX_URL={url}" in said
    again, _ = begin(tmp_path)
    assert "with 3 messages" in end(again)
    usual = ["--project", str(ROOT), "sandbox", "--port", "0", "--folder", str(tmp_path)]
    fresh, _ = begin(tmp_path, "--fresh")
    assert exit_code(usual) == ExitCode.USER_FILES
    assert "Another sandbox writes to" in capsys.readouterr().err
    assert "0 messages were accepted in all" in end(fresh)
    assert journal.accepted(tmp_path) == {}


def test_ctrl_c_ends_it_at_whatever_moment_of_its_start(tmp_path: Path) -> None:
    for number, seconds in enumerate((0, 0.001, 0.003, 0.01, 0.03)):
        process, _ = begin(tmp_path / str(number))
        time.sleep(seconds)
        assert "0 messages were accepted" in end(process)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--faults", "faults.json"), "faults.json: faults.0.do"),
        (("--events-to", "https://x.example"), "address of this machine"),
    ],
)
def test_a_wrong_script_or_address_is_the_users_fault(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "faults.json").write_text('{"faults": [{"do": "explode"}]}')
    usual = ["--project", str(ROOT), "sandbox", "--port", "0", "--folder", str(tmp_path / "own")]
    assert exit_code([*usual, *arguments]) == ExitCode.USER_FILES
    assert said in capsys.readouterr().err


def test_a_taken_port_is_said_with_the_next_step_and_nothing_is_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(tmp_path) as sandbox:
        sendgrid(sandbox.url).send(mail(person(1)))
        port = sandbox.url.rpartition(":")[2]
        usual = ["--project", str(ROOT), "sandbox", "--folder", str(tmp_path), "--fresh"]
        assert exit_code([*usual, "--port", port]) == ExitCode.USER_FILES
        assert sandbox.accepted() == {"mail-1": 1}
    assert "running already" in capsys.readouterr().err
