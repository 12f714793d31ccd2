"""What a person agreed to, by the company's sources in the lake and by what was said here."""

from datetime import datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from web_scene import DAY, NOW, Scene

from antiphon.entities import CONSENTS, CUSTOMERS
from antiphon.message.links import Purpose
from antiphon.web.standing import standing

ARROW = {"BOOLEAN": pa.bool_(), "TIMESTAMPTZ": pa.timestamp("us", "UTC")}
Act = tuple[str, str, str, bool, datetime | None]  # customer, channel, category, agreed, when


def imported(scene: Scene, *acts: Act) -> None:
    """The company's own system says so, and it was pulled."""
    types = [(one.name, ARROW.get(one.type.value, pa.string())) for one in CONSENTS.columns]
    schema = pa.schema([*types, ("_source", pa.string()), ("_row", pa.int64())])
    names = ("customer_id", "channel", "category", "granted", "acted_at")
    rows = [
        {**dict(zip(names, act, strict=True)), "source": "shop", "_source": "shop", "_row": row}
        for row, act in enumerate(acts, start=1)
    ]
    path = scene.project.root / "staged.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
    with scene.project.lake.change("test") as change:
        change.merge("consents", [path])
        change.publish()


def known(scene: Scene, **person: str) -> None:
    """The company's own system has this person."""
    types = [(one.name, ARROW.get(one.type.value, pa.string())) for one in CUSTOMERS.columns]
    schema = pa.schema([*types, ("_source", pa.string()), ("_row", pa.int64())])
    path = scene.project.root / "customers.parquet"
    row = {**person, "_source": "shop", "_row": 1}
    pq.write_table(pa.Table.from_pylist([row], schema=schema), path)
    with scene.project.lake.change("test") as change:
        change.merge("customers", [path])
        change.publish()


def test_the_page_names_the_telephone_too_though_nothing_was_sent_there(scene: Scene):
    path = scene.path(Purpose.PREFERENCES, scene.send())
    known(scene, customer_id="ada", phone_e164="+491701234567")
    page = scene.get(path).text
    assert "SMS: +49 … 567" in page
    assert "1701234567" not in page
    assert "E-mail: a…@example.com" in page


def wanted(scene: Scene, customer: str = "ada") -> set[str]:
    found = standing(scene.project, customer, scene.clock.now).wanted
    return {f"{channel}.{category}" for (channel, category), holds in found.items() if holds}


def said(scene: Scene, channel: str, category: str, granted: bool, at: datetime = NOW) -> None:
    scene.project.ledger.people.consent_act(
        "ada", channel, category, granted=granted, acted_at=at, source="preferences"
    )


def test_without_a_word_what_needs_no_agreement_is_sent(scene: Scene):
    assert wanted(scene) == {"email.lifecycle", "sms.lifecycle"}


@pytest.mark.parametrize("category", ["promo", "*"])
def test_an_agreement_in_the_sources_holds(scene: Scene, category: str):
    imported(
        scene, ("ada", "email", category, True, NOW - DAY), ("bob", "*", "*", False, NOW - DAY)
    )
    assert wanted(scene) == {"email.promo", "email.lifecycle", "sms.lifecycle"}
    assert wanted(scene, "bob") == set()


def test_the_latest_word_holds_wherever_it_was_said(scene: Scene):
    imported(scene, ("ada", "email", "promo", True, NOW - DAY))
    said(scene, "email", "*", False, NOW - 2 * DAY)
    assert "email.promo" in wanted(scene)
    said(scene, "email", "promo", False, NOW - timedelta(hours=1))
    assert "email.promo" not in wanted(scene)
    imported(scene, ("ada", "email", "promo", True, NOW - timedelta(minutes=1)))
    assert "email.promo" in wanted(scene)


def test_an_import_without_a_date_never_overrides_an_objection(scene: Scene):
    imported(scene, ("ada", "email", "promo", True, None))
    assert "email.promo" in wanted(scene)
    said(scene, "email", "promo", False, NOW - 3000 * DAY)
    assert "email.promo" not in wanted(scene)


def test_of_two_words_of_one_instant_the_objection_holds(scene: Scene):
    imported(scene, ("ada", "email", "promo", True, NOW))
    said(scene, "email", "promo", False)
    assert "email.promo" not in wanted(scene)
