"""Claims on crosses: everybody in exactly one cell, small ones joined, whoever counts."""

from collections import Counter
from functools import cache

from defined import ENGINE, column, constants, customers, defined
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon import keys
from antiphon.audience.crosses import Cells, Crossing
from antiphon.audience.derived import Constants

NAMES = {"one": ["a", "b", "c"], "two": ["x", "y"], "three": ["p", "q", "r"]}


def rolled_up(counts, crossing):
    """The rule in other words: a combination stays where its cell is large, or nothing is left."""
    last = len(crossing.roll_up)

    def name(combination, level):
        given_up = crossing.roll_up[:level]
        parts = zip(crossing.dimensions, combination.split("/"), strict=True)
        return "/".join("*" if dimension in given_up else part for dimension, part in parts)

    @cache
    def is_open(combination, level):
        return level == 0 or (
            is_open(combination, level - 1)
            and size(name(combination, level - 1), level - 1) < crossing.min_size
        )

    @cache
    def size(cell, level):
        return sum(
            count
            for other, count in counts.items()
            if name(other, level) == cell and is_open(other, level)
        )

    return {
        combination: name(combination, max(k for k in range(last + 1) if is_open(combination, k)))
        for combination in counts
    }


combinations = st.builds("/".join, st.tuples(*(st.sampled_from(names) for names in NAMES.values())))


@settings(max_examples=150, deadline=None)
@given(
    counts=st.dictionaries(combinations, st.integers(1, 12), max_size=18),
    min_size=st.integers(0, 20),
    roll_up=st.lists(st.sampled_from(list(NAMES)), unique=True, max_size=3),
)
def test_small_cells_are_joined_as_the_rule_says(counts, min_size, roll_up):
    crossing = Crossing("cells", tuple(NAMES), min_size if roll_up else 0, tuple(roll_up))
    found = crossing.cells(counts)
    expected = rolled_up(counts, crossing)
    assert {one: found.moved.get(one, one) for one in counts} == expected
    assert sum(found.sizes.values()) == sum(counts.values())
    sizes = Counter()
    for combination, cell in expected.items():
        sizes[cell] += counts[combination]
    assert found.sizes == sizes
    for cell, size in found.sizes.items():
        parts = dict(zip(crossing.dimensions, cell.split("/"), strict=True))
        assert size >= crossing.min_size or all(parts[one] == "*" for one in roll_up)


def test_a_worked_example():
    crossing = Crossing("cells", ("stage", "shop"), 10, ("shop", "stage"))
    found = crossing.cells(
        {"new/north": 30, "new/south": 4, "new/west": 7, "old/north": 3, "old/south": 2}
    )
    assert found.sizes == {"new/north": 30, "new/*": 11, "*/*": 5}
    assert found.moved == {
        "new/south": "new/*",
        "new/west": "new/*",
        "old/north": "*/*",
        "old/south": "*/*",
    }


DECLARED = {
    "dimensions": {
        "band": {
            "of": "orders_so_far",
            "bands": {
                "none": {"below": "1"},
                "few": {"from": "1", "below": "5"},
                "many": {"from": "5"},
            },
        },
        "place": {
            "of": "town",
            "values": {"north": ["Kiel", "Bremen"], "south": ["Ulm"]},
            "rest": "else",
        },
    },
    "crosses": {
        "cells": {"dimensions": ["place", "band"], "min_size": "12", "roll_up": ["band", "place"]}
    },
}
TOWNS = ["Kiel", "Bremen", "Ulm", "Paris", ""]
ROWS = [
    {"customer_id": f"C{k}", "orders_so_far": k * k % 9, "town": TOWNS[k * 7 % 11 % 5]}
    for k in range(100)
]


def test_every_customer_is_in_exactly_one_cell_that_is_counted():
    definitions = defined(**DECLARED)
    people = customers(ROWS)
    found = constants(people, definitions)
    cells = column(people, definitions, "cells", found)
    assert len(cells) == len(ROWS)
    assert Counter(cells.values()) == found.cells["cells"].sizes
    assert any("*" in cell for cell in cells.values())
    assert any("*" not in cell for cell in cells.values())


def test_the_order_of_rows_and_buckets_changes_no_cell():
    definitions = defined(**DECLARED)
    expected = column(customers(ROWS), definitions, "cells")
    ENGINE.execute("SET threads = 4")
    assert column(customers(ROWS[::-1]), definitions, "cells") == expected
    found = constants(customers(ROWS), definitions)
    kept = Constants.from_json(found.json())
    by_bucket = {}
    for bucket in range(8):
        part = [row for row in ROWS if keys.bucket_of(row["customer_id"], 8) == bucket]
        by_bucket |= column(customers(part), definitions, "cells", kept)
    assert by_bucket == expected


def test_a_combination_of_later_joins_the_cells_there_are():
    known = Cells({"new/north": 30, "new/*": 11, "*/*": 5}, {"new/south": "new/*"})
    crossing = Crossing("cells", ("stage", "shop"), 10, ("shop", "stage"))
    found = crossing.cells({"new/east": 1, "new/north": 2, "gone/west": 50}, known)
    assert found.moved == {"new/east": "new/*", "gone/west": "*/*"}
    assert found.sizes == {"new/north": 2, "new/*": 1, "*/*": 50}


def test_a_few_customers_are_in_the_cells_of_the_day():
    definitions = defined(**DECLARED)
    day = constants(customers(ROWS), definitions)
    expected = column(customers(ROWS), definitions, "cells", day)
    some = customers(ROWS[:7])
    found = constants(some, definitions, known=day)
    assert column(some, definitions, "cells", found) == {
        row["customer_id"]: expected[row["customer_id"]] for row in ROWS[:7]
    }


def test_cells_of_a_cross_whose_dimension_was_changed_are_not_used():
    day = constants(customers(ROWS), defined(**DECLARED))
    place = {"of": "town", "values": {"north": ["Kiel"]}, "rest": "else"}
    dimensions = DECLARED["dimensions"] | {"place": place}
    assert day.of(defined(**DECLARED | {"dimensions": dimensions})) == Constants()
