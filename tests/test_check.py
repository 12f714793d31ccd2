"""What only several files together show, on the shipped project and on two broken ones."""

import os
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from antiphon.check import check, load
from antiphon.errors import ConfigError, Problem
from antiphon.files import ProjectFiles, read_files

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden/check"
SHIPPED = read_files(ROOT)


def _changed(changes: Mapping[str, str | None]) -> ProjectFiles:
    texts = {path: text for path, text in {**SHIPPED.texts, **changes}.items() if text is not None}
    return ProjectFiles(texts)


def _replaced(path: str, old: str, new: str) -> list[Problem]:
    text = SHIPPED.texts[path]
    assert old in text
    return check(_changed({path: text.replace(old, new)}))[1]


def _only(path: str, old: str, new: str) -> Problem:
    [problem] = _replaced(path, old, new)
    return problem


def _word(path: str, problem: Problem) -> str:
    """The shipped text from the place of the problem on."""
    return SHIPPED.texts[path].splitlines()[problem.line - 1][problem.column - 1 :]


def _with_segments(text: str) -> str:
    """The shipped segments.yaml with these lines before its first segment."""
    shipped = SHIPPED.texts["config/segments.yaml"]
    return shipped.replace("\nsegments:\n", f"\nsegments:\n{text}")


def test_the_shipped_project_has_no_problem() -> None:
    configuration, problems = check(SHIPPED, today=date(2026, 5, 12))
    assert problems == []
    assert configuration is not None
    assert set(configuration.campaigns) == {
        path.removesuffix(".yaml") for path in SHIPPED.under("config/campaigns")
    }
    assert len(configuration.campaigns) >= 24
    assert "days_since_order" in configuration.features
    assert all(
        campaign.runs.includes(date(2026, 5, 12)) for campaign in configuration.campaigns.values()
    )


@pytest.mark.parametrize("name", ["shapes", "across"])
def test_the_whole_answer_to_a_broken_project(name: str) -> None:
    folder = GOLDEN / name
    configuration, problems = check(read_files(folder), today=date(2026, 5, 12))
    answer = "".join(f"{problem}\n" for problem in problems)
    if os.environ.get("ANTIPHON_WRITE_GOLDEN"):
        (folder / "expected.txt").write_text(answer, encoding="utf-8")
    assert configuration is None
    assert answer == (folder / "expected.txt").read_text(encoding="utf-8")


def test_load_raises_every_problem_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        load(read_files(GOLDEN / "across"))
    assert str(raised.value) + "\n" == (GOLDEN / "across/expected.txt").read_text("utf-8")


def test_an_empty_project_is_told_of_its_four_files() -> None:
    _, problems = check(ProjectFiles({}))
    assert [problem.path for problem in problems] == [
        "config/policy.yaml",
        "config/segments.yaml",
        "config/settings.yaml",
        "config/sources.yaml",
    ]


WINBACK = "config/campaigns/winback-lost-loyal.yaml"


def test_an_unknown_feature_in_a_condition_points_at_its_word() -> None:
    problem = _only(WINBACK, "favourite_category <>", "favorite_category <>")
    assert _word(WINBACK, problem).startswith("favourite_category <>")
    assert "favourite_category" in problem.hint


def test_a_condition_over_several_lines_points_at_the_line_of_its_error() -> None:
    path = "config/segments.yaml"
    problem = _only(path, "or days_since_order >", "or days_since_ordr >")
    line = SHIPPED.texts[path].splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith("days_since_order > days")


def test_a_condition_that_loses_customers_unnoticed_is_warned_of_at_its_word() -> None:
    path = "config/segments.yaml"
    added = "\n  gone:\n    title: Gone\n    where: not (days_since_order <= 90)\n\nscores:"
    text = SHIPPED.texts[path].replace("\nscores:", added, 1)
    configuration, [problem] = check(_changed({path: text}))
    assert configuration is not None, "a warning stops nothing"
    assert problem.is_warning
    assert "days_since_order" in problem.message
    line = text.splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith(("not (days", "days_since_order <="))


def test_the_segment_beside_a_condition_answers_for_whom_it_would_lose() -> None:
    campaign = SHIPPED.texts[WINBACK]
    alone = campaign.replace("  segment: lost_loyal\n", "")
    assert alone != campaign
    [problem] = check(_changed({WINBACK: alone}))[1]
    assert problem.is_warning
    assert "favourite_category" in problem.message
    assert check(SHIPPED)[1] == []


def test_an_attribute_of_the_users_own_is_known_to_conditions_and_templates() -> None:
    sources = SHIPPED.texts["config/sources.yaml"].replace("loyalty_tier:", "loyalty_rank:")
    _, problems = check(_changed({"config/sources.yaml": sources}))
    assert {problem.path for problem in problems} >= {"config/segments.yaml"}
    assert all("loyalty_tier" in problem.message for problem in problems)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("segment: lost_loyal", "segment: lost_loyals", "no segment 'lost_loyals'"),
        ("message: winback", "message: winbak", "no message 'winbak' in templates/"),
        ("gift: 50", "gft: 50", "no folder templates/winback/gft/"),
        ("until: 2026-06-30", "until: 2026-01-09", "before it begins"),
        ("until: 2026-06-30, days: weekdays", "until: 2026-01-11, days: weekdays", "no day from"),
        ("[email, sms]", "[email, email]", "'email' appears twice"),
    ],
)
def test_names_and_days_of_a_campaign_are_checked(old: str, new: str, message: str) -> None:
    problems = _replaced(WINBACK, old, new)
    assert message in problems[0].message
    assert problems[0].path == WINBACK


def test_a_campaign_that_is_over_is_a_warning_and_no_error() -> None:
    text = SHIPPED.texts[WINBACK].replace("until: 2026-06-30", "until: 2026-05-11")
    files = _changed({WINBACK: text})
    configuration, problems = check(files, today=date(2026, 5, 12))
    assert configuration is not None
    assert [(one.is_warning, one.message) for one in problems] == [
        (True, "the campaign was over on 2026-05-11")
    ]
    assert check(files, today=date(2026, 5, 11))[1] == []
    assert load(files).campaigns["winback-lost-loyal"].runs.until == date(2026, 5, 11)


def test_a_campaign_of_one_day_is_fine_if_that_is_one_of_its_days() -> None:
    def on(day: str) -> list[Problem]:
        period = "from: 2026-01-10, until: 2026-06-30"
        return _replaced(WINBACK, period, f"from: {day}, until: {day}")

    assert on("2026-06-01") == []  # a Monday
    [problem] = on("2026-05-31")
    assert "no day from" in problem.message


def test_a_template_variable_that_does_not_exist_is_a_problem() -> None:
    path = next(
        path
        for path in SHIPPED.texts
        if path.startswith("templates/winback/") and "body.html" in path
    )
    end = "{% endblock"
    text = SHIPPED.texts[path].replace(end, "{{ customer.nick_name }}" + end)
    _, problems = check(_changed({path: text}))
    assert any(one.path == path and "nick_name" in one.message for one in problems)


def test_a_template_problem_that_two_campaigns_share_is_told_once() -> None:
    other = SHIPPED.texts[WINBACK].replace("campaign: winback-lost-loyal", "campaign: second")
    path = next(
        path
        for path in SHIPPED.texts
        if path.startswith("templates/winback/") and "subject" in path
    )
    texts = {"config/campaigns/second.yaml": other, path: "{{ customer.nick_name }}"}
    _, problems = check(_changed(texts))
    assert len(problems) == len(set(problems))
    assert sum("nick_name" in problem.message for problem in problems) == 1


def test_each_source_needs_customers_and_a_place() -> None:
    path = "config/sources.yaml"
    messages = [one.message for one in _replaced(path, "entity: customers", "entity: events")]
    assert "no source brings customers" in messages
    assert "full and has" in _only(path, "overlap: 1 day ", "full: yes ").message
    problem = _only(path, "file: var/demo/products.csv", "database: SHOP_URL")
    assert problem.message == "'products' has no query"


def test_an_expectation_that_cannot_name_rows_may_not_quarantine() -> None:
    path = "config/expectations/orders.yaml"
    text = SHIPPED.texts[path] + (
        "  - expect: expect_column_values_to_be_json_parseable\n"
        "    column: status\n"
        "    on_failure: quarantine\n"
    )
    [problem] = check(_changed({path: text}))[1]
    assert problem.line == len(text.splitlines())
    assert "quarantine" in problem.message


def test_what_is_wrong_in_one_file_hides_nothing_in_another() -> None:
    texts = {
        "config/policy.yaml": "version: 1\nconsnt: {}\n",
        "config/segments.yaml": _with_segments("  odd: {were: x}\n"),
        WINBACK: SHIPPED.texts[WINBACK].replace("segment: lost_loyal", "segment: lost_loyals"),
    }
    _, problems = check(_changed(texts))
    assert {problem.path for problem in problems} == set(texts)
    # A segment that is wrong is still a segment: nobody is told that it does not exist.
    texts[WINBACK] = SHIPPED.texts[WINBACK].replace("segment: lost_loyal", "segment: odd")
    _, problems = check(_changed(texts))
    assert WINBACK not in {problem.path for problem in problems if not problem.is_warning}


def test_a_wrong_value_hides_no_condition_of_the_same_file() -> None:
    text = SHIPPED.texts[WINBACK].replace("priority: ", "priority: x")
    text = text.replace("favourite_category <>", "favorite_category <>")
    text = text.replace("segment: lost_loyal", "segment: lost_loyals")
    _, problems = check(_changed({WINBACK: text}))
    assert [problem.message for problem in problems] == [
        "'priority': write a whole number in digits, such as 50",
        "no segment 'lost_loyals' in config/segments.yaml",
        "unknown column 'favorite_category'",
    ]


def test_a_segment_that_is_wrong_still_has_its_condition_judged() -> None:
    path = "config/segments.yaml"
    text = _with_segments(
        "  odd: {tittle: Odd, where: ordercount > 2}\n  Odd Name: {where: order_count >> 2}\n"
    )
    odd = text[: text.index("  odd:")].count("\n") + 1
    found = [(one.line - odd, one.message) for one in check(_changed({path: text}))[1]]
    assert [message for line, message in found if line == 0] == [
        "unknown key 'tittle'",
        "unknown column 'ordercount'",
    ]
    assert len([message for line, message in found if line == 1]) == 2
    # Of a file of another version nothing is judged.
    newer = text.replace("version: 1", "version: 2")
    [problem] = [one for one in check(_changed({path: newer}))[1] if not one.is_warning]
    assert problem.message == "made for a newer Antiphon"


def test_one_mistake_in_an_audience_has_one_complaint() -> None:
    audiences = ["{were: order_count > 2}", "{segment: Lost Loyal}", "{where: ''}", "{}", "x"]
    for audience in audiences:
        lines = SHIPPED.texts[WINBACK].splitlines()
        start = lines.index("audience:")
        end = next(at for at in range(start + 1, len(lines)) if not lines[at].startswith(" "))
        lines[start:end] = [f"audience: {audience}"]
        assert len(check(_changed({WINBACK: "\n".join(lines)}))[1]) == 1, audience


def test_100_campaigns_are_checked_in_about_a_second() -> None:
    text = SHIPPED.texts[WINBACK]
    texts = {
        f"config/campaigns/c{number}.yaml": text.replace(
            "campaign: winback-lost-loyal", f"campaign: c{number}"
        ).replace("favourite_category <>", f"order_count > {number} and favourite_category <>")
        for number in range(100 - len(SHIPPED.under("config/campaigns")))
    }
    check(SHIPPED)
    started = time.process_time()
    configuration, problems = check(_changed(texts))
    took = time.process_time() - started
    assert problems == []
    assert configuration is not None
    assert len(configuration.campaigns) == 100
    assert took < 3  # CPU seconds: others at work do not count
