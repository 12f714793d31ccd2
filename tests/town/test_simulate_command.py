"""The command's refusals: a town is founded beside a project, never in place of anything."""

from pathlib import Path

import pytest
from demo_project import ROOT

from antiphon.cli import exit_code
from antiphon.errors import ExitCode
from antiphon.files import read_files
from antiphon.town.founding import found


def simulate(*arguments: str) -> int:
    """As a person would type it in the checkout."""
    return exit_code(["--project", str(ROOT), "simulate", *arguments])


@pytest.mark.parametrize("place", [ROOT, ROOT.parent])
def test_a_town_is_not_founded_over_its_own_project(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate("--days", "1", "--folder", str(place)) == ExitCode.USER_FILES
    assert "holds this project" in capsys.readouterr().err


def test_a_folder_with_something_else_is_named_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "accounts.xlsx").write_text("mine")
    assert simulate("--days", "1", "--folder", str(tmp_path)) == ExitCode.USER_FILES
    assert "is no town" in capsys.readouterr().err
    assert (tmp_path / "accounts.xlsx").read_text() == "mine"


def test_sources_of_a_companys_own_cannot_people_a_town(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found(tmp_path / "company", read_files(ROOT))  # a whole project
    sources = tmp_path / "company" / "config" / "sources.yaml"
    sources.write_text(sources.read_text().replace("var/demo/orders.csv", "exports/orders.csv"))
    told = exit_code(
        ["--project", str(tmp_path / "company"), "simulate", "--folder", str(tmp_path / "town")]
    )
    assert told == ExitCode.USER_FILES
    assert "the source 'orders' is none of the demo company's" in capsys.readouterr().err
    assert not (tmp_path / "town").exists()
