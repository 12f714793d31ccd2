"""A campaign's rhythm: what contradicts, can never begin or never end is said before any run."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from antiphon.audience.dictionary import Feature
from antiphon.campaigns.models import Campaign
from antiphon.campaigns.rhythm import RhythmProblem, rhythm_problems
from antiphon.check import check
from antiphon.entities import ColumnType
from antiphon.files import ProjectFiles, read_files

ROOT = Path(__file__).resolve().parents[2]

PLAIN = {
    "campaign": "c",
    "title": "C",
    "category": "promo",
    "priority": "1",
    "runs": {"from": "2026-01-01"},
    "channels": ["email"],
}
STEPS = [
    {"step": "first", "after": "3 days", "message": "m"},
    {"step": "second", "after": "5 days", "message": "m"},
]
CHAIN = {"start": {"where": "order_count = 0"}, "steps": STEPS, "exits": {"bought": "x"}}
FEATURES = {
    name: Feature(name, type_, "", "", "f.sql", nullable=True)
    for name, type_ in {
        "local_day": ColumnType.DAY,
        "birthday": ColumnType.DAY,
        "next_checkup": ColumnType.DAY,
        "next_checkup_on": ColumnType.DAY,
        "first_order_day": ColumnType.DAY,
        "region": ColumnType.TEXT,
        "last_name": ColumnType.TEXT,
        "order_count": ColumnType.INTEGER,
    }.items()
}


def problems(**keys: Any) -> list[RhythmProblem]:
    campaign = Campaign.model_validate({**PLAIN, **keys})
    return list(rhythm_problems(campaign, FEATURES))


def chain(**keys: Any) -> dict[str, Any]:
    return {"chain": {**CHAIN, **keys}}


def event_chain(*afters: str, **keys: Any) -> dict[str, Any]:
    steps = [
        {"step": f"s{place}", "after": after, "message": "m"} for place, after in enumerate(afters)
    ]
    return chain(start={"event": "cart"}, steps=steps, **keys)


@pytest.mark.parametrize(
    "keys",
    [
        {"audience": {"segment": "s"}, "message": "m"},
        {"anniversary": {"of": "birthday", "before": "3 days"}, "message": "m"},
        {"anniversary": {"of": "12-24", "grace": "2 days"}, "message": "m"},
        {"anniversary": {"of": "02-29"}, "message": "m"},
        {"anniversary": {"of": "registration"}, "message": "m", "audience": {"where": "x"}},
        {"anniversary": {"of": "first_order"}, "message": "m"},
        {"anniversary": {"of": "next_checkup", "before": "7 days"}, "message": "m"},
        {"on": {"event": "cart", "after": "90 minutes", "grace": "3 hours"}, "message": "m"},
        {"on": {"notice": "incident", "same": "region"}, "message": "m"},
        {"on": {"notice": "back", "did": "wish", "within": "30 days"}, "message": "m"},
        chain(),
        event_chain("90 minutes", "1 day", grace="3 hours"),
        event_chain("1 day", enter_again="30 days", exits={}),
    ],
)
def test_a_sound_rhythm_has_no_problem(keys: dict[str, Any]) -> None:
    assert problems(**keys) == []


WRONG: dict[str, tuple[dict[str, Any], tuple[str | int, ...], str]] = {
    "no rhythm": ({"message": "m"}, ("campaign",), "speaks to nobody"),
    "two rhythms": (
        {"anniversary": {"of": "birthday"}, "on": {"event": "e"}, "message": "m"},
        ("on",),
        "both 'anniversary' and 'on'",
    ),
    "chain and audience": (
        chain() | {"audience": {"segment": "s"}},
        ("audience",),
        "beside 'audience'",
    ),
    "chain and message": (chain() | {"message": "m"}, ("message",), "a chain beside 'message'"),
    "chain and repeat": (
        chain() | {"repeat_after": "3 days"},
        ("repeat_after",),
        "beside 'repeat_after'",
    ),
    "no such feast": (
        {"anniversary": {"of": "02-30"}, "message": "m"},
        ("anniversary", "of"),
        "no day '02-30'",
    ),
    "feast in the wrong order": (
        {"anniversary": {"of": "24-12"}, "message": "m"},
        ("anniversary", "of"),
        "no day '24-12'",
    ),
    "no such day": (
        {"anniversary": {"of": "birthdya"}, "message": "m"},
        ("anniversary", "of"),
        "no day 'birthdya' of a customer",
    ),
    "no day": (
        {"anniversary": {"of": "order_count"}, "message": "m"},
        ("anniversary", "of"),
        "type integer, not a day",
    ),
    "before and after": (
        {"anniversary": {"of": "birthday", "before": "1 day", "after": "1 day"}, "message": "m"},
        ("anniversary", "after"),
        "both before and after",
    ),
    "hours of an anniversary": (
        {"anniversary": {"of": "birthday", "grace": "3 hours"}, "message": "m"},
        ("anniversary", "grace"),
        "3 hours is no number of whole days",
    ),
    "event and notice": (
        {"on": {"event": "e", "notice": "n"}, "message": "m"},
        ("on", "notice"),
        "both an event and a notice",
    ),
    "neither": ({"on": {"after": "1 day"}, "message": "m"}, ("on",), "neither"),
    "notice for whom": ({"on": {"notice": "n"}, "message": "m"}, ("on", "notice"), "whom"),
    "did and same": (
        {"on": {"notice": "n", "did": "e", "same": "region"}, "message": "m"},
        ("on", "same"),
        "both 'did' and 'same'",
    ),
    "an event with same": (
        {"on": {"event": "e", "same": "region"}, "message": "m"},
        ("on", "same"),
        "'same' beside an event",
    ),
    "same of a number": (
        {"on": {"notice": "n", "same": "order_count"}, "message": "m"},
        ("on", "same"),
        "type integer, not a text",
    ),
    "same of nothing": (
        {"on": {"notice": "n", "same": "regoin"}, "message": "m"},
        ("on", "same"),
        "unknown column 'regoin'",
    ),
    "same of a name": (
        {"on": {"notice": "n", "same": "last_name"}, "message": "m"},
        ("on", "same"),
        "who the person is",
    ),
    "within without did": (
        {"on": {"event": "e", "within": "3 days"}, "message": "m"},
        ("on", "within"),
        "'within' without 'did'",
    ),
    "nobody starts": (chain(start={}), ("chain", "start"), "can never start"),
    "since without event": (
        chain(start={"where": "y", "since": "2 days"}),
        ("chain", "start", "since"),
        "'since' without an event",
    ),
    "two steps of a name": (
        chain(steps=[*STEPS, {**STEPS[0], "after": "9 days"}]),
        ("chain", "steps", 2, "step"),
        "two steps are called 'first'",
    ),
    "after does not grow": (
        chain(steps=[STEPS[1], STEPS[0]]),
        ("chain", "steps", 1, "after"),
        "not later than the step before it (5 days)",
    ),
    "the exit is the start": (
        chain(exits={"no": "order_count  =  0"}),
        ("chain", "exits", "no"),
        "leaves at once",
    ),
    "everybody leaves": (
        chain(exits={"no": " TRUE "}),
        ("chain", "exits", "no"),
        "everybody leaves at once",
    ),
    "a step for those who have left": (
        chain(steps=[{**STEPS[0], "where": "age > 17"}], exits={"grown": "age  >  17"}),
        ("chain", "exits", "grown"),
        "who is meant by step 'first' has left",
    ),
    "a reserved exit": (
        chain(exits={"finished": "x"}),
        ("chain", "exits", "finished"),
        "by themselves",
    ),
    "hours of a condition": (
        chain(steps=[{**STEPS[0], "after": "3 hours"}]),
        ("chain", "steps", 0, "after"),
        "starts from a condition",
    ),
    "hours of grace": (chain(grace="3 hours"), ("chain", "grace"), "starts from a condition"),
    "too late a step": (
        chain() | {"runs": {"from": "2026-01-01", "until": "2026-01-05"}},
        ("chain", "steps", 1, "after"),
        "can never be sent: the campaign ends on 2026-01-05",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_work_is_said_at_its_place(name: str) -> None:
    keys, path, words = WRONG[name]
    [problem] = problems(**keys)
    assert problem.path == path
    assert words in problem.message
    assert problem.hint
    assert not problem.is_warning


def test_a_chain_without_end_is_warned_of() -> None:
    [problem] = problems(**chain(exits={}, enter_again="30 days"))
    assert problem.is_warning
    assert problem.path == ("chain", "enter_again")


def test_the_nearest_name_is_offered() -> None:
    [problem] = problems(anniversary={"of": "next_chekup"}, message="m")
    assert "next_checkup" in problem.hint
    [problem] = problems(on={"notice": "n", "same": "regoin"}, message="m")
    assert "region" in problem.hint


def test_a_frame_without_the_customers_day_has_no_anniversaries() -> None:
    campaign = Campaign.model_validate({**PLAIN, "anniversary": {"of": "12-24"}, "message": "m"})
    features = {name: one for name, one in FEATURES.items() if name != "local_day"}
    [problem] = rhythm_problems(campaign, features)
    assert "'local_day' is missing" in problem.message


def test_the_examples_of_the_documentation_are_sound() -> None:
    text = (ROOT / "docs" / "campaigns-over-time.md").read_text(encoding="utf-8")
    examples = [block.partition("```")[0] for block in text.split("```yaml\n")[1:]]
    assert len(examples) == 5
    for example in examples:
        keys = yaml.load(example, Loader=yaml.BaseLoader)
        spoken = {} if "chain" in keys else {"message": "m"}
        assert problems(**keys, **spoken) == [], example


def test_check_says_it_with_the_line() -> None:
    path = "config/campaigns/birthday-wishes.yaml"
    texts = dict(read_files(ROOT).texts)
    text = PLAIN | {
        "runs": "{from: 2026-01-01}",
        "channels": "[email]",
        "campaign": "birthday-wishes",
    }
    lines = [f"{key}: {value}" for key, value in text.items()]
    texts[path] = "\n".join([*lines, "message: birthday", "anniversary: {of: 02-30}", ""])
    found = [one for one in check(ProjectFiles(texts))[1] if one.path == path]
    assert [(one.line, one.message) for one in found if not one.is_warning] == [
        (8, "there is no day '02-30' in any year")
    ]
