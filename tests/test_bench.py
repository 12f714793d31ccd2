"""The bench measures what it says: its project is sound, and pandas computes the same."""

import shutil
from datetime import date, datetime
from pathlib import Path

import duckdb
import pytest

from antiphon.campaigns.touches import touches
from antiphon.check import check
from antiphon.clock import clock_from
from antiphon.files import read_files
from antiphon.project import open_project
from antiphon.steps.frames import touch_conditions
from bench import agreement, report, step
from bench.campaigns import plans
from bench.catalogue import make_catalogue
from bench.company import make_big_company, make_company
from bench.generate import FIRST_DAY, STEADY_DAY, Data, generate, write
from bench.history import generate_history
from bench.measuring import Measured

CUSTOMERS = 2_000


def test_the_project_of_the_bench_has_a_hundred_campaigns_and_no_problem(tmp_path: Path) -> None:
    make_company(tmp_path, CUSTOMERS)
    configuration, problems = check(read_files(tmp_path))
    assert problems == []
    assert configuration is not None
    assert len(configuration.campaigns) == 100


def test_the_big_company_asks_300_conditions_60_of_which_call_functions(tmp_path: Path) -> None:
    make_big_company(tmp_path, CUSTOMERS)
    configuration, problems = check(read_files(tmp_path))
    assert [problem for problem in problems if not problem.is_warning] == []
    assert configuration is not None
    spoken = touches(configuration.campaigns.values())
    standing = [touch for touch in spoken if not touch.is_occasional]
    conditions = touch_conditions(configuration, standing)
    assert len({condition.sql for condition in conditions}) == len(conditions) == 300
    assert len({name for condition in conditions for name in condition.calls}) == 60
    dimensions = configuration.segments.dimensions
    cells = 1
    for name in configuration.segments.crosses["cells"].dimensions:
        cells *= len(dimensions[name].names)
    assert cells == 2_080


def test_of_a_year_of_campaign_files_as_many_run_as_are_said_and_none_is_wrong(
    tmp_path: Path,
) -> None:
    day = date.fromisoformat(STEADY_DAY)
    make_catalogue(tmp_path, day, files=200, running=30)
    configuration, problems = check(read_files(tmp_path))
    assert [problem for problem in problems if not problem.is_warning] == []
    assert configuration is not None
    campaigns = configuration.campaigns.values()
    assert len(campaigns) == 200
    assert sum(one.runs.includes(day) for one in campaigns) == 30


def differing(one: Data, other: Data) -> list[str]:
    """Names of the files whose rows are not the same."""
    found = []
    for name in one.rows:
        first, second = (f"SELECT * FROM '{data.folder / name}.parquet'" for data in (one, other))
        rows = f"(({first}) EXCEPT ALL ({second})) UNION ALL (({second}) EXCEPT ALL ({first}))"
        if duckdb.sql(rows).fetchall():
            found.append(name)
    return found


def test_the_data_of_the_bench_is_always_the_same(tmp_path: Path) -> None:
    for make in (generate, generate_history):
        first, second = (make(tmp_path / name, 500) for name in ("a", "b"))
        assert first.rows == second.rows
        assert differing(first, second) == []
    assert differing(generate(tmp_path / "a", 500), generate(tmp_path / "c", 501))


def test_data_is_written_again_only_when_its_query_changed(tmp_path: Path) -> None:
    target = tmp_path / "ones.parquet"
    assert write(tmp_path, {"ones": "select 1 as one"}).rows == {"ones": 1}
    first = target.stat().st_mtime_ns
    assert write(tmp_path, {"ones": "select 1 as one"}).rows == {"ones": 1}
    assert target.stat().st_mtime_ns == first
    assert write(tmp_path, {"ones": "select 1 as one from range(3)"}).rows == {"ones": 3}
    assert duckdb.sql(f"SELECT count(*) FROM '{target}'").fetchall() == [(3,)]


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The big company on its steady day, its facts loaded at once; frames of ours and of pandas."""
    folder = tmp_path_factory.mktemp("big")
    generate(folder / "data", CUSTOMERS)
    generate_history(folder / "data", CUSTOMERS)
    root = folder / "audiences"
    make_big_company(root, CUSTOMERS)
    for day in (FIRST_DAY, STEADY_DAY):
        project = open_project(root, clock_from(datetime.fromisoformat(f"{day}T10:00+02:00")))
        step.load(project)
    for work in (step.export, step.features, step.pandas):
        work(project)
    return root


def test_pandas_computes_the_same_features(big: Path) -> None:
    customers, features = agreement.compare(big / "var" / "beside")
    assert customers == CUSTOMERS
    assert features > 50


def test_a_feature_that_differs_for_one_customer_is_found(big: Path, tmp_path: Path) -> None:
    shutil.copytree(big / "var" / "beside" / "frames", tmp_path / "frames")
    frame = agreement.read([big / "var" / "beside" / "pandas.parquet"])
    frame.loc[frame.index[7], "order_count"] += 1
    frame.to_parquet(tmp_path / "pandas.parquet")
    with pytest.raises(ValueError, match="order_count differs for 1 of"):
        agreement.compare(tmp_path)


def test_an_audience_holds_as_many_customers_in_pandas(big: Path) -> None:
    frame = agreement.read([big / "var" / "beside" / "pandas.parquet"])
    counts = ", ".join(f"count(*) FILTER ({plan.where})" for plan in plans())
    ours = duckdb.sql(f"SELECT {counts} FROM '{big}/var/beside/frames/*.parquet'").fetchall()[0]
    assert [int(plan.mask(frame).sum()) for plan in plans()] == list(ours)
    assert sum(ours) > CUSTOMERS


def test_what_is_loaded_at_once_is_whole(big: Path) -> None:
    clock = clock_from(datetime.fromisoformat(f"{STEADY_DAY}T10:00+02:00"))
    with open_project(big, clock).lake.session() as session:
        (counts,) = session.rows(
            "SELECT (SELECT count(*) FROM order_lines), "
            "(SELECT count(customer_id) FROM order_lines), "
            "(SELECT count(DISTINCT order_id) FROM order_lines), (SELECT count(*) FROM orders), "
            "(SELECT count(*) FROM customers WHERE email_valid), "
            "(SELECT count(*) FROM customers WHERE city IN ('Bonn', 'Kiel'))"
        )
    lines, linked, with_lines, orders, reachable, moved = counts
    assert lines == linked
    assert with_lines == orders > CUSTOMERS * 10  # the news too
    assert 0 < reachable < CUSTOMERS
    assert 0 < moved < CUSTOMERS / 50


def test_results_of_a_bench_replace_those_of_the_same_title(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for text in (
        "## 10m\n\nold figures\n",
        "## 1m audiences\n\nB\n",
        "## 1m\n\nA\n",
        "## 10m\n\nnew figures\n",
    ):
        report.keep(path, text)
    text = path.read_text()
    assert text.startswith(report.HEAD)
    assert [line for line in text.splitlines() if line.startswith("## ")] == [
        "## 1m",
        "## 1m audiences",
        "## 10m",
    ]
    assert "new figures" in text
    assert "old figures" not in text


def test_a_target_that_is_missed_says_so() -> None:
    rows = report.verdicts(
        [report.at_most("a day", 20, 20.0, "s"), report.at_most("b", 2, 2.1, "s")]
    )
    assert rows[2:] == ["| a day in 20 s | 20.00 s | met |", "| b in 2 s | 2.10 s | **missed** |"]


def test_a_whole_run_pays_the_start_of_a_process_once() -> None:
    one = Measured("pull", 1.0, 2.0, 0.5, 100.0, 0.0)
    other = Measured("decide", 3.0, 4.0, 0.75, 50.0, 7.0)
    assert report.steps([one, other])[-1] == "| **whole** | **4.75** | 6.00 | 100 | 7 | |"


def test_results_without_a_size_come_after_the_others(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for text in ("## Rendering\n\nC\n", "## 1m\n\nA\n", "## Ledger, 150,000 messages\n\nB\n"):
        report.keep(path, text)
    titles = [line for line in path.read_text().splitlines() if line.startswith("## ")]
    assert titles == ["## 1m", "## Ledger, 150,000 messages", "## Rendering"]
