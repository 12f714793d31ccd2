import numpy as np
import pandas as pd
import pytest

from antiphon.response.shrinkage import shrink, strength


def _town(rng: np.random.Generator, weight: float, groups: int = 300) -> pd.DataFrame:
    """Groups of two parents whose true rates scatter as a prior worth `weight` contacts says."""
    parent = np.arange(groups) % 2
    middle = np.array([0.04, 0.12])[parent]
    truth = rng.beta(weight * middle, weight * (1 - middle))
    whole = rng.integers(1, 2_000, groups)
    return pd.DataFrame(
        {"category": parent, "cell": np.arange(groups), "truth": truth, "whole": whole}
    ).assign(part=rng.binomial(whole, truth))


@pytest.mark.parametrize("weight", [50.0, 400.0])
def test_the_weight_of_the_parent_is_found_again(weight: float) -> None:
    rng = np.random.default_rng(1)
    found = [
        strength(
            town["part"].to_numpy(float), town["whole"].to_numpy(float), town["category"].to_numpy()
        )
        for town in (_town(rng, weight) for _ in range(40))
    ]
    assert np.median(found) == pytest.approx(weight, rel=0.15)


def test_groups_that_differ_by_chance_alone_get_their_parents_rate() -> None:
    whole = np.full(200, 500.0)
    part = np.random.default_rng(2).binomial(500, 0.05, 200).astype(float)
    part[:] = 25 + (part > np.median(part))  # less spread than chance would give
    assert strength(part, whole, np.zeros(200, dtype=np.int64)) == np.inf
    town = pd.DataFrame({"cell": np.arange(200), "part": part, "whole": whole})
    shrunk = shrink(town, ["cell"])["shrunk_rate"]
    assert shrunk.to_numpy() == pytest.approx(part.sum() / whole.sum())


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
    found = shrink(pd.DataFrame({"cell": ["a"], "part": [0], "whole": [0]}), ["cell"])
    assert found["rate"].isna().all()
    assert found["shrunk_rate"].isna().all()
