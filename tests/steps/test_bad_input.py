"""Bad input through whole runs: told plainly, nothing sent, and lake and ledger unharmed."""

import csv
import email
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from email import policy
from pathlib import Path

import pytest
from demo_project import AT, antiphon
from run_processes import frozen, run
from run_state import assert_accounted, state_of

from antiphon.errors import AntiphonError, ExitCode, LakeError, SourceError
from antiphon.steps.daily import run_daily

Spoil = Callable[[Path], None]


def source(root: Path, name: str) -> Path:
    return root / "var" / "demo" / f"{name}.csv"


def missing(root: Path) -> None:
    source(root, "orders").unlink()


def renamed(root: Path) -> None:
    path = source(root, "orders")
    path.write_text(path.read_text("utf-8").replace('"order_id"', '"orderno"', 1), "utf-8")


def half_written(root: Path) -> None:
    path = source(root, "orders")
    path.write_bytes(path.read_bytes().rstrip()[:-3])


def empty(root: Path) -> None:
    source(root, "consents").write_text("", "utf-8")


def cp1251_as_utf8(root: Path) -> None:
    path = source(root, "products")
    path.write_bytes(path.read_text("utf-8").replace("Vitamin", "Витамин").encode("cp1251"))


def utf8_as_cp1251(root: Path) -> None:
    settings = root / "config" / "sources.yaml"
    declared = "file: var/demo/products.csv\n    encoding: cp1251\n"
    text = settings.read_text("utf-8").replace("file: var/demo/products.csv\n", declared)
    settings.write_text(text, "utf-8")
    path = source(root, "products")
    path.write_text(path.read_text("utf-8").replace("Vitamin", "Витамин"), "utf-8")


STOPS: list[tuple[Spoil, type[AntiphonError], str]] = [
    (missing, SourceError, "source orders: there is no file 'var/demo/orders.csv'"),
    (renamed, SourceError, "order_id"),
    (half_written, SourceError, "half written"),
    (empty, SourceError, "is empty: not even a header"),
    (cp1251_as_utf8, SourceError, "is not utf-8"),
    (utf8_as_cp1251, SourceError, "is UTF-8, though it is declared as cp1251"),
]


@pytest.mark.parametrize(
    ("spoil", "error", "said"), STOPS, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_spoilt_source_stops_the_run_and_a_mended_one_lets_the_next_pass(
    project: Path, spoil: Spoil, error: type[AntiphonError], said: str
) -> None:
    kept = {
        path: path.read_bytes()
        for folder in ("config", "var/demo")
        for path in (project / folder).rglob("*.*")
    }
    spoil(project)
    with pytest.raises(error, match=said) as raised:
        run_daily(project, frozen)
    assert raised.value.exit_code == ExitCode.USER_FILES
    state = state_of(project)
    assert state.project.lake.current().id == 0
    assert state.messages() == []
    assert state.files() == []
    assert said in state.project.ledger.runs.latest()[0].verdict
    for path, content in kept.items():
        path.write_bytes(content)
    assert run(project) == 0
    assert state_of(project).runs == ["abandoned", "finished"]


def test_a_source_that_is_a_header_only_brings_no_rows_and_stops_nothing(project: Path) -> None:
    path = source(project, "events")
    path.write_text(path.read_text("utf-8").splitlines()[0] + "\n", "utf-8")
    assert run(project) == 0
    assert state_of(project).facts()["events"] == 0
    assert state_of(project).counts("pull")["events"] == 0
    assert_accounted(state_of(project))


def append(path: Path, *lines: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)


def test_bad_rows_are_taken_out_and_every_row_is_accounted_for(project: Path) -> None:
    customers = source(project, "customers")
    good = customers.read_text("utf-8").splitlines()
    customers.write_bytes(b"\xef\xbb\xbf" + customers.read_bytes())
    append(
        customers,
        good[1] + ",one,two",
        '"LP900100","only two"',
        good[5],
        "," + good[6].partition(",")[2],
    )
    orders = list(csv.DictReader(source(project, "orders").open(encoding="utf-8")))
    odd = [
        {"order_id": "X1", "ordered_at": "2026-05-10 10:00:00"},
        {"order_id": "X2", "ordered_at": "10.05.2026 10:00"},
        {"order_id": "X3", "ordered_at": "2026/05/10"},
        {"order_id": "X4", "amount": "$ 12.50"},
        {"order_id": "X5", "customer_id": "nobody"},
        {"order_id": "", "amount": "1"},
    ]
    with source(project, "orders").open("a", encoding="utf-8", newline="") as file:
        csv.DictWriter(file, orders[0]).writerows({**orders[0], **one} for one in odd)
    run_daily(project, frozen)
    state = state_of(project)
    assert_accounted(state)
    rows = {
        (row["entity"], row["row_number"]): " ".join(row["reasons"]) for row in quarantine(project)
    }
    count = len(orders)
    reasons = {number - count: why for (entity, number), why in rows.items() if entity == "orders"}
    assert "unknown customer" in reasons[5]
    assert "order_id" in reasons[6]
    with state.project.lake.session() as session:
        kept = dict(
            session.rows(
                "SELECT order_id, ordered_at::VARCHAR FROM orders WHERE order_id LIKE 'X%'"
            )
        )
    assert set(kept) | {f"X{number}" for number in reasons if number in range(1, 6)} == {
        "X1",
        "X2",
        "X3",
        "X4",
        "X5",
    }
    assert "X1" in kept
    assert all(
        moment.startswith("2026-05-10") for name, moment in kept.items() if name in ("X2", "X3")
    )
    ragged = [why for (entity, _), why in rows.items() if entity == "customers"]
    assert sum("field" in why or "column" in why for why in ragged) >= 2


def quarantine(root: Path) -> list[dict[str, object]]:
    lake = state_of(root).project.lake
    files = ", ".join(f"'{path}'" for path in lake.current().files("quarantine"))
    with lake.session() as session:
        return session.arrow(
            f"SELECT * FROM read_parquet([{files}], union_by_name = true)"
        ).to_pylist()


def test_a_lake_that_cannot_be_written_is_told_and_nothing_is_sent(project: Path) -> None:
    (project / "var" / "lake").write_text("a file where the folder should be", "utf-8")
    with pytest.raises(LakeError, match=r"var/lake.*the lake is as it was") as raised:
        run_daily(project, frozen)
    assert raised.value.exit_code == ExitCode.OUR_FAULT
    assert state_of(project).messages() == []
    (project / "var" / "lake").unlink()
    assert run(project) == 0
    assert state_of(project).runs == ["finished"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("may not mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(
    project: Path, small_disk: Path
) -> None:
    (project / "var" / "lake").symlink_to(small_disk)
    with pytest.raises(AntiphonError, match="disk is full"):
        run_daily(project, frozen)
    state = state_of(project)
    assert state.messages() == []
    assert state.files() == []
    subprocess.run(["mount", "-o", "remount,size=100m", str(small_disk)], check=True)
    assert run(project) == 0
    assert state_of(project).runs == ["finished"]


def test_a_settings_file_of_another_version_is_refused_with_the_way_out(project: Path) -> None:
    settings = project / "config" / "settings.yaml"
    text = settings.read_text("utf-8")
    for version in ("0", "2"):
        settings.write_text(text.replace("version: 1", f"version: {version}"), "utf-8")
        said = antiphon(project, "run", "--at", AT)
        assert said.returncode == ExitCode.USER_FILES
        assert "config/settings.yaml" in said.stderr
        assert "version" in said.stderr
        assert "Traceback" not in said.stderr
    assert not (project / "var" / "ledger.db").exists()


SHARED = Path(os.environ.get("ANTIPHON_SHARED", Path(__file__).parents[3] / "shared"))
NAUGHTY = SHARED / "data" / "bad_input" / "blns" / "blns.json"


@pytest.mark.skipif(not NAUGHTY.exists(), reason="the list of naughty strings is not beside this")
def test_naughty_names_cities_and_products_harm_nothing(project: Path, undisturbed: Path) -> None:
    words = [word for word in json.loads(NAUGHTY.read_text("utf-8")) if word.strip()]
    spoil(source(project, "customers"), words, "first_name", "last_name", "city")
    spoil(source(project, "products"), words, "name")
    assert run(project) == 0
    state = state_of(project)
    assert_accounted(state)
    assert set(state.states()) == {"accepted", "control"}
    expected = state_of(undisturbed).written_to()
    for pair in [pair for pair in expected if pair[0] == "shop-closed"]:
        del expected[pair]  # nobody lives in the town of the closed shop any more
    assert state.written_to() == expected
    letters = [path for path in state.files() if path.suffix == ".eml"]
    mails = [email.message_from_bytes(path.read_bytes(), policy=policy.default) for path in letters]
    pages = [mail.get_body(("html",)).get_content() for mail in mails]
    assert all(len(mail.get_all("To")) == 1 and mail["Bcc"] is None for mail in mails)
    assert not any("<script" in page.lower() or "javascript:" in tags(page) for page in pages)
    assert sum("&lt;" in page for page in pages) > 5, "no naughty name was printed"
    report = next((project / "var" / "runs").glob("*/report.csv"))
    assert all(len(row) == 6 for row in csv.reader(report.open(encoding="utf-8")))


def tags(page: str) -> str:
    return " ".join(re.findall(r"<[^>]*>", page)).lower()


def spoil(path: Path, words: list[str], *columns: str) -> None:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows):
        for shift, column in enumerate(columns):
            assert column in row
            row[column] = words[(number * len(columns) + shift) % len(words)].replace("\0", "")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
