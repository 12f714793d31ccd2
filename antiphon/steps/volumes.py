"""What a day's messages come to: whom the money does not reach, what a person should look at."""

# ruff: noqa: S608

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from antiphon.policy.settling.balance import mismatches
from antiphon.policy.settling.budgets import spends, unpaid
from antiphon.policy.settling.promises import beyond_offers, limits_offers
from antiphon.steps.composing import Composer
from antiphon.steps.deciding import Day, Decided
from antiphon.steps.issuing import issuing_of

LATE = pa.schema(
    dict.fromkeys(("campaign", "step", "customer_id", "rule", "counters"), pa.string())
)
"""Rows that were chosen and are held after all, by what rule, and what it saw (JSON)."""
_KEY = ["campaign", "step", "customer_id"]
_TODAY = (("used", "hour_at", "sum(messages)"), ("chosen", "planned_at", "count(*)"))


def unpaid_of(day: Day, composer: Composer, decided: Decided) -> pa.Table:
    """The rows of `chosen` that no budget reaches (LATE), by what its messages cost."""
    configuration = day.project.configuration
    if not spends(configuration.policy, day.campaigns):
        return LATE.empty_table()
    rows = _in_order(composer, decided)
    beyond = unpaid(
        rows,
        decided.used,
        day.touches,
        configuration.policy,
        day.moment,
        campaigns=configuration.campaigns.values(),
    )
    return _late(rows, beyond)


def unpromised_of(day: Day, composer: Composer, decided: Decided) -> pa.Table:
    """The rows of `chosen` that would bring a code beyond the budget of their offer (LATE)."""
    issuing = issuing_of(day.project, composer.templates, day.touches)
    limited = [one.campaign for one in limits_offers(day.campaigns)]
    if issuing is None or not limited:
        return LATE.empty_table()
    codes, at = day.project.ledger.codes, day.moment.as_of
    places = [*issuing.unique, *issuing.shared]
    bringing = pa.table(
        [pa.array([place[n] for place in places], pa.string()) for n in (0, 1)], _KEY[:2]
    )
    composer.session.register("bringing", bringing)
    rows = _in_order(composer, decided, "SEMI JOIN bringing USING (campaign, step)")
    issued, spent = codes.issued(limited, at), codes.spent_e4(limited, at)
    return _late(rows, beyond_offers(rows, day.campaigns, issued, spent))


def _in_order(composer: Composer, decided: Decided, which: str = "") -> pa.Table:
    """The rows of `chosen` in the order in which money is spent."""
    keys = decided.settled.select(_KEY)
    place = pa.array(np.arange(keys.num_rows))
    composer.session.register("spending", keys.append_column("place", place))
    return composer.session.arrow(
        "SELECT c.campaign::VARCHAR AS campaign, c.step::VARCHAR AS step, "
        "c.customer_id::VARCHAR AS customer_id, c.channel::VARCHAR AS channel, "
        "c.outcome::VARCHAR AS outcome, c.planned_at, c.cost_e4 "
        f"FROM chosen c JOIN spending USING (campaign, step, customer_id) {which} ORDER BY place"
    )


def _late(rows: pa.Table, beyond: pa.Table) -> pa.Table:
    late = rows.select(_KEY).take(beyond["row"]).append_column("rule", beyond["rule"])
    return late.append_column("counters", beyond["counters"]).cast(LATE)


def cautions(day: Day, composer: Composer, *, is_whole_day: bool) -> Iterator[str]:
    """What to warn of after `write_decisions`: groups out of proportion; of a whole day also the
    campaigns that wrote fewer messages than they should."""
    arms: dict[str, dict[str, int]] = defaultdict(dict)
    for campaign, arm, count in composer.session.rows(
        "SELECT campaign, arm, count(*) FROM chosen GROUP BY ALL"
    ):
        arms[campaign][arm] = count
    policy = day.project.configuration.policy
    yield from map(str, mismatches(arms, day.campaigns, policy))
    if is_whole_day:
        yield from _small(day, composer)


def _small(day: Day, composer: Composer) -> Iterator[str]:
    least = {one.campaign: one.limits.at_least_per_day for one in day.campaigns}
    if not any(least.values()):
        return
    begin, end = day.moment.day_bounds()
    counts = Counter[str]()
    for relation, at, what in _TODAY:
        rows = composer.session.rows(
            f"SELECT campaign, ({what})::BIGINT FROM {relation} "
            f"WHERE epoch_us({at}) >= {begin} AND epoch_us({at}) < {end} GROUP BY ALL"
        )
        counts.update(dict(rows))
    for name, fewest in least.items():
        if counts[name] < fewest:
            yield (
                f"campaign {name} wrote {counts[name]:,} messages today (control included), fewer "
                f"than its at_least_per_day of {fewest:,}: the table of the day tells what held "
                "the others."
            )
