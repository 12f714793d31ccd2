"""Anniversaries in whole runs: the letter, its year, and the day nobody ran on."""

from pathlib import Path

from small_shop import at, campaign, make_shop


def test_a_letter_for_a_day_without_a_run_has_the_year_of_that_day_and_comes_once(
    tmp_path: Path,
) -> None:
    eve = campaign(
        "eve",
        anniversary={"of": "birthday", "grace": "2 days"},
        runs={"from": "2025-12-01"},
        audience={"where": "city = 'Kiel'"},
    )
    strict = campaign("strict", anniversary={"of": "12-31"}, runs={"from": "2025-12-01"})
    shop = make_shop(tmp_path / "shop", eve, strict)
    for customer, birthday, city in (
        ("a", "1980-12-31", "Kiel"),
        ("b", "1980-12-31", "Bonn"),
        ("c", "1981-01-01", "Kiel"),
        ("d", "2001-06-01", "Kiel"),
    ):
        shop.customer(customer, at("2025-11-01 10:00"), birthday=birthday, city=city)
    shop.daily(at("2025-12-30 09:00"))
    assert shop.told() == []
    shop.daily(at("2026-01-02 09:00"))
    assert shop.told() == [("eve", "", "a", "2025"), ("eve", "", "c", "2026")]
    shop.daily(at("2026-01-03 09:00"))
    assert len(shop.told()) == 2
