"""What is measured against what is true: `python -m bench.town [SEEDS] [TOWNS] [DAYS]`.

SEEDS trials (absent: 4,000) of one campaign by the statistics alone, then TOWNS whole towns (3) of
DAYS days (12), each with runs, dispatch, webhooks and reports as in life.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from antiphon.files import ProjectFiles, read_files
from antiphon.response.rates import Rate
from antiphon.response.verdicts import Finding
from antiphon.town.behaviour import Behaviour
from antiphon.town.days import inhabited
from antiphon.town.founding import found
from antiphon.town.trial import Design, tried
from antiphon.town.truth import Response, Worth, responses, worths
from bench.company import CHECKOUT

BEHAVIOUR = """
version: 1
customers: 1000
shopping: {rate: 3, soon: 12 hours}
effects: {letter-of-the-town: {regular: 8%, occasional: 8%, gone: 8%}, idle-letter: {}}
"""
LETTER = """
campaign: {name}
title: {name}
category: promo
priority: {priority}
runs: {{from: 2026-01-01}}
audience: {{where: "true"}}
repeat_after: {repeat}
channels: [email]
message: letter
tags: [letter]
control: 30%
goal: {{event: order, within: 3 days}}
"""


def trials(seeds: int) -> dict[str, Rate]:
    """How often intervals hold the truth, and how often nothing is called an effect."""
    held = money = alarms = early = 0
    for seed in range(seeds):
        trial = tried(Behaviour(), Design(), seed)
        lift, paid = trial.at_the_end(), trial.money_at_the_end()
        held += lift.low <= trial.true_lift <= lift.high
        money += paid.low <= trial.true_money <= paid.high
        looks = [
            one.finding is Finding.EFFECT
            for one in tried(Behaviour(), Design(effect=0.0), seed).looks()
        ]
        alarms += any(looks)
        early += any(looks[:-1])
    return {
        "intervals of conversions that hold the truth (95 %)": Rate(held, seeds),
        "intervals of money that hold the truth (95 %)": Rate(money, seeds),
        "no effect, called one, looked at daily (5 % at most)": Rate(alarms, seeds),
        "… of these before the end": Rate(early, seeds),
    }


def towns(count: int, days: int, tell: Callable[[str], None]) -> dict[str, Rate]:
    """The same of whole days."""
    rates: list[Response] = []
    lifts: list[Worth] = []
    for seed in range(1, count + 1):
        with tempfile.TemporaryDirectory(prefix="town-") as folder:
            root, declared = Path(folder) / "town", Path(folder) / "behaviour.yaml"
            declared.write_text(BEHAVIOUR, encoding="utf-8")
            truth = found(root, _files(), behaviour=declared, seed=seed)
            started = time.perf_counter()
            with inhabited(root, truth, seed) as town:
                list(town.live(days))
                town.close()
                rates += responses(town)
                lifts += worths(town)
            tell(f"town {seed}: {days} days in {time.perf_counter() - started:.0f} s")
    told = [one for one in rates if one.measured.whole]
    compared = [one for one in lifts if one.holds is not None]
    return {
        "intervals of rates that hold the truth (95 %)": Rate(
            sum(one.holds for one in told), len(told)
        ),
        "intervals of lifts that hold the truth (95 %)": Rate(
            sum(one.holds is True for one in compared), len(compared)
        ),
    }


def _files() -> ProjectFiles:
    """The shipped project with two letters in place of its campaigns."""
    texts = {
        name: text
        for name, text in read_files(CHECKOUT).texts.items()
        if not name.startswith("config/campaigns/") or name.endswith("winback-lost-loyal.yaml")
    }
    for name, priority, repeat in (
        ("letter-of-the-town", "50", "4 days"),
        ("idle-letter", "40", "5 days"),
    ):
        letter = LETTER.format(name=name, priority=priority, repeat=repeat)
        texts[f"config/campaigns/{name}.yaml"] = letter
    return ProjectFiles(texts)


def main() -> None:
    """Print both tables."""
    given = [int(argument) for argument in sys.argv[1:]]
    seeds, count, days = (*given, *(4_000, 3, 12)[len(given) :])[:3]
    started = time.perf_counter()
    for name, rate in trials(seeds).items():
        print(f"  {name:56} {rate}")
    print(f"  {seeds:,} trials and as many without effect: {time.perf_counter() - started:.0f} s")
    for name, rate in towns(count, days, print).items():
        print(f"  {name:56} {rate}")


if __name__ == "__main__":
    main()
