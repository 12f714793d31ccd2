"""Claims on `antiphon suppress`: who is on the list is not written to, and no one reads who."""

import json
import logging
from datetime import timedelta

import pytest
from small_shop import Shop, at, campaign, make_shop

from antiphon import cli

NOW = at("2026-05-12 10:00")
HOUR = timedelta(hours=1)


class Terminal:
    """The command line in this process, at one moment."""

    def __init__(self, shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
        self.shop, self.capsys = shop, capsys

    def ask(self, *arguments: str, code: int = 0) -> str:
        assert cli.exit_code(["--project", str(self.shop.root), "suppress", *arguments]) == code
        told = self.capsys.readouterr()
        return told.out + told.err


@pytest.fixture
def terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("ANTIPHON_AT", NOW.isoformat())
    shop = make_shop(tmp_path, campaign("letter", audience={"where": "order_count >= 0"}))
    for number, name in enumerate(("anna", "bert", "carl", "dora")):
        shop.customer(name, at("2025-11-01 10:00"), phone=f"+49 30 123456{number}")
    shop.customer("nowhere", at("2025-11-01 10:00"), email="", phone="")
    return Terminal(shop, capsys)


def held(shop: Shop, run_id: str) -> dict[str, str]:
    lake = shop.project(NOW).lake
    files = [str(path) for path in lake.current().files("decisions", run_id)]
    with lake.session() as session:
        read = f"read_parquet({files}, union_by_name = true)"
        return dict(session.rows(f"SELECT customer_id, coalesce(rule, outcome) FROM {read}"))


def test_whoever_is_on_the_list_is_not_written_to_until_lifted(terminal):
    shop = terminal.shop
    shop.daily(NOW, dry_run=True)  # the lake knows the customers
    assert terminal.ask() == "Nobody is suppressed.\n"
    told = terminal.ask("anna", "Bert@Example.com ", "--reason", "asked by phone")
    assert told == "3 addresses suppressed.\n"
    told = terminal.ask("anna", "+49301234562", "--reason", "asked again")
    assert told == "1 address suppressed; suppressed before: 2.\n"
    (mail, again, number) = json.loads(terminal.ask("--json"))
    assert (mail["channel"], mail["reason"], mail["addresses"]) == ("email", "asked by phone", 2)
    assert {again["channel"], number["channel"]} == {"sms"}
    assert held(shop, shop.daily(NOW + HOUR)) == {
        "anna": "suppressed",
        "bert": "suppressed",
        "carl": "send",  # only the number is on the list
        "dora": "send",
        "nowhere": "no_address",
    }
    told = terminal.ask("anna", "dora", "--lift", "--channel", "email", "--reason", "asked us back")
    assert told == "1 address may be written to again; not suppressed: 1.\n"
    assert held(shop, shop.daily(NOW + 2 * HOUR))["anna"] == "send"
    assert "asked by phone" in terminal.ask()


def test_bad_lines_are_answered_by_number_and_the_good_ones_kept(terminal, tmp_path, caplog):
    terminal.shop.daily(NOW, dry_run=True)
    caplog.set_level(logging.DEBUG)
    lines = ["# May", "", "anna", "anna@example..com", "zoe", "+49 30 1", "bert@example.com"]
    path = tmp_path / "list.txt"
    path.write_text("\n".join([*lines, "nowhere"]), encoding="utf-8")
    told = terminal.ask("--file", str(path), "--reason", "letters", code=1)
    assert told.startswith("3 addresses suppressed.\n4 lines could not be taken")
    for words in (
        "line 4: no valid e-mail address: ",
        "line 5: no customer has this id",
        "line 6: no valid telephone number: ",
        "line 8: this customer has no valid address",
    ):
        assert words in told
    for secret in ("example", "zoe", "+49"):
        assert secret not in told + caplog.text


def test_many_bad_lines_are_counted(terminal, tmp_path):
    terminal.shop.daily(NOW, dry_run=True)
    path = tmp_path / "list.txt"
    path.write_text("\n".join(["nobody"] * 30), encoding="utf-8")
    told = terminal.ask("--file", str(path), "--reason", "letters", code=1)
    assert told.count("\n  line ") == 20
    assert "and 10 more" in told


@pytest.mark.parametrize(
    "arguments",
    [("anna",), ("--lift",), ("--reason", "why"), ("anna", "--reason", " ")],
)
def test_half_an_order_changes_nothing(terminal, arguments):
    assert "Say why" in (told := terminal.ask(*arguments, code=2)) or "Name somebody" in told
    assert terminal.ask() == "Nobody is suppressed.\n"
