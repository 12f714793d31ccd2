"""Claims on `for_each`: what a campaign says of each cell, in conditions and as it was typed."""

import pytest
from defined import ENGINE, constants, customers, defined

from antiphon.audience.cell_values import cell_texts, faults
from antiphon.audience.conditions import Condition, parse
from antiphon.audience.derived import derived_sql
from antiphon.campaigns.models import Campaign

DIMENSIONS = {
    "stage": {
        "cases": {"lead": "orders_so_far = 0", "loyal": "orders_so_far > 4"},
        "rest": "repeat",
    },
    "place": {"of": "town", "values": {"north": ["Kiel"]}, "rest": "south"},
}
DEFINITIONS = defined(
    dimensions=DIMENSIONS,
    crosses={
        "cells": {"dimensions": ["place", "stage"], "min_size": "2", "roll_up": ["stage"]},
        "stages": {"dimensions": ["stage"]},
    },
)
ROWS = [
    {"customer_id": "ann", "orders_so_far": 7, "spend": 30, "town": "Kiel"},
    {"customer_id": "bob", "orders_so_far": 2, "spend": 30},
    {"customer_id": "cat", "orders_so_far": 0, "spend": 30},
    {"customer_id": "dan", "orders_so_far": 0, "spend": 30},
]
BY = {
    "stage": {
        "loyal": {"discount": "7.5", "least": "20", "gift": "tea", "code": "007"},
        "otherwise": {"discount": "5", "least": "40", "gift": "none", "code": "1"},
    }
}


def campaign(**given):
    return Campaign.model_validate(
        {
            "campaign": "winback",
            "title": "t",
            "category": "promo",
            "priority": "1",
            "runs": {"from": "2026-01-01"},
            "channels": ["email"],
            "message": "winback",
            **given,
        }
    )


def selected(columns, where="TRUE"):
    people = customers(ROWS)
    relation = derived_sql(people, DEFINITIONS, constants(people, DEFINITIONS))
    sql = f"SELECT customer_id, {columns} FROM {relation} AS frame WHERE {where} ORDER BY 1"
    return ENGINE.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spend >= cell.least", ["ann"]),
        ("cell.discount > 7 and cell.gift = 'tea'", ["ann"]),
        ("cell.code = '007'", ["ann"]),
        ("cell.stage = 'lead'", ["cat", "dan"]),
        ("cell.id = 'south/lead'", ["cat", "dan"]),
        ("cell.id = 'south/*'", ["bob"]),
        ("cell.discount * 2 = 15.0", ["ann"]),
    ],
)
def test_a_condition_may_name_the_cells_values(text, expected):
    vocabulary = DEFINITIONS.vocabulary(campaign(for_each="cells", by=BY))
    condition = parse(text, vocabulary)
    assert isinstance(condition, Condition), condition
    assert [row[0] for row in selected("TRUE", condition.sql)] == expected
    assert condition.columns - {"spend"} <= {"stage", "cells"}


def test_texts_and_numbers_are_not_compared():
    vocabulary = DEFINITIONS.vocabulary(campaign(for_each="cells", by=BY))
    (problem,) = parse("cell.code = 7", vocabulary)
    assert problem.message == "text beside integer '7'"


def test_a_campaign_without_cells_has_none_to_name():
    (problem,) = parse("cell.discount > 1", DEFINITIONS.vocabulary(campaign()))
    assert problem.message == "no value 'cell.discount'"


def test_templates_get_the_values_as_they_were_typed():
    texts = cell_texts(campaign(for_each="cells", by=BY), DEFINITIONS.crosses["cells"])
    assert set(texts) == {"id", "place", "stage", "discount", "least", "gift", "code"}
    names = ["id", "place", "stage", "discount", "least", "code"]
    rows = selected(", ".join(texts[name] for name in names))
    assert rows == [
        ("ann", "north/*", "north", "loyal", "7.5", "20", "007"),
        ("bob", "south/*", "south", "repeat", "5", "40", "1"),
        ("cat", "south/lead", "south", "lead", "5", "40", "1"),
        ("dan", "south/lead", "south", "lead", "5", "40", "1"),
    ]


def told(**given):
    crosses, dimensions = DEFINITIONS.crosses, DEFINITIONS.dimensions
    return [(path, message) for path, message, _ in faults(campaign(**given), crosses, dimensions)]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"for_each": "cels"}, ("for_each",), "no cross 'cels' in config/segments.yaml"),
        ({"by": BY}, ("by",), "'by' without a cross"),
        (
            {"for_each": "stages", "by": {"place": {"otherwise": {"x": "1"}}}},
            ("by", "place"),
            "'place' is no dimension of the cross 'stages'",
        ),
        (
            {"for_each": "cells", "by": {"stage": {"loyal": {"x": "1"}, "lead": {"x": "2"}}}},
            ("by", "stage"),
            "'x' is not given for repeat",
        ),
        (
            {"for_each": "cells", "by": {"stage": {"loyl": {"x": "1"}, "otherwise": {"x": "2"}}}},
            ("by", "stage", "loyl"),
            "'loyl' is no name of the dimension 'stage'",
        ),
        (
            {
                "for_each": "cells",
                "by": {"stage": {"otherwise": {"x": "1"}}, "place": {"otherwise": {"x": "1"}}},
            },
            ("by", "place"),
            "'x' is given by 'stage' and by 'place'",
        ),
        (
            {"for_each": "cells", "by": {"stage": {"otherwise": {"place": "1"}}}},
            ("by", "stage"),
            "'cell.place' is there already",
        ),
    ],
)
def test_what_is_wrong_with_for_each_is_told(given, path, message):
    assert told(**given) == [(path, message)]


def test_a_value_for_every_name_needs_no_otherwise():
    every = {name: {"x": "1"} for name in ("lead", "loyal", "repeat")}
    assert told(for_each="cells", by={"stage": every}) == []
    assert told(for_each="cells", by=BY) == []
