"""docs/features.md: its example is a file that works, and what it names exists."""

import re
from pathlib import Path

from antiphon.audience.dictionary import VIEWS, feature_files
from antiphon.files import ProjectFiles

PAGE = (Path(__file__).parents[2] / "docs" / "features.md").read_text(encoding="utf-8")


def test_the_example_of_the_page_counts_visits(world):
    (sql,) = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    world.files = ProjectFiles({"sql/features/visits.sql": sql})
    assert feature_files(world.files)[1] == []
    for name in ("a", "b"):
        world.add("customers", customer_id=name)
    for at in ("2026-05-01 23:30+00", "2026-04-01 10:00+00", "2026-06-01 10:00+00"):
        world.add("events", customer_id="a", event="store_visit", occurred_at=at)
    frame = world.frame()
    assert frame["a"]["visit_count"] == 2
    assert str(frame["a"]["last_visit_day"]) == "2026-05-02"
    assert (frame["b"]["visit_count"], frame["b"]["last_visit_day"]) == (0, None)


def test_every_feature_and_view_the_page_names_exists(world):
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGE))
    ours = {"joined_programme", "interest_stated", "pack_days"}  # events, a column of products
    assert named - set(world.features) - ours == set()
    assert {"contacts", "enrolments", "suppressions", "households"} <= set(VIEWS)
