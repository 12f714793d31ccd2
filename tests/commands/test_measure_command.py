"""`antiphon measure` on a published experiment, and on tables that are wrong."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from antiphon.cli import exit_code

# K. Hillstrom's e-mail experiment (MineThatData E-Mail Analytics Challenge, 2008): 64,000
# customers, three arms; customers, visits and conversions within two weeks, as published.
HILLSTROM = {
    "Mens E-Mail": (21_307, 3_894, 267),
    "Womens E-Mail": (21_387, 3_238, 189),
    "No E-Mail": (21_306, 2_262, 122),
}
SHARES = "Mens E-Mail=1,Womens E-Mail=1,No E-Mail=1"


@pytest.fixture(scope="module")
def hillstrom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The experiment's table, from its published counts."""
    parts = [
        pd.DataFrame(
            {
                "segment": arm,
                "visit": np.arange(size) < visits,
                "conversion": (np.arange(size) < bought).astype(int),
            }
        )
        for arm, (size, visits, bought) in HILLSTROM.items()
    ]
    path = tmp_path_factory.mktemp("hillstrom") / "hillstrom.csv"
    pd.concat(parts).to_csv(path, index=False)
    return path


def _measure(path: Path, *more: str) -> list[str]:
    return ["measure", str(path), "--arm", "segment", "--control", "No E-Mail", *more]


def test_a_published_experiment_gives_its_published_effects(
    hillstrom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(_measure(hillstrom, "--outcome", "conversion")) == 0
    told = capsys.readouterr().out
    assert "Mens E-Mail: +0.68 points, between +0.50 and +0.86" in told
    assert "Womens E-Mail: +0.31 points, between +0.15 and +0.47" in told
    asked = _measure(hillstrom, "--outcome", "visit", "--planned-shares", SHARES, "--json")
    assert exit_code(asked) == 0
    mens, womens = json.loads(capsys.readouterr().out)
    assert mens["lift"] == pytest.approx(0.0766, abs=5e-5)
    assert womens["lift"] == pytest.approx(0.0452, abs=5e-5)
    assert mens["ratio_chance"] > 0.5


def test_a_running_experiment_is_judged_by_what_holds_at_every_look(
    hillstrom: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = _measure(hillstrom, "--outcome", "conversion", "--day", "3", "--days", "14")
    assert exit_code(early) == 0
    told = capsys.readouterr().out
    assert "Mens E-Mail: +0.68 points, between +0.36 and +1.01" in told
    assert "Womens E-Mail: +0.31 points, between +0.03 and +0.60" in told


def test_parquet_amounts_households_and_spending_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, size = np.random.default_rng(1), 4_000
    household = np.arange(size) // 2
    before = rng.gamma(2, 20, size)
    arm = np.where(rng.random(size // 2) < 0.5, "control", "mail")[household]
    path = tmp_path / "trial.parquet"
    pd.DataFrame(
        {
            "segment": arm,
            "household": household,
            "before": before,
            "spend": before + rng.normal(0, 5, size) + 3 * (arm == "mail"),
        }
    ).to_parquet(path)
    asked = ["measure", str(path), "--arm", "segment", "--outcome", "spend"]
    assert exit_code([*asked, "--unit", "household", "--before", "before", "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["units"] + found["control_units"] == size // 2
    assert found["low"] < 3 < found["high"]
    assert found["reduction"] > 0.9
    assert exit_code([*asked, "--unit", "household", "--before", "before"]) == 0
    assert "mail: +2.75, between" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ("arm,bought\ncontrol,1\nmail,0\n", ["--outcome", "sold"], "no column 'sold'"),
        ("arm,bought\na,1\nb,0\n", ["--outcome", "bought"], "no row's arm is 'control'"),
        ("arm,bought\ncontrol,1\nmail,\n", ["--outcome", "bought"], "empty in 1 of 2 rows"),
        ("arm,bought\ncontrol,yes\nmail,1\n", ["--outcome", "bought"], "1 values that are no"),
        ("", ["--outcome", "bought"], "cannot be read as CSV"),
        (
            "arm,bought,home\ncontrol,1,7\nmail,0,7\n",
            ["--outcome", "bought", "--unit", "home"],
            "1 of the home are in more than one arm",
        ),
        (
            "arm,bought\ncontrol,1\nmail,0\n",
            ["--outcome", "bought", "--planned-shares", "control=10,male=90"],
            "the planned shares and the arms differ: mail, male",
        ),
    ],
)
def test_a_table_that_is_wrong_is_answered_with_what_and_what_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, more: list[str], said: str
) -> None:
    path = tmp_path / "trial.csv"
    path.write_text(table)
    assert exit_code(["measure", str(path), "--arm", "arm", *more]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "\n  " in told


def test_an_arm_may_be_called_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "trial.csv"
    path.write_text("arm,bought\n" + "None,0\nNA,1\n" * 30)
    asked = ["measure", str(path), "--arm", "arm", "--outcome", "bought", "--control", "None"]
    assert exit_code(asked) == 0
    assert "NA: +100.0 points" in capsys.readouterr().out


@pytest.mark.parametrize(
    "more", [["--day", "3"], ["--planned-shares", "control"], ["--planned-shares", "control=0"]]
)
def test_wrong_use_is_told(tmp_path: Path, more: list[str]) -> None:
    path = tmp_path / "trial.csv"
    path.write_text("arm,bought\ncontrol,1\nmail,0\n")
    assert exit_code(["measure", str(path), "--arm", "arm", "--outcome", "bought", *more]) == 2
