"""Lift on the page: the verdict in words, the interval it rests on as a picture."""

import re

from report_world import NOW, ORDER, World, at

from antiphon.ledger import Run, RunState
from antiphon.reports.page import page
from antiphon.reports.ran import RunStory

STORY = RunStory(
    Run(
        run_id="2026-04-30-daily-1",
        flow="daily",
        business_day=NOW.date(),
        ordinal=1,
        as_of=NOW,
        dry_run=False,
        parameters={},
        state=RunState.FINISHED,
        snapshot_id=1,
        files_hash=None,
        history_mark=0,
        engine_versions=None,
        lease_token=1,
        started_at=NOW,
        finished_at=NOW,
        released_at=NOW,
        verdict="",
    ),
    (),
    (),
    (),
    {},
    {},
)


def _company(world: World, campaign: str, bought: tuple[int, int]) -> None:
    """360 written to and 40 held out, of whom so many order the day after."""
    for arm, size, buys in (("discount", 360, bought[0]), ("control", 40, bought[1])):
        state = "control" if arm == "control" else "delivered"
        for number in range(size):
            customer = f"{campaign}-{arm}-{number}"
            world.message(f"m-{customer}", customer, 0, campaign=campaign, arm=arm, state=state)
            if number < buys:
                world.order(f"o-{customer}", customer, 1, "20")


def test_an_effect_is_drawn_as_sure_and_an_open_question_is_not(world: World) -> None:
    ended = {"runs": {"from": "2026-03-01", "until": "2026-03-05"}, "variants": {"discount": "100"}}
    running = {**ended, "runs": {"from": "2026-03-01", "until": "2026-12-31"}}
    world.campaign("ended", ORDER, **ended)
    world.campaign("running", ORDER, **running)
    _company(world, "ended", (180, 2))
    _company(world, "running", (60, 4))
    told = page(world.open(), STORY, days=90)
    rows = re.findall(r'<tr><th scope="row">(\w+)</th>\s*(.*?)</tr>', told, re.DOTALL)
    lift = {name: row for name, row in rows if "points" in row}
    assert "+45.0 points, between +32.4 and +51.3" in lift["ended"]
    assert "180 of 360" in lift["ended"]
    assert '<circle class="point sure"' in lift["ended"]
    assert "too early: 60 of " in lift["running"]
    assert "So far +7 points, " in lift["running"]
    assert '<circle class="point "' in lift["running"]


def test_a_company_that_has_sent_nothing_is_told_so(world: World) -> None:
    world.campaign("spring", ORDER)
    world.order("o1", "c1", 1, "20")
    told = page(world.open(at(2)), STORY)
    assert "No campaign had a candidate." in told
    assert "No message left in these 30 days." in told
    assert "No campaign with a goal and a control group has spoken yet" in told
    assert "There is no earlier run to compare with." in told
