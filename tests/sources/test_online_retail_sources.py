"""The public Online Retail file, staged whole by the tutorial's own sources and queries."""

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml
from source_project import SHARED_DATA, Project

from antiphon.campaigns.models import Sources
from antiphon.sources.pull import pull_sources

FILE = SHARED_DATA / "online_retail" / "online_retail.csv.gz"
TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "tutorial-online-retail"


@pytest.mark.skipif(not FILE.is_file(), reason="online_retail.csv.gz is not beside this checkout")
def test_every_line_invoice_and_customer_of_the_real_file_is_staged(project: Project) -> None:
    (project.root / "data").mkdir()
    (project.root / "data" / FILE.name).symlink_to(FILE)
    project.sql = {
        path.name: path.read_text() for path in (TUTORIAL / "sql" / "sources").glob("*.sql")
    }
    text = (TUTORIAL / "config" / "sources.yaml").read_text(encoding="utf-8")
    sources = Sources.model_validate(yaml.load(text, Loader=yaml.BaseLoader))
    pulled = pull_sources(sources, project.settings(zone="Europe/London", country="GB"), {})
    staged = {one.entity: pa.concat_tables(map(pq.read_table, one.files)) for one in pulled}
    assert [(one.entity, one.rows) for one in pulled] == [
        ("customers", 4_373),
        ("orders", 25_900),
        ("order_lines", 541_909),
        ("products", 4_053),
    ]
    customers, orders, lines = (staged[name] for name in ("customers", "orders", "order_lines"))
    problems = [row for row in customers["_problems"].to_pylist() if row]
    assert problems == [["customer_id: missing"]]
    assert pc.sum(customers["email_valid"]).as_py() == 4_372 - 445  # ids that end in 0 have none
    assert pc.sum(customers["phone_valid"]).as_py() == 723  # ids 17000 to 17999
    without = [row for row in orders["_problems"].to_pylist() if row]
    assert without == [["customer_id: missing"]] * 3_710
    assert not any(lines["_problems"].to_pylist())
    assert pc.count_distinct(lines["order_id"]).as_py() == 25_900
    in_order = lines.select(["_row", "order_id", "line_number"]).sort_by("_row")
    assert in_order["_row"].to_pylist() == list(range(1, 541_910))
    with gzip.open(FILE, "rt", encoding="utf-8", newline="") as stream:
        invoices = [row["InvoiceNo"] for row in csv.DictReader(stream)]
    assert in_order["order_id"].to_pylist() == invoices
    total = Decimal("9747747.9340")
    assert pc.sum(orders["amount"]).as_py() == pc.sum(lines["amount"]).as_py() == total
    known = orders.filter(pc.is_valid(orders["customer_id"])).select(["order_id", "customer_id"])
    sold = lines.filter(
        pc.and_(pc.greater(lines["quantity"], 0), pc.greater(lines["unit_price"], Decimal(0)))
    ).select(["order_id", "amount"])
    sales = sold.join(known, "order_id", join_type="inner")
    assert sales.num_rows == 397_884
    assert pc.count_distinct(sales["customer_id"]).as_py() == 4_338
    assert pc.sum(sales["amount"]).as_py().quantize(Decimal("0.01")) == Decimal("8911407.90")
