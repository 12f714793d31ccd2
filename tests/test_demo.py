"""The demo company: always the same, dirty, and with everything its campaigns speak of."""

import csv
from pathlib import Path

import pytest
from demo_project import ROOT

from antiphon.check import load
from antiphon.demo import Demo, write_demo
from antiphon.entities import SOURCE_ENTITIES
from antiphon.files import read_files


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return write_demo(tmp_path_factory.mktemp("demo"), customers=2000)


def column(demo: Demo, entity: str, name: str) -> list[str]:
    with (demo.folder / f"{entity}.csv").open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


def test_there_is_a_file_for_every_entity_a_source_may_bring(demo: Demo) -> None:
    assert {path.stem for path in demo.folder.iterdir()} == set(SOURCE_ENTITIES)
    assert demo.rows == {name: len(column(demo, name, id_of(name))) for name in SOURCE_ENTITIES}


def id_of(entity: str) -> str:
    return {"consents": "customer_id", "order_lines": "order_id"}.get(
        entity, f"{entity.removesuffix('s')}_id"
    )


def test_the_same_arguments_make_the_same_bytes(tmp_path: Path) -> None:
    def written(name: str, seed: int) -> dict[str, bytes]:
        folder = write_demo(tmp_path / name, customers=300, seed=seed).folder
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert written("one", 1) == written("other", 1)
    assert all(written("one", 1)[name] != text for name, text in written("third", 2).items())


def test_writing_it_again_touches_no_file(tmp_path: Path) -> None:
    def times() -> set[int]:
        return {
            path.stat().st_mtime_ns for path in write_demo(tmp_path, customers=50).folder.iterdir()
        }

    assert times() == times()


def test_what_happens_to_customers_and_products_is_what_campaigns_wait_for(demo: Demo) -> None:
    campaigns = load(read_files(ROOT)).campaigns.values()
    triggers = [one.on for one in campaigns if one.on]
    starts = [one.chain.start.event for one in campaigns if one.chain]
    events = {word for on in triggers for word in (on.event, on.did)} | set(starts)
    assert events - {None, "order"} <= set(column(demo, "events", "event"))
    assert {on.notice for on in triggers} - {None} <= set(column(demo, "notices", "notice"))


def test_the_exports_are_dirty(demo: Demo) -> None:
    for entity in ("customers", "orders", "events", "notices", "responses"):
        ids = column(demo, entity, id_of(entity))
        assert len(set(ids)) < len(ids), "sent twice"
    known = set(column(demo, "customers", "customer_id"))
    for entity in ("orders", "events", "responses"):
        assert "LP999999" in set(column(demo, entity, "customer_id")) - known
    assert "not an address" in column(demo, "customers", "email")


def test_nobody_did_or_answered_anything_before_being_known(demo: Demo) -> None:
    registered = dict(
        zip(
            column(demo, "customers", "customer_id"),
            column(demo, "customers", "registered_at"),
            strict=True,
        )
    )
    for entity, time in (
        ("orders", "ordered_at"),
        ("events", "occurred_at"),
        ("responses", "occurred_at"),
    ):
        rows = zip(column(demo, entity, "customer_id"), column(demo, entity, time), strict=True)
        early = [
            who
            for who, when in rows
            if who in registered and when[:2] >= "20" and when < registered[who]
        ]
        assert early == []


def test_some_acts_of_consent_are_confirmed_and_on_record(demo: Demo) -> None:
    names = ("granted", "channel", "confirmed_at", "evidence", "separate")
    acts = list(zip(*(column(demo, "consents", name) for name in names), strict=True))
    granted = [act for act in acts if act[0] == "yes"]
    by_mail = [act for act in granted if act[1] == "email"]
    assert 0.85 < sum(bool(act[2]) for act in by_mail) / len(by_mail) < 0.95
    assert 0.9 < sum(bool(act[3]) for act in granted) / len(granted) < 1
    assert {act[4] for act in granted} == {"yes", "no"}
    assert {act[2:] for act in acts if act[0] == "no"} == {("", "", "")}
    assert not any(act[2] for act in granted if act[1] == "sms")


def test_some_prefer_a_channel_and_a_few_are_minors(demo: Demo) -> None:
    assert set(column(demo, "customers", "preferred_channel")) == {"", "email", "sms"}
    minors = [day for day in column(demo, "customers", "birthday") if day > "2008-05-12"]
    assert 0 < len(minors) < 20
