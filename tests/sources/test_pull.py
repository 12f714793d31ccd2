"""A pull takes what is new, loses no row, and stops where the source is not as declared."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from source_project import EmptyLake, Project, rows

from antiphon.campaigns.models import Source, Sources
from antiphon.entities import ENTITIES
from antiphon.errors import SourceError
from antiphon.keys import digest
from antiphon.sources.pull import pull_source, pull_sources

PEOPLE = "customer_id,city,updated_at\n1,Ulm,2026-05-01 10:00\n2,Bonn,2026-05-05 10:00\n"


def test_staged_rows_have_every_column_of_the_entity_and_its_type(project: Project) -> None:
    project.write("c.csv", "customer_id,points\n1,5\n")
    pulled = project.pull("customers", "c.csv", attributes={"points": {"type": "integer"}})
    [path] = pulled.files
    assert path == project.root / "staging" / "1" / "customers" / "shop.parquet"
    names = [column.name for column in ENTITIES["customers"].columns]
    schema = pq.read_schema(path)
    assert schema.names == [*names, "points", "_source", "_row", "_problems", "_raw"]
    assert str(schema.field("updated_at").type) == "timestamp[us, tz=UTC]"
    [row] = rows(pulled)
    assert (row["points"], row["_source"], row["_row"], row["_raw"]) == (5, "shop", 1, None)


def test_columns_are_mapped_and_constants_filled_in(project: Project) -> None:
    project.write("c.csv", "KDNR,Ort,Land\n1,Ulm,xx\n")
    [row] = rows(
        project.pull(
            "customers",
            "c.csv",
            columns={"customer_id": "kdnr", "city": "Ort"},
            constants={"country": "DE", "registered_at": "2026-05-01"},
        )
    )
    assert (row["customer_id"], row["city"], row["country"]) == ("1", "Ulm", "DE")
    assert row["registered_at"] == datetime(2026, 4, 30, 22, tzinfo=UTC)


def test_a_constant_that_is_not_of_its_type_stops_the_run(project: Project) -> None:
    project.write("c.csv", "customer_id\n1\n")
    with pytest.raises(SourceError, match="the constant of 'birthday' is not a day: 'soon'"):
        project.pull("customers", "c.csv", constants={"birthday": "soon"})


def test_nulls_in_keys_and_required_columns_are_problems_with_the_row_as_it_came(
    project: Project,
) -> None:
    project.write("o.csv", "order_id,customer_id,ordered_at,amount,x\n,7,2026-05-01,,a\n")
    [row] = rows(project.pull("orders", "o.csv"))
    assert row["_problems"] == ["order_id: missing", "amount: missing"]
    assert row["_raw"] == (
        '{"order_id":null,"customer_id":"7","ordered_at":"2026-05-01","amount":null,"x":"a"}'
    )


def test_a_problem_never_holds_the_value(project: Project) -> None:
    project.write("c.csv", "customer_id,birthday\n1,secret\n")
    [row] = rows(project.pull("customers", "c.csv"))
    assert row["_problems"] == ["birthday: not a day"]


def test_dates_in_three_formats_become_days_or_problems(project: Project) -> None:
    project.write("c.csv", "customer_id,birthday\n1,1980-02-03\n2,03.02.1980\n3,2/3/1980\n")
    found = rows(project.pull("customers", "c.csv", date_format="%d.%m.%Y"))
    assert [row["birthday"] and row["birthday"].isoformat() for row in found] == [
        "1980-02-03",
        "1980-02-03",
        None,
    ]
    assert found[2]["_problems"] == ["birthday: not a day"]


def test_of_a_deleted_row_only_the_key_is_needed(project: Project) -> None:
    project.write(
        "o.csv", "order_id,customer_id,ordered_at,amount,is_deleted\n1,,,,yes\n,,,,true\n2,,,,no\n"
    )
    found = rows(project.pull("orders", "o.csv"))
    assert [row["_problems"] for row in found] == [
        [],
        ["order_id: missing"],
        ["customer_id: missing", "ordered_at: missing", "amount: missing"],
    ]


@pytest.mark.parametrize(
    ("header", "missing", "hint"),
    [
        ("custmer_id,city", "customer_id", "Did you mean 'custmer_id' for 'customer_id'?"),
        ("customer_id,town", "stadt", "Columns found: customer_id, town."),
    ],
)
def test_a_missing_column_is_named_with_those_found(
    project: Project, header: str, missing: str, hint: str
) -> None:
    project.write("c.csv", header + "\n1,Ulm\n")
    columns = {"city": "stadt"} if missing == "stadt" else {}
    with pytest.raises(SourceError) as stop:
        project.pull("customers", "c.csv", columns=columns)
    assert f"source shop: c.csv has no column '{missing}'" in str(stop.value)
    assert hint in str(stop.value)


def test_an_undeclared_column_that_was_filled_before_may_not_vanish(project: Project) -> None:
    project.write("c.csv", "customer_id,city\n1,Ulm\n")
    mark = project.pull("customers", "c.csv").watermark
    project.write("c.csv", "customer_id,citty\n1,Ulm\n")
    with pytest.raises(SourceError, match="has no column 'city'"):
        project.pull("customers", "c.csv", mark=mark)


def test_a_declared_attribute_that_is_missing_stops_the_run(project: Project) -> None:
    project.write("c.csv", "customer_id\n1\n")
    with pytest.raises(SourceError, match="has no column 'points'"):
        project.pull("customers", "c.csv", attributes={"points": {"type": "integer"}})


def test_a_mapping_of_what_is_no_column_stops_the_run(project: Project) -> None:
    project.write("c.csv", "customer_id,town\n1,Ulm\n")
    with pytest.raises(SourceError, match=r"'citi' is no column of customers.*\n.*mean 'city'"):
        project.pull("customers", "c.csv", columns={"citi": "town"})


def test_a_missing_file_stops_unless_it_is_optional(project: Project) -> None:
    with pytest.raises(SourceError, match=r"source shop: there is no file 'no\.csv'"):
        project.pull("customers", "no.csv")
    pulled = project.pull("customers", "no.csv", optional=True, mark={"high": "x"})
    assert (pulled.skipped, pulled.files, pulled.watermark) == (True, (), {"high": "x"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_locked_file_stops_the_run(project: Project) -> None:
    project.write("c.csv", PEOPLE).chmod(0)
    with pytest.raises(SourceError, match=r"source shop: c\.csv cannot be read: Permission"):
        project.pull("customers", "c.csv")


def test_a_torn_parquet_file_stops_the_run(project: Project) -> None:
    project.write("c.parquet", b"PAR1 half of it")
    with pytest.raises(SourceError, match=r"c\.parquet is not a whole Parquet file"):
        project.pull("customers", "c.parquet")


def test_a_file_that_grows_while_it_is_read_stops_the_run(project: Project) -> None:
    path = project.write("c.csv", PEOPLE)

    class Meanwhile(EmptyLake):
        """Somebody appends to the file as soon as the engine has been opened."""

        @contextmanager
        def session(self, snapshot: Any = None) -> Iterator[Any]:
            with super().session(snapshot) as session:
                yield session
            path.write_text(PEOPLE + "3,Kiel,2026-05-06\n")

    settings = project.settings(lake=Meanwhile(project.root / "lake"))
    with pytest.raises(SourceError, match=r"source shop: c\.csv changed while it was read"):
        pull_source("shop", Source(entity="customers", file="c.csv"), settings)


# ---------------------------------------------------------------- incremental


def test_an_unchanged_file_is_not_read_again(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    first = project.pull("customers", "c.csv")
    again = project.pull("customers", "c.csv", mark=first.watermark)
    assert (again.skipped, again.rows, again.files) == (True, 0, ())
    assert again.watermark == first.watermark


def test_a_file_of_the_same_size_and_time_but_other_content_is_read_again(
    project: Project,
) -> None:
    path = project.write("c.csv", PEOPLE)
    first = project.pull("customers", "c.csv")
    before = path.stat()
    path.write_text(PEOPLE.replace("Ulm", "Jen"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert not project.pull("customers", "c.csv", mark=first.watermark).skipped


def test_another_configuration_reads_everything_again(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    first = project.pull("customers", "c.csv", watermark="updated_at")
    again = project.pull(
        "customers",
        "c.csv",
        watermark="updated_at",
        constants={"country": "DE"},
        mark=first.watermark,
    )
    assert again.rows == 2


def test_only_new_files_of_a_glob_are_read(project: Project) -> None:
    project.write("in/1.csv", PEOPLE)
    first = project.pull("customers", "in/*.csv")
    project.write("in/2.csv", PEOPLE.replace("\n1,", "\n3,"))
    second = project.pull("customers", "in/*.csv", mark=first.watermark)
    assert [row["customer_id"] for row in rows(second)] == ["3", "2"]
    assert sorted(second.watermark["files"]) == ["in/1.csv", "in/2.csv"]
    assert project.pull("customers", "in/*.csv", mark=second.watermark).skipped


def test_a_full_source_is_read_whole_when_one_of_its_files_changed_or_went(
    project: Project,
) -> None:
    project.write("in/1.csv", "customer_id\n1\n")
    project.write("in/2.csv", "customer_id\n2\n")
    first = project.pull("customers", "in/*.csv", full=True)
    assert first.is_full
    (project.root / "in/2.csv").unlink()
    second = project.pull("customers", "in/*.csv", full=True, mark=first.watermark)
    assert [row["customer_id"] for row in rows(second)] == ["1"]
    assert project.pull("customers", "in/*.csv", full=True, mark=second.watermark).skipped


def test_only_rows_since_the_watermark_less_the_overlap_are_staged(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    options = {"watermark": "updated_at", "overlap": "2 days"}
    first = project.pull("customers", "c.csv", **options)
    assert first.watermark["high"] == "2026-05-05T08:00:00.000000+00:00"
    project.write(
        "c.csv",
        PEOPLE + "3,Kiel,2026-05-03 10:00\n4,Jena,2026-05-03 09:59\n5,Rom,\n6,Rom,soon\n",
    )
    second = project.pull("customers", "c.csv", mark=first.watermark, **options)
    assert [(row["_row"], row["customer_id"]) for row in rows(second)] == [
        (2, "2"),
        (3, "3"),
        (5, "5"),
        (6, "6"),
    ]
    assert second.watermark["high"] == first.watermark["high"]


def test_a_row_dated_in_the_future_does_not_move_the_watermark(project: Project) -> None:
    project.write("c.csv", PEOPLE + "3,Kiel,2099-01-01\n")
    pulled = project.pull("customers", "c.csv", watermark="updated_at")
    assert pulled.rows == 3
    assert pulled.watermark["high"] == "2026-05-05T08:00:00.000000+00:00"


def test_a_number_can_be_the_watermark(project: Project) -> None:
    options: dict[str, Any] = {"watermark": "seq", "attributes": {"seq": {"type": "integer"}}}
    project.write("p.csv", "product_id,seq\na,9\nb,10\n")
    first = project.pull("products", "p.csv", **options)
    assert first.watermark["high"] == "10"
    project.write("p.csv", "product_id,seq\na,9\nb,10\nc,11\n")
    second = project.pull("products", "p.csv", mark=first.watermark, **options)
    assert [row["product_id"] for row in rows(second)] == ["b", "c"]


def test_a_text_cannot_be_the_watermark(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    with pytest.raises(SourceError, match="watermark 'city' is a text column"):
        project.pull("customers", "c.csv", watermark="city")


# ---------------------------------------------------------------- entities


def test_order_lines_are_numbered_in_their_order_and_multiplied_exactly(project: Project) -> None:
    project.write(
        "l.csv",
        "order_id,product_id,quantity,unit_price\n"
        "B,x,3,0.10\nA,x,0.333,2.9999\nB,y,-2,1.15\nB,x,3,0.10\nA,z,1e14,99999999999999\n",
    )
    found = rows(project.pull("order_lines", "l.csv"))
    assert [(row["order_id"], row["line_number"], row["amount"]) for row in found] == [
        ("B", 1, Decimal("0.3")),
        ("A", 1, Decimal("0.9990")),
        ("B", 2, Decimal("-2.3")),
        ("B", 3, Decimal("0.3")),
        ("A", 2, None),
    ]
    assert [row["_problems"] for row in found[:4]] == [[]] * 4
    assert found[4]["_problems"] == ["amount: quantity times unit_price is too large"]


def test_line_numbers_and_amounts_of_the_source_are_kept(project: Project) -> None:
    project.write(
        "l.csv",
        "order_id,line_number,product_id,quantity,unit_price,amount\n"
        "A,7,x,2,5,9.99\nA,,x,2,5,\nA,9,x,2,5,nine\n",
    )
    found = rows(project.pull("order_lines", "l.csv"))
    assert [(row["line_number"], row["amount"]) for row in found] == [
        (7, Decimal("9.99")),
        (None, Decimal("10")),
        (9, None),
    ]
    assert found[1]["_problems"] == ["line_number: missing"]
    assert found[2]["_problems"] == ["amount: not an amount of money"]


def test_events_without_an_id_are_known_by_what_happened(project: Project) -> None:
    text = "customer_id,event,occurred_at,product_id\n7,cart_abandoned,2026-05-01T10:00:00Z,\n"
    project.write("e.csv", text)
    [row] = rows(project.pull("events", "e.csv"))
    micros = str(int(datetime(2026, 5, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000)
    assert row["event_id"] == digest("event", "7", "cart_abandoned", micros, "", "")


def test_responses_without_an_id_are_known_by_what_came_back(project: Project) -> None:
    text = (
        "customer_id,kind,occurred_at,campaign,value\n"
        "7,survey,2026-05-01T10:00:00Z,may-letter,4\n7,survey,2026-05-01T10:00:00Z,,4\n"
    )
    project.write("r.csv", text)
    named, unnamed = rows(project.pull("responses", "r.csv"))
    micros = str(int(datetime(2026, 5, 1, 10, tzinfo=UTC).timestamp()) * 1_000_000)
    assert named["response_id"] == digest("response", "7", "survey", micros, "may-letter", "4")
    assert unnamed["response_id"] == digest("response", "7", "survey", micros, "", "4")
    assert named["_problems"] == unnamed["_problems"] == []


def test_a_response_or_notice_without_what_tells_it_is_a_problem(project: Project) -> None:
    project.write("r.csv", "customer_id,kind,occurred_at\n,open,2026-05-01\n7,,soon\n")
    project.write("n.csv", "notice_id,notice,occurred_at,is_deleted\n,x,2026-05-01,\n2,,,yes\n")
    found = [row["_problems"] for row in rows(project.pull("responses", "r.csv"))]
    assert found == [
        ["response_id: missing", "customer_id: missing"],  # the id is made of the rest
        ["occurred_at: not an instant", "response_id: missing", "kind: missing"],
    ]
    assert [row["_problems"] for row in rows(project.pull("notices", "n.csv"))] == [
        ["notice_id: missing"],
        [],  # of a notice that is taken back the key is enough
    ]


def test_a_consent_may_lack_its_moment_and_is_told_by_its_source(project: Project) -> None:
    project.write(
        "k.csv",
        "customer_id,channel,category,granted,acted_at\n7,email,*,no,\n8,sms,promo,maybe,\n",
    )
    first, second = rows(project.pull("consents", "k.csv"))
    assert (first["granted"], first["acted_at"], first["source"]) == (False, None, "shop")
    assert first["_problems"] == []
    assert second["_problems"] == ["granted: not a yes or no"]


# ---------------------------------------------------------------- queries, and all sources


def test_a_query_turns_lines_into_orders(project: Project) -> None:
    project.sql["orders.sql"] = """
        -- one row per invoice; ends with a comment
        WITH lines AS (SELECT *, n::INTEGER * price::DECIMAL(18,4) AS amount FROM source)
        SELECT invoice AS order_id, any_value(who) AS customer_id, min(day) AS ordered_at,
            sum(amount) AS amount FROM lines GROUP BY 1 ORDER BY 1;  -- the end"""
    project.write(
        "l.csv",
        "invoice,who,day,n,price\nA,7,2026-05-01,2,0.1\nA,7,2026-05-02,1,0.1\nB,,2026-05-03,1,5\n",
    )
    first, second = rows(project.pull("orders", "l.csv", query="orders.sql"))
    assert (first["order_id"], first["amount"]) == ("A", Decimal("0.3"))
    assert first["ordered_at"] == datetime(2026, 4, 30, 22, tzinfo=UTC)
    assert second["_problems"] == ["customer_id: missing"]


@pytest.mark.parametrize("query", ["SELECT nothing FROM source", "SELECT 1 +"])
def test_a_query_that_cannot_run_is_told_by_its_file(project: Project, query: str) -> None:
    project.sql["bad.sql"] = query
    project.write("c.csv", PEOPLE)
    with pytest.raises(SourceError, match=r"source shop: sql/sources/bad\.sql cannot be run"):
        project.pull("customers", "c.csv", query="bad.sql")


def test_a_query_that_fails_on_a_value_does_not_tell_the_value(project: Project) -> None:
    project.sql["bad.sql"] = "SELECT customer_id, city::INTEGER AS region FROM source"
    project.write("c.csv", PEOPLE)
    with pytest.raises(SourceError) as stop:
        project.pull("customers", "c.csv", query="bad.sql")
    assert "sql/sources/bad.sql cannot be run" in str(stop.value)
    assert "Ulm" not in str(stop.value)


def test_a_missing_query_is_told(project: Project) -> None:
    project.write("c.csv", PEOPLE)
    with pytest.raises(SourceError, match=r"there is no file 'sql/sources/no\.sql'"):
        project.pull("customers", "c.csv", query="no.sql")


def test_all_sources_are_staged_in_the_order_of_the_entities(
    project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    project.write("p.csv", "product_id\na\n")
    project.write("c.csv", PEOPLE)
    sources = Sources(
        version="1",
        sources={
            "goods": Source(entity="products", file="p.csv"),
            "people": Source(entity="customers", file="c.csv"),
            "late": Source(entity="customers", file="none.csv", optional="yes"),
        },
    )
    pulled = pull_sources(sources, project.settings(), {})
    assert [(one.source, one.rows, one.skipped) for one in pulled] == [
        ("people", 2, False),
        ("late", 0, True),
        ("goods", 1, False),
    ]
    assert "source people: 2 rows" in caplog.text
    assert "Ulm" not in caplog.text
    assert not (project.root / "staging" / "1" / "_raw" / "people").exists()


def test_a_source_that_stops_leaves_the_lake_untouched(project: Project) -> None:
    project.write("c.csv", PEOPLE + "torn")
    with pytest.raises(SourceError):
        project.pull("customers", "c.csv")
    assert [path for path in Path(project.root / "lake").rglob("*") if path.is_file()] == []
