"""Declared response rates, measured under the arbiter's own rules and without them."""

from collections import defaultdict
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from policy_world import MOMENT, NOW, Moment, Person, World, campaign, decide, policy
from scipy.stats import binom

from antiphon.response.rates import Rate
from antiphon.town.behaviour import Behaviour, Delivery, Fatigue, Leaving
from antiphon.town.chances import of_generator
from antiphon.town.reactions import kept, react

DAYS = 30
PEOPLE = 40
FREE, WITHIN = 3, timedelta(days=7)
TRUTH = Behaviour(
    fatigue=Fatigue(free=FREE, within=WITHIN, loses=0.3),
    leaving=Leaving(opt_out=0, complaint=0),
    delivery=Delivery(bounce=0, soft_bounce=0),
)
LETTERS = tuple(campaign(f"letter{n}", repeat_after=timedelta(days=1)) for n in range(2))
RESTED = {"name": "rested", "max": FREE, "per": WITHIN}


@pytest.fixture(scope="module")
def schedules() -> dict[str, list[int]]:
    """How many messages each message's reader got in the week before, by policy."""
    return {
        "rested": lately(decided_days(caps=[RESTED], winners_per_day=2)),
        "tired": lately(decided_days(winners_per_day=2)),
    }


def decided_days(**rules: Any) -> list[tuple[str, Any]]:
    """Who is written to when, in a month decided by the arbiter day by day."""
    persons = tuple(Person(f"p{n}", wanted=frozenset({0, 1})) for n in range(PEOPLE))
    contacts: list[dict[str, Any]] = []
    for day in range(DAYS):
        now = NOW + timedelta(days=day)
        moment = Moment(now, now.date(), MOMENT.zone)
        world = World(persons, LETTERS, policy(**rules), tuple(contacts), moment)
        for row in decide(world).values():
            if row["outcome"] == "send":
                kept_names = ("customer_id", "campaign", "step", "cell", "unit", "anchor")
                contacts.append(
                    {name: row[name] for name in kept_names}
                    | {"occurrence_key": row["occurrence_key"], "attempt": 1, "arm": "default"}
                    | {"message_id": row["occurrence_key"], "channel": "email"}
                    | {"category": "promo", "state": "delivered", "run_id": "r"}
                    | {"contact_at": row["planned_at"]}
                )
    return [(one["customer_id"], one["contact_at"]) for one in contacts]


def lately(contacts: list[tuple[str, Any]]) -> list[int]:
    """For each message, how many the same person got within the fatigue's time before."""
    times = defaultdict(list)
    for customer, at in sorted(contacts, key=lambda one: (one[1], one[0])):
        times[customer].append(at)
    return [
        sum(at - WITHIN < other < at for other in mine[:place])
        for mine in times.values()
        for place, at in enumerate(mine)
    ]


def measured(before: list[int], seed: int) -> tuple[Rate, Rate]:
    """Opened of sent, clicked of opened."""
    count = len(before)
    found = react(
        TRUTH,
        of_generator(np.random.default_rng(seed), count),
        effect=np.zeros(count),
        lately=np.array(before, np.float64),
        is_email=np.ones(count, np.bool_),
    )
    opened, clicked = (int(np.isfinite(each).sum()) for each in (found.opens, found.clicks))
    return Rate(opened, count), Rate(clicked, opened)


def covering(before: list[int], seeds: int) -> tuple[int, int]:
    """In how many seeds the Wilson intervals hold the declared rates of opening and clicking."""
    hits = [0, 0]
    for seed in range(seeds):
        truths = (TRUTH.reading.open, TRUTH.reading.click)
        for place, (rate, truth) in enumerate(zip(measured(before, seed), truths, strict=True)):
            low, high = rate.interval() or (0, 0)
            hits[place] += low <= truth <= high
    return hits[0], hits[1]


def test_under_a_policy_that_tires_nobody_the_declared_response_rates_are_measured(
    schedules: dict[str, list[int]],
) -> None:
    rested = schedules["rested"]
    assert max(rested) + 1 == FREE  # the cap binds, and holds
    few, many = binom.ppf(0.0005, 400, 0.95), binom.ppf(0.9995, 400, 0.95)
    for hits in covering(rested, 400):
        assert few <= hits <= many


def test_where_people_are_tired_the_declared_rates_are_not_found_any_more(
    schedules: dict[str, list[int]],
) -> None:
    """The town tells policies apart: without the cap the same letters are opened much less."""
    tired = schedules["tired"]
    assert len(tired) > 2 * len(schedules["rested"])
    opened, clicked = covering(tired, 100)
    assert opened == 0
    assert clicked > 80  # who opens at all clicks as before
    share = measured(tired, 1)[0].rate or 0
    mean = float(kept(TRUTH.fatigue, np.array(tired, np.float64)).mean())
    assert share == pytest.approx(TRUTH.reading.open * mean, abs=0.03)
