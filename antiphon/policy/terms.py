"""What the policy and the campaigns ask of a customer besides audiences: SQL over `frame`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from antiphon.audience.conditions import Condition, Expression


@dataclass(frozen=True)
class Terms:
    """Checked conditions and expressions of one configuration.

    `scopes`: rule → for whom it holds (its segment and condition together), only of rules that
    are personal; `maxima`: cap → its maximum, where that is an expression; `values`: campaign →
    its `value`, where it has one. Rules by their names, which are unique in a policy.
    """

    scopes: Mapping[str, Condition] = field(default_factory=dict)
    maxima: Mapping[str, Expression] = field(default_factory=dict)
    values: Mapping[str, Expression] = field(default_factory=dict)
