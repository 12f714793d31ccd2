"""Every problem of shape in every file, in our words and at its place."""

import time
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antiphon.campaigns.configuration import read
from antiphon.campaigns.models import Campaign
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

SETTINGS = """\
version: 1
company:
  name: Shop
  postal_address: Street 1, Town
  website: https://shop.example
  email_from: hello@shop.example
  email_from_name: Shop
  sms_from: Shop
business: {timezone: Europe/Berlin, country: DE, languages: [de, en], currency: EUR}
lake:
  retention: {snapshots: 7 days, decisions: 9 days, quarantine: 9 days, validation: 9 days}
links: {base_url: https://mail.shop.example}
salt: some salt
"""
CAMPAIGN = """\
campaign: spring
title: Spring
category: promo
priority: 50
runs: {from: 2026-03-01, until: 2026-05-31, days: weekdays}
audience: {where: order_count > 0}
channels: [email]
message: spring
"""
FILES = {
    "config/settings.yaml": SETTINGS,
    "config/sources.yaml": "version: 1\nsources:\n  people: {entity: customers, file: a.csv}\n",
    "config/segments.yaml": "version: 1\nsegments:\n  buyers: {where: order_count > 0}\n",
    "config/policy.yaml": "version: 1\nconsent: {promo: opt_in, lifecycle: none, service: none}\n",
    "config/campaigns/spring.yaml": CAMPAIGN,
    "config/expectations/orders.yaml": "version: 1\nexpectations: []\n",
}


def _problems(changes: Mapping[str, str | None]) -> list[Problem]:
    texts = {path: text for path, text in {**FILES, **changes}.items() if text is not None}
    return read(ProjectFiles(texts))[1]


def _only(changes: Mapping[str, str | None]) -> Problem:
    [problem] = _problems(changes)
    return problem


def test_good_files_become_a_configuration() -> None:
    configuration, problems, positions = read(ProjectFiles(FILES))
    assert problems == []
    assert configuration is not None
    assert configuration.settings.business.languages == ("de", "en")
    assert list(configuration.campaigns) == ["spring"]
    assert configuration.campaigns["spring"].arms == {"default": 1.0}
    assert list(configuration.expectations) == ["orders"]
    assert positions["config/campaigns/spring.yaml"].starts[("runs", "until")] == (5, 33)


def _campaign(old: str, new: str) -> Problem:
    assert old in CAMPAIGN
    return _only({"config/campaigns/spring.yaml": CAMPAIGN.replace(old, new)})


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "message", "hint"),
    [
        ("category: promo", "category: prom", 3, 11, "'category' cannot be 'prom'",
         "Did you mean 'promo'? Allowed here: lifecycle, promo, service."),
        ("[email]", "[email, smss]", 7, 19, "item 2 of 'channels' cannot be 'smss'",
         "Did you mean 'sms'? Allowed here: email, sms."),
        ("[email]", "email", 7, 11, "'channels' takes a list of email, sms, not one value",
         "Write [email]."),
        ("[email]", "[]", 7, 11, "'channels' is empty", "Write a list of email, sms."),
        ("50", "high", 4, 11, "'priority': write a whole number in digits, such as 50", ""),
        ("50", "1e3", 4, 11, "'priority': write a whole number in digits, such as 50", ""),
        ("50", "1001", 4, 11, "'priority' must be at most 1000", "Write a whole number."),
        ("50", "-1", 4, 11, "'priority' must be at least 0", "Write a whole number."),
        ("50", "[1]", 4, 11, "'priority' takes a whole number, not a list", ""),
        ("2026-03-01", "2026-02-30", 5, 14,
         "'from': there is no day 2026-02-30: the last day of that month is 2026-02-28", ""),
        ("2026-03-01", "2026-13-01", 5, 14,
         "'from': there is no day 2026-13-01: write year, month and day, as 2026-01-31", ""),
        ("2026-03-01", "20260301", 5, 14, "'from': write a day as 2026-01-31", ""),
        ("weekdays}", "monkey}", 5, 51,
         "'days': unknown day 'monkey': write weekdays, weekends, daily or mon, tue, … sun", ""),
        ("days: ", "dayz: ", 5, 45, "unknown key 'dayz'",
         "Did you mean 'days'? Allowed here: days, from, until."),
        ("{from: 2026-03-01, until", "{until", 5, 1, "the key 'from' is missing in 'runs'",
         "Write 'from:' and a day, such as 2026-01-31."),
        ("{where: order_count > 0}", "buyers", 6, 11,
         "'audience' takes keys below it (segment, where), not one value", ""),
        ("title: Spring", "title:", 2, 1, "'title' has no value",
         "Write text in one line, or remove the line."),
        ("message: spring", "message: spring\ncontrol: 10", 9, 10,
         "'control': a share lies between 0% and 100%: write '10%'", ""),
        ("message: spring", "message: spring\ncontrol: 150%", 9, 10,
         "'control': a share lies between 0% and 100%: write a percentage, such as 10%", ""),
        ("message: spring", "message: spring\nrepeat_after: 9999 weeks", 9, 15,
         "'repeat_after': a duration is at most 36500 days: write a shorter one", ""),
        ("message: spring", "message: spring\nrepeat_after: 0 days", 9, 15,
         "'repeat_after' must be more than zero",
         "Write a duration, such as 90 days, 3 hours, 2 weeks, 30 minutes."),
        ("message: spring", "message: spring\nvariants: {a: 0}", 9, 15,
         "'a' must be more than 0", "Write a number."),
        ("message: spring", "message: spring\nvariants: {control: 5}", 9, 12,
         "'control': 'control' is the name of a control group: call the variant otherwise", ""),
        ("message: spring", "message: spring\nvariants: {No: 5}", 9, 12,
         "'No': a name is made of a-z, 0-9, - and _, and begins with a letter", ""),
        ("campaign: spring", "campaign: sprin", 1, 11,
         "the campaign 'sprin' is in the file of 'spring'",
         "Write 'campaign: spring', or rename the file to sprin.yaml."),
    ],
)  # fmt: skip
def test_each_kind_of_problem_is_said_with_its_place_and_the_next_step(
    old: str, new: str, line: int, column: int, message: str, hint: str
) -> None:
    problem = _campaign(old, new)
    assert (problem.line, problem.column, problem.message) == (line, column, message)
    assert problem.hint == hint
    assert problem.source_line == CAMPAIGN.replace(old, new).splitlines()[line - 1]


def test_an_unknown_key_is_answered_with_the_nearest_and_all_allowed_ones() -> None:
    text = CAMPAIGN.replace("channels:", "chanels:")
    assert str(_only({"config/campaigns/spring.yaml": text})) == (
        "config/campaigns/spring.yaml:7:1: unknown key 'chanels'\n"
        "    7 | chanels: [email]\n"
        "  Did you mean 'channels'? Allowed here: anniversary, audience, by, campaign, category, "
        "chain, channel_by, channels, confirms, control, expires_after, for_each, goal, limits, "
        "message, offer, on, priority, repeat_after, runs, strata, survey, tags, test, title, "
        "value, variants."
    )


def test_a_key_written_wrongly_is_not_missing_as_well_but_the_others_are() -> None:
    text = CAMPAIGN.replace("channels:", "chanels:").replace("title: Spring\n", "")
    text = text.replace("runs: {from", "runs: {form").replace("priority: 50\n", "wholly: other\n")
    found = _problems({"config/campaigns/spring.yaml": text})
    assert sorted(problem.message for problem in found) == [
        "the key 'priority' is missing",
        "the key 'title' is missing",
        "unknown key 'chanels'",
        "unknown key 'form'",
        "unknown key 'wholly'",
    ]


def test_a_list_whose_items_are_all_wrong_is_not_called_empty() -> None:
    text = CAMPAIGN.replace("[email]", "[e-mail, SMS]")
    found = _problems({"config/campaigns/spring.yaml": text})
    assert [problem.message for problem in found] == [
        "item 1 of 'channels' cannot be 'e-mail'",
        "item 2 of 'channels' cannot be 'SMS'",
    ]


def test_problems_of_all_files_come_at_once() -> None:
    problems = _problems(
        {
            "config/settings.yaml": SETTINGS.replace("DE", "Germany"),
            "config/policy.yaml": "version: 1\nconsent: {promoo: opt_in}\n",
            "config/segments.yaml": "version: 1\nsegments: {a: {were: x}}\n",
            "config/campaigns/spring.yaml": CAMPAIGN + "extra: 1\nmore: 2\n",
            "config/campaigns/other.yaml": "a: [",
        }
    )
    assert [(p.path.removeprefix("config/"), p.line, p.message) for p in problems] == [
        ("campaigns/other.yaml", 2, "not YAML: a value is missing, or a bracket is not closed"),
        ("campaigns/spring.yaml", 9, "unknown key 'extra'"),
        ("campaigns/spring.yaml", 10, "unknown key 'more'"),
        ("policy.yaml", 2, "unknown key 'promoo'"),
        ("segments.yaml", 2, "unknown key 'were'"),
        ("settings.yaml", 9, "'country': write two capital letters, such as DE"),
    ]


@pytest.mark.parametrize("name", ["settings", "sources", "segments", "policy"])
def test_a_missing_file_is_a_problem_with_the_next_step(name: str) -> None:
    problem = _only({f"config/{name}.yaml": None})
    assert problem.message == "the file is missing"
    assert "docs/configuration.md" in problem.hint


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("config/setings.yaml", "Did you mean 'config/settings.yaml'?"),
        ("config/campaigns/summer.yml", "Rename it to config/campaigns/summer.yaml."),
        ("config/campaigns/old/summer.yaml", "Allowed here:"),
        ("config/expectations/order.yaml", "Did you mean 'config/expectations/orders.yaml'?"),
        ("config/expectations/contacts.yaml", "Allowed here:"),
    ],
)
def test_a_file_that_nothing_reads_is_never_passed_over_in_silence(path: str, hint: str) -> None:
    problem = _only({path: "a: 1"})
    assert (problem.path, problem.message) == (path, "no part of Antiphon reads this file")
    assert hint in problem.hint


@pytest.mark.parametrize(
    ("version", "message", "hint"),
    [
        ("version: 2", "made for a newer Antiphon", "upgrade Antiphon"),
        ("version: 99999999999999999999999", "made for a newer Antiphon", "upgrade Antiphon"),
        ("version: 0", "made for an older Antiphon", "docs/configuration.md"),
        ("version: one", "no version", "Write 'version: 1'."),
        ("version:", "no version", "Write 'version: 1'."),
    ],
)
def test_a_file_of_another_version_is_refused_before_its_keys_are_judged(
    version: str, message: str, hint: str
) -> None:
    text = SETTINGS.replace("version: 1", version).replace("company", "unheard_of")
    problem = _only({"config/settings.yaml": text})
    assert problem.message == message
    assert hint in problem.hint
    assert problem.line == 1


def test_without_a_version_the_other_problems_are_told_too() -> None:
    text = SETTINGS.replace("version: 1\n", "").replace("salt:", "sald:")
    messages = [problem.message for problem in _problems({"config/settings.yaml": text})]
    assert messages == [
        "the file says no version",
        "unknown key 'sald'",
    ]


SECRETS = [
    "postgresql://antiphon:geheim@db/shop",
    "postgresql://db/shop?user=a&password=geheim",
    "SG." + "a" * 22 + "." + "b" * 43,
    "AKIA" + "A" * 16,
    "SK" + "0" * 32,
    "xoxb-123456789012",
    "sk_live_" + "a" * 12,
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_a_file_is_refused_and_never_shown(secret: str) -> None:
    problems = _problems({"config/settings.yaml": SETTINGS + f"ledger: {{url: '{secret}'}}\n"})
    [problem] = problems
    assert problem.message.startswith("this looks like")
    assert "environment" in problem.hint
    assert problem.line == 14
    assert "geheim" not in str(problem)
    assert secret not in str(problem)


def test_a_key_named_like_a_secret_is_refused_without_showing_its_value() -> None:
    problem = _only({"config/settings.yaml": SETTINGS + "sendgrid_api_key: hunter2 and more\n"})
    assert problem.message == "unknown key 'sendgrid_api_key'"
    assert problem.hint.startswith("Secrets come from the environment, never from a file.")
    assert problem.source_line == "sendgrid_api_key: •••"


def test_a_url_where_a_variable_name_belongs_is_refused_masked() -> None:
    sources = "version: 1\nsources:\n  a: {entity: orders, database: 'mysql://u:pw12@h/x'}\n"
    problems = _problems({"config/sources.yaml": sources})
    assert {problem.line for problem in problems} == {3}
    assert "never its value" in problems[-1].message
    assert not any("pw12" in str(problem) for problem in problems)


def test_the_words_of_pydantic_never_show() -> None:
    values = ["x", "[1]", "{a: b}", "''", "~", "", "-1", "[[1]]", "[{a: b}]", "2026-01-01"]
    for value in values:
        for key in Campaign.model_fields:
            problems = _problems({"config/campaigns/spring.yaml": f"{key}: {value}\n"})
            for problem in problems:
                for word in (
                    "Input should",
                    "valid ",
                    "pydantic",
                    "Field required",
                    "Extra inputs",
                ):
                    assert word not in str(problem)


JUNK = st.recursive(
    st.text(max_size=8) | st.sampled_from(["no", "012", "~", "2026-01-01", "90 days", "1e999999"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*Campaign.model_fields, "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(text=st.text(), path=st.sampled_from([*FILES, "config/campaigns/x.yaml"]))
def test_arbitrary_text_becomes_problems_and_never_a_crash(text: str, path: str) -> None:
    problems = _problems({path: text})
    assert problems
    assert all(problem.path == path for problem in problems)
    assert all(str(problem) for problem in problems)


@settings(max_examples=200)
@given(JUNK, st.sampled_from(list(FILES)))
def test_arbitrary_values_become_problems_and_never_a_crash(values: object, path: str) -> None:
    text = "version: 1\n" if "campaigns" not in path else ""
    problems = _problems({path: text + f"sources: {values!r}\nruns: {values!r}\n"})
    assert problems
    assert all(str(problem) for problem in problems)


def test_2500_campaigns_are_read_in_linear_time() -> None:
    def seconds(count: int) -> float:
        texts = {
            f"config/campaigns/c{number}.yaml": CAMPAIGN.replace(
                "campaign: spring", f"campaign: c{number}"
            )
            for number in range(count)
        }
        started = time.process_time()
        assert read(ProjectFiles({**FILES, **texts}))[1] == []
        return time.process_time() - started

    seconds(50)
    few, many = seconds(250), seconds(2_500)
    assert many < 50 * few  # ten times as many; quadratic would be a hundred


@pytest.mark.parametrize(
    "line",
    ["x" * 1_000_000, "-x" * 500_000, "://" * 300_000, "password" * 100_000, "SG.-" * 250_000],
)
def test_a_huge_value_is_answered_quickly_and_shortly(line: str) -> None:
    started = time.process_time()
    text = CAMPAIGN.replace("category: promo", f"category: '{line}'")
    problem = _only({"config/campaigns/spring.yaml": text})
    assert time.process_time() - started < 5
    assert problem.line == 3
    assert len(str(problem)) < 600


def test_norwegian_is_a_language_and_twelve_may_begin_with_a_nought() -> None:
    texts = {
        "config/settings.yaml": SETTINGS.replace("[de, en]", "[no, de]"),
        "config/campaigns/spring.yaml": CAMPAIGN.replace("50", "012").replace("Spring", "7:30"),
    }
    configuration, problems, _ = read(ProjectFiles({**FILES, **texts}))
    assert problems == []
    assert configuration is not None
    assert configuration.settings.business.languages == ("no", "de")
    assert configuration.campaigns["spring"].priority == 12
    assert configuration.campaigns["spring"].title == "7:30"
