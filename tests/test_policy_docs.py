"""docs/policy.md: each example is one that the check takes, and every kind of rule has one."""

import re
from pathlib import Path

import pytest

from antiphon.campaigns.configuration import PACKS, POLICY, read
from antiphon.campaigns.rules import RULES, Policy
from antiphon.check import check
from antiphon.files import ProjectFiles, read_files
from antiphon.policy.rules import Rule

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/policy.md").read_text(encoding="utf-8")
SHIPPED = read_files(ROOT)
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
CONSENT = "consent: {promo: opt_in, lifecycle: opt_out, service: none}\n"
WINTER = "config/campaigns/vitamins-cross-sell.yaml"
SUMMER = "config/campaigns/baby-to-skin-care.yaml"


def _with(*examples: str) -> ProjectFiles:
    """The shipped project with these examples: each a policy, or keys of the campaign it names."""
    texts = dict(SHIPPED.texts)
    for path, tag in ((WINTER, "winter"), (SUMMER, "summer")):
        kept = re.sub(r"^tags:.*\n", "", texts[path], flags=re.MULTILINE)
        texts[path] = f"{kept}tags: [{tag}, discount]\n"
    policy = "version: 1\n"
    for example in examples:
        named = re.match(r"# (config/campaigns/\S+)\n", example)
        if named is None:
            policy += example
            continue
        for key in re.findall(r"^(\w+):", example, re.MULTILINE):
            block = rf"^{key}:.*\n(?:[ #].*\n)*"
            texts[named[1]] = re.sub(block, "", texts[named[1]], flags=re.MULTILINE)
        texts[named[1]] += example
    if not re.search(r"^consent:", policy, re.MULTILINE):
        policy += CONSENT
    return ProjectFiles({**texts, POLICY: policy})


CAMPAIGNS = [one for one in EXAMPLES if one.startswith("# config/campaigns/")]
POLICIES = [one for one in EXAMPLES if one not in CAMPAIGNS]


@pytest.mark.parametrize("example", POLICIES, ids=lambda text: text[:20])
def test_every_example_is_a_policy_without_a_mistake(example: str) -> None:
    beside = [one for one in CAMPAIGNS if "test:" in one] if "tests:" in example else []
    configuration, problems = check(_with(example, *beside))
    assert [one for one in problems if not one.is_warning] == []
    assert configuration is not None


@pytest.mark.parametrize("example", CAMPAIGNS, ids=lambda text: text[2:50])
def test_every_example_of_a_campaign_stands_beside_its_policy(example: str) -> None:
    beside = [one for one in POLICIES if re.search(r"^(tests|costs):", one, re.MULTILINE)]
    assert [one for one in check(_with(example, *beside))[1] if not one.is_warning] == []


def test_every_kind_of_rule_has_an_example_and_its_reason_a_line() -> None:
    shown: set[str] = set()
    for example in POLICIES:
        policy = read(_with(example))[0]
        assert policy is not None, example
        shown |= {section for section in RULES if getattr(policy.policy, section)}
    assert shown == set(RULES)
    kinds = {
        info.annotation.__args__[0].kind  # type: ignore[union-attr]
        for name, info in Policy.model_fields.items()
        if name in RULES
    }
    reasons = PAGE.partition("## The reasons")[2].partition("\n## ")[0]
    assert {kind for kind in kinds if f"`{kind}:NAME`" not in reasons} == {"one_click"}
    assert [rule for rule in Rule if f"`{rule}`" not in reasons] == []


def test_every_shipped_pack_is_named() -> None:
    section = PAGE.partition("## Packs")[2].partition("\n## ")[0]
    for path in SHIPPED.under(PACKS):
        assert f"`{path.removesuffix('.yaml')}`" in section
