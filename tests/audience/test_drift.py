"""Claims on drift: the index as its formula says, and where there is none."""

from math import log

import pytest

from antiphon.audience.drift import LEAST_SHARE, stability_index


def test_the_index_is_that_of_the_formula():
    found = stability_index({"new": 60, "loyal": 40}, {"new": 50, "loyal": 50})
    assert found == pytest.approx(0.0405465108, abs=1e-10)  # 0.1 ln 1.2 - 0.1 ln 0.8
    assert stability_index({"new": 50, "loyal": 50}, {"new": 60, "loyal": 40}) == pytest.approx(
        found
    )


def test_days_of_other_sizes_but_equal_shares_do_not_differ():
    assert stability_index({"a": 1, "b": 3}, {"a": 100, "b": 300}) == 0


def test_a_name_without_customers_makes_no_index_infinite():
    found = stability_index({"a": 0, "b": 10}, {"a": 5, "b": 5})
    a = (LEAST_SHARE - 0.5) * log(LEAST_SHARE / 0.5)
    assert found == pytest.approx(a + 0.5 * log(2))


def test_other_names_and_empty_days_are_not_compared():
    assert stability_index({"a": 1}, {"b": 1}) is None
    assert stability_index({"a": 0}, {"a": 1}) is None
    assert stability_index({"a": 1}, {}) is None
