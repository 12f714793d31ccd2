"""What the policy and the campaigns ask of a customer, checked: SQL over the customer frame."""

from collections.abc import Collection, Sequence
from datetime import date

from antiphon.audience.conditions import Condition, Expression, combine, parse, parse_number
from antiphon.campaigns.configuration import Configuration
from antiphon.campaigns.models import LIKED, Campaign
from antiphon.campaigns.rules import PolicyRule
from antiphon.errors import AntiphonError
from antiphon.policy.terms import Terms


def policy_terms(configuration: Configuration) -> Terms:
    """The terms of every rule and every campaign of a checked configuration."""
    policy, campaigns = configuration.policy, configuration.campaigns
    return Terms(
        {rule.name: _scope(configuration, rule) for rule in policy.rules() if rule.is_personal},
        {
            cap.name: _number(configuration, cap.max)
            for cap in policy.caps
            if isinstance(cap.max, str)
        },
        {
            name: _number(configuration, campaign.value)
            for name, campaign in campaigns.items()
            if campaign.value
        },
    )


def terms_of(
    configuration: Configuration, campaigns: Collection[Campaign], day: date | None = None
) -> Terms:
    """Those of them that are asked on a business day (absent: on any) by these campaigns."""
    policy, names = configuration.policy, {one.campaign for one in campaigns}
    terms = policy_terms(configuration)
    holding = {rule.name for rule in policy.rules() if day is None or rule.holds_on(day)}
    return Terms(
        {name: one for name, one in terms.scopes.items() if name in holding},
        {name: one for name, one in terms.maxima.items() if name in holding},
        {name: one for name, one in terms.values.items() if name in names},
    )


def own_columns(campaigns: Collection[Campaign]) -> list[str]:
    """Columns of the frame that the campaigns ask for by name: strata, and channels that are
    preferred or answered best."""
    strata = {one.strata for one in campaigns if one.strata}
    liked = {LIKED[one.channel_by] for one in campaigns if one.channel_by in LIKED}
    return sorted(strata | liked)


def asked_by(terms: Terms) -> Sequence[Condition | Expression]:
    """All that the frame must be able to answer."""
    return [*terms.scopes.values(), *terms.maxima.values(), *terms.values.values()]


def _scope(configuration: Configuration, rule: PolicyRule) -> Condition:
    definitions = configuration.definitions
    parts = [definitions.segments[rule.segment]] if rule.segment else []
    if rule.where:
        found = parse(rule.where, definitions.vocabulary())
        if not isinstance(found, Condition):
            raise AntiphonError(f"{rule.title} passed the check, but: {found[0].message}")
        parts.append(found)
    return combine(parts)


def _number(configuration: Configuration, text: str) -> Expression:
    found = parse_number(text, configuration.definitions.vocabulary())
    if not isinstance(found, Expression):
        raise AntiphonError(f"an expression passed the check, but: {found[0].message}")
    return found
