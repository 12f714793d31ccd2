"""prefect.yaml, the flows it names and the tasks within them; no server is started here."""

import logging
import re
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from demo_project import ROOT, make_project
from prefect import Flow
from prefect.cache_policies import NO_CACHE
from prefect.flows import load_flow_from_entrypoint
from prefect.runtime import flow_run

import flows.daily
import flows.triggers
import tasks.edge
from antiphon.check import load
from antiphon.files import read_files
from antiphon.steps.daily import steps_of

DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda one: one["name"])
def test_every_entry_point_loads_and_takes_the_parameters_it_is_given(
    deployment: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    assert isinstance(flow, Flow)
    assert flow.name == deployment["name"]
    flow.validate_parameters(deployment.get("parameters", {}))


def test_the_schedules_are_in_the_business_time_zone() -> None:
    zone = load(read_files(ROOT)).settings.business.timezone
    schedules = [one for deployment in DEPLOYMENTS for one in deployment["schedules"]]
    assert [schedule["timezone"] for schedule in schedules] == [zone] * len(schedules)


def test_parameters_are_typed_and_no_default_is_a_day() -> None:
    parameters = flows.daily.daily.parameters.properties
    assert parameters["business_day"]["anyOf"][0]["format"] == "date"
    assert parameters["business_day"]["default"] is None
    assert parameters["campaigns"]["anyOf"][0] == {"items": {"type": "string"}, "type": "array"}
    assert parameters["dry_run"]["type"] == "boolean"


@pytest.mark.parametrize("dry_run", [False, True])
def test_the_flow_calls_the_steps_of_the_daily_run_in_their_order(
    dry_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow is read, not run: what it calls with the run's id, in the order it is written."""
    source = Path(flows.daily.__file__).read_text(encoding="utf-8")
    body = source.partition("as run_id:")[2].partition("except RunBusy")[0]
    called = re.findall(r"^( +)(\w+)\(run_id\)$", body, re.MULTILINE)
    indent = min(len(spaces) for spaces, _ in called)
    names = [name for spaces, name in called if not dry_run or len(spaces) == indent]
    assert names == [step.__name__ for step in steps_of(dry_run=dry_run)]
    assert len(names) <= 12
    for name in names:
        task = getattr(flows.daily, name)
        assert task.name == name
        assert task.fn.__name__ == "do"
        assert task.cache_policy == NO_CACHE
        assert (task.retries, task.retry_delay_seconds) == (3, [5, 20, 60])


def test_the_page_is_written_when_the_run_is_over_and_never_from_a_cache() -> None:
    source = Path(flows.daily.__file__).read_text(encoding="utf-8")
    assert "    page(run_id)\n" in source.partition("except RunBusy")[2]
    assert flows.daily.page.cache_policy == NO_CACHE
    assert not flows.daily.page.retries


def test_a_page_that_cannot_be_written_does_a_run_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ANTIPHON_ROOT", str(make_project(tmp_path / "shop", 100)))
    monkeypatch.setattr(logging.getLogger("antiphon"), "propagate", True)
    flows.daily.page.fn("2026-05-12-daily-9")
    assert "the page of the run could not be written: there is no run" in caplog.text


@pytest.fixture
def scheduled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A run of a deployment, as Prefect's runtime tells of it."""
    project = make_project(tmp_path / "shop", 100)
    monkeypatch.setenv("ANTIPHON_ROOT", str(project))
    monkeypatch.delenv("ANTIPHON_AT", raising=False)
    monkeypatch.setenv("PREFECT__RUNTIME__DEPLOYMENT__ID", "11111111-1111-1111-1111-111111111111")
    return monkeypatch


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2026-05-12T21:59:59+00:00", date(2026, 5, 12)),
        ("2026-05-12T23:30:00+00:00", date(2026, 5, 13)),  # 01:30 in Berlin
        ("2026-12-31T23:00:00+00:00", date(2027, 1, 1)),
    ],
)
def test_the_business_day_is_that_of_the_scheduled_start_in_the_business_zone(
    scheduled: pytest.MonkeyPatch, instant: str, day: date
) -> None:
    started = datetime.fromisoformat(instant)
    scheduled.setitem(flow_run.FIELDS, "scheduled_start_time", lambda: started)
    assert tasks.edge.resolved_day(None) == day
    assert tasks.edge.resolved_day(date(2026, 1, 2)) == date(2026, 1, 2)


def test_in_a_rehearsal_the_day_is_that_of_the_rehearsed_clock(
    scheduled: pytest.MonkeyPatch,
) -> None:
    scheduled.setenv("ANTIPHON_AT", "2026-05-12T23:30:00+00:00")
    assert tasks.edge.resolved_day(None) == date(2026, 5, 13)


def test_the_flow_of_the_triggers_calls_the_same_steps() -> None:
    source = Path(flows.triggers.__file__).read_text(encoding="utf-8")
    called = re.findall(r"^ +(\w+)\(run_id\)$", source.partition("as run_id:")[2], re.MULTILINE)
    assert called == [step.__name__ for step in steps_of(dry_run=False)]
