"""`antiphon new`: from an idea to a checked campaign, and never over somebody's file."""

import json
import os
import pty
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from demo_project import AT, FOLDERS, ROOT

from antiphon import cli
from antiphon.campaigns.configuration import campaign_file
from antiphon.check import check
from antiphon.files import read_files
from antiphon.patterns import patterns

DAY = date(2026, 5, 12)
SHIPPED = {  # pattern: its message folders, and the shipped ones that speak the same texts
    "welcome-chain": {
        "message-start": "welcome-first-order-start",
        "message-advice": "welcome-first-order-advice",
        "message-voucher": "welcome-first-order-voucher",
    },
    "survey-after-purchase": {"message": "purchase-survey"},
    "expiring-bonus": {"message": "bonus-expires"},
    "price-drop": {"message": "price-drop"},
    "back-in-stock": {"message": "back-in-stock"},
    "event-invitation": {"message": "skin-care-evening"},
    "educational-letter": {"message": "letter"},
}
ASKED_FOR = (
    "win-back welcome-chain birthday replenishment cross-sell second-purchase "
    "survey-after-purchase vip-thanks expiring-bonus price-drop back-in-stock event-invitation "
    "educational-letter"
)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shipped files without any data, and we stand in them on the demo day."""
    for name in FOLDERS[:3]:
        shutil.copytree(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTIPHON_AT", AT)
    return tmp_path


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_every_pattern_that_was_promised_is_there() -> None:
    assert set(patterns()) == set(ASKED_FOR.split())
    assert all(one.languages == {"de", "en"} for one in patterns().values())
    assert all(one.meaning.endswith(".") for one in patterns().values())


@pytest.mark.parametrize("pattern", ASKED_FOR.split())
def test_a_new_campaign_is_right_at_once(
    files: Path, pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = check(read_files(files), DAY)[1]
    assert cli.exit_code(["new", "my-own", "--pattern", pattern]) == 0
    configuration, problems = check(read_files(files), DAY)
    assert problems == before
    assert configuration is not None
    campaign = configuration.campaigns["my-own"]
    assert campaign.runs.includes(DAY)
    told = capsys.readouterr().out
    assert "no problems" in told
    assert told.splitlines()[-3:] == [
        "  antiphon check",
        "  antiphon preview my-own",
        "  antiphon plan --campaign my-own",
    ]
    text = (files / campaign_file("my-own")).read_text(encoding="utf-8")
    assert text.count("#") > 4, "it is commented"
    assert "$name" not in text


@pytest.mark.parametrize("pattern", SHIPPED)
def test_a_pattern_and_the_shipped_campaign_speak_the_same_texts(pattern: str) -> None:
    templates = ROOT / "antiphon" / "patterns" / pattern / "templates"
    assert {path.name for path in templates.iterdir()} == set(SHIPPED[pattern])
    for mine, shipped in SHIPPED[pattern].items():
        assert tree(templates / mine) == tree(ROOT / "templates" / shipped)


def test_every_new_campaign_can_be_looked_at_before_it_sends(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    mine = shutil.copytree(project, tmp_path / "copy")
    monkeypatch.chdir(mine)
    monkeypatch.setenv("ANTIPHON_AT", AT)
    for pattern in patterns():
        assert cli.exit_code(["new", f"my-{pattern}", "--pattern", pattern]) == 0
        assert cli.exit_code(["preview", f"my-{pattern}", "--no-open"]) == 0, (
            capsys.readouterr().err
        )
        pages = list((mine / "var" / "preview").glob(f"my-{pattern}-*.html"))
        assert len(pages) == {"welcome-chain": 3, "second-purchase": 2}.get(pattern, 1)
        assert all("Linden Apotheke" in page.read_text(encoding="utf-8") for page in pages)


def test_only_the_languages_of_the_project_are_written() -> None:
    pattern = patterns()["birthday"]
    paths = pattern.files("wishes", ["en", "ru"], DAY)
    assert {path.split("/")[2] for path in paths if path.startswith("templates")} == {"en"}
    assert pattern.files("wishes", ["ru"], DAY) == paths  # English, to be translated


def test_nothing_is_overwritten_and_nothing_half_written(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = files / "templates" / "mine" / "en" / "sms.j2"
    own.parent.mkdir(parents=True)
    own.write_text("my own text", encoding="utf-8")
    before = tree(files)
    assert cli.exit_code(["new", "mine", "--pattern", "win-back"]) == 1
    assert "templates/mine/en/sms.j2 exists already" in capsys.readouterr().err
    assert cli.exit_code(["new", "vip-thanks", "--pattern", "vip-thanks"]) == 1
    assert "config/campaigns/vip-thanks.yaml exists already" in capsys.readouterr().err
    assert tree(files) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["new"], "Say what the campaign is called"),
        (["new", "mine", "--pattern", "winback"], "Did you mean 'win-back'?"),
        (["new", "My Own", "--pattern", "win-back"], "a name is made of a-z"),
        (["new", "../mine", "--pattern", "win-back"], "a name is made of a-z"),
        (["new", "mine"], "There are: back-in-stock, birthday,"),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_told_with_the_right_ones(
    files: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = tree(files)
    assert cli.exit_code(arguments) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert tree(files) == before


def test_what_a_pattern_needs_and_the_project_lacks_is_said(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = files / "config" / "sources.yaml"
    text = sources.read_text(encoding="utf-8")
    without = [line for line in text.splitlines(keepends=True) if "bonus_expires_on" not in line]
    sources.write_text("".join(without), encoding="utf-8")
    assert cli.exit_code(["new", "points", "--pattern", "expiring-bonus"]) == 1
    told = capsys.readouterr().out
    assert "unknown name 'customer.bonus_expires_on'" in told
    assert "stands at the head of config/campaigns/points.yaml" in told
    comment = (files / campaign_file("points")).read_text(encoding="utf-8")
    assert "bonus_expires_on: {type: day}" in comment


def test_broken_settings_are_told_before_anything_is_written(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = files / "config" / "settings.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Europe/Berlin", "Berlin"), encoding="utf-8")
    before = tree(files)
    assert cli.exit_code(["new", "mine", "--pattern", "birthday"]) == 1
    assert "config/settings.yaml:" in capsys.readouterr().err
    assert tree(files) == before


def test_programs_get_json(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.exit_code(["new", "--list", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {row["pattern"] for row in listed} == set(patterns())
    assert cli.exit_code(["new", "mine", "--pattern", "birthday", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == []
    assert all((files / path).is_file() for path in told["files"])


def test_at_a_terminal_the_pattern_is_asked_for(files: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "antiphon.cli", "new", "mine"],
        cwd=files,
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.write(ours, b"birthday\n")
    told, _ = process.communicate(timeout=60)
    os.close(ours)
    os.close(theirs)
    assert process.returncode == 0
    assert "Which pattern" in told
    assert "anniversary: {of: birthday}" in (files / campaign_file("mine")).read_text("utf-8")


def test_a_campaign_that_ends_runs_for_a_month() -> None:
    text = patterns()["event-invitation"].files("party", ["en"], DAY)[campaign_file("party")]
    assert "runs: {from: 2026-05-12, until: 2026-06-11}" in text
