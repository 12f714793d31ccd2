"""Several planners on one ledger, each its own process: caps hold, and late ones write nothing."""

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import pairwise
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from postgres_server import running_server
from run_processes import Kill, start
from small_shop import SETTINGS, Shop, at, campaign, frozen_at, make_shop

from antiphon.clock import Clock
from antiphon.demo import AS_OF
from antiphon.errors import AntiphonError, RunBusy
from antiphon.project import open_project
from antiphon.steps import run as run_module
from antiphon.steps.daily import run_daily, run_triggers
from antiphon.steps.run import DAILY, TRIGGERS

LEDGER_URL = "ANTIPHON_LEDGER_URL"
TOLD, GO = "told.jsonl", "go"
LEASE_SECONDS = 2
PATIENCE_SECONDS = 100
CUSTOMERS = 24
EARLIER = range(0, CUSTOMERS, 2)  # these got a message three days ago
POLICY: dict[str, Any] = {
    "version": 1,
    "consent": dict.fromkeys(("promo", "lifecycle", "service"), "none"),
    "winners_per_day": 9,
    "caps": [{"name": "weekly", "max": 2, "per": "7 days"}],
}
STANDING = ("one", "two", "three")
PLAN = "antiphon.ledger.messages:Messages.plan"
WRITE = "antiphon.lake.session:Session.write"
PUBLISH = "antiphon.lake.change:Change.publish"
FINISH = "antiphon.ledger.runs:Runs.finish_step"
RELEASE = "antiphon.ledger.messages:Messages.release"


# ---------------------------------------------------------------- the shop and its ledger


@dataclass(frozen=True)
class Scene:
    """A shop and the URL of its ledger."""

    shop: Shop
    url: str

    def copy(self, folder: Path, url: str) -> "Scene":
        """The same shop in another folder; a ledger that is no file of it is at `url`."""
        root = shutil.copytree(self.shop.root, folder)
        return Scene(Shop(root, {name: [*rows] for name, rows in self.shop.rows.items()}), url)


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def server(request: pytest.FixtureRequest) -> Iterator[sa.URL | None]:
    """A PostgreSQL server; None: the ledger is SQLite's."""
    if request.param == "sqlite":
        yield None
        return
    with running_server() as url:
        if url is None:
            pytest.skip("no PostgreSQL: set ANTIPHON_TEST_POSTGRES or install its binaries")
        yield sa.make_url(url).set(drivername="postgresql+psycopg")


def new_database(server: sa.URL, template: str = "") -> str:
    """The URL of a new database, like the one at the URL `template` where that is given."""
    name = f"antiphon_{uuid4().hex}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        like = ""
        if template:
            model = sa.make_url(template).database
            ours = (
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{model}'"
            )
            connection.exec_driver_sql(ours)
            like = f" TEMPLATE {model}"
        connection.exec_driver_sql(f"CREATE DATABASE {name}{like}")
    engine.dispose()
    url = server.set(drivername="postgresql", database=name)
    return url.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def untouched(server: sa.URL | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Everybody is meant by four campaigns and may get two messages a week; half got one."""
    root = tmp_path_factory.mktemp("planners") / "shop"
    url = sqlite_url(root) if server is None else new_database(server)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(LEDGER_URL, url)
        yield Scene(lived_in(make_shop(root)), url)


@pytest.fixture
def scene(
    untouched: Scene, server: sa.URL | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    url = sqlite_url(tmp_path / "shop") if server is None else new_database(server, untouched.url)
    monkeypatch.setenv(LEDGER_URL, url)
    return untouched.copy(tmp_path / "shop", url)


def sqlite_url(root: Path) -> str:
    return f"sqlite:///{root / 'var' / 'ledger.db'}"


def lived_in(shop: Shop) -> Shop:
    """Three days after half of the customers got a message, with a cart left by everybody."""
    shop._file("config/settings.yaml", SETTINGS | {"ledger": {"url_from": LEDGER_URL}})
    for number in range(CUSTOMERS):
        language = "en" if number % 2 else "de"
        shop.customer(f"c{number:02}", at("2026-04-01 10:00"), language=language)
    earlier = campaign("earlier", audience={"where": "language = 'de'"}, category="promo")
    shop.write(earlier, policy=POLICY)
    shop.daily(AS_OF - timedelta(days=3))
    shop.write(
        earlier,
        *(campaign(name, audience={"where": "true"}, category="promo") for name in STANDING),
        campaign("cart", on={"event": "cart", "grace": "2 days"}, priority=10),
        policy=POLICY,
    )
    for number in range(CUSTOMERS):
        shop.event(f"c{number:02}", "cart", AS_OF - timedelta(hours=2))
    return shop


# ---------------------------------------------------------------- planners


def planner(
    who: str,
    flow: str,
    campaigns: Sequence[str] | None,
    is_patient: bool,
    root: Path,
    clock: Clock,
) -> None:
    """One process that plans when it is let go, and tells what came of it, line by line.

    A patient one that is told that another is at work tries again.
    """
    while not (root / GO).exists():
        time.sleep(0.002)
    patience = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < patience:
        try:
            if flow == TRIGGERS:
                run_id = run_triggers(root, clock)
            else:
                run_id = run_daily(root, clock, campaigns=campaigns)
        except RunBusy as busy:
            tell(root, who, RunBusy.__name__, str(busy))
            if not is_patient:
                return
            time.sleep(0.02)
        except AntiphonError as error:
            tell(root, who, type(error).__name__, str(error))
            return
        else:
            tell(root, who, "done", run_id)
            return


def tell(root: Path, *words: str | None) -> None:
    with (root / TOLD).open("a", encoding="utf-8") as file:
        file.write(json.dumps(words) + "\n")


def told(shop: Shop) -> list[list[str]]:
    """What the planners told, in order: who, what, more."""
    path = shop.root / TOLD
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def let_in(url: str) -> None:
    """The ledger's address, in a process that was forked without it."""
    os.environ[LEDGER_URL] = url


def let_in_shortly(url: str) -> None:
    """And with a short lease."""
    let_in(url)
    run_module.LEASE_SECONDS = LEASE_SECONDS


def planning_process(
    scene: Scene,
    who: str,
    flow: str = DAILY,
    campaigns: Sequence[str] | None = None,
    *,
    stop: Kill | None = None,
    setup: Callable[[str], None] = let_in,
    is_patient: bool = True,
) -> ForkServerProcess:
    work = partial(planner, who, flow, campaigns, is_patient)
    return start(scene.shop.root, stop, partial(setup, scene.url), work)


def let_go(shop: Shop) -> None:
    (shop.root / GO).touch()


def ended(processes: Sequence[ForkServerProcess]) -> None:
    for process in processes:
        process.join(PATIENCE_SECONDS)
        assert process.exitcode == 0


# ---------------------------------------------------------------- what the ledger says, in our SQL

CONTACTED = "state IN ('planned', 'sending', 'accepted', 'delivered', 'bounced', 'in_doubt')"
WEEK = {"sqlite": "604800000000", "postgresql": "interval '168 hours'"}


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(sa.make_url(url).set(drivername=driver(url)))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.exec_driver_sql(sql)]
    engine.dispose()
    return found


def driver(url: str) -> str:
    return {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}[url.partition(":")[0]]


def fullest_weeks(url: str) -> dict[str, int]:
    """Customer → most contacts in any window of 168 hours that begins with a contact."""
    week = WEEK[url.partition(":")[0]]
    sql = f"""
        WITH contacts AS (
            SELECT message_id, customer_id, coalesce(left_at, not_before) AS at
            FROM messages WHERE {CONTACTED}
        ),
        windows AS (
            SELECT a.customer_id, count(*) AS held
            FROM contacts a JOIN contacts b ON b.customer_id = a.customer_id
                AND b.at >= a.at AND b.at < a.at + {week}
            GROUP BY a.customer_id, a.message_id
        )
        SELECT customer_id, max(held) FROM windows GROUP BY customer_id
    """
    return dict(rows(url, sql))


def assert_caps_hold(url: str) -> None:
    """Nobody over the cap, and nobody forgotten: each has exactly what the cap leaves."""
    assert fullest_weeks(url) == {f"c{number:02}": 2 for number in range(CUSTOMERS)}


def assert_nobody_twice(url: str) -> None:
    twice = f"""
        SELECT customer_id, campaign FROM messages WHERE {CONTACTED} OR state = 'control'
        GROUP BY customer_id, campaign HAVING count(*) > 1
    """
    assert rows(url, twice) == []


def lease(url: str) -> Any:
    """The lease as it stands: token, taken_at, expires_at."""
    engine = sa.create_engine(sa.make_url(url).set(drivername=driver(url)))
    with engine.connect() as connection:
        sql = "SELECT token, taken_at, expires_at FROM leases WHERE name = 'planning'"
        row = connection.exec_driver_sql(sql).one()
    engine.dispose()
    return row


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of what a planner writes."""
    tables = ("messages", "message_log", "runs", "run_steps", "revisions", "leases", "consents")
    return {name: sorted(rows(url, f"SELECT * FROM {name}"), key=repr) for name in tables}


def lake_files(shop: Shop) -> dict[str, str]:
    """The published manifest and every file it names: which file it is, and its content."""
    lake = open_project(shop.root, frozen_at(AS_OF)).lake
    paths = [lake.path / path for path in lake.current().manifest.paths()]
    return {
        str(path.relative_to(lake.path)): f"{path.stat().st_ino} {digest(path)}"
        if path.exists()
        else "gone"
        for path in (lake.path / "manifest.json", *paths)
    }


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# ---------------------------------------------------------------- at the same time


def test_planners_that_start_at_once_keep_the_caps_together(scene: Scene) -> None:
    shop, url = scene.shop, scene.url
    everybody = {
        "schedule": (DAILY, None),
        "anna": (DAILY, ["one", "cart"]),
        "triggers": (TRIGGERS, None),
        "triggers again": (TRIGGERS, None),
    }
    team = [planning_process(scene, who, *asked) for who, asked in everybody.items()]
    let_go(shop)
    ended(team)
    said = told(shop)
    assert {who for who, what, _ in said if what == "done"} == set(everybody)
    busy = [more for _, what, more in said if what == "RunBusy"]
    assert busy, "none of four met another: this proves nothing"
    assert all("another run is at work" in more for more in busy)
    assert {what for _, what, _ in said} == {"done", "RunBusy"}
    assert_nobody_twice(url)
    assert_caps_hold(url)
    assert {state for (state,) in rows(url, "SELECT state FROM runs")} == {"finished"}
    assert rows(url, "SELECT message_id FROM messages WHERE state <> 'accepted'") == []
    tokens = [token for (token,) in rows(url, "SELECT lease_token FROM runs")]
    assert len(set(tokens)) == len(tokens), "two runs planned under one lease"


# ---------------------------------------------------------------- late


def stopped(shop: Shop, process: ForkServerProcess) -> None:
    """Returns when the process has stopped itself."""
    patience = time.monotonic() + PATIENCE_SECONDS
    stat = Path(f"/proc/{process.pid}/stat")
    while time.monotonic() < patience:
        if not stat.exists() or process.exitcode is not None:
            raise AssertionError(f"it ended before it came to that place: {told(shop)}")
        if stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "T":
            return
        time.sleep(0.01)
    raise AssertionError(f"it never came to that place: {told(shop)}")


def wake(process: ForkServerProcess) -> None:
    assert process.pid is not None
    os.kill(process.pid, signal.SIGCONT)
    ended([process])


def halt(step: str, place: str, when: str, call: int = 1) -> Kill:
    return Kill(step, place, when, call, by=signal.SIGSTOP)


LATE = {  # each takes over from the one before, and stands still itself
    "before it publishes its facts": (DAILY, halt("validate", FINISH, "before")),
    "before it plans": (TRIGGERS, halt("decide", PLAN, "before")),
    "between two batches of its plan": (DAILY, halt("decide", PLAN, "after")),
    "before its release": (DAILY, halt("release", RELEASE, "before")),
}


def test_planners_that_stalled_and_wake_up_late_write_nothing(scene: Scene) -> None:
    shop, url = scene.shop, scene.url
    let_go(shop)
    late: dict[str, ForkServerProcess] = {}
    held: list[Any] = []
    try:
        for place, (flow, stop) in LATE.items():
            late[place] = planning_process(scene, place, flow, stop=stop, setup=let_in_shortly)
            stopped(shop, late[place])
            held.append(lease(url))
        ended([planning_process(scene, "in time", setup=let_in_shortly)])
        assert "done" in [what for who, what, _ in told(shop) if who == "in time"]
        for before_it, after_it in pairwise([*held, lease(url)]):
            assert after_it.token > before_it.token
            assert after_it.taken_at >= before_it.expires_at, "it did not wait for the lease to end"
        before, files = everything(url), lake_files(shop)
        assert "gone" not in files.values()
        for place, process in late.items():
            wake(process)
            assert told(shop)[-1][:2] == [place, "LeaseLost"]
            assert everything(url) == before, place
            assert lake_files(shop) == files, place
    finally:
        for process in late.values():
            process.kill()
            process.join()
    assert_nobody_twice(url)
    assert_caps_hold(url)
    accepted = rows(url, "SELECT state, run_id FROM messages WHERE state <> 'accepted'")
    assert accepted == [], "what a stalled planner planned is sent by the one that took over"


@pytest.mark.parametrize("server", ["sqlite"], indirect=True)  # the lake is the same
def test_one_that_stalled_as_it_began_to_decide_leaves_the_published_decisions_alone(
    scene: Scene,
) -> None:
    shop = scene.shop
    let_go(shop)
    begins = halt("decide", "antiphon.steps.decide:write_decisions", "before")
    late = planning_process(scene, "late", stop=begins, setup=let_in_shortly)
    try:
        stopped(shop, late)
        ended([planning_process(scene, "in time", setup=let_in_shortly)])
        files = lake_files(shop)
        wake(late)
        assert told(shop)[-1][:2] == ["late", "LeaseLost"]
        assert files.items() <= lake_files(shop).items()
    finally:
        late.kill()
        late.join()
