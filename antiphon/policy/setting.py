"""What the rules of one bucket are judged on: its people, its kinds of contacts, the day."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa

from antiphon.campaigns.rules import Policy, PolicyRule
from antiphon.policy.columns import Bools, flags
from antiphon.policy.kinds import Kinds
from antiphon.policy.moment import Moment

Rule = TypeVar("Rule", bound=PolicyRule)


@dataclass(frozen=True)
class Setting:
    """One bucket of the day. Columns of `people` are read when a rule asks for them."""

    people: pa.Table
    kinds: Kinds
    policy: Policy
    moment: Moment

    @property
    def customers(self) -> int:
        """How many there are."""
        return int(self.people.num_rows)

    def bound(self, rule: PolicyRule) -> Bools | None:
        """Whom a personal rule concerns, by row of people; None: everybody."""
        return flags(self.people, f"in:{rule.name}", null=False) if rule.is_personal else None

    def in_force(self, rules: Sequence[Rule]) -> list[Rule]:
        """Those of the rules that hold on the business day."""
        return [rule for rule in rules if rule.holds_on(self.moment.business_day)]
