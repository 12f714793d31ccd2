"""What is still to happen in a town, in the order of time."""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import numpy as np

from antiphon.sandbox.fates import BLOCK, BROWSER, HARD_BOUNCE, Happening
from antiphon.town.behaviour import Behaviour
from antiphon.town.chances import of_names
from antiphon.town.post import Letter
from antiphon.town.reactions import Reactions, react
from antiphon.town.shop import Order, Sold

SHOWN = "https://linden-apotheke.example/"  # where clicks lead


class Tell(Protocol):
    """Lets the provider tell something so many seconds after the letter left."""

    def __call__(self, seconds: float, name: str, **fields: object) -> None:
        """Note it."""
        ...


class Deed(StrEnum):
    """What sort of thing happens."""

    REPORT = "report"  # a provider tells something
    UNSUBSCRIBE = "unsubscribe"  # one click in the mail program
    ANSWER = "answer"  # of a survey, on its page
    ORDER = "order"
    CART = "cart"  # filled and left
    RETURN = "return"  # an order is given back


@dataclass(frozen=True, slots=True)
class Due:
    """One thing that happens at a moment."""

    at: datetime
    deed: Deed
    letter: Letter | None = None
    happening: Happening | None = None
    order: Order | None = None
    sold: Sold | None = None
    score: int = 0
    is_submitted: bool = False


@dataclass
class Happenings:
    """A queue by moment; what was put in first comes first where moments are equal."""

    _due: list[tuple[datetime, int, Due]] = field(default_factory=list)
    _order: "itertools.count[int]" = field(default_factory=itertools.count)

    def add(self, due: Due) -> None:
        """Let it happen at its moment."""
        heapq.heappush(self._due, (due.at, next(self._order), due))

    def until(self, now: datetime) -> list[Due]:
        """What has happened by now, taken out, oldest first."""
        found = []
        while self._due and self._due[0][0] <= now:
            found.append(heapq.heappop(self._due)[2])
        return found


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter with what the town knows of it."""

    letter: Letter
    customer: str
    campaign: str
    at: datetime
    effect: float
    lately: int
    code: str = ""
    asks: bool = False


def reactions_to(behaviour: Behaviour, seed: int, sent: Sequence[Sent]) -> Reactions:
    """What becomes of letters; the same for the same messages, whenever they are asked about."""
    return react(
        behaviour,
        of_names(seed, [one.letter.message_id for one in sent]),
        effect=np.array([one.effect for one in sent], np.float64),
        lately=np.array([one.lately for one in sent], np.float64),
        is_email=np.array([one.letter.is_email for one in sent], np.bool_),
        asks=np.array([one.asks for one in sent], np.bool_),
    )


def follow(sent: Sent, reactions: Reactions, place: int) -> list[Due]:
    """Everything that follows from one letter (entry `place` of the reactions)."""
    letter, at = sent.letter, sent.at
    found: list[Due] = []

    def tell(seconds: float, name: str, **fields: object) -> None:
        happening = Happening(name, round(seconds, 3), fields)
        moment = at + timedelta(seconds=seconds)
        found.append(Due(moment, Deed.REPORT, letter, happening))

    if not letter.is_email:
        _of_sms(reactions, place, tell)
    elif not reactions.arrives[place]:
        hard = bool(reactions.bounces[place])
        tell(
            20,
            "bounce",
            reason=HARD_BOUNCE if hard else BLOCK,
            status="5.1.1" if hard else "4.2.2",
            type="bounce" if hard else "blocked",
            bounce_classification="Invalid Address" if hard else "Mailbox Unavailable",
        )
    else:
        tell(1, "processed")
        tell(5, "delivered", response="250 OK", tls=1)
        if reactions.machine_opens[place]:
            tell(30, "open", useragent="Mozilla/5.0", ip="127.0.0.1", sg_machine_open=True)
        if (seconds := reactions.opens[place]) == seconds:  # not NaN
            tell(seconds, "open", useragent=BROWSER, ip="127.0.0.1", sg_machine_open=False)
        if (seconds := reactions.clicks[place]) == seconds:
            tell(seconds, "click", useragent=BROWSER, ip="127.0.0.1", url=SHOWN)
        if (seconds := reactions.complains[place]) == seconds:
            tell(seconds, "spamreport")
        if (seconds := reactions.opts_out[place]) == seconds:
            found.append(Due(at + timedelta(seconds=seconds), Deed.UNSUBSCRIBE, letter))
    if (seconds := reactions.answers[place]) == seconds:
        moment, score = at + timedelta(seconds=float(seconds)), int(reactions.scores[place])
        submits = bool(reactions.submits[place])
        found.append(Due(moment, Deed.ANSWER, letter, score=score, is_submitted=submits))
    if (seconds := reactions.orders[place]) == seconds:
        moment = at + timedelta(seconds=float(seconds))
        code = sent.code if reactions.uses_code[place] else ""
        order = Order(sent.customer, moment, letter.message_id, code)
        found.append(Due(moment, Deed.ORDER, letter, order=order))
    return found


def _of_sms(reactions: Reactions, place: int, tell: Tell) -> None:
    tell(2, "sent")
    if not reactions.arrives[place]:
        tell(30, "undelivered", ErrorCode="30003")
        return
    tell(6, "delivered")
    if (seconds := reactions.opts_out[place]) == seconds:
        tell(seconds, "inbound", Body="STOP")
    elif reactions.replies[place]:
        tell(600, "inbound", Body="Danke!")
