"""Each complaint on a policy fires at its word, and its good neighbour has none."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from antiphon.campaigns.configuration import CAMPAIGNS, PACKS, POLICY
from antiphon.check import check
from antiphon.errors import Problem
from antiphon.files import ProjectFiles, read_files

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden/check/policies"
SEGMENTS = """\
version: 1
segments:
  vip: {where: spend_365d > 500}
dimensions:
  lifecycle: {cases: {buyer: order_count > 0}, rest: lead}
"""
KEPT = (  # few, as each test checks them all anew
    "config/settings.yaml",
    "config/sources.yaml",
    "sql/features/orders.sql",
    "sql/features/person.sql",
    "sql/features/consent.sql",
    "sql/features/reachability.sql",
    "sql/sources/",
    "templates/_layouts/",
    "templates/birthday/",
    "templates/welcome/",
)
OURS = {path: text for path, text in read_files(ROOT).texts.items() if path.startswith(KEPT)} | {
    "config/segments.yaml": SEGMENTS
}
PROMO = """\
campaign: {name}
title: One of ours
category: promo
priority: 50
runs: {{from: 2026-01-01}}
audience: {{where: order_count > 0}}
message: birthday
offer: {{code: BACK, discount: 10%, valid: 14 days}}
"""
CHAIN = """\
campaign: welcome
title: A chain
category: lifecycle
priority: 70
runs: {from: 2026-01-01}
chain:
  start: {event: registered}
  steps: [{step: one, after: 1 day, message: welcome}]
channels: [email]
"""
REFILL = """\
campaign: refill
title: A service
category: service
priority: 90
runs: {from: 2026-01-01}
audience: {where: order_count > 0}
offer: {code: BACK, discount: 10%, valid: 14 days}
channels: [sms, email]
message: birthday
"""
LETTER = PROMO.format(name="letter") + "channels: [email]\ntags: [letters]\n"
VOUCHER = PROMO.format(name="voucher") + "channels: [email, sms]\ntags: [discount]\ncontrol: 10%\n"
SECOND = PROMO.format(name="second") + "channels: [email]\ntags: [discount]\n"
OTHERS = {
    "letter": LETTER,
    "voucher": VOUCHER,
    "second": SECOND,
    "welcome": CHAIN,
    "refill": REFILL,
}
HEAD = """\
version: 1
consent: {promo: opt_in, lifecycle: opt_out, service: none}
exempt: [service]
"""
PACK = """\
version: 1
pack: night
title: Nights are quiet
as_of: 2026-11-01
times:
  - {name: night, quiet: "21:00-08:00", channel: sms, source: our own}
"""


def _problems(
    policy: str = "", campaigns: Mapping[str, str] | None = None, head: str = HEAD
) -> list[Problem]:
    texts = {f"{CAMPAIGNS}/{name}.yaml": text for name, text in OTHERS.items()}
    texts |= {f"{CAMPAIGNS}/{name}.yaml": text for name, text in (campaigns or {}).items()}
    files = {**OURS, **texts, POLICY: head + policy, f"{PACKS}/night.yaml": PACK}
    return check(ProjectFiles(files))[1]


def test_the_project_of_these_tests_has_no_problem() -> None:
    assert _problems() == []


# A line of the policy that is wrong, the word at which that is said, what is said, and the line
# that would have been right. `!`: an error, `?`: a warning.
RULES = [
    ("caps", "{name: a, max: 1, per: 7 days, tag: discuont}", "discuont",
     "! no tag 'discuont' of any campaign", "tag: discount"),
    ("caps", "{name: a, max: 1, per: 7 days, campaign: 'letter, vouchr'}", "vouchr",
     "! no campaign 'vouchr' in config/campaigns/", "campaign: 'letter, voucher'"),
    ("caps", "{name: a, max: 1, per: 7 days, segment: vips}", "vips",
     "! no segment 'vips' in config/segments.yaml", "segment: vip"),
    ("caps", "{name: a, max: 1, per: 7 days, where: order_cuont > 2}", "order_cuont",
     "! unknown column 'order_cuont'", "where: order_count > 2"),
    ("caps", "{name: a, max: 1, per: 7 days, where: order_count}", "order_count",
     "! the result is integer, not true or false", "where: order_count > 1"),
    ("caps", "{name: a, max: 'case when order_cuont > 2 then 2 else 1 end', per: 7 days}",
     "order_cuont", "! unknown column 'order_cuont'",
     "max: 'case when order_count > 2 then 2 else 1 end'"),
    ("caps", "{name: a, max: first_name, per: 7 days}", "first_name",
     "! the result is text", "max: order_count"),
    ("caps", "{name: a, max: 2.5, per: 7 days}", "2.5",
     "! 2.5 is no number of messages", "max: 2"),
    ("caps", "{name: a, max: 1, per: 7 days, until: }", "until",
     "! 'until' has no value", "until: 2026-12-31"),
    ("caps", "{name: a, max: 1, per: 7 days, from: 2026-05-02, until: 2026-05-01}", "2026-05-01",
     "! cap:a ends on 2026-05-01, before it begins", "until: 2026-05-02"),
    ("caps", "{name: a, max: 1, per: 7 days, category: lifecycle, channel: sms}", "lifecycle",
     "? no campaign is in the scope of cap:a", "channel: email"),
    ("caps", "{name: a, max: 1, per: 7 days, category: service}", "service",
     "? every campaign in the scope of cap:a is exempt", "category: promo"),
    ("caps", "{name: a, max: 1, per: 7 days, each: offer, category: lifecycle}", "offer",
     "? no campaign in the scope of cap:a has an offer", "each: campaign"),
    ("caps", "{name: a, max: 9, per: 7 days, category: promo}", "9",
     "? cap:a never binds: 'winners_per_day: 1' allows no more", "max: 7"),
    ("caps", "{name: a, max: 0, per: 7 days, tag: discount}", "a,",
     "? cap:a lets nothing through of second, voucher", "max: 1"),
    ("ratios", "{name: a, of: discuont, share: 1/3, per: 90 days}", "discuont",
     "! no tag 'discuont'", "of: discount"),
    ("ratios", "{name: a, of: discount, share: 100%, per: 90 days}", "100%",
     "? a share of 100% limits nothing", "share: 99%"),
    ("ratios", "{name: a, of: discount, share: 0%, per: 90 days}", "0%",
     "? a share of 0% lets nothing of discount through", "share: 1%"),
    ("ratios", "{name: a, of: discount, share: 1/3, per: 9 days, tag: discount}", "discount, s",
     "? every campaign in the scope of ratio:a has the tag", "category: promo"),
    ("brakes", "{name: a, warn: 0.3%, stop: 0.1%}", "0.3%",
     "! brake:a stops at 0.001 before it warns at 0.003", "warn: 0.1%"),
    ("brakes", "{name: a, warn: 0.1%, stop: 0.3}", "0.3}",
     "? brake:a stops only when 30% answer so", "stop: 0.3%"),
    ("brakes", "{name: a, warn: 0%, stop: 0%}", "0%}",
     "? brake:a stops everything in its scope", "stop: 1%"),
    ("brakes", "{name: a, warn: 0.1%, stop: 0.3%, response: complaints}", "complaints",
     "! 'complaints' is not the word for 'complaint'", "response: complaint"),
    ("brakes", "{name: a, warn: 0.1%, stop: 0.3%, where: age > 50}", "where",
     "! brake:a counts all customers together", "category: promo"),
    ("pauses", "{name: a, after: complain, rest: 90 days}", "complain",
     "! 'complain' is not the word for 'complaint'", "after: joined_programme"),
    ("pauses", "{name: a, after: order, below: 3, rest: 90 days}", "below",
     "! an order has no score", "after: survey"),
    ("cool_downs", "{name: a, ignored: 20, within: 10 days, rest: 9 days, category: promo}", "20",
     "? cool_down:a never binds: at most 12 are sent", "within: 180 days"),
    ("exclusions", "{name: a, campaigns: letter}", "letter",
     "! exclusion:a has fewer than two groups", "campaigns: 'letter, voucher'"),
    ("exclusions", "{name: a, tags: [letters, discuont]}", "discuont",
     "! no tag 'discuont'", "tags: [letters, discount]"),
    ("sequences", "{name: a, after: lettr, campaign: second}", "lettr",
     "! no campaign 'lettr'", "after: letter"),
    ("sequences", "{name: a, after: letter}", "after",
     "! sequence:a binds every campaign", "campaign: second"),
    ("sequences", "{name: a, after: letter, campaign: letter}", "letter, campaign",
     "! campaign 'letter' can never be sent", "campaign: second"),
    ("sequences", "{name: a, after: letter, campaign: second, wait: 9 days, within: 9 days}",
     "9 days}", "! nothing lies within 9 days and 9 days before", "within: 10 days"),
    ("chains", "{name: a, max: 1}", "1}",
     "? there are 1 chains in the scope of chains:a", ""),
    ("times", "{name: a}", "a}", "? time:a allows every moment", "days: weekdays"),
    ("times", "{name: a, hours: 22:00-23:00, quiet: 21:00-08:00}", "21:00",
     "! 'quiet' covers all of 'hours'", "hours: 20:00-23:00"),
    ("times", "{name: a, hours: 09:00-20:00, quiet: 21:00-08:00}", "21:00",
     "? 'quiet' lies outside 'hours'", "hours: 07:00-20:00"),
    ("times", "{name: a, blackout: [01-01..06-30, 07-01..12-31]}", "[01",
     "! time:a forbids every day of every year", "blackout: [01-01..06-30, 07-02..12-31]"),
    ("times", "{name: a, holidays: [own, XX]}", "XX",
     "! no holidays are known of the country 'XX'", "holidays: [own, DE]"),
    ("times", "{name: a, holidays: DE-XY}", "DE-XY",
     "! no part 'XY' of DE", "holidays: DE-BY"),
    ("capacity", "{name: a, channel: sms}", "a, channel", "! capacity:a says no number",
     "per_day: 500"),
    ("capacity", "{name: a, per_hour: 500, per_day: 500}", "500,",
     "? the day's 500 are fewer than the hour's", "per_day: 900"),
    ("capacity", "{name: a, per_hour: 500, per_day: 12500}", "12500",
     "? the hour's 500 are fewer all day long", "per_day: 900"),
    ("capacity", "{name: a, per_day: 500, segment: vip}", "segment",
     "! capacity:a counts all customers together", "channel: sms"),
    ("warm_up", "{name: a, per_day: '100, 200'}", "'100",
     "! warm_up:a does not say which day is its first", "from: 2026-05-01"),
    ("warm_up", "{name: a, per_day: '1, 2', from: 2026-05-01, until: 2026-05-01}", "2026-05-01}",
     "! warm_up:a ends on 2026-05-01, before its last step", "until: 2026-05-02"),
    ("budgets", "{name: a, money: 50, per: day}", "50",
     "! email and sms cost nothing", None),
    ("consents", "{name: promo, needs: double_opt_in, category: promo}", "promo",
     "! 'promo' is the name of what 'consent:' says", "name: confirmed"),
    ("consents", "{name: a, needs: opt_out, category: promo}", "opt_out",
     "? consent:a asks no more than 'consent:' does", "needs: double_opt_in"),
    ("consents", "{name: a, needs: none, category: promo, proof: yes}", "yes",
     "! 'proof' of an act that consent:a does not ask for", "needs: opt_in"),
    ("consents", "{name: a, needs: double_opt_in, acts_since: 2025-09-01}", "acts_since",
     "? 'acts_since' without 'proof' or 'separate'", "separate: yes"),
    ("suppress", "{name: a, where: 1 = 1}", "1 = 1",
     "! the condition of suppress:a is the same for every customer", "where: age < 18"),
    ("suppress", "{name: a, tag: discount}", "a, tag",
     "? suppress:a lets nothing through of second, voucher", "segment: vip"),
    ("one_click", "{name: a, channel: sms}", "sms",
     "! an SMS has no headers", "channel: email, category: promo"),
    ("one_click", "{name: a, category: [promo, service]}", "[promo",
     "! service messages offer no unsubscription: refill", "category: promo"),
]  # fmt: skip


def _ids() -> list[str]:
    return [f"{section}-{wrong}" for section, wrong, *_ in RULES]


@pytest.mark.parametrize(("section", "wrong", "at", "said", "right"), RULES, ids=_ids())
def test_a_wrong_rule_is_answered_at_its_word_and_its_neighbour_is_not(
    section: str, wrong: str, at: str, said: str, right: str | None
) -> None:
    line = f"  - {wrong}"
    [problem] = _problems(f"{section}:\n{line}\n")
    assert (problem.path, problem.line) == (POLICY, 5)
    assert f"{'?' if problem.is_warning else '!'} {problem.message}".startswith(said)
    assert line[problem.column - 1 :].startswith(at)
    assert problem.hint.endswith((".", "?", "…")) or "the result is" in said
    if right:
        key = right.partition(":")[0]
        kept = [part for part in _parts(wrong) if not part.startswith(f"{key}:")]
        if "counts all customers" in said or "has the tag" in said:
            kept = [part for part in kept if not part.startswith(("where", "segment", "tag"))]
        if "needs the" in said or "an order" in said:
            kept = [part for part in kept if not part.startswith("after: order")]
        assert _problems(f"{section}:\n  - {{{', '.join([*kept, right])}}}\n") == []


def _parts(flow: str) -> list[str]:
    """The `key: value` parts of a mapping written in one line."""
    parts, depth, quoted = [""], 0, False
    for sign in flow.strip()[1:-1]:
        depth += (sign == "[") - (sign == "]")
        quoted ^= sign == "'"
        if sign == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def test_an_order_and_a_score_are_told_apart() -> None:
    assert _problems("pauses:\n  - {name: a, after: survey, below: 3, rest: 9 days}\n") == []


# ---------------------------------------------------------------- rules together


def _messages(policy: str, campaigns: Mapping[str, str] | None = None) -> list[str]:
    found = _problems(policy, campaigns)
    return [f"{'?' if one.is_warning else '!'} {one.message}" for one in found]


@pytest.mark.parametrize(
    ("rules", "is_useless"),
    [
        ("{name: a, max: 2, per: 7 days}, {name: b, max: 2, per: 14 days}", True),
        ("{name: a, max: 2, per: 7 days}, {name: b, max: 3, per: 14 days}", False),
        ("{name: a, max: 2, per: 14 days}, {name: b, max: 1, per: 7 days}", True),
        ("{name: a, max: 2, per: 15 days}, {name: b, max: 1, per: 7 days}", False),
        ("{name: a, max: 2, per: 7 days, tag: discount}, {name: b, max: 2, per: 7 days}", True),
        ("{name: b, max: 2, per: 7 days, tag: discount}, {name: a, max: 2, per: 7 days}", None),
        ("{name: a, max: 2, per: 7 days, channel: sms}, "
         "{name: b, max: 1, per: 9 days, category: promo}", False),
        ("{name: a, max: 2, per: 9 days, segment: vip}, {name: b, max: 2, per: 9 days}", True),
        ("{name: a, max: 2, per: 9 days}, {name: b, max: 2, per: 9 days, segment: vip}", None),
        ("{name: a, max: 2, per: 9 days}, {name: b, max: 2, per: 9 days, of: household}", True),
        ("{name: a, max: 2, per: 9 days, of: household}, {name: b, max: 2, per: 10 days}", False),
        ("{name: a, max: 3, per: 9 days, each: campaign}, {name: b, max: 2, per: 9 days}", True),
        ("{name: a, max: 3, per: 9 days}, {name: b, max: 2, per: 9 days, each: campaign}", False),
        ("{name: a, max: 2, per: 9 days}, {name: b, max: 2, per: 9 days, from: 2026-05-01}", None),
        ("{name: a, max: 2, per: calendar week}, {name: b, max: 2, per: 8 days}", True),
        ("{name: a, max: 2, per: calendar week}, {name: b, max: 2, per: 7 days}", False),
        ("{name: a, max: 2, per: 9 days}, {name: b, max: 2, per: ever}", True),
        ("{name: a, max: 9, per: ever}, {name: b, max: 1, per: 9 days}", False),
        ("{name: a, max: 'order_count', per: 7 days}, {name: b, max: 1, per: 7 days}", False),
    ],
)  # fmt: skip
def test_a_cap_that_a_stricter_one_leaves_nothing_to_do_is_warned_of(
    rules: str, is_useless: bool | None
) -> None:
    """None: the other one is the useless one."""
    policy = f"winners_per_day: 5\ncaps: [{rules}]\n"
    useless = "b" if is_useless is None else "a"
    other = "a" if is_useless is None else "b"
    told = f"? cap:{useless} never binds: cap:{other} is at least as strict"
    assert _messages(policy) == ([] if is_useless is False else [told])


def test_a_gap_is_a_cap_of_one() -> None:
    gap = "gaps: [{name: b, at_least: 8 days}]\n"
    told = "? cap:a never binds: gap:b is at least as strict"
    assert _messages("caps: [{name: a, max: 1, per: 7 days}]\n" + gap) == [told]
    assert _messages("caps: [{name: a, max: 1, per: 9 days}]\n" + gap)[0].startswith("? gap:b")


def test_two_rules_of_one_name_are_an_error_whatever_their_kinds() -> None:
    policy = "caps: [{name: a, max: 1, per: 7 days}]\ngaps: [{name: a, at_least: 8 days}]\n"
    assert f"! two rules are called 'a': this and {POLICY}:4" in _messages(policy)
    pack = "packs: night\ncaps: [{name: night, max: 1, per: 7 days}]\n"
    [problem] = _problems(pack)
    assert problem.path == "config/packs/night.yaml"
    assert _messages(pack.replace("packs: night\n", "")) == []


@pytest.mark.parametrize(
    ("rules", "waiting"),
    [
        ("{name: a, after: letter, campaign: second}, {name: b, after: second, campaign: letter}",
         True),
        ("{name: a, after: letter, campaign: second}, {name: b, after: second, campaign: voucher}",
         False),
        ("{name: a, after: [letter, voucher], campaign: second}, "
         "{name: b, after: second, campaign: letter}", False),
    ],
)  # fmt: skip
def test_campaigns_that_wait_for_each_other_are_an_error(rules: str, *, waiting: bool) -> None:
    found = _messages(f"sequences: [{rules}]\n")
    assert len(found) == (2 if waiting else 0)
    assert all("can never be sent: what sequence:" in one for one in found)


@pytest.mark.parametrize(
    ("exclusion", "sequence", "is_shut"),
    [
        ("", "", True),
        (", per: 30 days", "", False),
        (", per: 30 days", ", within: 30 days", True),
        (", per: 30 days", ", within: 31 days", False),
    ],
)
def test_what_must_come_before_may_not_be_excluded(
    exclusion: str, sequence: str, *, is_shut: bool
) -> None:
    policy = (
        f"exclusions: [{{name: a, campaigns: [letter, second]{exclusion}}}]\n"
        f"sequences: [{{name: b, after: letter, campaign: second{sequence}}}]\n"
    )
    found = _messages(policy)
    assert bool(found) == is_shut
    assert all("'second' can never be sent" in one for one in found)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("{name: a, hours: 08:00-12:00}, {name: b, hours: 12:00-20:00}", "! time:b and time:a"),
        ("{name: a, hours: 08:00-12:01}, {name: b, hours: 12:00-20:00}", ""),
        ("{name: a, days: weekdays}, {name: b, days: weekends, channel: sms}", "! time:b"),
        ("{name: a, days: weekdays, channel: email, category: promo}, "
         "{name: b, days: weekends, channel: sms}", ""),
        ("{name: a, days: weekdays}, {name: b, days: weekends, segment: vip}", "? time:b"),
        ("{name: a, days: weekdays}, {name: b, days: weekends, from: 2026-12-01}", "! time:b"),
        ("{name: a, quiet: 20:00-08:00}, {name: b, quiet: 08:00-20:00}", "! time:b"),
        ("{name: a, blackout: 01-01..06-30}, {name: b, blackout: 07-01..12-31}", "! time:b"),
        ("{name: a, blackout: 01-01..06-30}, {name: b, blackout: 07-02..12-31}", ""),
        ("{name: a, days: weekdays, segment: vip}, "
         "{name: b, days: weekends, where: order_count > 1}", ""),
    ],
)  # fmt: skip
def test_rules_on_time_that_leave_no_moment_together_are_answered(rules: str, said: str) -> None:
    found = _messages(f"times: [{rules}]\n")
    assert len(found) == bool(said)
    assert all(one.startswith(said) and "together" in one for one in found)


@pytest.mark.parametrize(
    "rule",
    [
        "caps: [{name: a, max: 0, per: 7 days}]",
        "suppress: [{name: a}]",
        "capacity: [{name: a, per_day: 0}]",
        "costs: {email: 1, sms: 1}\nbudgets: [{name: a, money: 0, per: month}]",
    ],
)
def test_a_policy_that_forbids_everything_is_warned_of(rule: str) -> None:
    [found] = _messages(f"{rule}\n")
    assert found.startswith("? the policy forbids everything")
    spared = rule.replace("{name: a", "{name: a, until: 2026-12-31").replace("day: 0", "day: 1")
    assert _messages(f"{spared}\n") == []


# ---------------------------------------------------------------- the other keys


@pytest.mark.parametrize(
    ("policy", "at", "said"),
    [
        ("uncounted: [lifecycle]", "lifecycle", "! 'lifecycle' is not exempt"),
        ("universal_control: {share: 0%}", "0%", "? nobody is held out"),
        ("universal_control: {share: 100%}", "100%", "? everybody is held out"),
        ("universal_control: ", "universal_control", "! 'universal_control' has no value"),
        ("tests: {copy: {groups: {a: 1, b: 1}}}", "copy",
         "? no campaign asks for a group of layer 'copy'"),
        ("tests: {copy: {groups: {}}}", "{}", "! 'groups' is empty"),
        ("packs: nigth", "nigth", "! no pack 'nigth' in config/packs/"),
        ("costs: {sms: -1}", "-1", "! 'sms' must be at least 0"),
        ("winners_per_day: -1", "-1", "! 'winners_per_day' must be at least 1"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_checked_too(policy: str, at: str, said: str) -> None:
    [problem] = _problems(f"{policy}\n")
    assert f"{'?' if problem.is_warning else '!'} {problem.message}".startswith(said)
    assert policy[problem.column - 1 :].startswith(at)


def test_what_is_exempt_without_being_a_service_is_warned_of() -> None:
    problem = next(
        one
        for one in _problems(head=HEAD.replace("[service]", "[service, promo]"))
        if one.path == POLICY
    )
    assert problem.is_warning
    assert problem.message.startswith("'promo' is exempt")
    assert _problems("uncounted: service\n".replace("service", "[service]")) == []


LAYER = "tests: {copy: {groups: {short: 1, long: 1}}}\n"
COSTS = "costs: {email: 0.001, sms: 0.07}\n"


@pytest.mark.parametrize(
    ("wrong", "at", "said", "right", "policy"),
    [
        ("value: order_cuont * 2", "order_cuont", "! unknown column 'order_cuont'",
         "value: order_count * 2", ""),
        ("value: order_count > 2", "order_count", "! the result is boolean", "value: spend_365d",
         ""),
        ("limits: {cut: value}", "value}", "! a cut by value needs a 'value'",
         "limits: {cut: value}\nvalue: spend_365d", ""),
        ("limits: {at_least_per_day: 50, messages_per_day: 49}", "50",
         "! a minimum of 50 a day can never be reached: 'messages_per_day' allows 49",
         "limits: {at_least_per_day: 50, messages_per_day: 50}", ""),
        ("limits: {at_least_per_day: 50, messages: 49}", "50", "! a minimum of 50",
         "limits: {at_least_per_day: 50, messages: 50}", ""),
        ("limits: {at_least_per_day: 50}", "50",
         "! a minimum of 50 a day can never be reached: capacity:a allows 44",
         "limits: {at_least_per_day: 48}", "capacity: [{name: a, per_day: 44, tag: discount}]\n"),
        ("limits: {at_least_per_day: 50, money_per_day: 0.04}", "50",
         "! a minimum of 50 a day can never be reached: 'money_per_day' allows 40",
         "limits: {at_least_per_day: 50, money_per_day: 0.05}", COSTS),
        ("limits: {money_per_day: 5}", "5", "! email and sms cost nothing",
         "limits: {messages_per_day: 5}", ""),
        ("limits: {money_per_day: 5}", "5", "? what email costs is not said",
         "limits: {messages_per_day: 5}", "costs: {sms: 0.07}\n"),
        ("limits: {messages_per_day: }", "messages_per_day", "! 'messages_per_day' has no value",
         "limits: {messages_per_day: 5}", ""),
        ("strata: lifecycl", "lifecycl", "! no dimension 'lifecycl'", "strata: lifecycle", ""),
        ("strata: lifecycle\nrepeat_after: 9 days", "lifecycle", "! strata are for campaigns",
         "strata: lifecycle", ""),
        ("test: {layer: copi, group: short}", "copi", "! no layer 'copi'",
         "test: {layer: copy, group: short}", LAYER),
        ("test: {layer: copy, group: shrt}", "shrt", "! no group 'shrt' in layer 'copy'",
         "test: {layer: copy, group: short}", LAYER),
        ("control: 100%", "100%", "? everybody is held out", "control: 99%", ""),
    ],
)  # fmt: skip
def test_what_a_campaign_asks_of_the_policy_is_checked(
    wrong: str, at: str, said: str, right: str, policy: str
) -> None:
    used = {"refill": REFILL}
    if policy == LAYER:
        used["second"] = SECOND + "test: {layer: copy, group: long}\n"
    voucher = VOUCHER if "control" not in wrong else VOUCHER.replace("control: 10%\n", "")
    [problem] = _problems(policy, {**used, "voucher": voucher + wrong})
    assert problem.path == f"{CAMPAIGNS}/voucher.yaml"
    assert f"{'?' if problem.is_warning else '!'} {problem.message}".startswith(said)
    line = (voucher + wrong).splitlines()[problem.line - 1]
    assert line[problem.column - 1 :].startswith(at)
    assert _problems(policy, {**used, "voucher": voucher + right}) == []


def test_an_exempt_campaign_has_neither_group_nor_control_nor_strata() -> None:
    keys = "control: 10%\ntest: {layer: copy, group: short}\nstrata: lifecycle\n"
    found = _messages(LAYER, {"refill": REFILL + keys})
    assert [one[:1] for one in found] == ["?", "!", "!"]
    assert all("'service' is exempt" in one for one in found)


def test_strata_of_one_arm_decide_nothing() -> None:
    assert _messages("", {"second": SECOND + "strata: lifecycle\n"}) == [
        "? strata of a campaign with one arm decide nothing"
    ]
    with_control = "strata: lifecycle\ncontrol: 10%\n"
    assert _messages("", {"second": SECOND + with_control}) == []


def test_a_chain_has_no_strata() -> None:
    [found] = _messages("", {"welcome": CHAIN + "strata: lifecycle\ncontrol: 10%\n"})
    assert found == "! strata are for campaigns that speak to each customer once"


def test_a_channel_is_chosen_among_two() -> None:
    told = "? 'channel_by' without a second channel decides nothing"
    assert told in _messages("", {"second": SECOND + "channel_by: preference\n"})
    assert told not in _messages("", {"voucher": VOUCHER + "channel_by: preference\n"})


CLICK = "one_click: [{name: a, category: [promo, lifecycle]}]\n"
CLICK_PACK = PACK.partition("times:")[0] + CLICK.replace("}", ", source: our own}")


@pytest.mark.parametrize("in_pack", [False, True])
@pytest.mark.parametrize(
    ("environment", "base", "told"),
    [
        ("live", "http://shop.example", "?"),
        ("rehearsal", "http://shop.example", "?"),
        ("live", "http://127.0.0.1:8080", "?"),
        ("rehearsal", "http://127.0.0.1:8080", "!"),
        ("rehearsal", "http://127.0.0.1.shop.example", "?"),
        ("live", "https://shop.example", ""),
    ],
)
def test_one_click_asks_for_https_unless_a_rehearsal_stays_on_the_machine(
    environment: str, base: str, told: str, in_pack: bool
) -> None:
    settings = "config/settings.yaml"
    text = re.sub(r"(?m)^  base_url: .*$", f"  base_url: {base}", OURS[settings])
    text += f"environment: {environment}\n"
    texts = {f"{CAMPAIGNS}/{name}.yaml": one for name, one in OTHERS.items()}
    policy = HEAD + ("packs: [night]\n" if in_pack else CLICK)
    packs = {f"{PACKS}/night.yaml": CLICK_PACK} if in_pack else {}
    files = ProjectFiles({**OURS, **texts, **packs, POLICY: policy, settings: text})
    found = [one for one in check(files)[1] if "one-click unsubscribing" in one.message]
    assert [(one.path, "!" if one.is_warning else "?") for one in found] == (
        [(settings, told)] if told else []
    )


def test_a_rule_that_cannot_be_read_hides_nothing_of_the_others() -> None:
    found = _problems(
        "caps:\n  - {name: a, max: x y z}\n  - {name: b, max: 1, per: 1 day, tag: q}\n"
    )
    assert [(one.line, one.message) for one in found] == [
        (5, "the key 'per' is missing in item 1 of 'caps'"),
        (6, "no tag 'q' of any campaign"),
    ]


def test_a_campaign_that_cannot_be_read_makes_no_rule_useless() -> None:
    policy = "caps: [{name: a, max: 1, per: 7 days, campaign: second, tag: discount}]\n"
    broken = SECOND.replace("priority: 50", "priority: high")
    [problem] = _problems(policy, {"second": broken})
    assert problem.path == f"{CAMPAIGNS}/second.yaml"


def test_a_tag_of_a_pack_that_no_campaign_has_is_a_warning() -> None:
    pack = PACK + "caps: [{name: spirits, max: 1, per: 7 days, tag: alcohol}]\n"
    texts = {f"{CAMPAIGNS}/{name}.yaml": text for name, text in OTHERS.items()}
    files = {**OURS, **texts, POLICY: HEAD + "packs: night\n", f"{PACKS}/night.yaml": pack}
    [problem] = check(ProjectFiles(files))[1]
    assert (problem.is_warning, problem.message) == (True, "no tag 'alcohol' of any campaign")


@pytest.mark.parametrize("name", ["contradictions", "words"])
def test_the_whole_answer_to_a_bad_policy(name: str) -> None:
    folder = GOLDEN / name
    texts = {f"{CAMPAIGNS}/{one}.yaml": text for one, text in OTHERS.items()}
    problems = check(ProjectFiles({**OURS, **texts, **read_files(folder).texts}))[1]
    answer = "".join(f"{problem}\n" for problem in problems)
    if os.environ.get("ANTIPHON_WRITE_GOLDEN"):
        (folder / "expected.txt").write_text(answer, encoding="utf-8")
    assert answer == (folder / "expected.txt").read_text(encoding="utf-8")


def test_what_is_wrong_with_the_policy_hides_none_of_its_other_mistakes() -> None:
    head = HEAD.replace("promo: opt_in", "promo: opt-in").replace("[service]", "[servce]")
    policy = "tests: {copy: {groups: {a: 0}}}\ncaps: [{name: a, max: 1, per: 7 days, tag: q}]\n"
    asked = SECOND + "test: {layer: copy, group: a}\n"
    assert [(one.path, one.message) for one in _problems(policy, {"second": asked}, head)] == [
        (POLICY, "'promo' cannot be 'opt-in'"),
        (POLICY, "item 1 of 'exempt' cannot be 'servce'"),
        (POLICY, "'a' must be more than 0"),
        (POLICY, "no tag 'q' of any campaign"),
    ]


def test_of_a_pack_that_is_not_included_only_the_shape_is_checked() -> None:
    texts = {f"{CAMPAIGNS}/{name}.yaml": text for name, text in OTHERS.items()}
    pack = PACK.replace("channel: sms", "channel: sms, segment: nobody, until: ")
    for policy, expected in (
        ("", ["'until' has no value"]),
        ("packs: night\n", ["no segment 'nobody' in config/segments.yaml", "'until' has no value"]),
    ):
        files = {**OURS, **texts, POLICY: HEAD + policy, f"{PACKS}/night.yaml": pack}
        assert [one.message for one in check(ProjectFiles(files))[1]] == expected
