"""Who shares a household is found as a plain dictionary would find it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from antiphon.dispatch.households import Households

names = st.text("abcdéß0", min_size=1, max_size=6)
homes = st.lists(st.lists(names, min_size=2, max_size=4), max_size=8).map(
    lambda found: _disjoint([sorted(set(one)) for one in found])
)


def _disjoint(found: list[list[str]]) -> list[list[str]]:
    seen: set[str] = set()
    kept = []
    for one in found:
        if len(one) > 1 and not seen & set(one):
            seen |= set(one)
            kept.append(one)
    return kept


@given(homes, st.lists(names, max_size=6))
def test_members_of_asked_households_are_found_and_nobody_else(
    found: list[list[str]], asked: list[str]
) -> None:
    flat = [name.encode() for one in found for name in one]
    customers = np.array(flat, f"S{max(map(len, flat), default=1)}")
    starts = np.cumsum([0, *(len(one) for one in found)])[: len(found)].astype(np.int32)
    order = np.argsort(customers, kind="stable").astype(np.int32)
    wanted = {name: one[0] for one in found if set(asked) & set(one) for name in one}
    assert Households(customers, starts, order).of(set(asked)) == wanted
