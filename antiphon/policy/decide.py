"""Who is written to: every candidate gets one decision, with the first rule that bound it.

`judge` works on one bucket of customers and knows nothing of the others; `settle` takes the
survivors of all buckets and applies what crosses customers: campaign limits, then control.
Neither depends on the order of rows or on how customers are bucketed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from antiphon.campaigns.models import Campaign, Policy
from antiphon.policy.chance import Numbers, keyed_numbers
from antiphon.policy.moment import Moment


@dataclass(frozen=True)
class Judged:
    """One bucket's outcome: survivors go to `settle`, held rows are final.

    `used_today`: campaign → messages and control rows of earlier runs on this day.
    """

    survivors: pa.Table
    held: pa.Table
    used_today: Mapping[str, int]


def judge(
    people: pa.Table,
    history: pa.Table,
    campaigns: Sequence[Campaign],
    policy: Policy,
    moment: Moment,
    salt: str,
    *,
    numbers: Numbers = keyed_numbers,
) -> Judged:
    """Decide one bucket. `campaigns` in the order of the bits of mask_0, mask_1, …"""
    raise NotImplementedError


def settle(
    survivors: Sequence[pa.Table],
    used_today: Mapping[str, int],
    campaigns: Sequence[Campaign],
    salt: str,
    *,
    numbers: Numbers = keyed_numbers,
) -> pa.Table:
    """The survivors of all buckets with their outcome: send, control, or held by the limit."""
    raise NotImplementedError
