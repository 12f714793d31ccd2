"""Everything that can be known to be wrong with the policy, its packs and what campaigns ask of it.

Errors where a rule could not do what it says, so that more might be sent than was meant, and where
two things contradict each other; warnings where something is merely useless, or where less is sent
than was meant. What one rule, rules together and rules on time make wrong: `check_rules`,
`check_bounds`, `check_hours`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

from antiphon.campaigns.complaints import nearest, word_spot
from antiphon.campaigns.configuration import (
    CAMPAIGNS,
    PACKS,
    POLICY,
    SETTINGS,
    SOURCES,
    Draft,
    campaign_file,
    pack_file,
)
from antiphon.campaigns.models import LIKED, Campaign, Category, Sources
from antiphon.campaigns.places import Path
from antiphon.campaigns.rules import Cap, ConsentRule, Exclusion, OneClick, Policy, Ratio, Sequence
from antiphon.campaigns.settings import Settings
from antiphon.check_bounds import bound_faults
from antiphon.check_conditions import ConditionsCheck
from antiphon.check_hours import hours_faults
from antiphon.check_rules import SCOPE, Fault, Placed, Scene, cost_faults, rule_faults
from antiphon.errors import Problem

CAMPAIGN_KEYS = ("limits", "value", "strata", "test")  # what the policy makes of them


@dataclass
class PolicyCheck:
    """The draft, and what its conditions' check knows."""

    drafted: Draft
    conditions: ConditionsCheck

    def problems(self) -> Iterator[Problem]:
        """Of the policy, its packs and the campaigns' keys that concern the policy."""
        for file in self._files:
            yield from self._empty(file)
        for file, _ in self._campaigns:
            yield from self._empty(file, CAMPAIGN_KEYS)
        for placed in self._placed:
            yield from self._words(placed)
            yield from self._terms(placed)
        for file, campaign in self._campaigns:
            yield from self._value(file, campaign)
        for fault in self._faults():
            problem = self._problem(fault)
            if not self.conditions.is_answered(problem):
                yield problem

    def _problem(self, fault: Fault) -> Problem:
        document = self.drafted.positions.get(fault.file)
        if document is None:
            return Problem(fault.file, 0, 0, fault.message, "", fault.hint, fault.is_warning)
        spot = word_spot(document, fault.path) or document.value_spot(fault.path)
        if fault.at_key:
            spot = document.key_spot(fault.path)
        return document.problem_at(spot, fault.message, fault.hint, is_warning=fault.is_warning)

    # ------------------------------------------------------------ what there is

    @cached_property
    def _policy(self) -> Policy | None:
        return self.drafted.get(POLICY, Policy)

    @cached_property
    def _files(self) -> list[str]:
        """The policy and every pack, those that it does not include too."""
        packs = [f"{PACKS}/{path}" for path in self.drafted.files.under(PACKS)]
        return [file for file in (POLICY, *packs) if file in self.drafted.positions]

    @cached_property
    def _placed(self) -> list[Placed]:
        """The rules in force: those of the policy and of the packs that it includes."""
        included = self._policy.packs if self._policy else ()
        return [
            Placed(file, (section, number), rule)
            for file in dict.fromkeys([POLICY, *map(pack_file, included)])
            for section, number, rule in self.drafted.rules(file)
        ]

    @cached_property
    def _campaigns(self) -> list[tuple[str, Campaign]]:
        found = self.drafted.under(CAMPAIGNS, Campaign)
        return [(campaign_file(name), campaign) for name, campaign in found.items()]

    @cached_property
    def _scene(self) -> Scene | None:
        """What the rules stand in; None where the policy cannot be read."""
        if self._policy is None:
            return None
        names = [
            path.removesuffix(".yaml")
            for path in self.drafted.files.under(CAMPAIGNS)
            if path.endswith(".yaml")
        ]
        campaigns = dict(self.drafted.under(CAMPAIGNS, Campaign))
        constant = frozenset(
            one.rule.name
            for one in self._placed
            if one.rule.where and self.conditions.is_constant(one.rule.where, one.rule.segment)
        )
        return Scene(
            self._policy,
            tuple(self._placed),
            campaigns,
            is_whole=set(names) == set(campaigns),
            constant=constant,
        )

    # ------------------------------------------------------------ words and conditions

    def _empty(self, file: str, keys: tuple[str | int, ...] = ()) -> Iterator[Problem]:
        """Keys without a value: what was to stand there is not known, so nothing is assumed.

        `keys`: only below these; none: all of the file.
        """
        document = self.drafted.positions[file]
        for path, value in _leaves(document.values):
            if value is None and (not keys or path[0] in keys):
                problem = document.problem_at(
                    document.key_spot(path),
                    f"{str(path[-1])!r} has no value",
                    "Write one, or remove the line.",
                )
                if not self.conditions.is_answered(problem):
                    yield problem

    @cached_property
    def _known(self) -> dict[str, list[str]]:
        """Words that rules may name; tags as they are written, in campaigns that are wrong too."""
        names = [
            path.removesuffix(".yaml")
            for path in self.drafted.files.under(CAMPAIGNS)
            if path.endswith(".yaml")
        ]
        tags: set[str] = set()
        for name in names:
            document = self.drafted.positions.get(campaign_file(name))
            written = (document.values or {}).get("tags") if document else None
            if isinstance(written, list):
                tags |= {one.strip() for one in written if isinstance(one, str)}
        return {"campaign": names, "tag": sorted(tags)}

    def _words(self, placed: Placed) -> Iterator[Problem]:
        """Campaigns, tags and the segment that a rule names."""
        rule = placed.rule
        named: list[tuple[str, str]] = [("campaign", "campaign"), ("tag", "tag")]
        if isinstance(rule, Exclusion):
            named += [("campaigns", "campaign"), ("tags", "tag")]
        elif isinstance(rule, Sequence):
            named.append(("after", "campaign"))
        elif isinstance(rule, Ratio):
            named.append(("of", "tag"))
        for key, kind in named:
            for number, word in enumerate(getattr(rule, key) or ()):
                path: Path = (*placed.path, key, number)
                if word not in self._known[kind]:
                    # A pack may speak of tags that a company does not use.
                    is_warning = kind == "tag" and placed.file != POLICY
                    known = self._known[kind]
                    where = f"in {CAMPAIGNS}/" if kind == "campaign" else "of any campaign"
                    hint = nearest(word, known) if known else f"There is no {kind} yet."
                    message = f"no {kind} {word!r} {where}"
                    yield self._problem(
                        Fault(placed.file, path, message, hint, is_warning=is_warning)
                    )
        if rule.segment:
            yield from self.conditions.segment(placed.file, (*placed.path, "segment"), rule.segment)

    def _terms(self, placed: Placed) -> Iterator[Problem]:
        """Conditions and maxima that are expressions."""
        rule = placed.rule
        if rule.where:
            yield from self.conditions.rule(
                placed.file, (*placed.path, "where"), rule.where, rule.segment
            )
        if isinstance(rule, Cap) and isinstance(rule.max, str):
            path: Path = (*placed.path, "max")
            if rule.max.replace(".", "", 1).replace("-", "", 1).isdecimal():
                message, hint = f"{rule.max} is no number of messages", "Write 0, 1, 2, …"
                yield self._problem(Fault(placed.file, path, message, hint))
            else:
                yield from self.conditions.number(placed.file, path, rule.max)

    def _value(self, file: str, campaign: Campaign) -> Iterator[Problem]:
        if campaign.value:
            yield from self.conditions.number(file, ("value",), campaign.value)

    # ------------------------------------------------------------ the whole

    def _faults(self) -> Iterator[Fault]:
        yield from self._names()
        scene = self._scene
        if scene is None:
            return
        unknown = {
            (problem.path, problem.line) for one in self._placed for problem in self._words(one)
        }
        for placed in self._placed:
            for fault in rule_faults(placed, scene):
                # A rule whose words are unknown is not told that its scope is empty as well.
                problem = self._problem(fault)
                if not (fault.path[-1] in SCOPE and (problem.path, problem.line) in unknown):
                    yield fault
        yield from hours_faults(scene)
        yield from bound_faults(scene)
        yield from self._policy_keys(scene.policy)
        for file, campaign in self._campaigns:
            yield from _campaign_faults(file, campaign, scene)
            yield from self._campaign_terms(file, campaign, scene.policy)

    def _names(self) -> Iterator[Fault]:
        """Decisions name the rule that held a message back: each needs a name of its own."""
        first: dict[str, Placed] = {}
        for placed in self._placed:
            name = placed.rule.name
            if isinstance(placed.rule, ConsentRule) and name in get_args(Category):
                message = f"{name!r} is the name of what 'consent:' says of that category"
                yield placed.fault("name", message, "Give the rule another name.")
            elif name in first:
                other = self._problem(first[name].fault("name", "", ""))
                message = f"two rules are called {name!r}: this and {other.path}:{other.line}"
                hint = "Decisions name the rule that held a message back: rename one."
                yield placed.fault("name", message, hint)
            first.setdefault(name, placed)

    def _policy_keys(self, policy: Policy) -> Iterator[Fault]:
        """What is neither a rule nor a campaign: exempt, uncounted, control, tests."""
        for index, category in enumerate(policy.exempt):
            if category != "service":
                message = (
                    f"{category!r} is exempt: no cap, no quiet hour, no control group binds it"
                )
                hint = "Exempt is meant for messages that must arrive, such as 'service'."
                yield Fault(POLICY, ("exempt", index), message, hint, is_warning=True)
        for index, category in enumerate(policy.uncounted):
            if category not in policy.exempt:
                message = f"{category!r} is not exempt: it cannot be left out of the others' counts"
                hint = f"Add it to 'exempt:', or remove it here. Exempt: {_listed(policy.exempt)}."
                yield Fault(POLICY, ("uncounted", index), message, hint)
        if control := policy.universal_control:
            path: Path = ("universal_control", "share")
            if control.share in (0, 1):
                whom = "everybody" if control.share else "nobody"
                hint = "Write a share such as 2%, or take 'universal_control' out."
                yield Fault(POLICY, path, f"{whom} is held out", hint, is_warning=True)
        yield from self._layers(policy)
        if self._sources and not any(one.entity == "consents" for one in self._sources):
            for category, need in policy.consent.items():
                if need in ("opt_in", "double_opt_in"):
                    message = f"no source brings consents: nobody is sent anything of {category!r}"
                    hint = f"Add a source with 'entity: consents' to {SOURCES}."
                    yield Fault(POLICY, ("consent", category), message, hint, is_warning=True)
        yield from self._one_click()

    def _one_click(self) -> Iterator[Fault]:
        """The rule may stand in a pack. A rehearsal's links may lead to the machine itself, which
        the audit lets pass as well."""
        settings = self.drafted.get(SETTINGS, Settings)
        if settings is None or not settings.links.base_url.startswith("http:"):
            return
        rules = [one.rule for one in self._placed if isinstance(one.rule, OneClick)]
        if not rules:
            return
        path: Path = ("links", "base_url")
        message = f"one-click unsubscribing (RFC 8058) asks for https ({rules[0].title})"
        if settings.environment != "live" and settings.links.is_on_loopback:
            message = f"{message}: only a rehearsal on this machine passes"
            hint = "Write an address that begins with https:// before 'environment: live'."
            yield Fault(SETTINGS, path, message, hint, is_warning=True)
            return
        hint = "Write an address that begins with https://."
        if settings.environment != "live":
            hint += " A rehearsal may also have http://127.0.0.1:8080."
        yield Fault(SETTINGS, path, message, hint)

    @cached_property
    def _sources(self) -> list[Any]:
        sources = self.drafted.get(SOURCES, Sources)
        return [*sources.sources.values()] if sources else []

    def _written(self, key: str) -> list[str]:
        """Names below a key of the policy as it is written, those that are wrong too."""
        document = self.drafted.positions.get(POLICY)
        written = (document.values or {}).get(key) if document else None
        return [*written] if isinstance(written, dict) else []

    def _layers(self, policy: Policy) -> Iterator[Fault]:
        used = {campaign.test.layer for _, campaign in self._campaigns if campaign.test}
        for name, layer in policy.tests.items():
            path: Path = ("tests", name)
            if len(layer.groups) == 1:
                message = f"layer {name!r} has one group: everybody is in it"
                hint = "Name a second one, or take the layer out."
                yield Fault(POLICY, (*path, "groups"), message, hint, is_warning=True)
            if name not in used and self._scene and self._scene.is_whole:
                message = f"no campaign asks for a group of layer {name!r}"
                hint = f"Write 'test: {{layer: {name}, group: …}}' in a campaign, or take it out."
                yield Fault(POLICY, path, message, hint, at_key=True, is_warning=True)

    def _campaign_terms(self, file: str, campaign: Campaign, policy: Policy) -> Iterator[Fault]:
        """What a campaign names of the policy, of the segments and of the features."""
        if campaign.test:
            layer = policy.tests.get(campaign.test.layer)
            if layer is None and campaign.test.layer in self._written("tests"):
                pass  # what is wrong with the layer is answered at its place
            elif layer is None:
                message = f"no layer {campaign.test.layer!r} below 'tests:' in {POLICY}"
                layers = [*policy.tests]
                hint = nearest(campaign.test.layer, layers) if layers else "Write it there."
                yield Fault(file, ("test", "layer"), message, hint)
            elif campaign.test.group not in layer.groups:
                message = f"no group {campaign.test.group!r} in layer {campaign.test.layer!r}"
                hint = nearest(campaign.test.group, layer.groups)
                yield Fault(file, ("test", "group"), message, hint)
        dimensions = self.conditions.defined[0].dimensions
        unread = self.conditions.unread.get("dimensions", ())
        if campaign.strata and campaign.strata not in (*dimensions, *unread):
            message = f"no dimension {campaign.strata!r} in config/segments.yaml"
            hint = nearest(campaign.strata, dimensions) if dimensions else "Write it there."
            yield Fault(file, ("strata",), message, hint)
        feature = LIKED.get(campaign.channel_by)
        known = self.conditions.features
        if feature and known is not None and feature not in known:
            message = f"'channel_by: {campaign.channel_by}' needs the feature {feature!r}"
            hint = "A file in sql/features/ or an attribute of customers must bring it."
            yield Fault(file, ("channel_by",), message, hint)


def _campaign_faults(file: str, campaign: Campaign, scene: Scene) -> Iterator[Fault]:
    """What a campaign's own keys make of one another, under this policy."""
    limits = campaign.limits
    is_exempt = scene.is_exempt(campaign)
    if limits.cut == "value" and not campaign.value:
        hint = "Write 'value:' and an expression over features, or 'cut: chance'."
        yield Fault(file, ("limits", "cut"), "a cut by value needs a 'value'", hint)
    if limits.money_per_day is not None:
        channels = {pair.channel for pair in scene.pairs if pair.campaign is campaign}
        yield from cost_faults(scene.policy, channels, (file, ("limits", "money_per_day")))
    if campaign.channel_by != "order" and len({*_channels(campaign, scene)}) < 2:
        message = "'channel_by' without a second channel decides nothing"
        hint = "Name two channels, or take it out."
        yield Fault(file, ("channel_by",), message, hint, is_warning=True)
    if campaign.strata:
        again = ("repeat_after", "chain", "on", "anniversary")
        if key := next((one for one in again if getattr(campaign, one)), ""):
            message = "strata are for campaigns that speak to each customer once"
            hint = f"They are drawn anew for each message: take 'strata' or {key!r} out."
            yield Fault(file, ("strata",), message, hint)
        elif is_exempt:
            message = f"{campaign.category!r} is exempt: nothing is drawn within strata"
            yield Fault(file, ("strata",), message, "Take 'strata' out.")
        elif not campaign.control and len(campaign.variants) < 2:
            message = "strata of a campaign with one arm decide nothing"
            hint = "Write 'control:' or 'variants:', or take 'strata' out."
            yield Fault(file, ("strata",), message, hint, is_warning=True)
    if is_exempt and campaign.test:
        message = f"{campaign.category!r} is exempt: the campaign would ask everybody"
        hint = f"Take 'test' out, or the category out of 'exempt:' in {POLICY}."
        yield Fault(file, ("test",), message, hint, at_key=True)
    if is_exempt and campaign.control:
        message = f"{campaign.category!r} is exempt: nobody is held out"
        hint = f"Take 'control' out, or the category out of 'exempt:' in {POLICY}."
        yield Fault(file, ("control",), message, hint, is_warning=True)
    elif campaign.control == 1:
        hint = "Write a share below 100%; to pause the campaign, 'messages_per_day: 0'."
        yield Fault(file, ("control",), "everybody is held out", hint, is_warning=True)


def _channels(campaign: Campaign, scene: Scene) -> Iterable[str]:
    return (pair.channel for pair in scene.pairs if pair.campaign is campaign)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(names)) or "none"


def _leaves(values: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Every value that is neither a list nor keys and values, with its path."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield from _leaves(value, (*path, key))
    elif isinstance(values, list):
        for number, value in enumerate(values):
            yield from _leaves(value, (*path, number))
    elif path:
        yield path, values
