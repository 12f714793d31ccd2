"""The bench measures what it says: its project is sound, and pandas computes the same."""

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from antiphon.check import check
from antiphon.clock import clock_from
from antiphon.files import read_files
from antiphon.project import open_project
from antiphon.steps.daily import run_daily
from bench import agreement, step
from bench.campaigns import plans
from bench.company import make_company
from bench.generate import FIRST_DAY, generate

CUSTOMERS = 2_000


def test_the_project_of_the_bench_has_a_hundred_campaigns_and_no_problem(tmp_path: Path) -> None:
    make_company(tmp_path, CUSTOMERS)
    configuration, problems = check(read_files(tmp_path))
    assert problems == []
    assert configuration is not None
    assert len(configuration.campaigns) == 100


def test_the_data_of_the_bench_is_always_the_same(tmp_path: Path) -> None:
    first, second = (generate(tmp_path / name, 500) for name in ("a", "b"))
    assert first.rows == second.rows
    for name in first.rows:
        both = [f"SELECT * FROM '{data.folder / name}.parquet'" for data in (first, second)]
        assert duckdb.sql(f"({both[0]}) EXCEPT ALL ({both[1]})").fetchall() == []


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The frames of a company after its first load, ours and those of pandas."""
    root = tmp_path_factory.mktemp("bench")
    make_company(root, CUSTOMERS)
    generate(root / "data", CUSTOMERS)
    incoming = root / "var" / "incoming"
    incoming.mkdir(parents=True)
    for path in (root / "data").glob("*-0.parquet"):
        shutil.copy(path, incoming)
    clock = clock_from(datetime.fromisoformat(f"{FIRST_DAY}T10:00+02:00"))
    run_daily(root, clock, dry_run=True)
    project = open_project(root, clock)
    for work in (step.export, step.features, step.pandas):
        work(project)
    return root / "var" / "beside"


def test_pandas_computes_the_same_features(beside: Path) -> None:
    customers, features = agreement.compare(beside)
    assert customers == CUSTOMERS
    assert features > 50


def test_a_feature_that_differs_for_one_customer_is_found(beside: Path, tmp_path: Path) -> None:
    shutil.copytree(beside / "frames", tmp_path / "frames")
    frame = agreement.read([beside / "pandas.parquet"])
    frame.loc[frame.index[7], "order_count"] += 1
    frame.to_parquet(tmp_path / "pandas.parquet")
    with pytest.raises(ValueError, match="order_count differs for 1 of"):
        agreement.compare(tmp_path)


def test_an_audience_holds_as_many_customers_in_pandas(beside: Path) -> None:
    frame = agreement.read([beside / "pandas.parquet"])
    counts = ", ".join(f"count(*) FILTER ({plan.where})" for plan in plans())
    ours = duckdb.sql(f"SELECT {counts} FROM '{beside}/frames/*.parquet'").fetchall()[0]
    assert [int(plan.mask(frame).sum()) for plan in plans()] == list(ours)
    assert sum(ours) > CUSTOMERS
