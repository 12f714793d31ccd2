"""`antiphon chain` and `antiphon plan`: who stands where, who left why, who would enter."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from small_shop import Shop, at, campaign, make_shop

from antiphon.cli import exit_code

BEGIN = at("2026-05-04 12:00")
WELCOME = {
    "start": {"where": "order_count = 0"},
    "steps": [
        {"step": "first", "after": "2 days", "message": "note"},
        {"step": "second", "after": "4 days", "message": "note", "where": "city = 'Kiel'"},
        {"step": "third", "after": "9 days", "message": "note"},
    ],
    "exits": {"bought": "order_count > 0"},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Four customers on the seventh day of a chain: one bought, one lives in Kiel; a fifth new."""
    shop = make_shop(
        tmp_path_factory.mktemp("chain") / "shop",
        campaign("welcome", chain=WELCOME),
        campaign("letter", audience={"where": "order_count > 5"}),
    )
    for customer, city in zip("abcd", ("Kiel", "Bonn", "Bonn", "Bonn"), strict=True):
        shop.customer(customer, at("2026-05-01 10:00"), city=city)
    for day in (0, 2, 4):
        if day == 4:
            shop.order("d", BEGIN + timedelta(days=3))
            shop.customer("e", BEGIN + timedelta(days=3), city="Kiel")
        shop.daily(BEGIN + timedelta(days=day))
    shop.daily(BEGIN + timedelta(days=6))
    return shop


def said(shop: Shop, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, output and errors of a command on the seventh day, an hour after the run."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("ANTIPHON_AT", (BEGIN + timedelta(days=6, hours=1)).isoformat())
        code = exit_code(["--project", str(shop.root), *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_chain_shows_who_stands_where_and_who_left_why(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(shop, capsys, "chain", "welcome", "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["entered"], found["present"], found["left"]) == (5, 4, {"bought": 1})
    first, second, third = found["steps"]
    assert [one["step"] for one in found["steps"]] == ["first", "second", "third"]
    assert (first["sent"], first["here"]) == (5, 0)
    assert (second["sent"], second["missed"]) == (1, {"condition": 2})
    assert (second["here"], second["next_due_at"]) == (1, "2026-05-11T22:00:00+00:00")
    assert (third["here"], third["next_due_at"]) == (3, "2026-05-12T22:00:00+00:00")


def test_people_get_a_table(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(shop, capsys, "chain", "welcome")
    assert code == 0
    assert "condition 2" in out
    assert "Entered: 5 times. In it now: 4. Left: bought 1." in out


@pytest.mark.parametrize(
    ("name", "words"),
    [("welcom", "no campaign 'welcom'"), ("letter", "'letter' has no chain")],
)
def test_a_name_without_a_chain_is_answered_with_the_nearest(
    shop: Shop, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    code, _, error = said(shop, capsys, "chain", name)
    assert code == 1
    assert words in error
    assert "welcome" in error


def test_the_plan_tells_how_many_would_enter_a_chain(
    shop: Shop, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    everybody = {"start": {"where": "order_count >= 0"}, "steps": WELCOME["steps"]}
    shop.write(campaign("welcome", chain=WELCOME), campaign("greeting", chain=everybody))
    code, out, _ = said(shop, capsys, "plan")
    assert code == 0
    assert "greeting: 5 customers would enter its chain." in out
    assert "welcome: " not in out
