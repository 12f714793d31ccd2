"""CSV files, whole and broken: nothing is lost, nothing is guessed, and every stop says why."""

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_project import SHARED_DATA, Project, rows

from antiphon.errors import SourceError
from antiphon.sources.csvfile import records

SPECTRUM = SHARED_DATA / "bad_input" / "csv_spectrum"
HEADER = "customer_id,first_name,city\n"


def problems(found: list[dict[str, object]]) -> list[object]:
    return [row["_problems"] for row in found]


@pytest.mark.skipif(not SPECTRUM.is_dir(), reason="csv_spectrum is not beside this checkout")
@pytest.mark.parametrize("path", sorted(SPECTRUM.glob("*.csv")), ids=lambda path: path.stem)
def test_every_edge_case_of_csv_comes_through_exactly(project: Project, path: Path) -> None:
    wanted = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if isinstance(wanted, dict):  # one case is written as a single object, with another number
        wanted = [wanted | {"Contact Phone Number": "2095257564"}]
    columns = list(wanted[0])
    project.write("export.csv", path.read_bytes())
    pulled = project.pull(
        "customers",
        "export.csv",
        columns={"customer_id": columns[0]}
        | {f"own_{at}": column for at, column in enumerate(columns)},
        attributes={f"own_{at}": {"type": "text"} for at in range(len(columns))},
    )
    found = [[row[f"own_{at}"] for at in range(len(columns))] for row in rows(pulled)]
    assert found == [[row[column] or None for column in columns] for row in wanted]
    assert all(row["customer_id"] == row["own_0"] for row in rows(pulled))


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst"])
def test_compressed_files_are_read_like_plain_ones(project: Project, ending: str) -> None:
    text = (HEADER + "1,Ann,Ulm\n2,Bea,Bonn\n").encode()
    path = project.write(f"c.{ending}", text)
    if ending.endswith("gz"):
        path.write_bytes(gzip.compress(text))
    elif ending.endswith("zst"):
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(text)
    assert [row["city"] for row in rows(project.pull("customers", f"c.{ending}"))] == [
        "Ulm",
        "Bonn",
    ]


def test_a_glob_reads_all_files_in_order_and_numbers_their_rows_through(project: Project) -> None:
    project.write("in/a.csv", HEADER + "1,Ann,Ulm\n")
    project.write("in/b.csv", "city,customer_id\nBonn,2\nKiel,3\n")
    found = rows(project.pull("customers", "in/*.csv"))
    assert [(row["_row"], row["customer_id"], row["city"]) for row in found] == [
        (1, "1", "Ulm"),
        (2, "2", "Bonn"),
        (3, "3", "Kiel"),
    ]


def test_rows_keep_their_numbers_when_two_threads_read_a_large_file(project: Project) -> None:
    body = "".join(f'{n},"{n * 7}"\n' for n in range(1, 400_001))
    project.write("p.csv", "product_id,name\n" + body)
    found = rows(project.pull("products", "p.csv"))
    assert [(row["_row"], row["product_id"]) for row in found] == [
        (n, str(n)) for n in range(1, 400_001)
    ]


@pytest.mark.parametrize(
    ("encoding", "declared"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("cp1251", "cp1251"),
        ("koi8-r", "koi8-r"),
    ],
)
def test_any_encoding_of_python_is_read(project: Project, encoding: str, declared: str) -> None:
    project.write("c.csv", (HEADER + "1,Анна,Омск\n").encode(encoding))
    [row] = rows(project.pull("customers", "c.csv", encoding=declared))
    assert (row["customer_id"], row["first_name"], row["city"]) == ("1", "Анна", "Омск")


def test_a_file_in_another_encoding_stops_with_line_byte_and_a_guess(project: Project) -> None:
    project.write("c.csv", HEADER.encode() + "1,Ann,Ulm\n2,Анна,Омск\n".encode("cp1251"))
    with pytest.raises(SourceError) as stop:
        project.pull("customers", "c.csv")
    byte = len(HEADER) + len("1,Ann,Ulm\n2,")
    assert "source shop: c.csv: line 3 is not utf-8" in str(stop.value)
    assert f"(byte {byte})" in str(stop.value)
    assert "encoding: cp1251" in str(stop.value)


def test_the_byte_is_right_beyond_the_first_chunk(project: Project) -> None:
    body = HEADER + "1,Ann,Ulm\n" * 200_000
    project.write("c.csv", body.encode() + b"2,\xfcl,x\n")
    with pytest.raises(SourceError, match=rf"line 200002 .*byte {len(body) + 2}\)"):
        project.pull("customers", "c.csv")


def test_utf8_declared_as_something_else_stops_before_anybody_reads_mojibake(
    project: Project,
) -> None:
    project.write("c.csv", HEADER + "1,Анна,Омск\n")
    with pytest.raises(SourceError, match="is UTF-8, though it is declared as cp1251"):
        project.pull("customers", "c.csv", encoding="cp1251")


def test_nul_bytes_stop_the_run(project: Project) -> None:
    project.write("c.csv", HEADER + "1,Ann,Ulm\n2,\x00\x00,\n")
    with pytest.raises(SourceError, match="NUL byte in line 3"):
        project.pull("customers", "c.csv")


def test_delimiter_and_decimal_comma_are_as_declared(project: Project) -> None:
    project.write(
        "o.csv",
        "order_id;customer_id;ordered_at;amount\n1;7;2026-05-01 10:00;12,50\n"
        '2;7;2026-05-01;"-0,5"\n3;7;2026-05-01;12.50\n4;7;2026-05-01;1.234,50\n',
    )
    found = rows(project.pull("orders", "o.csv", delimiter=";", decimal=","))
    assert [str(row["amount"]) for row in found] == ["12.5000", "-0.5000", "None", "None"]
    bad = ["amount: not an amount of money"]
    assert problems(found) == [[], [], bad, bad]


def test_a_tab_is_a_delimiter(project: Project) -> None:
    project.write("c.tsv", "customer_id\tcity\n1\tUlm\n")
    assert rows(project.pull("customers", "c.tsv", delimiter="tab"))[0]["city"] == "Ulm"


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_header_alone_is_no_rows(project: Project, newline: str) -> None:
    project.write("c.csv", HEADER.strip() + newline)
    pulled = project.pull("customers", "c.csv")
    assert (pulled.rows, pulled.skipped, rows(pulled)) == (0, False, [])


def test_an_empty_file_stops_a_required_source_only(project: Project) -> None:
    project.write("c.csv", "")
    with pytest.raises(SourceError, match=r"source shop: c\.csv is empty: not even a header"):
        project.pull("customers", "c.csv")
    assert project.pull("customers", "c.csv", optional=True).skipped


def test_ragged_and_badly_quoted_rows_are_kept_with_their_problem(project: Project) -> None:
    project.write(
        "c.csv",
        HEADER + '1,Ann,Ulm\n2,Bea\n3,Cea,Kiel,x\n4,"D"ea,Bonn\n5,"Eva,Trier\n"6","F\nia",Jena\n',
    )
    pulled = project.pull("customers", "c.csv")
    found = rows(pulled)
    assert [row["customer_id"] for row in found] == ["1", None, None, None, None, "6"]
    assert found[5]["first_name"] == "F\nia"
    assert problems(found) == [
        [],
        ["line 3: 2 fields instead of 3"],
        ["line 4: 4 fields instead of 3"],
        ["line 5: quotes do not pair"],
        ["line 6: quotes do not pair"],
        [],
    ]
    assert json.loads(found[1]["_raw"]) == {"line": "2,Bea\n"}
    assert pulled.rows == len(found)


def test_mixed_line_endings_lose_no_row(project: Project) -> None:
    project.write("c.csv", HEADER + "1,Ann,Ulm\r\n2,Bea,Bonn\n3,Cea,Kiel\r\n")
    assert [row["customer_id"] for row in rows(project.pull("customers", "c.csv"))] == list("123")


def test_bad_rows_pass_beside_a_query_that_aggregates(project: Project) -> None:
    project.sql["people.sql"] = "SELECT customer_id, max(city) AS city FROM source GROUP BY ALL;\n"
    project.write("c.csv", HEADER + "1,Ann,Ulm\n1,Ann,Zeitz\n2\n")
    found = rows(project.pull("customers", "c.csv", query="people.sql"))
    assert [(row["customer_id"], row["city"]) for row in found if not row["_problems"]] == [
        ("1", "Zeitz")
    ]
    assert [row["_problems"] for row in found if row["_problems"]] == [
        ["line 4: 1 fields instead of 3"]
    ]


def test_a_torn_last_line_is_a_half_written_file(project: Project) -> None:
    project.write("c.csv", HEADER + "1,Ann,Ulm\n2,Be")
    with pytest.raises(SourceError, match=r"c\.csv is half written: the last line is cut off"):
        project.pull("customers", "c.csv")


def test_a_last_line_without_newline_is_whole_when_its_fields_are(project: Project) -> None:
    project.write("c.csv", HEADER + "1,Ann,Ulm\n2,Bea,Bonn")
    assert project.pull("customers", "c.csv").rows == 2


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_a_torn_archive_is_a_half_written_file(project: Project, ending: str) -> None:
    path = project.root / f"c.csv.{ending}"
    text = (HEADER + "".join(f"{n},Ann{n},Ulm\n" for n in range(5000))).encode()
    if ending == "gz":
        path.write_bytes(gzip.compress(text))
    else:
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(text)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(SourceError, match="half written"):
        project.pull("customers", path.name)


def test_two_columns_of_one_name_stop_the_run(project: Project) -> None:
    project.write("c.csv", "customer_id,city,City\n1,a,b\n")
    with pytest.raises(SourceError, match="two columns of the same name: City, city"):
        project.pull("customers", "c.csv")


def test_a_field_longer_than_any_text_does_not_swallow_the_file(project: Project) -> None:
    body = HEADER + '1,"Ann,Ulm\n' + "".join(f"{n},Bea,Bonn\n" for n in range(2, 20_000))
    project.write("c.csv", body)
    found = rows(project.pull("customers", "c.csv"))
    assert len(found) == 19_999
    assert [row["_row"] for row in found if row["_problems"]] == [1]


FIELD = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)


@given(st.lists(st.lists(FIELD, min_size=2, max_size=2), max_size=6))
def test_the_lenient_reader_reads_what_a_csv_writer_wrote(written: list[list[str]]) -> None:
    stream = io.StringIO(newline="")
    csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(written)
    stream.seek(0)
    assert [list(row.fields) for row in records(stream, 2, ",")] == written


@given(st.text(st.sampled_from('a,"\n\r '), max_size=40))
def test_every_character_of_any_text_lies_in_exactly_one_record(text: str) -> None:
    found = list(records(io.StringIO(text, newline=""), 2, ","))
    assert all((row.problem is None) == (len(row.fields) == 2) for row in found)
    kept = sum(
        len("".join(row.fields)) if not row.problem else len(row.line or "") for row in found
    )
    assert kept <= len(text)
    assert text.count("a") == sum(
        ("".join(row.fields) + (row.line or "")).count("a") for row in found
    )


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(FIELD, min_size=2, max_size=2), min_size=1, max_size=5))
def test_the_strict_and_the_lenient_way_agree(project: Project, written: list[list[str]]) -> None:
    path = project.root / "c.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL).writerows(
            [["customer_id", "city", "first_name"], *([*row, "x"] for row in written)]
        )
    found = rows(project.pull("customers", "c.csv"))
    with path.open("a", newline="", encoding="utf-8") as stream:
        stream.write("torn\r\n")  # one bad row sends the whole file the lenient way
    leniently = rows(project.pull("customers", "c.csv"))[:-1]
    wanted = [(a or None, b or None) for a, b in written]
    assert [(row["customer_id"], row["city"]) for row in found] == wanted
    assert [(row["customer_id"], row["city"]) for row in leniently] == wanted
