"""What is wrong with the shape of a rule is said at its own word; the good rules stay readable."""

from collections.abc import Mapping

import pytest

from antiphon.campaigns.configuration import POLICY, draft, read
from antiphon.campaigns.rules import Pack, Policy
from antiphon.errors import Problem
from antiphon.files import ProjectFiles

HEAD = "version: 1\nconsent: {promo: opt_in, lifecycle: none, service: none}\n"
PACK = """\
version: 1
pack: night
title: Nights are quiet
as_of: 2026-11-01
times:
  - {name: night, quiet: "21:00-08:00", source: our own}
"""


def _problems(policy: str, packs: Mapping[str, str] | None = None) -> list[Problem]:
    texts = {f"config/packs/{name}.yaml": text for name, text in (packs or {}).items()}
    found = read(ProjectFiles({POLICY: HEAD + policy, **texts}))[1]
    return [one for one in found if one.message != "the file is missing"]


def _only(policy: str, packs: Mapping[str, str] | None = None) -> Problem:
    [problem] = _problems(policy, packs)
    return problem


@pytest.mark.parametrize(
    ("rule", "at", "message", "hint"),
    [
        ("channel: smss", "smss", "'channel' cannot be 'smss'", "Did you mean 'sms'?"),
        ("channel: [email, smss]", "smss", "item 2 of 'channel' cannot be 'smss'", "Did you mean"),
        ("channel: 'email,  smss'", "smss", "'channel' cannot be 'smss'", "Did you mean 'sms'?"),
        ("category: prom", "prom", "'category' cannot be 'prom'", "Did you mean 'promo'?"),
        ("tag: Big Ones", "Big", "'tag': a name is made of a-z, 0-9, - and _", ""),
        ("channel: []", "[]", "'channel': the list is empty: write at least one", ""),
        ("channel: {a: b}", "{", "'channel' takes one of email, sms; or a list of such", ""),
        ("chanel: sms", "chanel", "unknown key 'chanel'", "Did you mean 'channel'?"),
        ("each: ofer", "ofer", "'each' cannot be 'ofer'", "Did you mean 'offer'?"),
        ("until: 2026-02-30", "2026", "'until': there is no day 2026-02-30", ""),
    ],
)
def test_a_wrong_scope_is_answered_at_its_word(rule: str, at: str, message: str, hint: str) -> None:
    line = f"  - {{name: two, max: 2, per: 7 days, {rule}}}"
    problem = _only(f"caps:\n{line}\n")
    assert problem.message.startswith(message)
    assert problem.hint.startswith(hint)
    assert problem.line == 4
    assert line[problem.column - 1 :].startswith(at)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("max: -1, per: 7 days", "'max': write 0 or more: a maximum is not negative"),
        ("max: , per: 7 days", "'max' has no value"),
        ("max: [2], per: 7 days", "'max' takes a whole number, or an expression over features"),
        ("max: 2, per: month", "'per': write 'calendar month', or '30 days'"),
        ("max: 2, per: 0 days", "'per': a window is longer than nothing"),
        ("max: 2, per: soon", "'per': write a number and a unit"),
        ("max: 2", "the key 'per' is missing in item 1 of 'caps'"),
    ],
)
def test_a_maximum_and_its_window_are_told_once_what_is_wrong(keys: str, message: str) -> None:
    assert _only(f"caps:\n  - {{name: two, {keys}}}\n").message.startswith(message)


@pytest.mark.parametrize(
    ("section", "keys", "message"),
    [
        ("times", "hours: 8-21", "'hours': write two times of day"),
        ("times", "quiet: 08:00-08:00", "'quiet': both times are the same"),
        ("times", "blackout: 12-24..2026-12-26", "'blackout': write days as"),
        ("times", "blackout: 2026-12-26..2026-12-24", "'blackout': 2026-12-24 is before"),
        ("times", "blackout: 04-31", "'blackout': there is no day"),
        ("times", "holidays: Germany", "'holidays': write a country such as DE"),
        ("ratios", "of: letter, per: 9 days, share: 4/3", "'share': write a percentage"),
        ("warm_up", "per_day: [100, -200]", "item 2 of 'per_day' must be at least 0"),
        ("budgets", "money: -1, per: day", "'money' must be at least 0"),
        ("budgets", "money: 1, per: week", "'per' cannot be 'week'"),
        ("consents", "proof: maybe", "'proof': write yes or no"),
        ("cool_downs", "ignored: 0, rest: 9 days", "'ignored' must be at least 1"),
    ],
)
def test_each_kind_of_rule_says_what_it_takes(section: str, keys: str, message: str) -> None:
    assert _only(f"{section}:\n  - {{name: one, {keys}}}\n").message.startswith(message)


def test_a_word_on_a_later_line_of_a_folded_list_is_found() -> None:
    policy = "caps:\n  - name: two\n    max: 2\n    per: 7 days\n    channel: >-\n      email,\n"
    problem = _only(policy + "      smss\n")
    assert (problem.line, problem.column) == (9, 7)


def test_the_rules_beside_a_wrong_one_keep_their_place() -> None:
    policy = HEAD + (
        "caps:\n  - {name: a, max: x, per: soon}\n  - {name: b, max: 1, per: 1 day}\n"
        "  - 5\n  - {name: c, max: 1, per: 1 day}\n"
        "gaps:\n  - {name: d, at_least: 1 day}\n"
    )
    found = draft(ProjectFiles({POLICY: policy}))
    assert [(*place, one.name) for *place, one in found.rules(POLICY)] == [
        ("caps", 1, "b"),
        ("caps", 3, "c"),
        ("gaps", 0, "d"),
    ]
    assert found.get(POLICY, Policy) is not None
    assert found.configuration() is None


def test_a_pack_is_read_and_its_rules_hold_after_the_policys_own() -> None:
    policy = "packs: night\ntimes:\n  - {name: noon, quiet: 12:00-13:00}\n"
    found = draft(ProjectFiles({POLICY: HEAD + policy, "config/packs/night.yaml": PACK}))
    own, pack = found.get(POLICY, Policy), found.get("config/packs/night.yaml", Pack)
    assert own is not None
    assert pack is not None
    whole = own.with_packs((pack,))
    assert [one.title for one in whole.rules()] == ["time:noon", "time:night"]
    assert [one.name for one in own.times] == ["noon"]
    assert found.problems == read(found.files)[1]
    assert {one.message for one in found.problems} == {"the file is missing"}


def test_a_pack_that_does_not_exist_is_answered_with_the_nearest() -> None:
    problem = _only("packs: nigth\n", {"night": PACK})
    assert problem.message == "no pack 'nigth' in config/packs/"
    assert problem.hint.startswith("Did you mean 'night'?")
    assert (problem.line, problem.column) == (3, 8)
    assert _only("packs: night\n").hint == "Write the file config/packs/night.yaml."
    assert "twice" in _only("packs: [night, night]\n", {"night": PACK}).message
    assert _problems("packs: night\n", {"night": PACK}) == []


def test_a_pack_that_no_policy_includes_is_read_all_the_same() -> None:
    problem = _only("", {"night": PACK.replace("quiet:", "quite:")})
    assert problem.path == "config/packs/night.yaml"
    assert problem.message == "unknown key 'quite'"
    problem = _only("", {"day": PACK})
    assert problem.message == "the pack 'night' is in the file of 'day'"
    assert "packs" in _only("", {"night": PACK + "packs: [day]\n"}).message
