"""What people do with messages, by the declared truth: chances in, what happens out. Pure.

The days of a town and the trials of many seeds (trial.py) ask the same functions.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from antiphon.town.behaviour import Behaviour, Fatigue
from antiphon.town.chances import Bools, Chances, Floats

Ints = npt.NDArray[np.int64]
DAY = 86_400.0  # seconds
HOUR = 3_600.0


@dataclass(frozen=True, slots=True)
class Reactions:
    """One entry a message. Moments are seconds after the message arrived, NaN: it never happens.

    `complains`, `opts_out`: NaN for most; `orders`: of the order that only this message causes.
    """

    arrives: Bools
    bounces: Bools  # for good
    machine_opens: Bools
    opens: Floats
    clicks: Floats
    replies: Bools
    opts_out: Floats
    complains: Floats
    orders: Floats
    uses_code: Bools
    answers: Floats  # of a survey, where the message asks
    scores: Ints  # 0–10, of who answers
    submits: Bools  # the page's button too; else the tap in the message alone


def kept(fatigue: Fatigue, lately: Floats) -> Floats:
    """What is left of somebody's interest, 0–1, after so many messages lately (this one not)."""
    beyond = np.maximum(lately + 1 - fatigue.free, 0)
    left: Floats = (1 - fatigue.loses) ** beyond
    return left


def react(
    behaviour: Behaviour,
    chance: Chances,
    *,
    effect: Floats,
    lately: Floats,
    is_email: Bools,
    asks: Bools | None = None,
) -> Reactions:
    """What becomes of messages. `effect`: the share who order because of it, for each message;
    `lately`: how many messages the person got within the fatigue's time before; `asks`: which have
    a survey (absent: none)."""
    delivery, reading, leaving = behaviour.delivery, behaviour.reading, behaviour.leaving
    interest = kept(behaviour.fatigue, lately)
    fate = chance("fate")
    bounces = is_email & (fate < delivery.bounce)
    soft = is_email & ~bounces & (fate < delivery.bounce + delivery.soft_bounce)
    lost = ~is_email & (fate < delivery.undelivered)
    arrives = ~(bounces | soft | lost)
    opens = arrives & is_email & (chance("open") < reading.open * interest)
    clicks = opens & (chance("click") < reading.click)
    leaves = np.minimum(leaving.opt_out * (2 - interest) ** 2, 1.0)
    asked = np.zeros_like(arrives) if asks is None else asks
    answers = arrives & asked & (chance("answer") < behaviour.surveys.share * interest)
    orders = arrives & (chance("order") < effect * interest)
    opened = _exponential(chance("open when"), 5 * HOUR, 3 * DAY)
    ordered = _exponential(
        chance("order when"),
        behaviour.shopping.soon.total_seconds(),
        behaviour.shopping.latest.total_seconds(),
    )
    return Reactions(
        arrives=arrives,
        bounces=bounces,
        machine_opens=arrives & is_email & (chance("machine") < reading.machine_open),
        opens=_when(opens, opened),
        clicks=_when(clicks, opened + 20 + 600 * chance("click when")),
        replies=arrives & ~is_email & (chance("reply") < reading.reply),
        opts_out=_when(arrives & (chance("leave") < leaves), opened + 60),
        complains=_when(arrives & is_email & (chance("complain") < leaving.complaint), opened + 30),
        orders=_when(orders, ordered),
        uses_code=chance("code") < behaviour.shopping.code,
        answers=_when(answers, opened + 40),
        scores=np.searchsorted(_scores(behaviour.surveys.satisfied), chance("score")),
        submits=chance("submit") < 0.5,
    )


def arrival_share(behaviour: Behaviour, is_email: bool = True) -> float:
    """Of all messages, those that arrive."""
    delivery = behaviour.delivery
    return 1 - (delivery.bounce + delivery.soft_bounce if is_email else delivery.undelivered)


def caused_within(behaviour: Behaviour, seconds: float) -> float:
    """Of the orders that a message causes, the share that come within so many seconds of it."""
    soon = behaviour.shopping.soon.total_seconds()
    latest = behaviour.shopping.latest.total_seconds()
    return float(-np.expm1(-min(seconds, latest) / soon) / -np.expm1(-latest / soon))


def true_score(behaviour: Behaviour) -> float:
    """The Net Promoter Score of those who answer: share of 9–10 less share of 0–6."""
    below = _scores(behaviour.surveys.satisfied)
    return float((1 - below[8]) - below[6])


def _scores(satisfied: float) -> Floats:
    """The probabilities of a score of at most 0, 1, … 10: of ten chances to satisfy somebody."""
    each = [comb(10, k) * satisfied**k * (1 - satisfied) ** (10 - k) for k in range(11)]
    below: Floats = np.minimum(np.cumsum(each), 1.0)
    return below


def _exponential(chance: Floats, mean: float, latest: float) -> Floats:
    """Exponential waits of a mean, cut at the latest (those beyond are drawn anew below it)."""
    waits: Floats = -mean * np.log1p(chance * np.expm1(-latest / mean))
    return waits


def _when(happens: Bools, moment: Floats) -> Floats:
    return np.where(happens, moment, np.nan)
