import numpy as np
import pandas as pd
import pytest

from antiphon.response.shrinkage import shrink, shrunk_rates, strength


def _town(rng: np.random.Generator, weight: float, groups: int = 300) -> pd.DataFrame:
    """Groups of two parents whose true rates scatter as a prior worth `weight` contacts says."""
    parent = np.arange(groups) % 2
    middle = np.array([0.04, 0.12])[parent]
    truth = rng.beta(weight * middle, weight * (1 - middle))
    whole = rng.integers(1, 2_000, groups)
    return pd.DataFrame(
        {"category": parent, "cell": np.arange(groups), "truth": truth, "whole": whole}
    ).assign(part=rng.binomial(whole, truth))


def _families(town: pd.DataFrame) -> list[list[tuple[float, float]]]:
    return [
        list(zip(one["part"], one["whole"], strict=True)) for _, one in town.groupby("category")
    ]


@pytest.mark.parametrize("weight", [50.0, 400.0])
def test_the_weight_of_the_parent_is_found_again(weight: float) -> None:
    rng = np.random.default_rng(1)
    found = [strength(_families(_town(rng, weight))) for _ in range(40)]
    assert np.median(found) == pytest.approx(weight, rel=0.15)


def test_groups_that_differ_by_chance_alone_get_their_parents_rate() -> None:
    groups = {(str(cell),): (25.0 + cell % 2, 500.0) for cell in range(200)}
    assert strength([list(groups.values())]) == np.inf
    rates = shrunk_rates(groups)
    assert list(rates.values()) == pytest.approx([25.5 / 500] * 201)


def test_groups_of_all_or_nothing_keep_their_own_rates() -> None:
    groups = {("a",): (100.0, 100.0), ("b",): (0.0, 100.0)}
    assert shrunk_rates(groups) == {(): 0.5, ("a",): 1.0, ("b",): 0.0}


def test_a_parent_speaks_for_a_cell_that_nobody_has_written_to() -> None:
    groups = {("a", "x"): (50.0, 100.0), ("a", "y"): (0.0, 0.0), ("b", "x"): (1.0, 100.0)}
    rates = shrunk_rates(groups)
    assert rates["a", "y"] == pytest.approx(rates[("a",)])
    assert rates[("b",)] < rates[()] < rates[("a",)]


def test_three_clicks_in_four_contacts_are_no_75_percent() -> None:
    town = _town(np.random.default_rng(3), 200.0)
    tiny = pd.DataFrame({"category": [0], "cell": [999], "part": [3], "whole": [4]})
    found = shrink(pd.concat([town, tiny]), ["category", "cell"]).set_index("cell").loc[999]
    assert found["rate"] == 0.75
    assert 0.04 < found["shrunk_rate"] < 0.08


def test_a_large_group_speaks_for_itself() -> None:
    town = _town(np.random.default_rng(4), 200.0)
    large = pd.DataFrame({"category": [0], "cell": [999], "part": [60_000], "whole": [200_000]})
    found = shrink(pd.concat([town, large]), ["category", "cell"]).set_index("cell").loc[999]
    assert found["shrunk_rate"] == pytest.approx(0.3, abs=0.001)


def test_shrunk_rates_are_nearer_to_the_truth() -> None:
    rng, gains = np.random.default_rng(5), []
    for _ in range(20):
        town = _town(rng, 300.0)
        found = shrink(town, ["category", "cell"]).merge(town[["cell", "truth"]], on="cell")
        raw = (found["rate"] - found["truth"]).pow(2).mean()
        gains.append((found["shrunk_rate"] - found["truth"]).pow(2).mean() / raw)
    assert max(gains) < 0.7


def test_nothing_sent_gives_no_rate() -> None:
    assert shrunk_rates({("a",): (0.0, 0.0)}) == {}
    found = shrink(pd.DataFrame({"cell": ["a"], "part": [0], "whole": [0]}), ["cell"])
    assert found["rate"].isna().all()
    assert found["shrunk_rate"].isna().all()
