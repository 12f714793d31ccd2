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
        (
            "arm,spent\ncontrol,inf\nmail,2\n",
            ["--outcome", "spent"],
            "not finite, or beyond 1e+100",
        ),
        ("arm,spent\ncontrol,3\nmail,-2e300\n", ["--outcome", "spent"], "the first in row 2"),
        (
            "arm,spent,was\ncontrol,3,inf\nmail,2,1\n",
            ["--outcome", "spent", "--before", "was"],
            "column 'was' has 1 values that are not finite",
        ),
        (
            "arm,spent,was\n" + "control,3,3\nmail,2,2\nmail,5,5\ncontrol,4,4\n" * 9,
            ["--outcome", "spent", "--before", "was"],
            "'was' is the same as 'spent' in every row",
        ),
        (
            "arm,spent,was\n" + "control,3,7\nmail,2,5\nmail,5,11\ncontrol,4,9\n" * 9,
            ["--outcome", "spent", "--before", "was"],
            "'was' tells 'spent' to the last digit",
        ),
        (
            "arm,spent\n" + "control,7\nmail,7\n" * 9,
            ["--outcome", "spent"],
            "within each arm every spent is the same",
        ),
        (
            "arm,spent\ncontrol,7\nCONTROL,5\nmail,7\n",
            ["--outcome", "spent"],
            "the arms 'CONTROL' and 'control' differ by capital letters only",
        ),
        (
            "arm,arm,spent\ncontrol,a,1\nmail,b,2\n",
            ["--outcome", "spent"],
            "2 columns are called 'arm'",
        ),
        ("arm,spent\ncontrol,1\n  ,2\n", ["--outcome", "spent"], "'arm' is empty in 1 of 2 rows"),
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


def test_arms_and_units_are_names_and_not_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trial.csv"
    rows = "".join(f" 0{n},001,{n}\n{n},001,{n}\n0{n + 50},01 ,{n}\n" for n in range(1, 9))
    path.write_text(f"card,arm,spent\n{rows}")
    asked = ["--arm", "arm", "--outcome", "spent", "--unit", "card", "--control", "01", "--json"]
    assert exit_code(["measure", str(path), *asked]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["arm"], found["units"], found["control_units"]) == ("001", 16, 8)
    whole = path.with_suffix(".parquet")
    frame = pd.read_csv(path, dtype={"card": str})
    frame.assign(arm=frame["arm"].astype(str).where(frame.index % 3 < 2, "01")).to_parquet(whole)
    asked[-2] = "01"
    assert exit_code(["measure", str(whole), *asked]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert (found["arm"], found["units"], found["control_units"]) == ("1", 16, 8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("outcomes", ["1.5 2.5 3.5", "0 1 1"])
def test_a_group_of_one_is_too_few_units_and_its_json_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outcomes: str
) -> None:
    path, (first, second, third) = tmp_path / "trial.csv", outcomes.split()
    path.write_text(f"arm,spent\ncontrol,{first}\nmail,{second}\nmail,{third}\n")
    asked = ["measure", str(path), "--arm", "arm", "--outcome", "spent"]
    assert exit_code(asked) == 0
    shown = capsys.readouterr()
    assert "mail: nothing to compare: too few units" in shown.out
    assert "inf" not in shown.out
    assert not shown.err
    assert exit_code([*asked, "--json"]) == 0

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    [found] = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["verdict"] == "nothing to compare: too few units"


def test_a_mean_far_above_the_spread_invents_no_certainty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, path = np.random.default_rng(3), tmp_path / "trial.csv"
    arm = np.where(np.arange(800) % 2, "control", "mail")
    spent = rng.normal(50, 10, 800).round(4)
    told = []
    for shift in (0, 100_000_000):
        pd.DataFrame({"arm": arm, "spent": spent + shift}).to_csv(path, index=False)
        asked = ["measure", str(path), "--arm", "arm", "--outcome", "spent", "--json"]
        assert exit_code(asked) == 0
        told += json.loads(capsys.readouterr().out)
    for name in ("lift", "low", "high", "p_value"):
        assert told[0][name] == pytest.approx(told[1][name], rel=1e-3), name
    assert told[1]["mean"] == pytest.approx(told[0]["mean"] + 1e8)
