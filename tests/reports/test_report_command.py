"""antiphon report, as a person reads it and a program does."""

import csv
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from demo_project import AT, FEW, make_project
from report_world import fill

from antiphon.cli import exit_code
from antiphon.clock import clock_from
from antiphon.commands.reports import _cells
from antiphon.project import open_project

NOW = datetime.fromisoformat(AT)
CAMPAIGN = "winback-lost-loyal"


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hundred messages of win-back and thirty held out, forty days ago; some answered."""
    root = make_project(tmp_path_factory.mktemp("reported") / "company", 30, FEW)
    shop = open_project(root, clock_from(NOW))
    contacts, responses, orders = [], [], []
    for number in range(330):
        is_control = number >= 300
        contacts.append(
            {
                "message_id": f"m{number}",
                "occurrence_key": f"k{number}",
                "customer_id": f"c{number}",
                "unit": f"c{number}",
                "campaign": CAMPAIGN,
                "step": "",
                "cell": "",
                "anchor": "1",
                "attempt": 1,
                "arm": "control" if is_control else ("discount", "gift")[number % 2],
                "channel": "email",
                "category": "promo",
                "state": "control" if is_control else "delivered",
                "contact_at": NOW - timedelta(days=40),
                "run_id": "2026-04-02-daily-1",
                "cost_e4": 0 if is_control else 4,
            }
        )
        if number % 3 == 0:
            orders.append(
                {
                    "order_id": f"o{number}",
                    "customer_id": f"c{number}",
                    "ordered_at": NOW - timedelta(days=39),
                    "amount": Decimal("12.5"),
                }
            )
        if number < 51:
            responses.append(
                {
                    "response_id": f"r{number}",
                    "customer_id": f"c{number}",
                    "kind": "click",
                    "occurred_at": NOW - timedelta(days=39),
                    "message_id": f"m{number}",
                    "is_machine": False,
                }
            )
    fill(shop, {"contacts": contacts, "responses": responses, "orders": orders})
    return root


Ask = Callable[..., tuple[int, str]]


@pytest.fixture
def ask(company: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """The command's exit code, and what it printed."""
    monkeypatch.setenv("ANTIPHON_AT", AT)

    def asked(*arguments: str) -> tuple[int, str]:
        code = exit_code(["--project", str(company), "report", *arguments])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return asked


def test_a_person_reads_numerator_denominator_rate_and_interval(ask: Ask) -> None:
    shown = ask()[1]
    lines = [line for line in shown.splitlines() if line.strip()]
    heads = next(line for line in lines if line.count("of sent") > 1)
    assert "clicked" in shown
    assert heads
    row = lines.index(next(line for line in lines if line.startswith(f"│ {CAMPAIGN}")))
    for place, words in enumerate(("51", "17.0%", "13.2–21.7")):
        assert words in lines[row + place]
    assert "bounced" not in shown  # nought in every row
    assert "1,250.00" in shown


def test_below_it_stands_what_the_campaign_was_worth(ask: Ask) -> None:
    shown = " ".join(ask()[1].split())
    assert "lift over control" in shown
    assert "100 of 300" in shown
    assert "10 of 30" in shown
    assert "too early: 40 of " in shown


def test_variants_are_shown_below_their_campaign(ask: Ask) -> None:
    shown = ask("lift", "--by", "variant")[1]
    assert [name for name in ("discount", "gift") if f"│   {name}" in shown] == ["discount", "gift"]


def test_a_program_gets_counts_rates_and_intervals(ask: Ask, tmp_path: Path) -> None:
    (row,) = json.loads(ask("--json")[1])
    assert (row["clicked"], row["sent"], row["clicked_rate"]) == (51, 300, 0.17)
    assert row["clicked_low"] < 0.17 < row["clicked_high"]
    path = tmp_path / "campaigns.csv"
    assert ask("campaigns", "--csv", str(path))[0] == 0
    with path.open(encoding="utf-8", newline="") as file:
        (again,) = csv.DictReader(file)
    assert {name: again[name] for name in ("clicked", "sent")} == {"clicked": "51", "sent": "300"}
    (lift,) = json.loads(ask("lift", "--json")[1])
    assert (lift["converted"], lift["control_rows"], lift["lift"]) == (100, 30, 0)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("channel", "│ email"),
        ("cell", "cells: nothing to count yet"),
        ("day", "│ 2026-04-02"),
        ("cohort", "cohorts"),
        ("variant", "│ gift"),
    ],
)
def test_every_way_to_look_has_a_report(ask: Ask, by: str, words: str) -> None:
    code, printed = ask("--by", by)
    assert (code, words in printed) == (0, True), printed


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sent", "--by", "day"], 2, "leave out 'sent' or --by"),
        (["lift", "--by", "day"], 2, "by campaign or by variant"),
        (["--days", "0"], 2, "--days"),
        (["--campaign", "winback"], 1, "no campaign 'winback'"),
        (["--campaign", "winback-lst-loyal"], 1, "Did you mean winback-lost-loyal?"),
        (["lift", "--campaign", "winback-lst-loyal"], 1, "Did you mean winback-lost-loyal?"),
        (["nps", "--days", "2"], 1, "cannot be narrowed"),
        (["quarantine", "--campaign", CAMPAIGN], 1, "cannot be narrowed"),
        (["--json", "--csv", "f.csv"], 2, "choose one"),
        (["nothing"], 1, "There are: campaigns, cells"),
    ],
)
def test_wrong_use_is_told(ask: Ask, arguments: list[str], code: int, words: str) -> None:
    found, printed = ask(*arguments)
    assert (found, words in printed) == (code, True), printed


def test_where_nothing_happened_it_says_so(ask: Ask) -> None:
    assert "nothing to count yet" in ask("--days", "3")[1]
    assert "control: 10%" in ask("lift", "--days", "3")[1]


def test_fractions_are_rounded_for_the_screen() -> None:
    assert _cells([0.9636363636363636, 3, None]) == [0.964, 3, None]
