"""Random batches against a model of a few lines, over several layouts of the same lake."""

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from staged_rows import day, stage

from antiphon.keys import bucket_of
from antiphon.lake import Lake, Limits, MergeCounts

CUSTOMERS = [f"c{number}" for number in range(5)]
ORDERS = [f"o{number}" for number in range(6)]
moments = st.none() | st.integers(0, 3).map(day)
flags = st.sampled_from([None, False, False, True])
customer_rows = st.fixed_dictionaries(
    {
        "customer_id": st.sampled_from(CUSTOMERS),
        "city": st.sampled_from(["Ulm", "Bonn"]),
        "updated_at": moments,
        "is_deleted": flags,
    }
)
order_rows = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(ORDERS),
        "customer_id": st.sampled_from(CUSTOMERS),
        "ordered_at": st.integers(0, 2).map(day),
        "updated_at": moments,
        "is_deleted": flags,
    }
)
line_rows = st.fixed_dictionaries(
    {
        "order_id": st.sampled_from(ORDERS),
        "line_number": st.integers(1, 2),
        "product_id": st.sampled_from(["p", "q"]),
        "is_deleted": flags,
    }
)
batches = st.fixed_dictionaries(
    {
        "customers": st.lists(customer_rows, max_size=6),
        "orders": st.lists(order_rows, max_size=6),
        "order_lines": st.lists(line_rows, max_size=6),
        "full": st.booleans(),
    }
)
KEYS = {
    "customers": ("customer_id",),
    "orders": ("order_id",),
    "order_lines": ("order_id", "line_number"),
}
SHOWN = {
    "customers": ("customer_id", "city", "updated_at"),
    "orders": ("order_id", "customer_id", "ordered_at", "updated_at"),
    "order_lines": ("order_id", "line_number", "product_id", "customer_id", "ordered_at"),
}
Row = dict[str, Any]


class Model:
    """What the lake must show: dicts by key."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in KEYS}

    def merge(self, entity: str, batch: list[Row], full: bool) -> MergeCounts:
        held = self.rows[entity]
        taken: dict[tuple[Any, ...], Row] = {}
        for row in batch:
            key = tuple(row[name] for name in KEYS[entity])
            best = taken.get(key) or held.get(key)
            ours, theirs = row.get("updated_at"), (best or {}).get("updated_at")
            if best is None or ours is None or theirs is None or ours >= theirs:
                taken[key] = row
        deleted = sum(bool(row["is_deleted"]) for row in taken.values())
        unchanged = sum(self.same(entity, held.get(key), row) for key, row in taken.items())
        for key, row in taken.items():
            held[key] = row
        for key in [key for key, row in held.items() if row["is_deleted"]]:
            del held[key]
        absent = set(held) - {tuple(row[n] for n in KEYS[entity]) for row in batch} if full else ()
        for key in absent:
            del held[key]
        clean = len(taken) - deleted
        lost = len(batch) - len(taken)
        return MergeCounts(len(batch), clean, unchanged, lost, deleted, len(absent))

    @staticmethod
    def same(entity: str, old: Row | None, new: Row) -> bool:
        names = [name for name in new if name not in ("customer_id", "ordered_at")]
        if entity != "order_lines":
            names = list(new)
        return not new["is_deleted"] and old is not None and all(old[n] == new[n] for n in names)

    def shown(self, entity: str) -> list[tuple[Any, ...]]:
        orders = self.rows["orders"]
        found = []
        for row in self.rows[entity].values():
            order = orders.get((row.get("order_id"),), {}) if entity == "order_lines" else {}
            linked = {name: order.get(name) for name in ("customer_id", "ordered_at")}
            whole = row | linked if entity == "order_lines" else row
            found.append(tuple(whole[name] for name in SHOWN[entity]))
        return sorted(found, key=repr)


def shown(lake: Lake, entity: str) -> list[tuple[Any, ...]]:
    with lake.session() as session:
        rows = session.rows(f"SELECT {', '.join(SHOWN[entity])} FROM {entity}")
    return sorted(rows, key=repr)


def merge_all(lake: Lake, batch: dict[str, Any], folder: Path) -> dict[str, MergeCounts]:
    counts = {}
    with lake.change("model") as change:
        for entity in KEYS:
            path = stage(folder / f"{entity}.parquet", entity, batch[entity])
            full = "shop" if batch["full"] else None
            counts[entity] = change.merge(entity, [path], full_source=full)
        change.publish()
    return counts


LAYOUTS: list[dict[str, Any]] = [
    {"buckets": 1},
    {"buckets": 4, "limits": Limits(layers=2)},
    {"limits": Limits(layers=3, customers=2, facts=3, delta_share=9)},  # grows as it goes
]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(st.lists(batches, min_size=1, max_size=4))
def test_every_layout_shows_what_the_model_says(history: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, layout in enumerate(LAYOUTS):
            lake = Lake(folder / str(number), memory="300MB", threads=1, **layout)
            model = Model()
            for batch in history:
                expected = {
                    entity: model.merge(entity, batch[entity], batch["full"]) for entity in KEYS
                }
                assert merge_all(lake, batch, folder) == expected
                for entity in KEYS:
                    assert shown(lake, entity) == model.shown(entity)
            merge_all(lake, history[-1], folder)  # a killed run, repeated
            for entity in KEYS:
                assert shown(lake, entity) == model.shown(entity)
                assert lake.current().rows[entity] == len(model.rows[entity])
            check_buckets(lake)


def check_buckets(lake: Lake) -> None:
    """Every bucket alone shows its own customers' rows and no other."""
    snapshot = lake.current()
    for entity in KEYS:
        found = 0
        for bucket in range(snapshot.buckets):
            with lake.session(bucket=bucket) as session:
                owners = [row[0] for row in session.rows(f"SELECT customer_id FROM {entity}")]
            assert {bucket_of(owner or "", snapshot.buckets) for owner in owners} <= {bucket}
            found += len(owners)
        assert found == snapshot.rows[entity]
