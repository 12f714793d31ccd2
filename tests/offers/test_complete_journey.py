"""dunnhumby's The Complete Journey: 27 campaigns of a grocer, their coupons and redemptions, are
brought in and reported; redemption per household and campaign is as it was published."""

import csv
import gzip
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from demo_project import ROOT
from small_shop import Shop, at, campaign, make_shop
from source_project import SHARED_DATA

from antiphon.cli import exit_code
from antiphon.reports.rates import report_table

DATA = SHARED_DATA / "complete_journey"
NOW = "2018-12-31T10:00+01:00"
pytestmark = pytest.mark.skipif(
    not DATA.is_dir(), reason="the files of The Complete Journey are not beside this checkout"
)


def lines(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as stream:
        yield from csv.DictReader(stream)


def name_of(number: str) -> str:
    return f"journey-{number}"


def code_of(row: Mapping[str, str]) -> str:
    """151 of the 981 coupons are of several campaigns: told apart by the campaign."""
    return f"J{row['campaign_id']}-{row['coupon_upc']}"


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that docs/offers.md describes."""
    folder = tmp_path_factory.mktemp("past")
    described = {row["campaign_id"]: row for row in lines("campaign_descriptions")}
    contacts = [
        {
            "campaign": name_of(row["campaign_id"]),
            "customer_id": row["household_id"],
            "contact_at": described[row["campaign_id"]]["start_date"],
        }
        for row in lines("campaigns")
    ]
    offers = {code_of(row): row["campaign_id"] for row in lines("coupons")}
    codes = [
        {
            "code": code,
            "campaign": name_of(number),
            "valid_from": described[number]["start_date"],
            "valid_until": described[number]["end_date"],
        }
        for code, number in offers.items()
    ]
    uses = [
        {
            "code": code_of(row),
            "customer_id": row["household_id"],
            "redeemed_at": row["redemption_date"],
        }
        for row in lines("coupon_redemptions")
    ]
    for name, rows in (("contacts", contacts), ("codes", codes), ("redemptions", uses)):
        write(folder / f"{name}.csv", rows)
    return folder


@pytest.fixture(scope="module")
def shop(past: Path, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A project with the 27 campaigns, into which their past was brought."""
    campaigns = []
    for row in lines("campaign_descriptions"):
        first, last = (date.fromisoformat(row[name]) for name in ("start_date", "end_date"))
        goal = {"event": "code", "within": f"{(last - first).days + 1} days"}
        runs = {"from": first.isoformat(), "until": last.isoformat()}
        tags = [row["campaign_type"].lower().replace(" ", "-")]
        number = row["campaign_id"]
        campaigns.append(
            campaign(name_of(number), audience={"where": "true"}, runs=runs, goal=goal, tags=tags)
        )
    made = make_shop(tmp_path_factory.mktemp("journey"), *campaigns)
    shutil.copytree(ROOT / "sql" / "reports", made.root / "sql" / "reports")
    assert exit_code(["--project", str(made.root), "bring-in", str(past), "--at", NOW]) == 0
    return made


def test_everything_is_brought_in_once(
    shop: Shop, past: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger = shop.project(at("2018-12-31T10:00")).ledger
    counts = ledger.messages.counts()
    assert {one.state for one in counts} == {"accepted"}
    assert (len(counts), sum(one.messages for one in counts)) == (27, 6_589)
    verdicts = Counter[str]()
    for (_, verdict), uses in ledger.redemptions.counts().items():
        verdicts[verdict] += uses
    assert verdicts == {"counted": 2_102}
    capsys.readouterr()
    assert exit_code(["--project", str(shop.root), "bring-in", str(past), "--at", NOW]) == 0
    assert capsys.readouterr().out.splitlines() == ["1,197 codes", "0 contacts"]


def test_redemption_per_household_and_campaign_is_as_published(shop: Shop) -> None:
    project = shop.project(at("2018-12-31T10:00"))
    table = report_table(project, "campaigns").counts.to_pylist()
    assert len(table) == 27
    kinds = {row["campaign_id"]: row["campaign_type"] for row in lines("campaign_descriptions")}
    sent, used = Counter[str](), Counter[str]()
    for row in table:
        for group in ("all", kinds[row["campaign"].removeprefix("journey-")]):
            sent[group] += row["sent"]
            used[group] += row["converted"]
    assert (used["all"], sent["all"]) == (792, 6_589)
    rates = {group: f"{100 * used[group] / sent[group]:.2f}" for group in sent}
    assert rates == {"all": "12.02", "Type A": "16.56", "Type B": "6.50", "Type C": "5.92"}


def test_a_household_that_was_not_written_to_redeems_for_nobody(shop: Shop) -> None:
    used = shop.root / "used.csv"
    (row, *_) = lines("coupon_redemptions")
    text = f"code,customer_id,redeemed_at\n{code_of(row)},nobody,{row['redemption_date']}\n"
    used.write_text(text, encoding="utf-8")
    assert exit_code(["--project", str(shop.root), "codes", "redeem", str(used), "--at", NOW]) == 0
    ledger = shop.project(at("2018-12-31T10:00")).ledger
    assert ledger.redemptions.counts()[name_of(row["campaign_id"]), "other"] == 1
