import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon.reports.charts import WIDTH, Scale, axis, bar, interval

numbers = st.floats(-1e9, 1e9, allow_nan=False)


@given(st.lists(st.one_of(st.none(), numbers), max_size=8))
def test_whatever_is_drawn_stays_within_the_picture(values: list[float | None]) -> None:
    scale = Scale.over(values)
    known = [value for value in values if value is not None]
    for value in known:
        assert 0 <= scale.x(value) <= WIDTH
    drawn = [bar(scale, value) for value in values]
    drawn += [interval(scale, low, low, high) for low, high in itertools.pairwise(known)]
    for picture in [*drawn, axis(scale)]:
        places = [float(one) for one in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)"', picture)]
        assert all(0 <= place <= WIDTH for place in places)
        assert "nan" not in picture
        assert "inf" not in picture


@given(numbers, numbers)
def test_a_scale_has_a_few_round_values_and_larger_ones_lie_to_the_right(
    one: float, other: float
) -> None:
    scale = Scale.over([one, other])
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 8
    assert [scale.x(tick) for tick in ticks] == sorted(scale.x(tick) for tick in ticks)


def test_a_share_is_told_in_percent() -> None:
    labels = re.findall(r">([^<]+)</text>", axis(Scale.over([0.0, 0.04]), 100.0, "%"))
    assert labels == ["0%", "1%", "2%", "3%", "4%"]


@pytest.mark.parametrize("value", [None, float("inf")])
def test_nothing_known_draws_nothing_wrong(value: float | None) -> None:
    scale = Scale.over([value])
    assert "<svg" in bar(scale, None)
    assert "circle" not in interval(scale, None, value, None)
