"""Two days: what came back on the first decides on the second, for exactly those people."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_shop import SETTINGS, Shop, at, campaign, make_shop

from antiphon.collection.inbox import parse
from antiphon.project import Project, open_project
from antiphon.providers.sandbox import URL_FROM
from antiphon.sandbox.fates import BROWSER, HARD_BOUNCE, Happening
from antiphon.sandbox.server import running
from antiphon.states import MessageState, ResponseKind
from antiphon.steps.daily import run_daily
from antiphon.town.clock import TownClock
from antiphon.town.post import Letter, Post, Report
from antiphon.town.receiving import served

DAY_ONE, LATER, DAY_TWO = at("2026-05-12 10:00"), at("2026-05-12 18:00"), at("2026-05-13 10:00")
CUSTOMERS = ("buyer", "clicker", "bouncer", "leaver", "reader", "robot", "quiet")
CHANGED = {"buyer", "clicker", "bouncer", "leaver"}
NEWS = campaign("news", category="promo", audience={"where": "true"}, repeat_after="1 day")
REMINDER = campaign(
    "reminder",
    category="promo",
    priority=90,
    audience={
        "where": "responded('news', kind => 'click', within => '2 days') and days_since_order > 1"
    },
    repeat_after="30 days",
)
POLICY = {
    "version": 1,
    "consent": {"promo": "opt_out", "lifecycle": "none", "service": "none"},
    "winners_per_day": 1,
    "pauses": [{"name": "after-order", "after": "order", "rest": "2 days", "category": "promo"}],
}


@dataclass
class Days:
    """The second day as it was decided, and as it would have been without any answer."""

    answered: Project
    silent: Project
    run_id: str

    def decisions(self, project: Project) -> dict[tuple[str, str], dict[str, Any]]:
        """(campaign, customer) → the whole decision of day two."""
        files = project.lake.current().files("decisions", self.run_id)
        tables = [pq.read_table(path) for path in files]
        table = pa.concat_tables(tables, promote_options="default")
        return {(row["campaign"], row["customer_id"]): row for row in table.to_pylist()}

    def told(self, project: Project) -> set[tuple[str, str]]:
        """(campaign, customer) of what left on day two."""
        return {
            (one.campaign, one.customer_id)
            for one in project.ledger.messages.of_run(self.run_id)
            if one.state in {MessageState.ACCEPTED, MessageState.DELIVERED}
        }


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    folder = tmp_path_factory.mktemp("two-days")
    shop = _shop(folder / "answered")
    clock = TownClock(DAY_ONE, "Europe/Berlin")
    with running(shop.root / "var" / "sandbox", clock=clock) as sandbox:
        os.environ[URL_FROM] = sandbox.url
        try:
            project = open_project(shop.root, clock)
            with served(project) as server:
                post = Post(sandbox, server, clock)
                run_daily(shop.root, clock)
                letters = {
                    one.customer_id: letter
                    for letter in post.letters()
                    if (one := project.ledger.messages.get(letter.message_id))
                }
                assert set(letters) == set(CUSTOMERS)
                project.ledger.close()
                shutil.copytree(shop.root, folder / "silent")
                clock.move(LATER)
                _come_back(post, letters)
                assert post.refused == 0
            shop.order("buyer", LATER)
            clock.move(DAY_TWO)
            parse(project)
            run_id = run_daily(shop.root, clock)
            assert run_daily(folder / "silent", clock) == run_id
            silent = open_project(folder / "silent", clock)
            yield Days(project, silent, run_id)
        finally:
            del os.environ[URL_FROM]


def _shop(root: Path) -> Shop:
    shop = make_shop(root, features=["response"])
    settings = {**SETTINGS, "providers": {"email": "sandbox", "sms": "sandbox"}}
    shop._file("config/settings.yaml", settings)
    shop.write(NEWS, REMINDER, policy=POLICY)
    for name in CUSTOMERS:
        shop.customer(name, at("2026-01-01 10:00"))
        shop.order(name, at("2026-03-01 10:00"))
    return shop


def _come_back(post: Post, letters: dict[str, Letter]) -> None:
    """Signed events, and one click on a mail program's button."""

    def told(customer: str, name: str, **fields: object) -> Report:
        return Report(letters[customer], Happening(name, 60, fields), LATER)

    seen = {"useragent": BROWSER, "ip": "127.0.0.1"}
    delivered = [told(name, "delivered") for name in CUSTOMERS if name != "bouncer"]
    post.tell(
        [
            *delivered,
            told("bouncer", "bounce", type="bounce", status="5.1.1", reason=HARD_BOUNCE),
            told("buyer", "click", url="https://shop.example/", **seen),
            told("clicker", "click", url="https://shop.example/", **seen),
            told("reader", "open", sg_machine_open=False, **seen),
            told("robot", "open", sg_machine_open=True, **seen),
        ]
    )
    post.unsubscribe(letters["leaver"])


def test_everything_that_came_back_is_on_record_once(days: Days) -> None:
    ledger = days.answered.ledger
    kinds = {
        name: sorted((one.kind, one.is_machine) for one in ledger.responses.of_customer(name))
        for name in CUSTOMERS
    }
    assert kinds == {
        "buyer": [(ResponseKind.CLICK, False)],
        "clicker": [(ResponseKind.CLICK, False)],
        "bouncer": [(ResponseKind.BOUNCE, False)],
        "leaver": [(ResponseKind.OPT_OUT, False)],
        "reader": [(ResponseKind.OPEN, False)],
        "robot": [(ResponseKind.OPEN, True)],
        "quiet": [],
    }


def test_day_two_differs_for_exactly_the_people_who_answered(days: Days) -> None:
    answered, silent = days.decisions(days.answered), days.decisions(days.silent)
    differing = {
        customer
        for campaign_, customer in answered.keys() | silent.keys()
        if answered.get((campaign_, customer)) != silent.get((campaign_, customer))
    }
    assert differing == CHANGED


def test_without_answers_everybody_would_have_had_the_news_again(days: Days) -> None:
    assert days.told(days.silent) == {("news", name) for name in CUSTOMERS}


def test_day_two_writes_to_each_of_them_as_their_campaigns_say(days: Days) -> None:
    """The clicker is reminded; who bought, bounced or left hears nothing; all others as ever."""
    others = {("news", name) for name in CUSTOMERS if name not in CHANGED}
    assert days.told(days.answered) == {("reminder", "clicker"), *others}


def test_each_decision_names_its_reason(days: Days) -> None:
    decisions = days.decisions(days.answered)
    reasons = {name: decisions.get(("news", name), {}).get("rule") for name in sorted(CHANGED)}
    assert reasons == {
        "bouncer": "suppressed",
        "buyer": "pause:after-order",
        "clicker": "lost_to",
        "leaver": "consent",
    }
    assert decisions["news", "clicker"]["lost_to"] == "reminder"
    assert ("reminder", "buyer") not in decisions  # clicked, and ordered since
