"""Claims on the frames of a run: buckets, a few customers, few columns, what later steps load."""

import json
import shutil
from dataclasses import replace

import pytest
from demo_project import demo_clock

from antiphon.audience.drift import stability_index
from antiphon.audience.frame import PERSONAL
from antiphon.campaigns.touches import touches
from antiphon.policy.moment import Moment
from antiphon.project import open_project
from antiphon.steps.drift import report_drift
from antiphon.steps.frames import Frames, build_frames, last_constants, last_segments
from antiphon.steps.intake import publish, pull, validate
from antiphon.steps.run import Run, running, todays_campaigns
from antiphon.steps.segment import segment

RUN = "2026-05-12-daily-1"
BOUGHT = """\
-- title: Has ordered something
-- reads: orders
SELECT customer_id FROM orders
"""


def moment_of(project):
    record = project.ledger.runs.get(RUN)
    zone = project.configuration.settings.business.timezone
    return Moment(record.as_of, record.business_day, zone)


def pinned(project):
    """The run as its steps had it, when it is over."""
    return Run(project, project.ledger.runs.get(RUN), lease=None)


def rows(project, frames, columns="*", where="TRUE", bucket=None):
    """Customer → row of the frame's relation."""
    with project.lake.session(project.lake.current()) as session:
        table = session.arrow(
            f"SELECT {columns} FROM {frames.relation(bucket)} AS frame WHERE {where}"
        )
    return {row["customer_id"]: row for row in table.to_pylist()}


@pytest.fixture(scope="module")
def cut(untouched, tmp_path_factory):
    """The shipped project in four buckets, with a segment by hand, its frames built."""
    root = shutil.copytree(untouched, tmp_path_factory.mktemp("cut") / "project")
    settings = root / "config" / "settings.yaml"
    text = settings.read_text("utf-8")
    settings.write_text(text.replace("  threads: 2\n", "  threads: 2\n  buckets: 4\n"), "utf-8")
    (root / "sql" / "segments").mkdir(exist_ok=True)
    (root / "sql" / "segments" / "bought.sql").write_text(BOUGHT, "utf-8")
    clock = demo_clock()
    with running(root, "daily", None, None, dry_run=False, clock=clock) as run_id:
        for do in (pull, validate, publish, segment):
            do(root, run_id, clock)
    return open_project(root, clock)


@pytest.fixture(scope="module")
def frames(cut):
    return Frames.load(pinned(cut))


def test_four_buckets_have_the_frame_of_one(cut, frames, undisturbed):
    whole = open_project(undisturbed, demo_clock())
    one = Frames.load(pinned(whole))
    assert (len(frames.paths), len(one.paths)) == (4, 1)
    expected, found = rows(whole, one), rows(cut, frames)
    hidden = {"segment:bought"}
    assert {k: {n: v for n, v in row.items() if n not in hidden} for k, row in found.items()} == (
        expected
    )
    assert (frames.constants, frames.dimensions) == (one.constants, one.dimensions)
    for bucket in range(4):
        part = rows(cut, frames, bucket=bucket)
        assert part == {name: found[name] for name in part}
    assert sum(len(rows(cut, frames, bucket=bucket)) for bucket in range(4)) == len(found)


def test_sizes_are_those_of_the_relation(cut, frames):
    found = rows(cut, frames)
    definitions = cut.configuration.definitions
    assert frames.customers == len(found) > 300
    assert set(frames.dimensions) == {*definitions.dimensions, *definitions.crosses}
    for name, sizes in frames.dimensions.items():
        values = [row[name] for row in found.values()]
        assert {value: size for value, size in sizes.items() if size} == {
            value: values.count(value) for value in values
        }
    held = ", ".join(
        f'coalesce({one.sql}, false) AS "{name}"' for name, one in definitions.segments.items()
    )
    members = rows(cut, frames, f"customer_id, {held}").values()
    for name, size in frames.segments.items():
        assert sum(row[name] for row in members) == size, name
    assert last_segments(cut) == (RUN, frames.segments)


def test_a_segment_by_hand_holds_each_of_its_customers_once(cut, frames):
    with cut.lake.session(cut.lake.current()) as session:
        ((buyers,),) = session.rows("SELECT count(DISTINCT customer_id) FROM orders")
    assert 0 < frames.segments["bought"] == buyers < frames.customers


def test_frames_of_a_few_are_those_of_everybody(cut, frames, tmp_path):
    everybody = rows(cut, frames)
    with cut.lake.session(cut.lake.current()) as session:
        few = session.arrow("SELECT customer_id FROM customers ORDER BY md5(customer_id) LIMIT 3")
    spoken = touches(todays_campaigns(cut, moment_of(cut).business_day))
    found = build_frames(
        cut,
        cut.lake.current(),
        moment_of(cut),
        spoken,
        tmp_path,
        needed=cut.configuration.features,
        only=few,
        constants=last_constants(cut),
    )
    assert found.customers == 3
    assert all(path.exists() for path in found.paths)
    small = rows(cut, found)
    assert set(small) == set(few["customer_id"].to_pylist())
    for name, row in small.items():
        known = {key: value for key, value in everybody[name].items() if key in row}
        assert {key: value for key, value in row.items() if key not in PERSONAL} == {
            key: value for key, value in known.items() if key not in PERSONAL
        }
        assert {"lifecycle", "recency_score", "micro_segment", "spend_365d"} <= set(known)


def test_frames_of_nobody_are_empty(cut, frames, tmp_path):
    with cut.lake.session(cut.lake.current()) as session:
        nobody = session.arrow("SELECT customer_id FROM customers WHERE false")
    found = build_frames(
        cut, cut.lake.current(), moment_of(cut), (), tmp_path, needed=["rfm"], only=nobody,
        constants=frames.constants,
    )  # fmt: skip
    assert (found.customers, rows(cut, found)) == (0, {})


def test_only_what_is_needed_is_built_and_what_that_is_built_on(cut, frames, tmp_path):
    found = build_frames(
        cut, cut.lake.current(), moment_of(cut), (), tmp_path, needed=["rfm", "age"]
    )
    assert rows(cut, found, "customer_id, rfm, age, recency_score") == rows(
        cut, frames, "customer_id, rfm, age, recency_score"
    )
    columns = set(next(iter(rows(cut, found).values())))
    assert "spend_total" in columns  # what a score is by
    assert not columns & {"lifecycle", "micro_segment", "favourite_category", "segment:bought"}
    assert found.segments == {}


def test_conditions_that_are_asked_bring_the_segments_by_hand_they_name(cut, frames, tmp_path):
    condition = cut.configuration.definitions.segments["bought"]
    found = build_frames(
        cut, cut.lake.current(), moment_of(cut), (), tmp_path, needed=(), asked=[condition]
    )
    buyers = rows(cut, found, "customer_id", condition.sql)
    assert len(buyers) == frames.segments["bought"]


def test_drift_is_kept_and_warned_of_over_the_limit(cut, frames):
    record = replace(pinned(cut).record, run_id="2026-05-13-daily-1")
    tomorrow = Run(cut, record, lease=None)
    stages = frames.dimensions["lifecycle"]
    turned = dict(zip(stages, reversed(stages.values()), strict=True))
    renamed = {"other": frames.customers}  # its names were changed since: not compared
    moved = {**frames.dimensions, "lifecycle": turned, "assortment": renamed}
    report_drift(tomorrow, replace(frames, dimensions=moved))
    kept = json.loads((tomorrow.folder / "drift.json").read_text("utf-8"))
    assert kept["since"] == RUN
    assert kept["indices"].pop("lifecycle") == pytest.approx(stability_index(turned, stages))
    assert kept["indices"] == {"order_value_band": 0, "frequency_band": 0, "rfm": 0}
    (warning,) = (tomorrow.folder / "warnings.txt").read_text("utf-8").splitlines()
    assert warning.startswith(f"customers moved between the names of 'lifecycle' since {RUN}: ")


def test_a_first_run_has_nothing_to_drift_from(cut, frames):
    report_drift(pinned(cut), frames)
    assert not (pinned(cut).folder / "drift.json").exists()
