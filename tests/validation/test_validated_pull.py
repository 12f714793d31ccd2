"""A whole pull: references between entities, quarantine, stored results, Data Docs."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from validation_data import AS_OF, EngineSession, Staging, circumstances, table, understood

from antiphon.errors import AntiphonError, ValidationStopped
from antiphon.validation import suite, validate
from antiphon.validation.contract import Check
from antiphon.validation.results import Verdict, usual_rows
from antiphon.validation.suite import Judge
from antiphon.validation.validate import Validation

NAUGHTY = Path(__file__).parents[3] / "shared/data/bad_input/blns/blns.json"
KNOWN_CUSTOMER = {
    "expect": "expect_column_values_to_be_in_set",
    "column": "customer_id",
    "value_set": {"from": "customers.customer_id"},
    "on_failure": "quarantine",
    "reason": "unknown customer",
}
SECRET = "ada.lovelace@example.org"


@pytest.fixture(autouse=True)
def one_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate, "Judge", cache(lambda: _JUDGES.setdefault("one", Judge())))


_JUDGES: dict[str, Judge] = {}


class Pull:
    """Stages entities and validates them together."""

    def __init__(self, folder: Path, **lake: Any) -> None:
        self.folder = folder
        self.staged = Staging(folder / "staging")
        self.lake = EngineSession({name: table(name, rows) for name, rows in lake.items()})
        self.files: dict[str, list[Path]] = {}

    def stage(self, entity: str, columns: Any, **more: Any) -> None:
        self.files.setdefault(entity, []).append(self.staged(entity, columns, **more))

    def validate(self, usual: int | None = None, **checks: Sequence[Check]) -> dict[str, Verdict]:
        when = circumstances(orders=usual) if usual else circumstances()
        validation = Validation(
            when, self.lake, self.folder / "staging", self.folder / "results", chunk_rows=5
        )
        return validation.pull(self.files, checks)

    def rows(self, kind: str, entity: str) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / "staging" / kind / entity).to_pylist()

    def stored(self) -> str:
        paths = sorted(path for path in (self.folder / "results").iterdir() if path.is_file())
        return "\n".join(path.read_text() for path in paths)


def orders(ids: Sequence[str], customers: Sequence[str | None]) -> dict[str, Any]:
    return {
        "order_id": ids,
        "customer_id": customers,
        "ordered_at": [AS_OF] * len(ids),
        "amount": [Decimal("9.9")] * len(ids),
    }


def lines(orders: Sequence[str]) -> dict[str, Any]:
    count = len(orders)
    return {
        "order_id": orders,
        "line_number": [1] * count,
        "product_id": ["p"] * count,
        "quantity": [1.0] * count,
    }


def test_a_reference_sees_the_lake_and_the_clean_rows_of_the_same_pull(tmp_path: Path) -> None:
    pull = Pull(tmp_path, customers={"customer_id": ["old"]})
    pull.stage("customers", {"customer_id": ["new", "bad"], "email_valid": [True, False]})
    pull.stage("orders", orders(["1", "2", "3", "4", "5"], ["old", "new", "bad", "nobody", None]))
    valid = {
        "expect": "expect_column_values_to_be_in_set",
        "column": "email_valid",
        "value_set": ["yes"],
        "on_failure": "quarantine",
    }
    verdicts = pull.validate(
        customers=understood("customers", valid), orders=understood("orders", KNOWN_CUSTOMER)
    )
    assert [row["order_id"] for row in pull.rows("clean", "orders")] == ["1", "2"]
    reasons = {row["row_number"]: row["reasons"] for row in pull.rows("quarantine", "orders")}
    assert reasons == {
        3: ["unknown customer"],
        4: ["unknown customer"],
        5: ["customer_id is missing"],
    }
    assert verdicts["orders"].quarantined == 3


def test_a_line_follows_its_quarantined_order_with_the_reason(tmp_path: Path) -> None:
    pull = Pull(tmp_path, orders={"order_id": ["known"]}, customers={"customer_id": ["c"]})
    pull.stage("orders", orders(["good", "lost", "known"], ["c", "x", "x"]))
    pull.stage("order_lines", lines(["good", "lost", "lost", "known"]))
    pull.validate(
        orders=understood("orders", KNOWN_CUSTOMER), order_lines=understood("order_lines")
    )
    taken = pull.rows("quarantine", "order_lines")
    assert [row["row_number"] for row in taken] == [2, 3]  # `known` has an older, good version
    assert taken[0]["reasons"] == ["its order was quarantined: unknown customer"]


def test_rows_with_conversion_problems_go_to_quarantine_with_all_their_reasons(
    tmp_path: Path,
) -> None:
    pull = Pull(tmp_path)
    rows = orders(["1", "2"], ["c", "c"]) | {"amount": [None, Decimal(1)]}
    pull.stage("orders", rows, problems={0: ["amount: not a number"]})
    verdict = pull.validate(orders=understood("orders"))["orders"]
    (row,) = pull.rows("quarantine", "orders")
    assert row["reasons"] == ["amount: not a number", "amount is missing"]
    assert row["raw"] == '{"x": "?"}'
    assert (row["run_id"], row["entity"], row["source"]) == ("run-1", "orders", "shop")
    assert (verdict.rows_in, verdict.clean, verdict.conversion_problems) == (2, 1, 1)


def test_nothing_is_silently_dropped_from_two_sources(tmp_path: Path) -> None:
    pull = Pull(tmp_path)
    pull.stage("customers", {"customer_id": ["a", None, "c"]}, source="shop")
    pull.stage("customers", {"customer_id": ["a", None]}, source="web")
    verdict = pull.validate(customers=understood("customers"))["customers"]
    kept = {(row["_source"], row["_row"]) for row in pull.rows("clean", "customers")}
    taken = {(row["source"], row["row_number"]) for row in pull.rows("quarantine", "customers")}
    assert kept | taken == {("shop", 1), ("shop", 2), ("shop", 3), ("web", 1), ("web", 2)}
    assert not kept & taken
    assert verdict.rows_in == verdict.clean + verdict.quarantined == 5


def test_rows_lost_by_the_engine_are_our_own_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = Pull(tmp_path)
    pull.stage("customers", {"customer_id": ["a", "b"]})
    write = pull.lake.write
    monkeypatch.setattr(pull.lake, "write", lambda sql, path: write(f"{sql} LIMIT 1", path))
    with pytest.raises(AntiphonError, match="2 rows in, 1 clean and 0 quarantined"):
        pull.validate(customers=understood("customers"))


def test_stop_ends_the_run_after_every_result_was_stored(tmp_path: Path) -> None:
    pull = Pull(tmp_path)
    pull.stage("customers", {"customer_id": ["a", "a"], "email": [SECRET, SECRET]})
    pull.stage(
        "events", {"event_id": ["1"], "customer_id": ["a"], "event": ["x"], "occurred_at": [AS_OF]}
    )
    unique = {
        "expect": "expect_column_values_to_be_unique",
        "column": "email",
        "on_failure": "stop",
        "reason": "shared address",
    }
    with pytest.raises(ValidationStopped, match=r"shared address .*2 of 2 rows"):
        pull.validate(customers=understood("customers", unique), events=understood("events"))
    assert {path.name for path in (tmp_path / "results").iterdir()} >= {
        "customers.json",
        "events.json",
        "index.html",
        "customers.html",
        "events.html",
    }


def test_stored_results_and_pages_carry_counts_and_positions_but_no_value(tmp_path: Path) -> None:
    pull = Pull(tmp_path)
    pull.stage(
        "customers",
        {
            "customer_id": ["top-secret-id", None],
            "email": [SECRET, SECRET],
            "birthday": [AS_OF.date() + timedelta(days=n) for n in (77, 78)],
        },
    )
    rules = [
        {"expect": "expect_column_values_to_match_regex", "column": "email", "regex": "^x"},
        {"expect": "expect_column_values_to_be_unique", "column": "email"},
        {
            "expect": "expect_column_values_to_be_between",
            "column": "birthday",
            "max_value": {"days_after": "0"},
        },
        {
            "expect": "expect_column_max_to_be_between",
            "column": "birthday",
            "max_value": {"days_after": "0"},
        },
        {
            "expect": "expect_column_unique_value_count_to_be_between",
            "column": "email",
            "min_value": "2",
        },
    ]
    checks = understood("customers", *({**rule, "on_failure": "warn"} for rule in rules))
    (verdict, *_) = [v for v in pull.validate(customers=checks).values() if v.rows_in]
    stored = pull.stored()
    for value in (SECRET, "lovelace", "top-secret-id", "2026-07-28", "2026-07-29"):
        assert value not in stored
        assert all(value not in line for line in verdict.warnings)
    document = json.loads((tmp_path / "results/customers.json").read_text())
    by_id = {entry["id"]: entry for entry in document["expectations"]}
    assert by_id["customers.1"]["unexpected"] == 2
    assert by_id["customers.1"]["positions"] == [
        {"source": "shop", "row": 1},
        {"source": "shop", "row": 2},
    ]
    assert by_id["customers.5"]["observed"] == 1
    assert len(verdict.warnings) == 5


def test_data_docs_show_the_added_up_counts_and_load_nothing_from_elsewhere(
    tmp_path: Path,
) -> None:
    pull = Pull(tmp_path)
    pull.stage("orders", orders([str(n) for n in range(23)], ["x"] * 17 + [None] * 6))
    pull.validate(orders=understood("orders", KNOWN_CUSTOMER))
    page = (tmp_path / "results/orders.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL))
    assert "6 unexpected values found" in text  # missing customer_id, over five chunks
    assert "17 unexpected values found" in text  # unknown customers
    assert "customers.customer_id" in text
    for name in ("orders.html", "index.html"):
        page = (tmp_path / "results" / name).read_text()
        assert not re.search(r"<(script|link|img|iframe)\b|url\(|(src|href)=.https?:", page)


def test_volume_is_judged_against_previous_pulls_only_where_there_are_any(tmp_path: Path) -> None:
    volume = {
        "expect": "expect_table_row_count_to_be_between",
        "min_value": {"share_of_previous": "50%"},
        "on_failure": "stop",
    }
    checks = understood("orders", volume)
    for usual, stops in ((None, False), (20, False), (21, True)):
        pull = Pull(tmp_path / str(usual))
        pull.stage("orders", orders([str(n) for n in range(10)], ["c"] * 10))
        if stops:
            with pytest.raises(ValidationStopped, match="found 10"):
                pull.validate(usual, orders=checks)
        else:
            result = pull.validate(usual, orders=checks)["orders"].results[-1]
            assert result.judged is (usual is not None)


def test_usual_rows_are_the_median_of_the_previous_pulls() -> None:
    assert usual_rows({"orders": [100, 1, 110], "events": []}) == {"orders": Decimal(100)}


@pytest.mark.parametrize(("age", "stops"), [(2, False), (4, True)])
@pytest.mark.parametrize("pulled", [True, False])
def test_freshness_is_judged_on_the_pull_or_else_on_the_lake(
    age: int, stops: bool, pulled: bool, tmp_path: Path
) -> None:
    fresh = {
        "expect": "expect_column_max_to_be_between",
        "column": "ordered_at",
        "min_value": {"days_ago": "3"},
        "on_failure": "stop",
    }
    rows = orders(["1"], ["c"]) | {"ordered_at": [AS_OF - timedelta(days=age)]}
    pull = Pull(tmp_path) if pulled else Pull(tmp_path, orders=rows)
    if pulled:
        pull.stage("orders", rows)
    if stops:
        with pytest.raises(ValidationStopped):
            pull.validate(orders=understood("orders", fresh))
    else:
        pull.validate(orders=understood("orders", fresh))


def test_an_empty_lake_and_no_pull_is_nothing_to_judge(tmp_path: Path) -> None:
    fresh = {
        "expect": "expect_column_max_to_be_between",
        "column": "ordered_at",
        "min_value": {"days_ago": "3"},
        "on_failure": "stop",
    }
    verdict = Pull(tmp_path).validate(orders=understood("orders", fresh, KNOWN_CUSTOMER))["orders"]
    assert verdict.rows_in == 0
    assert not verdict.results[-2].judged


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the list of naughty strings is not here")
def test_naughty_strings_pass_through_unharmed(tmp_path: Path) -> None:
    strings = json.loads(NAUGHTY.read_text(encoding="utf-8"))
    strings = [text.encode("utf-8", "replace").decode() for text in strings]
    pull = Pull(tmp_path)
    pull.stage(
        "customers",
        {
            "customer_id": [f"c{n}" for n in range(len(strings))],
            "first_name": strings,
            "city": strings,
        },
    )
    short = {
        "expect": "expect_column_value_lengths_to_be_between",
        "column": "city",
        "max_value": "20",
        "on_failure": "quarantine",
        "reason": "long",
    }
    plain = {
        "expect": "expect_column_values_to_match_regex",
        "column": "first_name",
        "regex": r"^\w[\w\s]*$",
        "on_failure": "warn",
    }
    verdict = pull.validate(customers=understood("customers", short, plain))["customers"]
    kept = {row["customer_id"]: row["first_name"] for row in pull.rows("clean", "customers")}
    taken = [json.loads(row["row"]) for row in pull.rows("quarantine", "customers")]
    kept |= {row["customer_id"]: row["first_name"] for row in taken}
    assert kept == {f"c{n}": text for n, text in enumerate(strings)}
    assert verdict.quarantined == sum(len(text) > 20 for text in strings) > 50


def test_positions_that_are_kept_are_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "POSITIONS_KEPT", 7)
    pull = Pull(tmp_path)
    pull.stage("customers", {"customer_id": [None] * 12})
    result = pull.validate(customers=understood("customers"))["customers"].results[0]
    assert result.unexpected == 12
    assert [row for _, row in result.positions] == [1, 2, 3, 4, 5, 6, 7]


def test_an_attribute_no_source_brought_today_is_null(tmp_path: Path) -> None:
    from antiphon.entities import ColumnType

    rule = {"expect": "expect_column_values_to_be_null", "column": "tier", "on_failure": "stop"}
    checks = understood("customers", rule, tier=ColumnType.TEXT)
    pull = Pull(tmp_path)
    pull.stage("customers", {"customer_id": ["a"]}, source="web")
    pull.validate(customers=checks)
    pull.stage("customers", {"customer_id": ["b"], "tier": ["gold"]}, types={"tier": pa.string()})
    with pytest.raises(
        ValidationStopped, match=r"1 of 2 rows[^$]*rule in config/expectations/customers\.yaml, and"
    ):
        pull.validate(customers=checks)
