"""What the validation contract accepts, and how it answers what it does not."""

import subprocess
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from validation_data import circumstances, understood

from antiphon.campaigns.models import Expectations
from antiphon.validation.arguments import DaysFromRun, Reference, ShareOfPrevious
from antiphon.validation.contract import ContractProblem, read
from antiphon.validation.predicates import failing, literal
from antiphon.validation.reference import renewed

DOCS = Path(__file__).parents[2] / "docs/validation.md"
BETWEEN = "expect_column_values_to_be_between"
IN_SET = "expect_column_values_to_be_in_set"
REGEX = "expect_column_values_to_match_regex"
ROWS = "expect_table_row_count_to_be_between"


def problems(entity: str = "orders", **rule: Any) -> list[ContractProblem]:
    document = {"version": "1", "expectations": [{"on_failure": "quarantine", **rule}]}
    return read(entity, Expectations.model_validate(document), {})[1]


def arguments(entity: str = "orders", **rule: Any) -> dict[str, Any]:
    return dict(understood(entity, {"on_failure": "warn", **rule})[-1].arguments)


@pytest.mark.parametrize(
    ("rule", "key", "says"),
    [
        ({"expect": "expect_column_value_to_be_between"}, "expect", "Did you mean"),
        ({"expect": BETWEEN, "column": "amout", "min_value": "0"}, "column", "'amount'?"),
        ({"expect": BETWEEN, "column": "amount", "min_valu": "0"}, "min_valu", "'min_value'?"),
        ({"expect": BETWEEN, "column": "amount"}, "expect", "needs 'min_value' or 'max_value'"),
        ({"expect": BETWEEN, "min_value": "0"}, "expect", "needs 'column'"),
        ({"expect": BETWEEN, "column": "store", "min_value": "0"}, "column", "is text"),
        ({"expect": BETWEEN, "column": "amount", "min_value": "0.00001"}, "min_value", "decimals"),
        ({"expect": BETWEEN, "column": "amount", "min_value": "1e12"}, "min_value", "billion"),
        (
            {"expect": BETWEEN, "column": "amount", "min_value": "2", "max_value": "1"},
            "max_value",
            "less than min_value",
        ),
        (
            {"expect": BETWEEN, "column": "ordered_at", "max_value": "2026-02-30"},
            "max_value",
            "write an instant",
        ),
        (
            {"expect": BETWEEN, "column": "ordered_at", "max_value": "2026-01-31T10:00"},
            "max_value",
            "write an instant",
        ),
        (
            {"expect": BETWEEN, "column": "amount", "max_value": {"days_ago": "1"}},
            "max_value",
            "hold days or instants",
        ),
        (
            {"expect": BETWEEN, "column": "ordered_at", "max_value": {"weeks_ago": "1"}},
            "max_value",
            "days_ago",
        ),
        (
            {"expect": BETWEEN, "column": "amount", "min_value": "0", "mostly": "95%"},
            "mostly",
            "every failing row",
        ),
        (
            {"expect": IN_SET, "column": "customer_id", "value_set": {"from": "events.event_id"}},
            "value_set",
            "It may refer to products, customers.",
        ),
        (
            {"expect": IN_SET, "column": "customer_id", "value_set": {"from": "customers.id"}},
            "value_set",
            "customers has no column 'id'",
        ),
        (
            {"expect": IN_SET, "column": "store", "value_set": {"from": "customers.email_valid"}},
            "value_set",
            "same type",
        ),
        ({"expect": IN_SET, "column": "store", "value_set": "a"}, "value_set", "write a list"),
        ({"expect": IN_SET, "column": "is_deleted", "value_set": ["maybe"]}, "value_set", "yes or"),
        ({"expect": REGEX, "column": "store", "regex": "(?=a)"}, "regex", "not a pattern of RE2"),
        ({"expect": REGEX, "column": "store", "regex": r"(a)\1"}, "regex", "not a pattern of RE2"),
        (
            {"expect": "expect_compound_columns_to_be_unique", "column_list": ["store"]},
            "column_list",
            "at least two",
        ),
        (
            {
                "expect": "expect_column_pair_values_to_be_equal",
                "column_A": "amount",
                "column_B": "store",
            },
            "column_B",
            "same type",
        ),
        ({"expect": ROWS, "min_value": "1"}, "on_failure", "cannot quarantine"),
        (
            {"expect": "expect_column_values_to_be_json_parseable", "column": "store"},
            "on_failure",
            "cannot quarantine",
        ),
        (
            {
                "expect": "expect_column_mean_to_be_between",
                "column": "amount",
                "min_value": "1",
                "mostly": "95%",
            },
            "mostly",
            "unknown argument",
        ),
    ],
)
def test_a_wrong_expectation_is_answered_at_its_key(
    rule: dict[str, Any], key: str, says: str
) -> None:
    found = problems(**rule)
    assert any(one.key == key and says in one.message + one.hint for one in found), found


def test_every_problem_of_every_expectation_is_reported_at_once() -> None:
    document = {
        "version": "1",
        "expectations": [
            {"expect": "nonsense", "on_failure": "warn"},
            {
                "expect": BETWEEN,
                "column": "amount",
                "min_value": "x",
                "max_value": "y",
                "on_failure": "warn",
            },
        ],
    }
    _, found = read("orders", Expectations.model_validate(document), {})
    assert [(one.index, one.key) for one in found] == [
        (0, "expect"),
        (1, "min_value"),
        (1, "max_value"),
    ]


def test_values_are_read_by_the_type_of_the_column() -> None:
    assert arguments(expect=BETWEEN, column="amount", min_value="0.10") == {
        "min_value": Decimal("0.10")
    }
    assert arguments(expect=IN_SET, column="store", value_set=["012", "no"]) == {
        "value_set": ("012", "no")
    }
    assert arguments(expect=IN_SET, column="is_deleted", value_set=["no"]) == {
        "value_set": (False,)
    }
    assert arguments("customers", expect=BETWEEN, column="birthday", min_value="1900-01-01") == {
        "min_value": date(1900, 1, 1)
    }
    assert arguments(expect=BETWEEN, column="ordered_at", min_value="2026-01-31T10:00+01:00") == {
        "min_value": datetime(2026, 1, 31, 9, tzinfo=UTC)
    }


def test_our_own_forms_are_understood() -> None:
    assert arguments(
        expect=IN_SET, column="customer_id", value_set={"from": "customers.customer_id"}
    ) == {"value_set": Reference("customers", "customer_id")}
    assert arguments(expect=BETWEEN, column="ordered_at", max_value={"days_after": "0"}) == {
        "max_value": DaysFromRun(0)
    }
    assert arguments(expect=BETWEEN, column="ordered_at", min_value={"days_ago": "3"}) == {
        "min_value": DaysFromRun(-3)
    }
    assert arguments(expect=ROWS, min_value={"share_of_previous": "50%"}) == {
        "min_value": ShareOfPrevious(Decimal("0.5"))
    }


def test_relative_days_count_from_the_business_day_or_the_instant() -> None:
    rule = {"expect": BETWEEN, "max_value": {"days_ago": "3"}, "on_failure": "warn"}
    when = circumstances()
    for column, bound in (
        ("birthday", date(2026, 5, 9)),
        ("registered_at", datetime(2026, 5, 9, 8, tzinfo=UTC)),
    ):
        check = when.resolve(understood("customers", {**rule, "column": column})[-1], "customers")
        assert check is not None
        assert check.arguments == {"max_value": bound}


@pytest.mark.parametrize(("key", "bound"), [("min_value", 4), ("max_value", 3)])
def test_a_share_of_previous_rows_is_a_count_that_keeps_the_share(key: str, bound: int) -> None:
    rule = {"expect": ROWS, key: {"share_of_previous": "50%"}, "on_failure": "warn"}
    check = circumstances(orders=7).resolve(understood("orders", rule)[-1], "orders")
    assert check is not None
    assert check.arguments == {key: bound}


def test_a_required_column_is_never_null_unless_the_file_says_so_itself() -> None:
    rule = {"expect": "expect_column_values_to_not_be_null", "column": "amount"}
    for on_failure, ids in (
        ("warn", ["orders.order_id", "orders.customer_id", "orders.ordered_at", "orders.amount"]),
        ("stop", ["orders.order_id", "orders.customer_id", "orders.ordered_at"]),
    ):
        checks = understood("orders", {**rule, "on_failure": on_failure})
        assert [check.id for check in checks] == [*ids, "orders.1"]
        assert {check.on_failure for check in checks[:-1]} == {"quarantine"}


def test_names_and_values_are_quoted_in_predicates() -> None:
    rule = {
        "expect": IN_SET,
        "column": "store",
        "value_set": ["x' OR 1=1 --"],
        "on_failure": "warn",
    }
    sql = failing(understood("orders", rule)[-1], {})
    assert """"store" IN ('x'' OR 1=1 --')""" in sql
    assert literal(Decimal("1E+3")) == "'1000'::DECIMAL(18,4)"


def test_the_contract_is_read_without_the_heavy_libraries() -> None:
    code = (
        "import sys; from antiphon.validation.arguments import Argument, convert;"
        "import antiphon.validation.contract, antiphon.validation.predicates;"
        "convert('^a', Argument.REGEX, None);"
        "heavy = {'pandas', 'duckdb', 'great_expectations', 'sqlalchemy', 'prefect'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_table_in_the_documentation_is_fresh() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert page == renewed(page), "renew the table with reference.renewed"
