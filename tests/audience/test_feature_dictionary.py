"""Claims on the feature dictionary: what headers declare, and that the SQL keeps to it."""

import pytest
import sqlglot
from sqlglot import exp

from antiphon.audience.dictionary import (
    POLICY_FEATURES,
    VIEWS,
    dictionary,
    feature_files,
)
from antiphon.campaigns.models import Sources
from antiphon.entities import ColumnType
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

SHIPPED = [
    "days_since_order", "order_count", "order_count_30d", "order_count_90d", "order_count_365d",
    "spend_total", "spend_30d", "spend_90d", "spend_365d", "average_order", "first_order_day",
    "last_order_day", "favourite_category", "days_since_registration", "age", "days_to_birthday",
    "days_since_contact", "contact_count_30d", "days_since_contact_email",
    "days_since_contact_sms", "days_since_cart_abandoned", "event_count_30d", *POLICY_FEATURES,
    "order_count_7d", "spend_7d", "order_trend_90d", "spend_trend_90d", "order_trend_365d",
    "spend_trend_365d", "second_order_day", "median_gap_days", "gaps_late", "second_category",
    "favourite_store", "favourite_weekday", "favourite_hour", "last_product", "last_product_name",
    "last_product_category", "run_out_day", "days_to_run_out", "run_out_product",
    "run_out_product_name", "run_out_category", "interest", "interest_count", "local_day",
    "registration_day", "joined_programme_day", "days_since_joined", "app_installed",
    "days_since_app_installed", "contact_count_365d", "contact_count_email_30d", "open_count_30d",
    "click_count_30d", "reply_count_30d", "conversion_count_30d", "complaint_count_30d",
    "click_count_sms_365d", "days_since_response", "days_since_response_email", "response_rate",
    "response_rate_sms", "last_survey_score", "days_since_survey",
]  # fmt: skip


def sources(**attributes):
    """Sources with one customers file per keyword: name={attribute: type}."""
    return Sources.model_validate(
        {
            "version": "1",
            "sources": {
                name: {
                    "entity": "customers",
                    "file": f"{name}.csv",
                    "attributes": {key: {"type": type_} for key, type_ in columns.items()},
                }
                for name, columns in attributes.items()
            },
        }
    )


ANYTHING = "SELECT * FROM events"


def with_file(world, header, select=ANYTHING, name="extra"):
    texts = {**world.files.texts, f"sql/features/{name}.sql": header + "\n" + select}
    return ProjectFiles(texts)


def problems_of(world, header):
    return dictionary(with_file(world, header), sources())[1]


def test_the_shipped_files_declare_every_promised_feature_without_a_problem(world):
    features, problems = dictionary(world.files, sources())
    assert problems == []
    assert set(SHIPPED) <= set(features)
    assert features["spend_total"].type == ColumnType.MONEY
    assert features["days_since_order"].nullable
    assert not features["order_count"].nullable


def test_columns_of_customers_and_attributes_are_features(world):
    features, problems = dictionary(world.files, sources(crm={"loyalty_tier": "text"}))
    assert problems == []
    assert features["birthday"].type == ColumnType.DAY
    assert features["loyalty_tier"].type == ColumnType.TEXT
    assert features["loyalty_tier"].file == "config/sources.yaml"
    assert "is_deleted" not in features


def test_a_header_is_read_into_a_feature(world):
    header = "-- feature visits integer shops nullable: shops: visited\n-- reads: events"
    features, problems = dictionary(with_file(world, header), sources())
    visits = features["visits"]
    assert problems == []
    assert (visits.unit, visits.meaning, visits.nullable) == ("shops", "shops: visited", True)
    assert visits.file == "sql/features/extra.sql"


@pytest.mark.parametrize(
    ("header", "line", "message", "hint"),
    [
        ("-- reads: events\n-- feature a integer", 2, "malformed declaration", "Write: -- feature"),
        ("-- feature a integer -: x\n-- reads events", 2, "malformed declaration", "-- reads:"),
        ("-- feature a intger -: x\n-- reads: events", 1, "unknown type 'intger'", "'integer'?"),
        ("-- feature A integer -: x\n-- reads: events", 1, "bad name 'A'", "a-z"),
        ("-- feature a day -: x\n-- reads: events", 1, "must be nullable", "`nullable`"),
        ("-- feature a integer -: x\n-- reads: evnts", 2, "unknown view 'evnts'", "'events'?"),
        (
            "-- reads: events\n-- feature a text -: x\n-- feature a text -: y",
            3,
            "feature 'a' is declared twice",
            "",
        ),
        (
            "-- reads: events\n-- feature order_count text -: x",
            2,
            "'order_count' is already a column of sql/features/orders.sql",
            "another name",
        ),
        ("-- reads: events\n-- feature city text -: x", 2, "already a column of customers", ""),
        ("-- reads: events\n-- feature unit text -: x", 2, "column of the frame itself", ""),
        ("-- reads: events", 0, "declares no feature", "Write: -- feature"),
        ("-- feature a text -: x", 0, "does not say which views it reads", "customers"),
    ],
)
def test_a_wrong_header_is_a_problem_with_its_line(world, header, line, message, hint):
    (problem,) = dictionary(with_file(world, header, name="zz"), sources())[1]
    assert (problem.path, problem.line) == ("sql/features/zz.sql", line)
    assert message in problem.message
    assert hint in problem.hint
    if line:
        assert problem.source_line == header.splitlines()[line - 1]


def test_all_problems_are_reported_at_once(world):
    found = problems_of(world, "-- feature a intger -: x\n-- feature b dya -: y\n-- reads: ordrs")
    assert [problem.line for problem in found] == [1, 2, 3]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"crm": {"city": "text"}}, "is a column we have already"),
        ({"crm": {"tier": "text"}, "web": {"tier": "integer"}}, "another type elsewhere"),
        ({"crm": {"loyalty-tier": "text"}}, "bad name 'loyalty-tier'"),
        ({"crm": {"order_count": "integer"}}, "is already a column of config/sources.yaml"),
    ],
)
def test_an_attribute_that_collides_is_a_problem(world, given, message):
    (problem,) = dictionary(world.files, sources(**given))[1]
    assert message in problem.message


def test_a_frame_without_what_the_policy_needs_is_a_problem(world):
    texts = {k: v for k, v in world.files.texts.items() if not k.endswith("consent.sql")}
    found = dictionary(ProjectFiles(texts), sources())[1]
    assert len(found) == 6
    assert "consent_email_promo" in found[0].message


def test_a_policy_feature_of_another_form_is_a_problem(world):
    texts = dict(world.files.texts)
    path = "sql/features/reachability.sql"
    texts[path] = texts[path].replace(
        "feature suppressed_sms boolean -:", "feature suppressed_sms boolean - nullable:"
    )
    (problem,) = dictionary(ProjectFiles(texts), sources())[1]
    assert problem == Problem(
        path, 0, 0, "feature 'suppressed_sms' must be boolean and not nullable"
    )


def fill(world):
    """Something of everything, and a customer with nothing at all."""
    world.add(
        "customers",
        customer_id="a",
        birthday="1990-05-20",
        email_address="a@b.de",
        email_valid=True,
        email_key="k",
        registered_at="2026-01-01 00:00+00",
    )
    world.add("customers", customer_id="nobody")
    world.add(
        "orders",
        order_id="1",
        customer_id="a",
        ordered_at="2026-05-01 10:00+02",
        amount="10.10",
        category="baby",
    )
    world.add(
        "contacts",
        customer_id="a",
        channel="email",
        state="delivered",
        contact_at="2026-05-01 10:00+02",
    )
    world.add("events", customer_id="a", event="cart_abandoned", occurred_at="2026-05-11 10:00+02")
    world.add("consents", customer_id="a", channel="*", category="*", granted=True)  # fmt: skip


def test_each_shipped_file_returns_the_declared_types_and_nulls(world):
    fill(world)
    found, _ = feature_files(world.files)
    for file in found:
        given = {k: v for k, v in world.parameters.items() if f"${k}" in file.sql}
        relation = world.connection.execute(f"DESCRIBE {file.sql}", given).fetchall()
        returned = {row[0]: row[1] for row in relation}
        assert returned.pop("customer_id") == "VARCHAR"
        declared = {feature.name: feature.type for feature in file.features}
        spelled = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
        assert {k: spelled.get(v, v) for k, v in returned.items()} == declared, file.path
        rows = world.connection.execute(file.sql, given).fetchall()
        names = [row[0] for row in relation]
        for feature in file.features:
            if not feature.nullable:
                values = [row[names.index(feature.name)] for row in rows]
                assert None not in values, feature.name


def test_in_the_frame_exactly_the_nullable_features_are_null_for_a_customer_of_nothing(world):
    fill(world)
    row = world.frame()["nobody"]
    for feature in world.features.values():
        if feature.file.startswith("sql/"):
            absent = row[feature.name] is None
            assert absent == (feature.nullable and feature.name != "local_day"), feature.name


def test_each_shipped_file_reads_exactly_the_views_it_declares(world):
    found, _ = feature_files(world.files)
    for file in found:
        tree = sqlglot.parse_one(file.sql, dialect="duckdb")
        local = {cte.alias for cte in tree.find_all(exp.CTE)}
        read = {table.name for table in tree.find_all(exp.Table)} - local
        assert {name for name in read if name in VIEWS} == set(file.reads), file.path
        assert read - set(VIEWS) <= {"", "pg_timezone_names"}, file.path


def test_no_shipped_file_asks_the_machine_for_the_time(world):
    for path, sql in world.files.texts.items():
        functions = {
            type(node).__name__
            for node in sqlglot.parse_one(sql, dialect="duckdb").find_all(exp.Func)
        }
        assert not {name for name in functions if name.startswith("Current")}, path
