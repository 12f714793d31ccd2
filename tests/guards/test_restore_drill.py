"""The drill: a backup, days that go on, a lost ledger, a restore; nobody is written to twice."""

import shutil
import tarfile
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
import yaml
from small_shop import Shop, at, campaign, frozen_at, make_shop

from antiphon.errors import RunBusy, UserFilesError
from antiphon.guards import memory
from antiphon.guards.backup import Restored, back_up, restore
from antiphon.project import open_project, with_files
from antiphon.states import MessageState
from antiphon.steps.daily import steps_of
from antiphon.steps.dispatch import dispatch_due
from antiphon.steps.run import DAILY, running

MONDAY, TUESDAY = at("2026-05-11 10:00"), at("2026-05-12 10:00")
WEDNESDAY = at("2026-05-13 10:00")
EVERYBODY = {"where": "true"}
both_databases = pytest.mark.parametrize(
    "ledger_url",
    ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)],
    indirect=True,
)


@pytest.fixture
def shop(tmp_path: Path, ledger_url: str) -> Shop:
    """Five customers; one campaign writes once ever, one every day."""
    made = make_shop(
        tmp_path / "shop",
        campaign("welcome", audience=EVERYBODY, priority=90),
        campaign("daily", audience=EVERYBODY, repeat_after="1 day"),
    )
    path = made.root / "config" / "settings.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    settings["ledger"] = {"url": ledger_url}
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    for number in range(5):
        made.customer(f"c{number}", at("2026-01-01"))
    return made


def told(shop: Shop) -> Counter[tuple[str, ...]]:
    """How often each customer got each campaign's message, by the files of the outbox."""
    return Counter(
        tuple(line for line in path.read_text(encoding="utf-8").splitlines() if line[:3] == "To:")
        for path in (shop.root / "var" / "outbox").rglob("*.eml")
    )


def run_until(shop: Shop, last: str, copy: Path) -> None:
    """A daily run of Monday; a backup is made after the step `last`."""
    clock = frozen_at(MONDAY)
    with running(shop.root, DAILY, None, dry_run=False, clock=clock) as run_id:
        for do in steps_of(dry_run=False):
            do(shop.root, run_id, clock)
            if do.__name__ == last:
                back_up(open_project(shop.root, clock), copy)


def lose_the_ledger(shop: Shop) -> None:
    """Drop everything it holds, as if its disk had died."""
    ledger = shop.project(WEDNESDAY).ledger
    url = shop.project(WEDNESDAY).ledger_url
    ledger.close()
    with_files.cache_clear()
    if url.startswith("sqlite"):
        for path in (shop.root / "var").glob("ledger.db*"):
            path.unlink()
        return
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()


def put_back(shop: Shop, copy: Path, **options: bool) -> Restored:
    done = restore(shop.root, copy, frozen_at(WEDNESDAY), **options)
    with_files.cache_clear()
    return done


def states(shop: Shop) -> Counter[str]:
    found = Counter[str]()
    for one in shop.project(WEDNESDAY).ledger.messages.counts():
        found[one.state] += one.messages
    return found


@both_databases
def test_a_drill_with_what_waited_at_the_backup(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "backup.tar.gz"
    run_until(shop, "release", copy)
    shop.daily(TUESDAY)
    before = told(shop)
    assert before.total() == 10
    lose_the_ledger(shop)
    done = put_back(shop, copy)
    # Monday's five had waited at the backup; the lake has seen that they left
    assert (done.in_doubt, done.known_to_have_left) == (0, 5)
    assert states(shop) == {MessageState.ACCEPTED: 5}
    project = shop.project(WEDNESDAY)
    assert "restored" in memory.doubt(project)
    lost = [run for run in project.ledger.runs.latest() if run.verdict.startswith("lost")]
    assert [run.run_id for run in lost] == ["2026-05-12-daily-1"]
    shop.daily(WEDNESDAY)
    again = told(shop)
    assert again.total() == 15  # the daily one of Wednesday
    assert Counter(row["campaign"] for row in shop.contacts()) == {"welcome": 5, "daily": 5}


def test_what_the_lake_cannot_tell_is_in_doubt_and_settled_by_the_provider(
    shop: Shop, tmp_path: Path
) -> None:
    copy = tmp_path / "backup.tar.gz"
    run_until(shop, "release", copy)
    before = told(shop)
    lose_the_ledger(shop)
    shutil.rmtree(shop.root / "var" / "lake")
    done = put_back(shop, copy)
    assert (done.in_doubt, done.known_to_have_left) == (5, 0)
    assert "anew" in done.manifest
    assert states(shop) == {MessageState.IN_DOUBT: 5}
    dispatch_due(shop.root, frozen_at(WEDNESDAY))
    assert states(shop) == {MessageState.ACCEPTED: 5}
    assert told(shop) == before


def test_a_machine_is_made_anew_from_the_backup(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "backup.tar.gz"
    shop.daily(MONDAY)
    project = shop.project(MONDAY)
    key = project.link_keys
    contents = back_up(project, copy)
    assert copy.stat().st_mode & 0o077 == 0
    lake = shutil.copytree(shop.root / "var" / "lake", tmp_path / "lake")
    (lake / "manifest.json").unlink()
    lose_the_ledger(shop)
    data = shutil.copytree(shop.root / "data", tmp_path / "data")
    shutil.rmtree(shop.root)
    shop.root.mkdir()
    shutil.copytree(lake, shop.root / "var" / "lake")
    shutil.copytree(data, shop.root / "data")
    done = put_back(shop, copy)
    assert done.manifest == "put back"
    assert set(done.written) == set(contents.configuration)
    assert done.before is None
    assert shop.project(WEDNESDAY).link_keys == key
    assert states(shop) == {MessageState.ACCEPTED: 5}
    shop.daily(WEDNESDAY)
    campaigns = Counter(row["campaign"] for row in shop.contacts())
    assert campaigns == {"welcome": 5, "daily": 5}


def test_what_is_there_is_kept_before_it_is_replaced(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "backup.tar.gz"
    shop.daily(MONDAY)
    back_up(shop.project(MONDAY), copy)
    shop.daily(TUESDAY)
    shop.write(campaign("other", audience=EVERYBODY))
    done = put_back(shop, copy)
    assert done.before is not None
    assert set(done.differing) == {"config/campaigns/daily.yaml", "config/campaigns/welcome.yaml"}
    assert states(shop) == {MessageState.ACCEPTED: 5}
    put_back(shop, done.before, configuration=True)
    assert states(shop)[MessageState.ACCEPTED] == 10
    assert (shop.root / "config" / "campaigns" / "other.yaml").exists()


def test_a_damaged_backup_changes_nothing(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "backup.tar.gz"
    shop.daily(MONDAY)
    back_up(shop.project(MONDAY), copy)
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(copy.read_bytes()[:-500])
    swapped = tmp_path / "swapped.tar.gz"
    with tarfile.open(copy) as archive:
        archive.extractall(tmp_path / "parts", filter="data")
    (tmp_path / "parts" / "config" / "policy.yaml").write_text("version: 1", encoding="utf-8")
    with tarfile.open(swapped, "w:gz") as archive:
        archive.add(tmp_path / "parts", arcname=".")
    for wrong in (cut, swapped, shop.root / "config" / "settings.yaml"):
        with pytest.raises(UserFilesError, match="nothing was changed"):
            put_back(shop, wrong)
    assert states(shop) == {MessageState.ACCEPTED: 5}
    assert list((shop.root / "var").glob(".antiphon-*")) == []


def test_nothing_is_restored_under_a_run(shop: Shop, tmp_path: Path) -> None:
    copy = tmp_path / "backup.tar.gz"
    shop.daily(MONDAY)
    back_up(shop.project(MONDAY), copy)
    clock = frozen_at(TUESDAY)
    with (
        running(shop.root, DAILY, None, dry_run=False, clock=clock),
        pytest.raises(RunBusy, match="at work"),
    ):
        put_back(shop, copy)
