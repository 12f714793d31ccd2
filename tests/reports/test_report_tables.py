"""Reports of sql/reports/: what they count, the rates they declare, and whose rows they see."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from report_world import NOW, ORDER, World, at

from antiphon.errors import UserFilesError
from antiphon.ledger import Response
from antiphon.project import Project
from antiphon.reports.notebook import Notebook
from antiphon.reports.rates import BY, declared, report_table
from antiphon.reports.sections import funnel
from antiphon.reports.session import Scope
from antiphon.response.rates import Rate


def only(project: Project, name: str = "campaigns", scope: Scope | None = None) -> dict[str, Any]:
    """The one row of a report, rates included."""
    (row,) = report_table(project, name, scope or Scope()).table().to_pylist()
    return row


def test_what_came_back_is_counted_once_per_message(world: World) -> None:
    for number in range(1, 5):
        world.message(f"m{number}", f"c{number}", 0)
    for days in (1, 2):
        world.response("open", "m1", days)
        world.response("click", "m1", days)
    world.response("reply", "m2", 1)
    world.response("complaint", "m2", 1)
    world.response("opt_out", "m3", 1)
    row = only(world.open())
    names = ("sent", "opened", "clicked", "replied", "complained", "unsubscribed", "bounced")
    assert [row[name] for name in names] == [4, 1, 1, 1, 1, 1, 0]


def test_openings_by_machines_stand_apart(world: World) -> None:
    for number in (1, 2, 3):
        world.message(f"m{number}", "c1", 0)
    world.response("open", "m1", 1, is_machine=True)
    world.response("open", "m2", 1, is_machine=True)
    world.response("open", "m2", 2)
    world.response("click", "m3", 1, is_machine=True)
    row = only(world.open())
    assert (row["opened"], row["machine_opened"], row["clicked"]) == (1, 1, 0)


def test_an_answer_proves_that_a_message_was_delivered(world: World) -> None:
    world.message("m1", "c1", 0, state="accepted")
    world.message("m2", "c2", 0, state="accepted")
    world.message("m3", "c3", 0, state="bounced")
    world.response("click", "m1", 1)
    row = only(world.open())
    assert (row["sent"], row["delivered"], row["bounced"]) == (3, 1, 1)


def test_a_response_that_names_its_campaign_alone_belongs_to_its_last_message(
    world: World,
) -> None:
    world.message("m1", "c1", 0, arm="discount")
    world.message("m2", "c1", 5, arm="gift")
    world.response("click", None, 6, campaign="spring")
    world.response("click", None, 50, campaign="spring")  # too late
    table = report_table(world.open(), "variants").counts
    assert dict(zip(table["arm"].to_pylist(), table["clicked"].to_pylist(), strict=True)) == {
        "discount": 0,
        "gift": 1,
    }


def test_a_rate_stands_with_numerator_denominator_and_interval(world: World) -> None:
    for number in range(20):
        world.message(f"m{number}", f"c{number}", 0)
    world.response("click", "m3", 1)
    found = report_table(world.open(), "campaigns")
    clicked = next(one for one in found.rates if one.name == "clicked")
    assert found.column(clicked) == [Rate(1, 20)]
    row = found.table().to_pylist()[0]
    # Wilson, computed by hand: (0.05 + 0.096036 ± 1.959964 √(0.002375 + 0.0024009)) / 1.192073
    assert row["clicked_rate"] == 0.05
    assert (row["clicked_low"], row["clicked_high"]) == pytest.approx(
        (0.008881, 0.236131), abs=1e-5
    )


def test_nothing_of_nothing_has_no_rate(world: World) -> None:
    world.control("m", "c1", 0)
    row = only(world.open())
    assert (row["sent"], row["control"]) == (0, 1)
    assert row["clicked_rate"] is None
    assert row["clicked_low"] is None


def test_money_is_counted_for_every_message_for_the_last_and_in_parts(world: World) -> None:
    world.message("m1", "c1", 0, channel="email", cost_e4=0)
    world.message("m2", "c1", 1, channel="sms", cost_e4=725)
    world.control("held", "c2", 0)
    world.order("o1", "c1", 2, "99.99")
    world.order("o2", "c2", 2, "10")
    rows = report_table(world.open(), "channels").counts.to_pylist()
    by = {row["channel"]: row for row in rows}
    assert [by[one]["revenue"] for one in ("email", "sms")] == [Decimal("99.9900")] * 2
    assert [by[one]["last_touch_revenue"] for one in ("email", "sms")] == [0, Decimal("99.9900")]
    assert sum(row["shared_revenue"] for row in rows) == Decimal("99.9900")
    assert by["sms"]["cost"] == Decimal("0.0725")
    row = only(world.open())
    assert (row["control_converted"], row["control_revenue"]) == (1, 10)


def test_windows_that_are_still_open_are_told(world: World) -> None:
    world.message("m1", "c1", 0)
    world.message("m2", "c2", 10)
    row = only(world.open(at(20)))
    assert (row["sent"], row["still_open"]) == (2, 1)


def test_what_lies_ahead_of_the_moment_is_not_known_yet(world: World) -> None:
    world.message("m1", "c1", 0)
    world.response("click", "m1", 5)
    world.order("o", "c1", 5, "10")
    early, late = only(world.open(at(4))), only(world.open(at(6)))
    assert (early["clicked"], early["converted"], early["revenue"]) == (0, 0, 0)
    assert (late["clicked"], late["converted"], late["revenue"]) == (1, 1, 10)


def test_what_left_or_was_held_out_later_is_not_known_at_an_earlier_moment(world: World) -> None:
    world.message("m1", "c1", 0)
    tenth = "2026-03-11-daily-1"
    world.message("m2", "c2", 10, run_id=tenth)
    world.control("held", "c3", 10, run_id=tenth)
    world.message("later", "c4", 10, state="planned", run_id=tenth)
    world.message("waits", "c5", 10, state="planned", run_id="2026-03-04-daily-1")
    assert report_table(world.open(at(-1)), "campaigns").counts.num_rows == 0
    names = ("sent", "control", "waiting")
    early, late = only(world.open(at(5))), only(world.open(at(11)))
    assert [early[name] for name in names] == [1, 0, 1]
    assert [late[name] for name in names] == [2, 1, 2]


def test_who_looks_as_of_the_moment_of_a_run_sees_what_left_minutes_later(world: World) -> None:
    project = world.open(at(2))
    first = project.ledger.runs.begin("daily", at(2).date(), at(2), at(2))
    world.message("m1", "c1", 2.01, run_id=first.run_id)
    second = project.ledger.runs.begin("daily", at(2).date(), at(2.5), at(2.5))
    world.message("m2", "c2", 2.51, run_id=second.run_id)
    assert only(world.open(at(2)))["sent"] == 1
    assert only(world.open(at(2.5)))["sent"] == 2


def test_an_attempt_is_followed_only_once_the_next_one_is_known(world: World) -> None:
    world.message("m1", "c1", 0, occurrence_key="k", state="bounced")
    world.message("m2", "c1", 3, occurrence_key="k", attempt=2, run_id="2026-03-04-daily-1")
    assert (only(world.open(at(1)))["bounced"], only(world.open(at(4)))["bounced"]) == (1, 0)


def test_every_way_to_look_counts_the_same_messages(world: World) -> None:
    world.campaign("summer", ORDER)
    for number in range(12):
        campaign, arm = ("spring", "summer")[number % 2], ("discount", "gift")[number % 3 % 2]
        channel, cell = ("email", "sms")[number % 4 // 2], f"cell-{number % 3}"
        values = {"campaign": campaign, "arm": arm, "channel": channel, "cell": cell}
        world.message(f"m{number}", f"c{number}", number / 2, **values)
        world.add("customers", customer_id=f"c{number}", registered_at=at(-number * 20))
        if number % 2:
            world.order(f"o{number}", f"c{number}", number / 2 + 1, "10")
    project = world.open()
    for name in BY.values():
        table = report_table(project, name).counts
        assert table.num_rows > 1, name
        assert (sum(table["sent"].to_pylist()), sum(table["converted"].to_pylist())) == (12, 6), (
            name
        )


def test_a_cohort_is_the_month_of_registration_else_of_the_first_order(world: World) -> None:
    world.add("customers", customer_id="c1", registered_at=at(-60))
    world.add("customers", customer_id="c2")
    world.order("first", "c2", -90, "10")
    world.message("m1", "c1", 0)
    world.message("m2", "c2", 0)
    table = report_table(world.open(), "cohorts").counts
    assert table["cohort"].to_pylist() == ["2025-12"]
    assert sum(table["sent"].to_pylist()) == 2


def test_a_report_may_be_of_one_campaign_and_of_the_last_days(world: World) -> None:
    world.campaign("summer", ORDER)
    world.message("m1", "c1", 0)
    world.message("m2", "c2", 58)
    world.message("m3", "c3", 58, campaign="summer")
    project = world.open()
    assert only(project, scope=Scope("summer"))["sent"] == 1
    assert only(project, scope=Scope("spring", days=3))["sent"] == 1
    assert only(project, scope=Scope("spring"))["sent"] == 2


def test_messages_without_a_goal_are_no_part_of_the_converted(world: World) -> None:
    world.campaign("news", None)
    world.message("m1", "c1", 0)
    world.message("m2", "c2", 0)
    world.message("m3", "c3", 0, campaign="news")
    world.order("o", "c1", 1, "10")
    table = report_table(world.open(), "campaigns")
    news, spring = table.table().to_pylist()
    assert (news["sent"], news["with_goal"], news["converted_rate"]) == (1, 0, None)
    assert (spring["with_goal"], spring["converted_rate"]) == (2, 0.5)
    (converted,) = [one for one in funnel(table) if one.name == "Converted"]
    assert converted.rate == Rate(1, 2)


def test_an_unknown_campaign_is_refused_with_those_there_are(world: World) -> None:
    with pytest.raises(UserFilesError, match=r"no campaign 'sprig'.*mean spring"):
        report_table(world.open(), "campaigns", Scope("sprig"))


def test_a_campaign_whose_file_is_gone_keeps_its_report(world: World) -> None:
    world.message("m1", "c1", 0, campaign="of-old")
    assert only(world.open(), scope=Scope("of-old"))["sent"] == 1


def test_a_rate_of_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserFilesError, match=r"(?s)own.sql.*'clicks'.*clicked, sent"):
        declared("own.sql", "-- rate clicked: clicks of sent\nSELECT 1", ["clicked", "sent"])


def test_what_the_ledger_has_learnt_since_the_last_pull_is_in_the_report(world: World) -> None:
    world.message("m1", "c1", 0)
    world.response("open", "m1", 1)
    project = world.open()
    told = [
        Response(id_, kind, at(2), at(2), "web", message_id="m1", customer_id="c1")
        for id_, kind in (("response-0", "open"), ("new", "click"))  # the first was pulled before
    ]
    project.ledger.responses.insert(told)
    row = only(project)
    assert (row["opened"], row["clicked"]) == (1, 1)


def test_the_clock_of_a_report_is_the_projects(world: World) -> None:
    world.message("m1", "c1", 0)
    project = world.open()
    later = replace(project, clock=lambda: NOW + timedelta(days=400))
    assert report_table(later, "campaigns", Scope(days=90)).counts.num_rows == 0


@pytest.mark.parametrize(
    "query", ["COPY (SELECT 1) TO '{}'", "SELECT 1; COPY (SELECT 1) TO '{}'", "SET threads = 1"]
)
def test_a_query_of_a_notebook_changes_nothing(world: World, tmp_path: Path, query: str) -> None:
    kept = tmp_path / "kept.csv"
    kept.write_text("mine")
    shop = Notebook(world.open())
    with pytest.raises(UserFilesError, match="not one SELECT"):
        shop.sql(query.format(kept))
    assert kept.read_text() == "mine"
    assert shop.sql("WITH a AS (SELECT 1 AS x) FROM a")["x"].tolist() == [1]


def test_a_report_of_ones_own_changes_nothing_either(world: World, tmp_path: Path) -> None:
    project = world.open()
    sql = f"COPY (SELECT 1) TO '{tmp_path / 'mine.csv'}'"
    files = replace(project.configuration.files, texts={"sql/reports/own.sql": sql})
    own = replace(project, configuration=replace(project.configuration, files=files))
    with pytest.raises(UserFilesError, match=r"own\.sql is not one SELECT"):
        report_table(own, "own")
    assert not (tmp_path / "mine.csv").exists()


def test_a_notebook_tells_of_wrong_names_and_days(world: World) -> None:
    shop = Notebook(world.open())
    for ask in (shop.contacts, shop.responses, shop.conversions, shop.lift, shop.report):
        with pytest.raises(UserFilesError, match=r"Did you mean spring\?"):
            ask(campaign="sprng")
        with pytest.raises(UserFilesError, match="days is 0"):
            ask(days=0)
    with pytest.raises(UserFilesError, match=r"shop\.lift\(\)"):
        shop.report("lift")
