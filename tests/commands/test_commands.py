"""The command line as a person and a scheduler meet it: output, JSON, exit codes, no traceback."""

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from demo_project import AT, ROOT, antiphon, demo_clock, make_project

from antiphon import cli
from antiphon.check import load
from antiphon.clock import system_clock
from antiphon.files import read_files
from antiphon.ledger import Ledger, RunState
from antiphon.steps.daily import run_daily
from antiphon.steps.holder import this_process
from antiphon.steps.run import LEASE

RUN = "2026-05-12-daily-1"
NOW = {"ANTIPHON_AT": AT}
CAMPAIGNS = sorted((ROOT / "config" / "campaigns").glob("*.yaml"))
_MINUTE = timedelta(minutes=1)


def ask(project: Path, *arguments: str, code: int = 0) -> str:
    """What a command prints on the demo day; whatever happens, never a traceback."""
    done = antiphon(project, *arguments, environment=NOW)
    printed = done.stdout + done.stderr
    assert done.returncode == code, printed
    assert "Traceback" not in printed
    return printed if code else done.stdout


def ask_json(project: Path, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(ask(project, *arguments, "--json"))
    return rows


def decisions(project: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    folder = project / "var" / "lake" / "decisions" / RUN
    tables = [pq.read_table(path) for path in folder.rglob("*.parquet")]
    return [row for table in tables for row in table.to_pylist()]


def a_customer(project: Path, **wanted: str) -> str:
    """Somebody about whom it was so decided."""
    for row in decisions(project):
        if all(row[name] == value for name, value in wanted.items()):
            return str(row["customer_id"])
    raise AssertionError(f"nobody with {wanted}")


# ------------------------------------------------------------------------------- help and usage


@pytest.mark.parametrize("command", sorted(cli.MODULES))
def test_every_help_text_has_an_example(command: str) -> None:
    context = cli.cli.make_context("antiphon", ["check"], resilient_parsing=True)
    found = cli.cli.get_command(context, command)
    assert found is not None
    text = found.get_help(context)
    assert f"antiphon {command}" in " ".join(text.split())
    assert "Example" in text
    assert len(found.get_short_help_str(200)) > 20


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nonsense"], 2, "No such command"),
        (["why"], 2, "Missing argument"),
        (["plan", "--day", "tomorrow"], 2, "does not match the format"),
        (["plan", "--at", "10:00"], 2, "write 2026-05-12T10:00+02:00"),
        (["check", "--at", "2026-05-12T10:00"], 2, "add the offset"),
        (["check", "--nothing"], 2, "No such option"),
        (["--project", "/nowhere", "check"], 2, "does not exist"),
        (["demo", "--customers", "-3"], 2, "range"),
        (["report", "--csv", "/nowhere/sent.csv"], 2, "cannot be written"),
        (["why", "nobody"], 1, "no customer 'nobody'"),
        (["why", "LP000012", "--day", "2020-01-01"], 1, "antiphon runs"),
        (["why", "LP000012", "--campaign", "x"], 1, "birthday-wishes"),
        (["plan", "--campaign", "x"], 1, "birthday-wishes"),
        (["preview", "x", "--no-open"], 1, "birthday-wishes"),
        (["preview", "vip-thanks", "--customer", "x", "--no-open"], 1, "no customer 'x'"),
        (["message", "x"], 1, "file in the outbox"),
        (["runs", "x"], 1, "antiphon runs"),
        (["report", "x"], 1, "There are: campaigns, cells, channels"),
        (["abandon", "x"], 1, "antiphon runs"),
        (["abandon", RUN], 1, "nothing to abandon"),
        (["run", "--campaign", "x"], 1, "birthday-wishes"),
    ],
    ids=str,
)
def test_a_bad_argument_is_told_with_the_next_step(
    project: Path,
    arguments: list[str],
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setenv("ANTIPHON_AT", AT)
    assert cli.exit_code(arguments) == code
    told = capsys.readouterr()
    assert said in told.err
    assert told.out == ""
    assert "Traceback" not in told.err


def test_the_exit_code_reaches_the_scheduler(project: Path) -> None:
    assert "no customer" in ask(project, "why", "nobody", code=1)
    assert "No such command" in ask(project, "nonsense", code=2)


def test_outside_of_a_project_the_command_says_where_it_looked(tmp_path: Path) -> None:
    assert "Change to the project's folder" in ask(tmp_path, "check", code=1)


def test_a_fault_of_ours_is_code_3_without_values_on_the_screen(
    project: Path, tmp_path: Path
) -> None:
    broken = copied(project, tmp_path)
    (broken / "var" / "lake" / "manifest.json").write_text("{", encoding="utf-8")
    ask(broken, "segments", code=3)


def copied(project: Path, folder: Path) -> Path:
    return shutil.copytree(project, folder / "copy")


# ------------------------------------------------------------------------------- check, features


def test_check_counts_what_it_found(project: Path, tmp_path: Path) -> None:
    assert ask(project, "check") == f"{len(CAMPAIGNS)} campaigns, no problems.\n"
    assert ask_json(project, "check") == []
    wrong = copied(project, tmp_path)
    path = wrong / "config" / "campaigns" / "vip-thanks.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("channels:", "chanels:"), "utf-8")
    printed = ask(wrong, "check", code=1)
    assert "config/campaigns/vip-thanks.yaml:" in printed
    assert "Did you mean 'channels'?" in printed
    assert "problems, 0 warnings." in printed or "1 problem, 0 warnings." in printed
    done = antiphon(wrong, "check", "--json", environment=NOW)
    assert done.returncode == 1
    assert {"path", "line", "column", "message", "hint"} <= set(json.loads(done.stdout)[0])


def test_100_campaigns_check_in_about_a_second(project: Path, tmp_path: Path) -> None:
    import resource

    many = copied(project, tmp_path)
    folder = many / "config" / "campaigns"
    text = (folder / "winback-lost-loyal.yaml").read_text(encoding="utf-8")
    for number in range(100 - len(CAMPAIGNS)):
        name = f"winback-{number:02d}"
        path = folder / f"{name}.yaml"
        path.write_text(text.replace("winback-lost-loyal", name), encoding="utf-8")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    assert ask(many, "check") == "100 campaigns, no problems.\n"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"100 campaigns: {busy:.2f} s of CPU, {time.monotonic() - began:.2f} s in all")
    assert busy < 3


def test_features_are_found_by_name_and_meaning(project: Path) -> None:
    assert ask_json(project, "features", "voucher") == []
    found = ask_json(project, "features", "birthday")
    assert {row["feature"] for row in found} == {"birthday", "days_to_birthday"}
    assert "bonus_points" in ask(project, "features")
    assert "No feature's name or meaning holds 'zzz'" in ask(project, "features", "zzz")


@pytest.mark.parametrize(
    "command", [["check"], ["plan"], ["why", "LP000012"], ["segments"], ["features"]], ids=" ".join
)
def test_looking_never_waits_for_the_two_giants(project: Path, command: list[str]) -> None:
    code = (
        "import sys; from antiphon import cli; code = cli.exit_code(sys.argv[1:]); "
        "sys.exit(code or ' '.join({'prefect', 'great_expectations'} & set(sys.modules)) or 0)"
    )
    variables = {**NOW, "ANTIPHON_ROOT": str(project), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env=variables,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


# ------------------------------------------------------------------------------- plan, segments


def written(folder: Path) -> dict[str, str]:
    """Every file's hash, without the engine's empty folders, locks and readers' pins."""
    return {
        str(path.relative_to(folder)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal", ".lock"))
    }


def test_plan_writes_nothing_and_shows_the_difference_from_the_last_run(
    project: Path, tmp_path: Path
) -> None:
    mine = copied(project, tmp_path)
    ask(mine, "plan")  # opens what a copied ledger opens the first time
    before = written(mine / "var")
    printed = ask(mine, "plan")
    assert written(mine / "var") == before
    assert f"than {RUN} decided to send" in printed
    assert "Nothing was written." in printed
    rows = {row["campaign"]: row for row in ask_json(mine, "plan")}
    report = (project / "var" / "runs" / RUN / "report.csv").read_text(encoding="utf-8")
    sent = Counter[str]()
    for row in csv.DictReader(report.splitlines()):  # a row for each step and cell
        sent[row["campaign"]] += int(row["customers"]) if row["outcome"] == "sent" else 0
    assert {name: row["vs last run"] for name, row in rows.items()} == {
        name: f"{-count:+,}" for name, count in sent.items()
    }
    assert sum(sent.values()) > 0
    assert "To send: antiphon run\n" in printed
    printed = ask(mine, "plan", "--day", "2020-01-01", "--at", AT)
    assert "No campaign runs on this day" in printed
    assert f"To send: antiphon run --day 2020-01-01 --at {AT}\n" in printed


def test_plan_compares_with_the_last_run_that_sent(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    first = {row["campaign"]: row["vs last run"] for row in ask_json(mine, "plan")}
    run_daily(mine, demo_clock())  # a repetition with nothing new
    path = mine / "config" / "campaigns" / "vip-thanks.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("until: 2026-05-31", "until: 2026-05-11"), encoding="utf-8")
    assert f"than {RUN} decided to send" in ask(mine, "plan")
    rows = {row["campaign"]: row for row in ask_json(mine, "plan")}
    assert {name: row["vs last run"] for name, row in rows.items()} == first
    rest = rows["vip-thanks"]
    assert (rest["audience"], rest["why"]) == (0, "does not run today")
    assert "vip-thanks" not in str(ask_json(mine, "plan", "--campaign", "may-letter"))


def test_plan_tells_of_messages_held_for_a_missing_value(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    for path in mine.glob("templates/vitamins/*/subject.j2"):
        path.write_text("{{ customer.days_since_cart_abandoned }} days\n", encoding="utf-8")
    for made in (mine / "var").glob("l*"):  # lake and ledger
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    run_daily(mine, demo_clock(), campaigns=["vip-thanks"])
    rows = ask_json(mine, "plan", "--campaign", "vitamins-cross-sell")
    missing = rows[0]["missing values"]
    held = missing["customer.days_since_cart_abandoned"]
    assert held > 0
    assert f"missing_value {held}" in rows[0]["why"]
    printed = ask(mine, "plan", "--campaign", "vitamins-cross-sell")
    assert f"Messages held for a missing value: {held};" in printed


def test_segments_have_sizes_shares_and_reach(project: Path) -> None:
    rows = {row["segment"]: row for row in ask_json(project, "segments")}
    assert set(rows) == set(load(read_files(project)).definitions.segments)
    assert "Segments as of 2026-05-12 10:00 (Europe/Berlin)" in ask(project, "segments")
    for row in rows.values():
        assert max(row["by e-mail"], row["by SMS"]) <= row["customers"]
        assert 0 <= row["share"] <= 1
    counted = json.loads((project / "var" / "runs" / RUN / "segments.json").read_text("utf-8"))
    counted.pop("quiet_lately")  # those of the run were written to since
    assert {name: rows[name]["customers"] for name in counted} == counted


def test_a_column_declared_and_not_yet_pulled_is_null(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    sources, segments = mine / "config" / "sources.yaml", mine / "config" / "segments.yaml"
    text = sources.read_text(encoding="utf-8")
    line = "      bonus_points: {type: integer, meaning: points not yet spent}\n"
    assert line in text
    text = text.replace(
        line, f"{line}      shoe_size: {{type: number, meaning: of the left foot}}\n"
    )
    sources.write_text(text, encoding="utf-8")
    text = segments.read_text(encoding="utf-8")
    more = "  no_shoes: {where: shoe_size is null}\n  big_feet: {where: shoe_size >= 45}\n"
    segments.write_text(text.replace("\nsegments:\n", f"\nsegments:\n{more}"), encoding="utf-8")
    for path in mine.glob("templates/letter/*/subject.j2"):
        path.write_text("{{ customer.shoe_size | number | default('?') }}\n", encoding="utf-8")
    rows = {row["segment"]: row["customers"] for row in ask_json(mine, "segments")}
    assert rows["no_shoes"] > 300
    assert rows["big_feet"] == 0
    ask(mine, "plan")
    ask(mine, "preview", "may-letter", "--no-open")
    ask(mine, "why", "LP000012")


# ------------------------------------------------------------------------------- one person


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"outcome": "send", "channel": "email"}, "written to by e-mail"),
        ({"outcome": "control", "arm": "control"}, "this campaign's control group"),
        ({"rule": "consent"}, "they have not agreed to promo messages|they objected to"),
        ({"rule": "no_address"}, "no valid e-mail address is known"),
        ({"rule": "lost_to"}, "won this customer's day"),
    ],
    ids=str,
)
def test_why_says_it_in_plain_words(project: Path, wanted: dict[str, str], words: str) -> None:
    customer = a_customer(project, **wanted)
    rows = ask_json(project, "why", customer)
    assert any(word in row["decision"] for row in rows for word in words.split("|"))
    assert len(rows) == len(CAMPAIGNS)
    one = ask_json(project, "why", customer, "--campaign", "may-letter", "--day", "2026-05-12")
    assert [row["campaign"] for row in one] == ["may-letter"]


def test_why_after_a_repetition_still_tells_of_the_message(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    customer = a_customer(project, outcome="send", campaign="vip-thanks")
    run_daily(mine, demo_clock())
    rows = {row["campaign"]: row["decision"] for row in ask_json(mine, "why", customer)}
    assert rows["vip-thanks"].startswith("written to by")


def test_message_shows_what_was_sent_and_what_happened(project: Path) -> None:
    path = next((project / "var" / "outbox").rglob("*.eml"))
    (facts,) = ask_json(project, "message", path.stem)
    assert [entry["state"] for entry in facts["log"]] == ["planned", "sending", "accepted"]
    assert facts["subject"]
    assert "<html" in facts["html"]
    printed = ask(project, "message", path.stem)
    assert f"Subject: {facts['subject']}" in printed
    assert f"file 2026-05-12/{path.parent.name}/{path.name}" in printed


class Words(HTMLParser):
    """The text of a page and the sources of its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self.framed = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.framed += dict(attrs).get("srcdoc") or ""

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize(
    ("platform", "display", "opened"),
    [("linux", "", 0), ("linux", ":0", 2), ("darwin", "", 2)],
)
def test_preview_opens_a_browser_only_on_a_desktop(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    display: str,
    opened: int,
) -> None:
    launched: list[str] = []
    monkeypatch.setattr("click.launch", launched.append)
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("ANTIPHON_AT", AT)
    monkeypatch.chdir(copied(project, tmp_path))
    assert cli.exit_code(["preview", "winback-lost-loyal"]) == 0
    assert len(launched) == opened


def test_preview_writes_a_page_for_every_variant(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    customer = a_customer(project, outcome="send", campaign="winback-lost-loyal")
    printed = ask(mine, "preview", "winback-lost-loyal", "--customer", customer, "--no-open")
    paths = [Path(line.partition(": ")[2]) for line in printed.splitlines() if ".html" in line]
    assert [path.name for path in paths] == [
        "winback-lost-loyal-discount.html",
        "winback-lost-loyal-gift.html",
    ]
    for path in paths:
        page = Words()
        page.feed(path.read_text(encoding="utf-8"))
        assert customer in page.text
        assert "Linden Apotheke" in page.framed + page.text


# ------------------------------------------------------------------------------- runs, reports


def test_runs_lists_runs_and_the_steps_of_one(project: Path) -> None:
    (row,) = ask_json(project, "runs")
    assert (row["run"], row["state"]) == (RUN, "finished")
    steps = [row["step"] for row in ask_json(project, "runs", RUN)["steps"]]
    assert (steps[0], steps[-1]) == ("pull", "report")
    assert "quarantined" in ask(project, "runs", RUN)
    assert "finished: " in ask(project, "runs", RUN)
    assert "Runs (Europe/Berlin time)" in ask(project, "runs")
    assert row["as of"].startswith("2026-05-12 10:00")


def test_runs_tells_a_killed_run_from_one_at_work(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    ledger, clock = Ledger.open(f"sqlite:///{mine / 'var' / 'ledger.db'}"), demo_clock()
    lease = ledger.leases.acquire(LEASE, this_process(), _MINUTE, system_clock())
    begun = ledger.runs.begin("daily", clock().date(), clock(), clock(), lease=None).run_id
    assert ask_json(mine, "runs")[0]["state"] == "interrupted"  # another run has the lease
    ledger.runs.resume(begun, system_clock(), lease=lease)
    assert ask_json(mine, "runs")[0]["state"] == "running"
    ledger.leases.release(lease)
    (row, _) = ask_json(mine, "runs")
    assert (row["run"], row["state"]) == (begun, "interrupted")
    assert row["verdict"] == f"killed: run again, or antiphon abandon {begun}"
    dead = f"{this_process().partition('/')[0]}/{2**22 + 1}/1"
    lease = ledger.leases.acquire(LEASE, dead, _MINUTE, system_clock())
    ledger.runs.resume(begun, system_clock(), lease=lease)
    assert ask_json(mine, "runs")[0]["state"] == "interrupted"


def test_runs_shows_the_first_line_of_a_verdict_and_one_run_the_whole(
    project: Path, tmp_path: Path
) -> None:
    mine = copied(project, tmp_path)
    ledger, clock = Ledger.open(f"sqlite:///{mine / 'var' / 'ledger.db'}"), demo_clock()
    run_id = ledger.runs.begin("daily", clock().date(), clock(), clock()).run_id
    ledger.runs.begin_step(run_id, "report", clock())
    ledger.runs.begin_step(run_id, "pull", clock())
    ledger.runs.finish(run_id, RunState.FAILED, "first line\nsecond line", clock())
    assert "second line" not in ask(mine, "runs")
    assert "failed: first line\nsecond line" in ask(mine, "runs", run_id)
    assert [row["step"] for row in ask_json(mine, "runs", run_id)["steps"]] == ["pull", "report"]


def test_a_report_is_a_table_a_csv_and_json(project: Path, tmp_path: Path) -> None:
    rows = ask_json(project, "report", "sent")
    outbox = [p for p in (project / "var" / "outbox").rglob("*") if p.suffix in (".eml", ".txt")]
    assert sum(row["sent"] for row in rows) == len(outbox) > 0
    ask(project, "report", "sent", "--csv", str(tmp_path / "sent.csv"))
    with (tmp_path / "sent.csv").open(encoding="utf-8", newline="") as file:
        assert [row["campaign"] for row in csv.DictReader(file)] == [r["campaign"] for r in rows]
    assert "winback-lost-loyal" in ask(project, "report")


def test_the_quarantine_is_a_report(project: Path, tmp_path: Path) -> None:
    rows = ask_json(project, "report", "quarantine")
    steps = {row["step"]: row["counts"] for row in ask_json(project, "runs", RUN)["steps"]}
    total = sum(row["rows"] for row in rows)
    assert steps["validate"]["quarantined"] == total
    assert all(row["reason"] for row in rows)
    fresh = make_project(tmp_path / "fresh", customers=60)
    assert ask_json(fresh, "report", "quarantine") == []


def test_abandon_withdraws_what_was_not_sent(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    url = f"sqlite:///{mine / 'var' / 'ledger.db'}"
    clock = demo_clock()
    runs = Ledger.open(url).runs
    lease = Ledger.open(url).leases.acquire("planning", "test", _MINUTE, clock())
    day = clock().date()
    run = runs.begin("daily", day, clock(), clock(), dry_run=False, parameters={}, lease=lease)
    Ledger.open(url).leases.release(lease)
    assert "0 messages were withdrawn" in ask(mine, "abandon", run.run_id, "--reason", "test")
    found = runs.get(run.run_id)
    assert found is not None
    assert (found.state, found.verdict) == (RunState.ABANDONED, "test")
    ask(mine, "abandon", run.run_id, code=1)


def test_clean_removes_old_snapshots_only(project: Path, tmp_path: Path) -> None:
    mine = copied(project, tmp_path)
    assert "Removed 0 old snapshots" in ask(mine, "clean")
    done = antiphon(mine, "clean", "--at", "2027-05-12T10:00+02:00")
    assert done.returncode == 0, done.stderr
    assert "Removed 0 old" not in done.stdout
    assert not (mine / "var" / "runs" / RUN / "validation").exists()
    assert ask_json(mine, "segments") == ask_json(project, "segments")


def test_the_demo_is_the_same_every_time(tmp_path: Path) -> None:
    project = make_project(tmp_path / "shop", customers=60)
    folder = project / "var" / "demo"
    before = written(folder)
    times = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    ask(project, "demo", "--customers", "60")  # a second time: no file to read again
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == times
    shutil.rmtree(folder)
    ask(project, "demo", "--customers", "60")
    assert written(folder) == before
    ask(project, "demo", "--customers", "61")
    assert written(folder) != before


def test_the_full_disk_names_a_command_that_exists() -> None:
    text = (ROOT / "antiphon" / "lake" / "failures.py").read_text(encoding="utf-8")
    assert "`antiphon clean`" in text
    assert "clean" in cli.MODULES
