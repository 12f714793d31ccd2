"""`antiphon plan --diff`, `--policy` and `antiphon replay`, as a person meets them."""

import csv
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from demo_project import AT, antiphon

RUN = "2026-05-12-daily-1"
DAY = "2026-05-12"


def ask(project: Path, *arguments: str, code: int = 0) -> str:
    done = antiphon(project, *arguments, environment={"ANTIPHON_AT": AT})
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed
    return printed if code else done.stdout


def stored(project: Path) -> list[dict[str, Any]]:
    folder = project / "var" / "lake" / "decisions" / RUN
    return [row for path in folder.rglob("*.parquet") for row in pq.read_table(path).to_pylist()]


@pytest.fixture
def silent(project: Path, tmp_path: Path) -> Path:
    """Our policy and a rule under which nobody gets anything."""
    policy = yaml.safe_load((project / "config" / "policy.yaml").read_text(encoding="utf-8"))
    silence = {"name": "silence", "max": 0, "per": "7 days"}
    path = tmp_path / "silent.yaml"
    changed = {**policy, "caps": [silence, *policy.get("caps", ())]}
    path.write_text(yaml.safe_dump(changed), encoding="utf-8")
    return path


def test_the_day_of_the_demo_is_replayed_equal(project: Path) -> None:
    printed = ask(project, "replay", DAY)
    assert printed == f"{RUN}: {len(stored(project)):,} decisions, all equal.\n"
    (row,) = json.loads(ask(project, "replay", DAY, "--run", RUN, "--json"))
    assert row["equal"] is True
    assert row["decisions"] == len(stored(project))
    assert (row["differences"], row["engines"]) == ([], {})


def test_a_tampered_day_names_campaign_and_column_and_nobody(project: Path, tmp_path: Path) -> None:
    mine = shutil.copytree(project, tmp_path / "mine")
    (path,) = (mine / "var" / "lake" / "decisions" / RUN).rglob("settled.parquet")
    table = pq.read_table(path)
    rows = table.to_pylist()
    first = rows[0]
    first["arm"] = "nobody-drew-this"
    pq.write_table(table.from_pylist(rows, schema=table.schema), path)
    printed = ask(mine, "replay", DAY, code=3)
    assert f"  {first['campaign']}, column arm: 1 row\n" in printed
    assert first["customer_id"] not in printed


def test_a_day_that_was_not_decided_is_answered(project: Path) -> None:
    assert "no run of 2026-05-01" in ask(project, "replay", "2026-05-01", code=1)
    assert "--customers goes with --policy" in ask(
        project, "replay", DAY, "--customers", "who.csv", code=2
    )


def test_plan_diff_tells_who_gains_and_who_loses(project: Path, tmp_path: Path) -> None:
    listed = tmp_path / "who.csv"
    printed = ask(project, "plan", "--diff", "--customers", str(listed))
    assert f"Before: run {RUN}. After: plan of {DAY}." in printed
    assert "Which rule held how many messages back" in printed
    assert "Nothing was written." in printed
    found = json.loads(ask(project, "plan", "--diff", "--json"))
    sent = Counter(row["campaign"] for row in stored(project) if row["outcome"] == "send")
    assert {row["campaign"]: row["before"] for row in found["campaigns"] if row["before"]} == sent
    for row in found["campaigns"]:
        gained, lost = row["new"] + row["from others"], row["lost"] + row["to others"]
        assert row["after"] == row["before"] + gained - lost
    with listed.open(encoding="utf-8") as file:
        people = {row["customer_id"]: row for row in csv.DictReader(file)}
    assert sum(not row["after"] for row in people.values()) == found["customers"]["losing"]
    assert sum(not row["before"] for row in people.values()) == found["customers"]["gaining"]
    assert not set(people) & set(printed.split())


def test_another_policy_is_compared_with_ours_on_the_same_day(project: Path, silent: Path) -> None:
    before = (project / "config" / "policy.yaml").read_text(encoding="utf-8")
    found = json.loads(ask(project, "replay", DAY, "--policy", str(silent), "--json"))[0]
    sent = Counter(row["campaign"] for row in stored(project) if row["outcome"] == "send")
    assert {row["campaign"]: row["before"] for row in found["campaigns"] if row["before"]} == sent
    rules = {row["rule"]: row for row in found["rules"]}
    silence = rules["cap:silence"]
    assert silence["what it says"] == "at most 0 messages in 7 days"
    assert (silence["before"], silence["after"] > 0) == (0, True)
    assert found["customers"]["gaining"] == 0
    printed = ask(project, "plan", "--policy", str(silent), "--day", DAY)
    assert "Before: under config/policy.yaml." in printed
    assert (project / "config" / "policy.yaml").read_text(encoding="utf-8") == before


def test_a_policy_file_with_a_mistake_is_answered_with_its_line(
    project: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nconsent: {promo: opt_in}\ncapz: []\n", encoding="utf-8")
    printed = ask(project, "plan", "--policy", str(wrong), code=1)
    assert f"{wrong}:3:1: unknown key 'capz'" in printed
    assert "caps" in printed
    assert "does not exist" in ask(project, "replay", DAY, "--policy", "none.yaml", code=2)
