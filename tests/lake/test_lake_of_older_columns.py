"""A lake written before a column existed goes on: old rows have none, new ones may."""

from dataclasses import replace

import pytest
from staged_rows import day, merge, query

from antiphon.entities import CONSENTS, CONTACTS, CUSTOMERS, ENTITIES
from antiphon.lake import Lake

NEW = {
    CONSENTS.name: ("confirmed_at", "evidence", "separate"),
    CUSTOMERS.name: ("preferred_channel",),
    CONTACTS.name: ("cost_e4",),
}
ACT = {
    "customer_id": "a",
    "channel": "email",
    "category": "promo",
    "granted": True,
    "acted_at": day(0),
    "source": "web",
}


@pytest.fixture
def old_lake(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """With a customer and an act, written by a version that knew none of the new columns."""
    with monkeypatch.context() as older:
        for name, columns in NEW.items():
            entity = ENTITIES[name]
            known = tuple(column for column in entity.columns if column.name not in columns)
            assert len(known) == len(entity.columns) - len(columns)
            older.setitem(ENTITIES, name, replace(entity, columns=known))
        merge(lake, "customers", [{"customer_id": "a"}])
        merge(lake, "consents", [ACT])
    return lake


def test_old_rows_have_no_value_in_a_new_column(old_lake: Lake) -> None:
    assert query(old_lake, "SELECT customer_id, preferred_channel FROM customers") == [("a", None)]
    names = "granted, confirmed_at, evidence, separate"
    assert query(old_lake, f"SELECT {names} FROM consents") == [(True, None, None, None)]
    assert query(old_lake, "SELECT cost_e4 FROM contacts") == []


def test_an_old_act_that_comes_again_with_its_evidence_is_one_act(old_lake: Lake) -> None:
    more = {"confirmed_at": day(1), "evidence": "form 7", "separate": True}
    counts = merge(old_lake, "consents", [ACT | more])
    assert (counts.rows_in, counts.unchanged) == (1, 0)
    found = query(old_lake, "SELECT confirmed_at, evidence, separate FROM consents")
    assert found == [(day(1), "form 7", True)]


def test_acts_without_the_new_columns_are_merged_beside_those_with_them(old_lake: Lake) -> None:
    merge(old_lake, "consents", [ACT | {"customer_id": "b", "evidence": "form 8"}])
    merge(old_lake, "consents", [ACT | {"customer_id": "c"}])  # as the ledger has them
    rows = query(old_lake, "SELECT customer_id, evidence FROM consents ORDER BY 1")
    assert rows == [("a", None), ("b", "form 8"), ("c", None)]
