"""A past day decided again from what its runs had pinned: the same, bit for bit, or said where."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from small_shop import POLICY, Shop, at, campaign, make_shop

from antiphon.errors import ConfigError, UserFilesError
from antiphon.ledger import Run as Record
from antiphon.states import MessageState
from antiphon.steps.comparing import ADDED, DOUBLED, MISSING
from antiphon.steps.replaying import replay, replay_otherwise, runs_of

DAY = "2026-05-12 10:00"
LATER = at("2026-05-20 10:00")
CART = {"event": "cart", "after": "1 hour", "grace": "1 day"}
WELCOME = {
    "start": {"where": "order_count = 0"},
    "steps": [
        {"step": "hello", "after": "0 days", "message": "note"},
        {"step": "again", "after": "1 day", "message": "note"},
    ],
}
EVERYBODY = {"where": "email_reachable"}
RULES = POLICY | {
    "caps": [{"name": "three-a-week", "max": 3, "per": "7 days"}],
    "universal_control": {"share": "20%"},
}


def loud(**keys: object) -> dict[str, object]:
    """A campaign that everybody gets again and again."""
    return campaign("loud", audience=EVERYBODY, repeat_after="1 day", **keys)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop after some days with daily runs, passes, new customers, suppressions and consents:
    only to be looked at, or copied."""
    shop = make_shop(tmp_path_factory.mktemp("replayed") / "shop")
    limits = {"messages_per_day": 5}
    shop.write(
        loud(limits=limits, control="10%"),
        campaign("cart", on=CART, priority=80),
        campaign("welcome", chain=WELCOME, priority=70),
        policy=RULES,
    )
    for place, customer in enumerate("abcdefghij"):
        shop.customer(customer, at("2026-05-01 10:00"), city="Kiel" if place % 2 else "Bonn")
    shop.order("a", at("2026-05-02 10:00"))
    shop.event("b", "seen", at("2026-05-02 10:00"))
    shop.daily(at(DAY))
    shop.event("c", "cart", at("2026-05-12 11:00"))
    assert shop.trigger(at("2026-05-12 12:05"))
    people = shop.project(at("2026-05-12 13:00")).ledger.people
    people.consent_act(
        "d", "email", "*", granted=False, acted_at=at("2026-05-12 09:00"), source="web"
    )
    for customer in "aef":
        key = email_key(shop, customer)
        people.suppress("email", key, reason="bounce", at=at("2026-05-12 09:30"), source="test")
    shop.customer("k", at("2026-05-12 15:00"))
    shop.daily(at("2026-05-13 10:00"))
    shop.write(loud(), policy=POLICY)
    shop.daily(at("2026-05-14 10:00"))
    return shop


@pytest.fixture
def shop(lived: Shop, tmp_path: Path) -> Shop:
    shutil.copytree(lived.root, tmp_path / "shop")
    return Shop(tmp_path / "shop", {name: [*rows] for name, rows in lived.rows.items()})


def email_key(shop: Shop, customer: str) -> str:
    with shop.project(LATER).lake.session() as session:
        ((key,),) = session.rows(
            "SELECT email_key FROM customers WHERE customer_id = $1", [customer]
        )
    return str(key)


def records(shop: Shop, day: str = "2026-05-12") -> list[Record]:
    return runs_of(shop.project(LATER), datetime.fromisoformat(day).date())


def stored(shop: Shop, record: Record) -> list[Path]:
    return shop.project(LATER).lake.current().files("decisions", record.run_id)


def edit(path: Path, sql: str) -> int:
    """Rewrite a file of decisions by a statement on the table `rows`; its rows before."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE rows AS FROM read_parquet('{path}')")
        ((before,),) = connection.execute("SELECT count(*) FROM rows").fetchall()
        connection.execute(sql)
        connection.execute(f"COPY rows TO '{path}' (FORMAT parquet)")
    return int(before)


@pytest.mark.parametrize("day", ["2026-05-12", "2026-05-13", "2026-05-14"])
def test_every_run_of_a_day_is_replayed_bit_for_bit_whatever_came_later(
    lived: Shop, day: str
) -> None:
    runs = records(lived, day)
    assert [one.flow for one in runs] == (
        ["daily", "triggers"] if day == "2026-05-12" else ["daily"]
    )
    for one in runs:
        found = replay(lived.project(LATER), one)
        assert found.comparison.is_equal, found.comparison.differences
        assert found.comparison.decisions > 0
        assert found.comparison.erased == 0
        assert found.engines == {}


def test_a_replay_leaves_nothing_behind(shop: Shop) -> None:
    def seen() -> set[Path]:
        files = {path for path in shop.root.rglob("*") if path.is_file()}
        return {path for path in files if "ledger" not in path.name}

    before = seen()
    replay(shop.project(LATER), records(shop)[0])
    assert seen() == before


@pytest.mark.parametrize(
    ("file", "sql", "column", "rows"),
    [
        ("held", "UPDATE rows SET rule = 'suppressed' WHERE campaign = 'loud'", "rule", 5),
        ("held", "UPDATE rows SET counters = '{}'", "counters", None),
        ("settled", "UPDATE rows SET arm = 'default' WHERE arm LIKE '%control'", "arm", None),
        ("settled", "DELETE FROM rows WHERE customer_id = 'c'", MISSING, 1),
        ("settled", "INSERT INTO rows SELECT * REPLACE ('x' AS step) FROM rows LIMIT 1", ADDED, 1),
        ("settled", "INSERT INTO rows FROM rows LIMIT 1", DOUBLED, 1),
        (
            "settled",
            "UPDATE rows SET planned_at = planned_at + INTERVAL 1 MICROSECOND "
            "WHERE customer_id = 'c'",
            "planned_at",
            1,
        ),
    ],
)
def test_a_tampered_decision_is_found_with_its_column(
    shop: Shop, file: str, sql: str, column: str, rows: int | None
) -> None:
    record = records(shop)[0]
    path = next(one for one in stored(shop, record) if one.name.startswith(file))
    assert edit(path, sql)
    found = replay(shop.project(LATER), record).comparison
    assert {name for _, name in found.differences} >= {column}
    if rows is not None and column in (MISSING, ADDED, DOUBLED):
        assert sum(n for (_, name), n in found.differences.items() if name == column) == rows


def test_the_order_of_rows_and_their_file_do_not_matter(shop: Shop) -> None:
    record = records(shop)[0]
    for path in stored(shop, record):
        edit(
            path, "CREATE OR REPLACE TABLE rows AS FROM rows ORDER BY md5(customer_id || campaign)"
        )
    assert replay(shop.project(LATER), record).comparison.is_equal


def test_customers_erased_since_are_named_as_such(shop: Shop) -> None:
    record = records(shop)[0]
    lake = shop.project(LATER).lake
    paths = [
        lake.path / file.path
        for bucket in lake.snapshot(record.snapshot_id or 0).manifest.of("customers")
        for file in bucket.data
    ]
    for path in paths:
        edit(path, "DELETE FROM rows WHERE customer_id = 'd'")
    found = replay(shop.project(LATER), record).comparison
    assert (found.erased_customers, found.erased) == (1, 2)
    assert not {name for _, name in found.differences} & {MISSING, ADDED}


def test_what_is_no_longer_kept_is_said_with_its_setting(shop: Shop) -> None:
    record = records(shop)[0]
    far = at("2026-06-13 10:00")  # 30 days later
    lake = shop.project(far).lake
    retention = shop.project(far).configuration.settings.lake.retention
    lake.clean(far, retention)
    with pytest.raises(UserFilesError, match=r"decisions are no longer kept.*\n.*retention\.dec"):
        replay(shop.project(LATER), record)


def test_a_snapshot_that_was_cleaned_away_is_said(shop: Shop) -> None:
    record = records(shop)[0]
    far = at("2026-06-13 10:00")
    project = shop.project(far)
    retention = project.configuration.settings.lake.retention
    longer = retention.model_copy(update={"decisions": timedelta(days=90)})
    project.lake.clean(far, longer)
    with pytest.raises(UserFilesError, match=r"snapshot \d+, .*\n.*lake.retention.snapshots"):
        replay(shop.project(LATER), record)


def test_a_day_without_runs_says_so(lived: Shop) -> None:
    with pytest.raises(UserFilesError, match="no run of 2026-05-01"):
        records(lived, "2026-05-01")
    day = datetime(2026, 5, 12).date()  # noqa: DTZ001
    with pytest.raises(UserFilesError, match="no run 2026-05-13-daily-1 of 2026-05-12"):
        runs_of(lived.project(LATER), day, "2026-05-13-daily-1")


def test_another_policy_tells_what_it_would_have_done(lived: Shop, tmp_path: Path) -> None:
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(
        "version: 1\nconsent: {promo: none, lifecycle: opt_in, service: none}\n", encoding="utf-8"
    )
    record = records(lived)[0]
    listed = tmp_path / "who.csv"
    found = replay_otherwise(lived.project(LATER), record, stricter, listed)
    diff = found.diff
    assert sum(one.after for one in diff.campaigns) == 0
    assert diff.losing == sum(one.before for one in diff.campaigns) > 0
    assert diff.gaining == diff.moving == 0
    candidates = sum(was for was, _ in diff.rules.values()) + diff.losing + diff.controls[0]
    assert diff.rules["consent"] == (0, candidates)
    lines = listed.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "customer_id,before,after"
    assert len(lines) == 1 + diff.losing == 1 + found.written
    sent = {
        row["customer_id"]
        for row in lived.contacts()
        if row["run_id"] == record.run_id and row["state"] != MessageState.CONTROL
    }
    assert {line.split(",")[0] for line in lines[1:]} == sent


def test_the_same_policy_changes_nothing(lived: Shop) -> None:
    record = records(lived, "2026-05-14")[0]
    policy = lived.root / "config" / "policy.yaml"
    diff = replay_otherwise(lived.project(LATER), record, policy).diff
    assert (diff.gaining, diff.losing, diff.moving) == (0, 0, 0)
    assert all(one.before == one.after and not one.new + one.lost for one in diff.campaigns)
    assert all(was == now for was, now in diff.rules.values())


def test_a_wrong_policy_file_is_answered_at_its_own_lines(lived: Shop, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nconsent: {promo: none}\ncapz: []\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"wrong\.yaml:3:1: unknown key 'capz'"):
        replay_otherwise(lived.project(LATER), records(lived)[0], wrong)
    with pytest.raises(UserFilesError, match="cannot be read"):
        replay_otherwise(lived.project(LATER), records(lived)[0], tmp_path / "none.yaml")
