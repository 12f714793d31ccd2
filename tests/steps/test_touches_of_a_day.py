"""Chains, triggers and micro-segments through whole runs: decided, written, explained, shown."""

import csv
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from run_processes import frozen
from run_state import State, state_of

from antiphon.ledger import Message
from antiphon.message.content import Email
from antiphon.project import open_project
from antiphon.steps.answers import why
from antiphon.steps.daily import run_daily
from antiphon.steps.planning import planned
from antiphon.steps.previewing import preview
from antiphon.steps.reading import Reader

DAY = timedelta(days=1)
HEAD = """campaign: {name}
title: Touches
category: service
priority: 900
runs: {{from: 2026-01-01}}
channels: [email]
limits: {{messages_per_day: 500}}
"""
CAMPAIGNS = {
    "hello-chain": """
chain:
  start: {where: order_count >= 1}
  steps:
    - {step: hello, after: 0 days, message: e2e-hello}
    - {step: again, after: 2 days, message: e2e-again, where: order_count_365d >= 1}
""",
    "left-cart": """
message: e2e-cart
on: {event: cart_abandoned, grace: 60 days}
audience: {where: order_count < 20}
""",
    "for-cells": """
message: e2e-cells
audience: {where: "cell.rebate <> 'none' and order_count >= 1"}
for_each: e2e_grid
by:
  lifecycle:
    loyal: {rebate: 20%}
    at_risk: {rebate: none}
    otherwise: {rebate: 10%}
offer: {code: "E-{cell.order_value_band}", discount: "{cell.rebate}"}
""",
}
TEMPLATES = {
    "e2e-hello": "hello",
    "e2e-again": "again",
    "e2e-cart": "cart {{ occasion.product_name | default('?') }} "
    "{{ occasion.day | date('short') }}",
    "e2e-cells": "{{ cell.id }} {{ cell.lifecycle }}={{ customer.lifecycle }} {{ offer.code }} "
    "{{ offer.discount }} {{ customer.recency_score | default(0) }}",
}


@pytest.fixture(scope="module")
def told(untouched: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with campaigns of every kind after its daily run: only to be read, or copied."""
    root = shutil.copytree(untouched, tmp_path_factory.mktemp("touches") / "project")
    for name, text in CAMPAIGNS.items():
        path = root / "config" / "campaigns" / f"{name}.yaml"
        path.write_text(HEAD.format(name=name) + text, encoding="utf-8")
    for name, text in TEMPLATES.items():
        folder = root / "templates" / name
        folder.mkdir()
        (folder / "subject.j2").write_text(text, encoding="utf-8")
        (folder / "body.html.j2").write_text(f"<p>{text}</p>", encoding="utf-8")
    segments = root / "config" / "segments.yaml"
    cross = "crosses:\n  e2e_grid: {dimensions: [lifecycle, order_value_band]}\n"
    text = segments.read_text(encoding="utf-8").replace("crosses:\n", cross, 1)
    segments.write_text(text, encoding="utf-8")
    run_daily(root, frozen)
    return root


def later(days: int) -> Callable[[], datetime]:
    return lambda: frozen() + days * DAY


@dataclass(frozen=True)
class Later:
    """The project two days on: what was planned on the second of them, and what the runs sent."""

    root: Path
    planned: Mapping[str, int]
    runs: tuple[str, str]


@pytest.fixture(scope="module")
def on(told: Path, tmp_path_factory: pytest.TempPathFactory) -> Later:
    """The same project after its runs of the next two days."""
    root = shutil.copytree(told, tmp_path_factory.mktemp("later") / "project")
    first = run_daily(root, later(1))
    with planned(open_project(root, later(2))) as plan:
        expected = {one.campaign: one.sent for one in plan.summaries}
    return Later(root, expected, (first, run_daily(root, later(2))))


def of(state: State, campaign: str) -> list[Message]:
    """What its last run planned of a campaign."""
    return list(state.project.ledger.messages.of_run(state.last, campaign))


def subjects(state: State, campaign: str) -> dict[str, str]:
    """Customer → the subject they were sent."""
    reader, found = Reader(state.project), {}
    for message in of(state, campaign):
        if message.address:
            content = reader.content(message)
            assert isinstance(content, Email)
            found[message.customer_id] = content.subject
    return found


def rows(root: Path, sql: str) -> list[tuple[object, ...]]:
    with open_project(root, frozen).lake.session() as session:
        return session.rows(sql)


def test_a_chain_sends_its_steps_in_order_and_each_once(told: Path, on: Later) -> None:
    first = of(state_of(told), "hello-chain")
    assert len(first) > 20
    assert {(one.step, one.anchor) for one in first} == {("hello", "1")}
    assert set(subjects(state_of(told), "hello-chain").values()) == {"hello"}
    messages = state_of(on.root).project.ledger.messages
    fresh = {one.customer_id for one in messages.of_run(on.runs[0], "hello-chain")}
    assert not fresh & {one.customer_id for one in first}
    second = [one for one in of(state_of(on.root), "hello-chain") if one.step == "again"]
    assert {one.customer_id for one in second} <= {one.customer_id for one in first}
    assert len(second) > 10
    assert {one.anchor for one in second} == {"1"}
    arms = {one.customer_id: one.arm for one in first}
    assert all(arms[one.customer_id] == one.arm for one in second)
    report = on.root / "var" / "runs" / on.runs[1] / "report.csv"
    sent = {
        row["step"]: int(row["customers"])
        for row in read(report)
        if (row["campaign"], row["outcome"]) == ("hello-chain", "sent")
    }
    assert sent["again"] == sum(one.address is not None for one in second)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_trigger_names_what_it_is_about(told: Path) -> None:
    sent = subjects(state_of(told), "left-cart")
    assert len(sent) > 3
    events = defaultdict(set)
    for customer, product, at in rows(
        told,
        "SELECT customer_id, name, timezone('Europe/Berlin', occurred_at)::DATE FROM events "
        "LEFT JOIN products USING (product_id) WHERE event = 'cart_abandoned'",
    ):
        events[customer].add(f"cart {product or '?'} {at:%d/%m/%Y}")
    for customer, subject in sent.items():
        german = {re.sub(r"(\d+)/(\d+)/\d\d(\d\d)$", r"\1.\2.\3", one) for one in events[customer]}
        assert subject in german | events[customer]
    assert {one.anchor for one in of(state_of(told), "left-cart")} <= anchors(told)


def anchors(root: Path) -> set[object]:
    return {row[0] for row in rows(root, "SELECT event_id FROM events")}


def test_each_cell_gets_its_own_values_and_offer(told: Path) -> None:
    state = state_of(told)
    cells = {one.customer_id: one.cell for one in of(state, "for-cells")}
    sent = subjects(state, "for-cells")
    assert len(set(cells.values())) > 3
    for customer, subject in sent.items():
        cell, own, code, discount, score = subject.split(" ")
        lifecycle, band = cell.split("/")
        assert cell == cells[customer]
        assert own == f"{lifecycle}={lifecycle}"
        assert code == f"E-{band}"
        assert discount == ("20%" if lifecycle == "loyal" else "10%")
        assert score in set("12345")
        assert lifecycle != "at_risk", "a condition reads the values of cells too"
    keys = {one.occurrence_key for one in of(state, "for-cells")}
    assert keys == {f"for-cells||once|{customer}" for customer in cells}


def test_the_report_adds_up_over_steps_and_cells(told: Path) -> None:
    state = state_of(told)
    report = read(told / "var" / "runs" / state.last / "report.csv")
    sums: Counter[tuple[str, str]] = Counter()
    for row in report:
        sums[row["campaign"], row["outcome"]] += int(row["customers"])
    for name in CAMPAIGNS:
        assert sums[name, "sent"] == len(subjects(state, name))
    sent_cells = {row["cell"] for row in report if row["campaign"] == "for-cells"}
    assert {one.cell for one in of(state, "for-cells")} <= sent_cells


def test_why_tells_the_step_the_occasion_and_the_cell(told: Path, on: Later) -> None:
    state = state_of(told)

    def said(customer: str, root: Path = told, days: int = 0) -> dict[str, str]:
        project, day = open_project(root, later(days)), later(days)().date()
        return {one.campaign: one.words for one in why(project, customer, day)[1]}

    hello = of(state, "hello-chain")[0].customer_id
    assert said(hello)["hello-chain"].startswith("step hello: written to by e-mail on 12 May ")
    cart = of(state, "left-cart")[0]
    words = f"cart_abandoned {cart.anchor}: written to by e-mail on "
    assert said(cart.customer_id)["left-cart"].startswith(words)
    cell = of(state, "for-cells")[0]
    words = f"cell {cell.cell}: written to by e-mail on "
    assert said(cell.customer_id)["for-cells"].startswith(words)
    nobody = rows(told, "SELECT customer_id FROM customers ANTI JOIN orders USING (customer_id)")
    never = min(str(row[0]) for row in nobody)
    silent = said(never)
    assert silent["hello-chain"] == "has not entered the chain"
    assert silent["for-cells"] == "not in the audience"
    without = {
        str(row[0])
        for row in rows(
            told, "FROM (SELECT customer_id FROM customers) ANTI JOIN events USING (customer_id)"
        )
    }
    assert said(min(without))["left-cart"] == "nothing is due"
    keen = rows(
        told,
        "SELECT customer_id FROM orders JOIN events USING (customer_id) "
        "WHERE event = 'cart_abandoned' AND occurred_at > TIMESTAMPTZ '2026-05-01' "
        "GROUP BY customer_id HAVING count(DISTINCT order_id) >= 25",
    )
    assert said(str(keen[0][0]))["left-cart"] == "something is due, but not in the audience"
    afterwards = said(cart.customer_id, on.root, 1)
    assert "and it speaks once of each occasion" in afterwards["left-cart"]
    again = {one.customer_id for one in of(state_of(on.root), "hello-chain")}
    finished = min(again & {one.customer_id for one in of(state, "hello-chain")})
    words = "step again: written to by e-mail on 14 May "
    assert said(finished, on.root, 2)["hello-chain"].startswith(words)
    assert "entered on 12 May 2026" in said(finished, on.root, 1)["hello-chain"]


def test_a_plan_counts_chains_and_triggers_as_the_run_does(on: Later) -> None:
    state = state_of(on.root)
    for name in CAMPAIGNS:
        assert len(subjects(state, name)) == on.planned[name]
    assert on.planned["hello-chain"] > 0


def test_a_preview_shows_every_step_to_somebody_it_is_meant_for(told: Path) -> None:
    project = open_project(told, frozen)
    found = preview(project, "hello-chain")
    assert [(one.step, one.content.subject) for one in found if isinstance(one.content, Email)] == [
        ("hello", "hello"),
        ("again", "again"),
    ]
    assert found[0].in_audience


def test_a_preview_speaks_of_a_real_occasion_or_else_of_an_example(told: Path) -> None:
    project = open_project(told, frozen)
    (mine,) = preview(project, "left-cart")
    assert mine.occasion in anchors(told)
    assert isinstance(mine.content, Email)
    assert mine.content.subject.startswith("cart ")
    with_one = {str(row[0]) for row in rows(told, "SELECT customer_id FROM events")}
    everybody = {str(row[0]) for row in rows(told, "SELECT customer_id FROM customers")}
    (example,) = preview(project, "left-cart", min(everybody - with_one))
    assert example.occasion == ""
    assert isinstance(example.content, Email)
    assert "?" not in example.content.subject


def test_a_preview_knows_the_customer_s_cell(told: Path) -> None:
    project = open_project(told, frozen)
    sent = subjects(state_of(told), "for-cells")
    customer = min(sent)
    (shown,) = preview(project, "for-cells", customer)
    assert isinstance(shown.content, Email)
    assert shown.content.subject == sent[customer]
