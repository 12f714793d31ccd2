"""Counts of what is only counted."""

from datetime import date, timedelta

from antiphon.ledger import Ledger

TODAY = date(2026, 5, 12)


def test_counts_of_a_day_add_up_and_older_ones_stay_apart(ledger: Ledger) -> None:
    ledger.tallies.add(TODAY - timedelta(days=1), {"refused": 7})
    ledger.tallies.add(TODAY, {"refused": 2, "repeated": 1, "nothing": 0})
    ledger.tallies.add(TODAY, {"refused": 3})
    assert ledger.tallies.since(TODAY) == {"refused": 5, "repeated": 1}
    assert ledger.tallies.since(TODAY - timedelta(days=1))["refused"] == 12
