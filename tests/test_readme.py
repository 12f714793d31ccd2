"""The README, held to its word: its example checks, its commands exist, its links lead on."""

import re
from pathlib import Path

import pytest

from antiphon.check import check
from antiphon.cli import MODULES
from antiphon.files import ProjectFiles, read_files

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CAMPAIGN = "config/campaigns/winback-lost-loyal.yaml"


def block(language: str) -> str:
    """The first code block of that language."""
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def problems_of(campaign: str) -> list[str]:
    """What check says when the example stands in the shipped project."""
    texts = {**read_files(ROOT).texts, CAMPAIGN: campaign}
    return [str(problem) for problem in check(ProjectFiles(texts))[1]]


def test_the_campaign_shown_is_a_valid_one() -> None:
    assert problems_of(block("yaml")) == []


def test_the_mistake_shown_is_answered_as_shown() -> None:
    shown = re.search(rf"^```\n({CAMPAIGN}.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert shown
    place, line, hint = shown[1].splitlines()
    wrong = block("yaml").replace(
        "channels: [email, sms]                # ", "chanels: [email, sms]  # "
    )
    [answer] = problems_of(wrong)
    beginning, _ = hint.split("…")
    assert place.split(":")[3] == answer.splitlines()[0].split(":")[3]
    assert line.strip().split("|")[1].strip() in answer
    assert beginning.strip() in answer


def test_every_command_named_exists_and_every_command_is_named() -> None:
    named = set(re.findall(r"`antiphon ([a-z]+(?:-[a-z]+)*)", README))
    assert named <= set(MODULES)
    assert set(MODULES) - named <= {"demo", "clean"}


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).is_file()


def test_every_chore_named_is_in_the_makefile() -> None:
    chores = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for line in re.findall(r"^make ([a-z ]+)", README, re.MULTILINE)
        for word in line.split()
    }
    assert named <= chores
