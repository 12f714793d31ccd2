"""Claims on rates of groups: a customer answers as the group does, as far as it speaks."""

import pytest
from defined import column, constants, customers, defined, tried

from antiphon.audience.derived import Constants

TOWNS = {"north": ["Kiel", "Bremen"], "south": ["Ulm"]}
DECLARED = {
    "dimensions": {
        "place": {"of": "town", "values": TOWNS, "rest": "else"},
        "band": {"of": "spend", "bands": {"low": {"below": "10"}, "high": {"from": "10"}}},
    },
    "crosses": {"cells": {"dimensions": ["place", "band"], "min_size": "0", "roll_up": ["band"]}},
    # `days` of `orders_so_far`: what the small table has by way of clicks of messages
    "rates": {"answers": {"part": "days", "of": "orders_so_far", "by": "cells"}},
}
DECLARED["dimensions"]["band"]["rest"] = "none"


def _people(clicks: int, sent: int, town: str, spend: int, size: int, start: int) -> list[dict]:
    return [
        {
            "customer_id": f"C{start + k}",
            "days": clicks,
            "orders_so_far": sent,
            "town": town,
            "spend": spend,
        }
        for k in range(size)
    ]


ROWS = [
    *_people(2, 10, "Kiel", 5, 100, 0),  # north/low: 20 % of 1,000
    *_people(4, 10, "Kiel", 50, 100, 100),  # north/high: 40 % of 1,000
    *_people(1, 10, "Ulm", 5, 100, 200),  # south/low: 10 % of 1,000
    *_people(3, 4, "Ulm", 50, 1, 300),  # south/high: three of four
    *_people(0, 0, "Paris", 50, 1, 400),  # else/high: nobody was written to
]


def test_large_groups_speak_for_themselves_and_small_ones_for_their_like() -> None:
    rates = column(customers(ROWS), defined(**DECLARED), "answers")
    assert rates["C0"] == pytest.approx(0.2, abs=0.01)
    assert rates["C100"] == pytest.approx(0.4, abs=0.01)
    assert rates["C200"] == pytest.approx(0.1, abs=0.01)
    assert 0.1 < rates["C300"] < 0.6
    everybody = (200 + 400 + 100 + 3) / 3_004
    assert rates["C400"] == pytest.approx(everybody)


def test_a_rate_is_kept_with_the_day_and_the_same_for_a_few_customers() -> None:
    definitions = defined(**DECLARED)
    kept = Constants.from_json(constants(customers(ROWS), definitions).json())
    few = customers(ROWS[:1])
    again = column(few, definitions, "answers", constants(few, definitions, kept))
    assert again["C0"] == pytest.approx(0.2, abs=0.01)
    changed = dict(DECLARED, rates={"answers": dict(DECLARED["rates"]["answers"], by="place")})
    other = defined(**changed)
    assert column(few, other, "answers", constants(few, other, kept)) == {"C0": None}


def test_without_any_message_there_is_no_rate() -> None:
    nobody = [dict(row, orders_so_far=0, days=0) for row in ROWS]
    assert set(column(customers(nobody), defined(**DECLARED), "answers").values()) == {None}


def test_the_parents_of_a_cell_are_what_is_left_when_it_gives_up_its_dimensions() -> None:
    rates = defined(**DECLARED).rates["answers"]
    assert rates.levels == (0, 1)  # place first, as the band is given up
    turned = dict(
        DECLARED, crosses={"cells": dict(DECLARED["crosses"]["cells"], roll_up=["place"])}
    )
    assert defined(**turned).rates["answers"].levels == (1, 0)


def test_more_answers_than_messages_are_all_of_them() -> None:
    rows = [*_people(9, 3, "Kiel", 5, 5, 0), *_people(0, 3, "Ulm", 5, 5, 5)]
    rates = constants(customers(rows), defined(**DECLARED)).rates["answers"]
    assert rates["north/low"] == 1.0
    assert rates[""] == 0.5


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ({"part": "clix", "of": "orders_so_far", "by": "cells"}, "unknown column 'clix'"),
        ({"part": "days", "of": "spend", "by": "cells"}, "'spend' counts nothing"),
        ({"part": "days", "of": "orders_so_far", "by": "celss"}, "no dimension or cross 'celss'"),
    ],
)
def test_a_rate_that_is_wrong_is_answered(rate: dict[str, str], said: str) -> None:
    definitions, problems = tried(**dict(DECLARED, rates={"answers": rate}))
    assert said in problems[0].message
    assert problems[0].hint
    assert definitions.rates == {}
